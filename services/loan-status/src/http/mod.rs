//! The routes, all on this screen.

mod get_loan;
mod list_loan_status;
mod shapes;
pub mod stream_loan_status;
#[cfg(test)]
mod testing;
pub mod until_shown;

use std::sync::Arc;
use std::time::Duration;

use ::events::codes::{ROLE_CUSTOMER, ROLE_OFFICER};
use common::clock::Clock;
use common::db::Db;
use common::token::Principal;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::{StreamSettings, VersionSettings};
use crate::domain::viewer::Viewer;
use crate::error::Error;
use stream_loan_status::hub::Hub;
use until_shown::waiting_room::WaitingRoom;

/// What the endpoints need.
#[derive(Clone)]
pub struct Api {
    db: Db,
    clock: Clock,
    hub: Arc<Hub>,
    heartbeat: Duration,
    /// So many streams may read what they missed at the same time.
    catch_ups: Arc<Semaphore>,
    waits: Waits,
    /// Cancelled when this instance is to end.
    shutdown: CancellationToken,
}

/// Reads that wait for what their client has written.
#[derive(Clone)]
struct Waits {
    room: Arc<WaitingRoom>,
    /// How long, where the client does not say.
    wait: Duration,
    /// How long at most.
    wait_max: Duration,
}

impl Api {
    /// Everything that the endpoints need.
    #[must_use]
    pub fn new(
        db: Db,
        clock: Clock,
        hub: Arc<Hub>,
        stream: &StreamSettings,
        room: Arc<WaitingRoom>,
        versions: &VersionSettings,
        shutdown: CancellationToken,
    ) -> Self {
        let catch_ups = Arc::new(Semaphore::new(stream.stream_catch_ups_max as usize));
        let waits = Waits { room, wait: versions.wait(), wait_max: versions.wait_max() };
        Self { db, clock, hub, heartbeat: stream.heartbeat(), catch_ups, waits, shutdown }
    }
}

/// The routes and their description.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(list_loan_status::list_loan_status))
        .routes(routes!(get_loan::get_loan))
        .routes(routes!(stream_loan_status::stream_loan_status))
}

/// The routes with all that they need.
pub fn router(api: Api) -> OpenApiRouter {
    routes().with_state(api)
}

#[derive(OpenApi)]
#[openapi(
    info(title = "loan-status", description = "What became of every request and loan: list, loan, live stream."),
    modifiers(&Bearer)
)]
struct Description;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// Who looks: an officer, or the customer whose token it is.
fn viewer_of(principal: &Principal) -> Result<Viewer, Error> {
    if principal.has_role(ROLE_OFFICER) {
        Ok(Viewer::Officer)
    } else if principal.has_role(ROLE_CUSTOMER) {
        Ok(Viewer::Customer(principal.subject.into()))
    } else {
        Err(Error::NoRole)
    }
}
