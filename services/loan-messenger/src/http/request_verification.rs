//! `POST /loanMessengers/delivery/verifications`: a code is sent to an address.

use ::events::codes::Channel;
use axum::extract::State;
use axum::http::StatusCode;
use common::http::Json;
use common::problem::Problem;
use common::token::Principal;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::failure_shapes::{AnyFailures, BodyFailures, ChannelFailures, UnreadableFailures};
use super::{Api, customer_of, only_present};
use crate::error::Error;
use crate::usecases::request_verification::{Requested, request_verification as request};

/// Which address is to be verified.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewVerification {
    /// The present one of this channel.
    channel: Channel,
}

/// Have a code sent
///
/// To the present address of a channel; it is good for 30 minutes, and the newest is the one that counts. One a minute to an address, ten a day for a customer, and five a day for an address, whoever asks. A mail address gets one by itself when it is new.
#[utoipa::path(
    post,
    path = "/loanMessengers/delivery/verifications",
    operation_id = "request_verification",
    tag = "loanMessengers",
    security(("bearer" = [])),
    request_body(content = NewVerification, example = json!({"channel": "mail"})),
    responses(
        (status = 202, description = "A code is on its way"),
        (status = 204, description = "The address is verified already"),
        (status = 429, description = "One just now, or too many; come back after `Retry-After`", body = Problem,
            content_type = "application/problem+json",
            headers(("Retry-After" = u64, description = "Seconds")),
            example = json!({
                "type": "/problems/too-many-codes", "title": "Too Many Requests", "status": 429,
                "code": "too-many-codes",
                "detail": "A code was sent a moment ago, or too many today. Come back after `Retry-After`.",
                "instance": "/loanMessengers/delivery/verifications"
            })),
        AnyFailures, UnreadableFailures, BodyFailures, ChannelFailures,
    )
)]
pub(super) async fn request_verification(
    State(api): State<Api>,
    principal: Principal,
    Json(new): Json<NewVerification>,
) -> Result<StatusCode, Error> {
    let customer_id = customer_of(&principal)?;
    let work = async |tx: &mut PgConnection| -> Result<_, Error> {
        only_present(tx, customer_id).await?;
        Ok(request(tx, &api.clock, &api.rules, customer_id, new.channel).await?)
    };
    match api.db.in_tx("request_verification", work).await? {
        Requested::OnItsWay => Ok(StatusCode::ACCEPTED),
        Requested::Verified => Ok(StatusCode::NO_CONTENT),
        Requested::NotOffered => Err(Error::NotOffered),
        Requested::NoAddress => Err(Error::NoAddress),
        Requested::TooMany { retry_after } => Err(Error::TooManyCodes { retry_after }),
    }
}
