//! The routes, all on this screen.

mod change_delivery;
mod confirm_address;
mod delivery_shapes;
mod failure_shapes;
mod get_delivery;
mod get_loan_messenger;
mod list_loan_messengers;
mod remove_webhook;
mod request_verification;
mod rotate_webhook_secret;
mod set_webhook;
mod shapes;
#[cfg(test)]
mod testing;

use ::events::CustomerId;
use ::events::codes::{ROLE_CUSTOMER, ROLE_OFFICER};
use common::clock::Clock;
use common::db::Db;
use common::token::Principal;
use sqlx::PgConnection;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::viewer::Viewer;
use crate::error::Error;
use crate::store;
use crate::usecases::Rules;

/// What the endpoints need.
#[derive(Clone)]
pub struct Api {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// The figures and choices of sending.
    pub rules: Rules,
}

/// The routes and their description.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(list_loan_messengers::list_loan_messengers))
        .routes(routes!(get_delivery::get_delivery, change_delivery::change_delivery))
        .routes(routes!(set_webhook::set_webhook, remove_webhook::remove_webhook))
        .routes(routes!(rotate_webhook_secret::rotate_webhook_secret))
        .routes(routes!(request_verification::request_verification))
        .routes(routes!(confirm_address::confirm_address))
        .routes(routes!(get_loan_messenger::get_loan_messenger))
}

/// The routes with all that they need.
pub fn router(api: Api) -> OpenApiRouter {
    routes().with_state(api)
}

#[derive(OpenApi)]
#[openapi(
    info(title = "loan-messenger", description = "A message to the customer for every change of a request or loan, and how it reaches them."),
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

/// Whose settings these are: only customers are written to.
fn customer_of(principal: &Principal) -> Result<CustomerId, Error> {
    if principal.has_role(ROLE_CUSTOMER) {
        Ok(principal.subject.into())
    } else {
        Err(Error::NotACustomer)
    }
}

/// Nothing is kept for a customer who was removed, and whose token is still good: it
/// would stay for ever.
async fn only_present(tx: &mut PgConnection, customer_id: CustomerId) -> Result<(), Error> {
    if store::recipient::is_removed(tx, customer_id).await? {
        return Err(Error::NotFound);
    }
    Ok(())
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
