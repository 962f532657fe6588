//! `PATCH /loanMessengers/delivery`: a customer chooses.

use ::events::codes::{Channel, MessageKind};
use axum::extract::State;
use common::http::{BaseUrl, Json};
use common::problem::Problem;
use common::token::Principal;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::delivery_shapes::{Delivery, Known};
use super::failure_shapes::{
    AnyFailures, BodyFailures, ChannelFailures, LinkFailures, UnreadableFailures,
};
use super::{Api, customer_of, only_present};
use crate::domain::delivery::OPTIONAL_KINDS;
use crate::error::Error;
use crate::usecases::change_preference::change_preference;

/// What is to change; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryChange {
    /// How messages are to be sent.
    #[serde(default)]
    channel: Option<Channel>,
    /// Kinds that are not to be sent; only `optional` ones.
    #[serde(default)]
    opt_out: Option<Vec<MessageKind>>,
}

impl DeliveryChange {
    fn check(&self) -> Result<(), Error> {
        let chosen = self.opt_out.iter().flatten();
        let Some(must) = chosen.copied().find(|kind| !OPTIONAL_KINDS.contains(kind)) else {
            return Ok(());
        };
        let problem = Problem::invalid("The request has wrong fields.");
        let reason = format!("{must} must be told; request-received and under-review need not");
        Err(problem.with_error("optOut", reason).into())
    }
}

/// Choose how messages reach me
///
/// It holds for messages that wait, too. Nothing is sent to an address that is not verified: messages wait for that, and can be read here meanwhile.
#[utoipa::path(
    patch,
    path = "/loanMessengers/delivery",
    operation_id = "change_delivery",
    tag = "loanMessengers",
    security(("bearer" = [])),
    request_body(content = DeliveryChange, example = json!({
        "channel": "mailbox", "optOut": ["under-review"]
    })),
    responses(
        (status = 200, description = "The settings as they are now", body = Delivery, example = json!({
            "channel": "mailbox", "offered": ["mailbox", "mail", "webhook"], "optOut": ["under-review"],
            "optional": ["request-received", "under-review"],
            "mail": {"address": "k***@example.com", "isVerified": true},
            "_links": {"self": {"href": "http://localhost:8080/loanMessengers/delivery"}}
        })),
        AnyFailures, UnreadableFailures, BodyFailures, ChannelFailures, LinkFailures,
    )
)]
pub(super) async fn change_delivery(
    State(api): State<Api>,
    principal: Principal,
    base: BaseUrl,
    Json(change): Json<DeliveryChange>,
) -> Result<Json<Delivery>, Error> {
    let customer_id = customer_of(&principal)?;
    change.check()?;
    if change.channel.is_some_and(|channel| !api.rules.offered.has(channel)) {
        return Err(Error::NotOffered);
    }
    let mut opted_out = change.opt_out;
    if let Some(kinds) = &mut opted_out {
        kinds.sort_unstable();
        kinds.dedup();
    }
    let work = async |tx: &mut PgConnection| -> Result<_, Error> {
        only_present(tx, customer_id).await?;
        Ok(change_preference(tx, &api.clock, customer_id, change.channel, opted_out.as_deref())
            .await?)
    };
    api.db.in_tx("change_delivery", work).await?;
    let known = Known::of(&api, customer_id).await?;
    Ok(Json(Delivery::of(known, api.rules.offered, &base)))
}
