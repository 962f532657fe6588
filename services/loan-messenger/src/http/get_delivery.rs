//! `GET /loanMessengers/delivery`: how messages reach a customer.

use axum::extract::State;
use common::http::{BaseUrl, Json};
use common::token::Principal;

use super::delivery_shapes::{Delivery, Known};
use super::failure_shapes::{AnyFailures, LinkFailures};
use super::{Api, customer_of};
use crate::error::Error;

/// How messages reach me
///
/// Addresses are shown as far as one needs to know them again. They are changed where they are kept: mail and telephone at `/customers/me`.
#[utoipa::path(
    get,
    path = "/loanMessengers/delivery",
    operation_id = "get_delivery",
    tag = "loanMessengers",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The settings", body = Delivery, example = json!({
            "channel": "mail", "offered": ["mailbox", "mail", "webhook"], "optOut": ["under-review"],
            "optional": ["request-received", "under-review"],
            "mail": {"address": "k***@example.com", "isVerified": false,
                     "code": {"state": "sent", "expiresAt": "2026-11-21T08:30:00Z"}},
            "sms": {"address": "***0000", "isVerified": false},
            "waiting": {"count": 2, "reason": "address-not-verified"},
            "_links": {"self": {"href": "http://localhost:8080/loanMessengers/delivery"}}
        })),
        AnyFailures, LinkFailures,
    )
)]
pub(super) async fn get_delivery(
    State(api): State<Api>,
    principal: Principal,
    base: BaseUrl,
) -> Result<Json<Delivery>, Error> {
    let customer_id = customer_of(&principal)?;
    let known = Known::of(&api, customer_id).await?;
    Ok(Json(Delivery::of(known, api.rules.offered, &base)))
}
