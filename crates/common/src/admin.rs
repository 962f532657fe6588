//! The admin port: is it alive, is it ready, and its figures; and below `/admin`,
//! for whoever has a credential, what operators look at and mend. No gateway
//! leads here.

mod credentials;
mod guarded;
pub(crate) mod log_level;
pub(crate) mod plumbing;
mod scope;
mod selection;

pub use credentials::{
    CREDENTIAL_CHARS_MIN, Credential, Credentials, Operator, check_setting, hashed_credential,
    parse_credential,
};
pub use guarded::AdminApi;
pub use log_level::log_level;
pub use scope::AdminRoutes;
pub use selection::{
    ADMIN_IDS_MAX, ADMIN_PAGE_SIZE, ADMIN_PAGE_SIZE_MAX, AdminPage, Ids, Republished, Selection,
    SelectionQuery,
};

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions as _, PgPool};
use tokio::sync::Mutex;

use crate::http::{PerClient, ServerLimits};

/// The database answers a readiness probe within this time or counts as away.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Connections to the admin port at once.
const CONNECTIONS_MAX: usize = 256;

/// Of one address: nobody keeps the prober out.
const CONNECTIONS_PER_CLIENT_MAX: usize = 64;

/// What the admin port's server takes.
#[must_use]
pub fn server_limits() -> ServerLimits {
    let per_client = PerClient { connections_max: CONNECTIONS_PER_CLIENT_MAX, proxies: Vec::new() };
    ServerLimits { connections_max: CONNECTIONS_MAX, per_client: Some(per_client) }
}

/// Whether the service can be sent requests: it has started, its database
/// answers, and it is not about to end. Kafka is not asked: requests are answered
/// without it. A spare instance without partitions is ready too.
#[derive(Clone, Default)]
pub struct Readiness {
    started: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
    pool: Arc<OnceLock<PgPool>>,
    /// The probe's own connection: that all of the pool's are busy is no reason to be
    /// sent nothing any more.
    own: Arc<Mutex<Option<PgConnection>>>,
}

impl Readiness {
    /// Not started yet, and without a database.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on the database is part of the answer.
    pub fn set_pool(&self, pool: PgPool) {
        // The first is the only one.
        let _ = self.pool.set(pool);
    }

    /// The start is over.
    pub fn set_started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// The end has begun.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    async fn reason_not_ready(&self) -> Option<&'static str> {
        if self.draining.load(Ordering::Acquire) {
            return Some("draining");
        }
        if !self.started.load(Ordering::Acquire) {
            return Some("starting");
        }
        let pool = self.pool.get()?;
        match tokio::time::timeout(PROBE_TIMEOUT, self.ask(pool)).await {
            Ok(Ok(())) => None,
            Ok(Err(_)) | Err(_) => Some("database"),
        }
    }

    /// Asks the database anything. A connection that did not answer is not used again.
    async fn ask(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut own = self.own.lock().await;
        let mut connection = match own.take() {
            Some(connection) => connection,
            None => pool.connect_options().connect().await?,
        };
        sqlx::query("SELECT 1").execute(&mut connection).await?;
        *own = Some(connection);
        Ok(())
    }
}

/// `/livez`, `/readyz`, `/metrics`.
pub fn router(readiness: Readiness, metrics: PrometheusHandle) -> Router {
    let ready =
        get(async |State(readiness): State<Readiness>| match readiness.reason_not_ready().await {
            None => (StatusCode::OK, Json(serde_json::json!({ "status": "UP" }))),
            Some(reason) => (
                StatusCode::SERVICE_UNAVAILABLE,
                Json(serde_json::json!({ "status": "DOWN", "reason": reason })),
            ),
        });
    let figures = get(async move || {
        let text = metrics.render();
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
    });
    Router::new()
        // Whoever answers this is alive. No dependency is asked: a restart would
        // not bring it back.
        .route("/livez", get(async || Json(serde_json::json!({ "status": "UP" }))))
        .route("/readyz", ready)
        .route("/metrics", figures)
        .with_state(readiness)
}

/// Where clients of the old system ask the service port whether it is up.
pub const HEALTH_PATH: &str = "/actuator/health";

/// [`HEALTH_PATH`].
pub fn health_router() -> Router {
    Router::new().route(HEALTH_PATH, get(async || Json(serde_json::json!({ "status": "UP" }))))
}

#[cfg(test)]
mod tests;
