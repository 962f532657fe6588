//! `POST /loanMessengers/delivery/webhook`: a customer names their own system.

use axum::extract::State;
use axum::http::StatusCode;
use common::http::Json;
use common::problem::Problem;
use common::token::Principal;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::delivery_shapes::HookSecret;
use super::failure_shapes::{AnyFailures, BodyFailures, ChannelFailures};
use super::{Api, customer_of};
use crate::domain::address::check_webhook;
use crate::error::Error;
use crate::usecases::set_webhook::set_webhook as set;

/// A web-hook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewHook {
    /// Where messages are posted: https, a host on the internet, at most 2,048 characters.
    #[schema(max_length = 2048, example = "https://example.com/hooks/loans")]
    url: String,
}

/// Set my web-hook
///
/// Messages are posted there as `loan.message`, signed as Standard Webhooks (1.0.0) are, once the address is verified (`POST /loanMessengers/delivery/verifications`) and chosen (`PATCH /loanMessengers/delivery`). The secret is shown in this answer and never again. A web-hook that was there before is gone.
#[utoipa::path(
    post,
    path = "/loanMessengers/delivery/webhook",
    operation_id = "set_webhook",
    tag = "loanMessengers",
    security(("bearer" = [])),
    request_body(content = NewHook, example = json!({"url": "https://example.com/hooks/loans"})),
    responses(
        (status = 201, description = "It is set; this is its secret", body = HookSecret, example = json!({
            "secret": "whsec_bWFkZSBvZiByYW5kb21uZXNzLCBuZXZlciBvZiB0aGlz"
        })),
        AnyFailures, BodyFailures, ChannelFailures,
    )
)]
pub(super) async fn set_webhook(
    State(api): State<Api>,
    principal: Principal,
    Json(new): Json<NewHook>,
) -> Result<(StatusCode, Json<HookSecret>), Error> {
    let customer_id = customer_of(&principal)?;
    if !api.rules.offered.webhook {
        return Err(Error::NotOffered);
    }
    let url = check_webhook(&new.url, api.rules.allows_any_webhook).map_err(|reason| {
        Problem::invalid("The request has wrong fields.").with_error("url", reason)
    })?;
    let work = async |tx: &mut PgConnection| set(tx, &api.clock, customer_id, url.as_str()).await;
    let secret = api.db.in_tx("set_webhook", work).await?;
    Ok((StatusCode::CREATED, Json(HookSecret { secret })))
}
