//! `POST /loanMessengers/delivery/webhook/secret`: another secret.

use axum::extract::State;
use axum::http::StatusCode;
use common::http::Json;
use common::problem::Problem;
use common::token::Principal;
use sqlx::PgConnection;

use super::delivery_shapes::HookSecret;
use super::failure_shapes::AnyFailures;
use super::{Api, customer_of, only_present};
use crate::error::Error;
use crate::usecases::rotate_webhook_secret::rotate_webhook_secret as rotate;

/// Give my web-hook another secret
///
/// For 24 hours requests are signed with both, so that a receiver can change over at leisure. A second change within that time ends the oldest at once.
#[utoipa::path(
    post,
    path = "/loanMessengers/delivery/webhook/secret",
    operation_id = "rotate_webhook_secret",
    tag = "loanMessengers",
    security(("bearer" = [])),
    responses(
        (status = 201, description = "The new secret", body = HookSecret, example = json!({
            "secret": "whsec_bWFkZSBvZiByYW5kb21uZXNzLCBuZXZlciBvZiB0aGlz"
        })),
        (status = 404, description = "There is no web-hook", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/not-found", "title": "Not Found", "status": 404, "code": "not-found",
                "detail": "There is nothing here.", "instance": "/loanMessengers/delivery/webhook/secret"
            })),
        AnyFailures,
    )
)]
pub(super) async fn rotate_webhook_secret(
    State(api): State<Api>,
    principal: Principal,
) -> Result<(StatusCode, Json<HookSecret>), Error> {
    let customer_id = customer_of(&principal)?;
    let work = async |tx: &mut PgConnection| -> Result<_, Error> {
        only_present(tx, customer_id).await?;
        Ok(rotate(tx, &api.clock, customer_id).await?)
    };
    let secret = api.db.in_tx("rotate_webhook_secret", work).await?.ok_or(Error::NotFound)?;
    Ok((StatusCode::CREATED, Json(HookSecret { secret })))
}
