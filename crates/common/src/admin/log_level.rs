//! What the process logs, looked at and changed while it runs.

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::AdminRoutes;
use crate::http::Json;
use crate::logs;
use crate::problem::Problem;

/// The route, without `/admin` before it.
pub(crate) fn router() -> Router {
    Router::new().route("/log-level", get(get_log_level).post(set_log_level))
}

/// All that a process without a database has in its admin API.
#[must_use]
pub fn log_level() -> AdminRoutes {
    router().into()
}

/// As `LOG_LEVEL` is written.
#[derive(Debug, Deserialize, Serialize)]
struct LogLevel {
    level: String,
}

async fn get_log_level() -> Json<LogLevel> {
    Json(LogLevel { level: logs::level() })
}

/// Of this one process, and until it ends.
async fn set_log_level(Json(wanted): Json<LogLevel>) -> Result<Json<LogLevel>, Problem> {
    logs::set_level(&wanted.level).map_err(|error| {
        let told = format!(
            "The level is not one ({error}). It is written like LOG_LEVEL: info, or info,sqlx=debug."
        );
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "log-level-unreadable", told)
    })?;
    Ok(get_log_level().await)
}
