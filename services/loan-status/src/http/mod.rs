//! The routes, all on this screen.

mod get_loan;
mod list_loan_status;
mod shapes;
pub mod stream_loan_status;
#[cfg(test)]
mod testing;

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

use crate::config::StreamSettings;
use crate::domain::viewer::Viewer;
use crate::error::Error;
use stream_loan_status::hub::Hub;

/// What the endpoints need.
#[derive(Clone)]
pub struct Api {
    db: Db,
    clock: Clock,
    hub: Arc<Hub>,
    heartbeat: Duration,
    /// So many streams may read what they missed at the same time.
    catch_ups: Arc<Semaphore>,
    /// Cancelled when this instance is to end.
    shutdown: CancellationToken,
}

impl Api {
    /// Everything that the endpoints need.
    #[must_use]
    pub fn new(
        db: Db,
        clock: Clock,
        hub: Arc<Hub>,
        stream: &StreamSettings,
        shutdown: CancellationToken,
    ) -> Self {
        let catch_ups = Arc::new(Semaphore::new(stream.stream_catch_ups_max as usize));
        Self { db, clock, hub, heartbeat: stream.heartbeat(), catch_ups, shutdown }
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
