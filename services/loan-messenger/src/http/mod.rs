//! The routes, all on this screen.

mod get_loan_messenger;
mod list_loan_messengers;
mod shapes;
#[cfg(test)]
mod testing;

use ::events::codes::{ROLE_CUSTOMER, ROLE_OFFICER};
use common::db::Db;
use common::token::Principal;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::viewer::Viewer;
use crate::error::Error;

/// What the endpoints need.
#[derive(Clone)]
pub struct Api {
    /// The database.
    pub db: Db,
}

/// The routes and their description.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(list_loan_messengers::list_loan_messengers))
        .routes(routes!(get_loan_messenger::get_loan_messenger))
}

/// The routes with all that they need.
pub fn router(api: Api) -> OpenApiRouter {
    routes().with_state(api)
}

#[derive(OpenApi)]
#[openapi(
    info(title = "loan-messenger", description = "A message to the customer for every change of a request or loan."),
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

/// Who reads: an officer, or the customer whose token it is.
fn viewer_of(principal: &Principal) -> Result<Viewer, Error> {
    if principal.has_role(ROLE_OFFICER) {
        Ok(Viewer::Officer)
    } else if principal.has_role(ROLE_CUSTOMER) {
        Ok(Viewer::Customer(principal.subject.into()))
    } else {
        Err(Error::NoRole)
    }
}
