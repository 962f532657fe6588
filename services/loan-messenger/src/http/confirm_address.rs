//! `POST /loanMessengers/delivery/confirmations`: a customer says the code.

use ::events::codes::Channel;
use axum::extract::State;
use axum::http::StatusCode;
use common::http::Json;
use common::problem::Problem;
use common::token::Principal;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::failure_shapes::{AnyFailures, UnreadableFailures};
use super::{Api, customer_of, only_present};
use crate::domain::address::check_code;
use crate::error::Error;
use crate::usecases::confirm_address::{Confirmed, confirm_address as confirm};

/// A code.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Confirmation {
    /// Where it came.
    channel: Channel,
    /// What was sent.
    #[schema(example = "12345678")]
    code: String,
}

/// Confirm an address
///
/// What waited for it is sent. After five wrong codes a new one is needed.
#[utoipa::path(
    post,
    path = "/loanMessengers/delivery/confirmations",
    operation_id = "confirm_address",
    tag = "loanMessengers",
    security(("bearer" = [])),
    request_body(content = Confirmation, example = json!({"channel": "mail", "code": "12345678"})),
    responses(
        (status = 204, description = "The address is verified"),
        (status = 409, description = "There is no code to compare with", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/no-code", "title": "Conflict", "status": 409, "code": "no-code",
                "detail": "There is no code to compare with: it is too old, the address has changed, or too many wrong ones were tried. Ask for a new one.",
                "instance": "/loanMessengers/delivery/confirmations"
            })),
        (status = 422, description = "Another code (`wrong-code`), or a wrong field (`invalid`)", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/wrong-code", "title": "Unprocessable Entity", "status": 422, "code": "wrong-code",
                "detail": "It is another code.", "instance": "/loanMessengers/delivery/confirmations",
                "errors": [{"field": "code", "message": "is wrong; 4 more can be tried"}]
            })),
        AnyFailures, UnreadableFailures,
    )
)]
pub(super) async fn confirm_address(
    State(api): State<Api>,
    principal: Principal,
    Json(said): Json<Confirmation>,
) -> Result<StatusCode, Error> {
    let customer_id = customer_of(&principal)?;
    let code = said.code.trim();
    check_code(code).map_err(|reason| {
        Problem::invalid("The request has wrong fields.").with_error("code", reason)
    })?;
    let work = async |tx: &mut PgConnection| -> Result<_, Error> {
        only_present(tx, customer_id).await?;
        Ok(confirm(tx, &api.clock, customer_id, said.channel, code).await?)
    };
    match api.db.in_tx("confirm_address", work).await? {
        Confirmed::Verified => Ok(StatusCode::NO_CONTENT),
        Confirmed::Wrong { tries_left } => Err(Error::WrongCode { tries_left }),
        Confirmed::NoCode => Err(Error::NoCode),
    }
}
