//! `DELETE /loanMessengers/delivery/webhook`.

use axum::extract::State;
use axum::http::StatusCode;
use common::problem::Problem;
use common::token::Principal;
use sqlx::PgConnection;

use super::failure_shapes::AnyFailures;
use super::{Api, customer_of};
use crate::error::Error;
use crate::usecases::remove_webhook::remove_webhook as remove;

/// Remove my web-hook
///
/// What waits for it waits for another, or for another choice of channel.
#[utoipa::path(
    delete,
    path = "/loanMessengers/delivery/webhook",
    operation_id = "remove_webhook",
    tag = "loanMessengers",
    security(("bearer" = [])),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There was none", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/not-found", "title": "Not Found", "status": 404, "code": "not-found",
                "detail": "There is nothing here.", "instance": "/loanMessengers/delivery/webhook"
            })),
        AnyFailures,
    )
)]
pub(super) async fn remove_webhook(
    State(api): State<Api>,
    principal: Principal,
) -> Result<StatusCode, Error> {
    let customer_id = customer_of(&principal)?;
    let work = async |tx: &mut PgConnection| remove(tx, &api.clock, customer_id).await;
    if api.db.in_tx("remove_webhook", work).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Error::NotFound)
    }
}
