//! The routes.

mod get_loan_request;
mod list_loan_requests;
mod loan_request_shapes;
mod submit_loan_request;

#[cfg(test)]
pub(crate) mod testing;

use ::events::CustomerId;
use ::events::codes::{ROLE_CUSTOMER, ROLE_OFFICER};
use common::token::Principal;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::viewer::Viewer;
use crate::error::Error;
use crate::usecases::Desk;

/// Where requests are, below our own address.
const COLLECTION: &str = "/loanRequests";

/// Every route, and its description.
#[must_use]
pub fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new()
        .routes(routes!(
            list_loan_requests::list_loan_requests,
            submit_loan_request::submit_loan_request
        ))
        .routes(routes!(get_loan_request::get_loan_request))
}

/// Every route, ready to be served.
#[must_use]
pub fn router(desk: Desk) -> OpenApiRouter {
    routes().with_state(desk)
}

/// Who looks. A token that names neither role opens nothing here.
fn viewer(principal: &Principal) -> Result<Viewer<'_>, Error> {
    if principal.has_role(ROLE_OFFICER) {
        Ok(Viewer::Officer)
    } else if principal.has_role(ROLE_CUSTOMER) {
        Ok(Viewer::Customer {
            id: CustomerId::from(principal.subject),
            user_id: principal.username.as_deref(),
        })
    } else {
        Err(Error::NoRole)
    }
}
