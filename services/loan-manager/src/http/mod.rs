//! The routes, all of them. Only officers come in: a token without that role is
//! answered 403 before anything is looked up.

mod get_loan_manager;
mod list_loan_managers;
mod officer;
mod set_loan_status;
mod shapes;
#[cfg(test)]
pub(crate) mod testing;

use common::clock::Clock;
use common::db::Db;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the handlers work with.
#[derive(Clone)]
pub struct AppState {
    /// The service's database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

/// The routes with what they work with.
pub fn router(state: AppState) -> OpenApiRouter {
    routes().with_state(state)
}

/// The routes and their description.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(list_loan_managers::list_loan_managers))
        .routes(routes!(get_loan_manager::get_loan_manager, set_loan_status::set_loan_status))
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "loan-manager",
        description = "The loan officers' queue: applications and repayment requests, from receipt to repayment."
    ),
    tags((name = "loanManagers", description = "The loan officers' queue")),
    modifiers(&Bearer)
)]
struct Description;

/// The token that every address wants.
struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}
