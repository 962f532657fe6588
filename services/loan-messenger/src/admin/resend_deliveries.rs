//! `POST /admin/deliveries/resend`: messages are sent once more, under a new id.

use ::events::MessageId;
use axum::extract::State;
use common::admin::Ids;
use common::http::Json;
use serde::Serialize;
use sqlx::PgConnection;

use super::Admin;
use crate::domain::delivery::give_up_at;
use crate::error::Error;
use crate::store::message;
use crate::store::queue::{self, Again};

/// Those that are on their way again.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resent {
    /// Which; those that wait already, or were never to be sent, are not among them.
    pub(super) message_ids: Vec<MessageId>,
    /// Those that nobody knows, or that were never to be sent.
    pub(super) unknown: Vec<MessageId>,
}

/// However they ended. Whoever has one already gets it again: that is what this is for.
pub(super) async fn resend_deliveries(
    State(admin): State<Admin>,
    Json(ids): Json<Ids>,
) -> Result<Json<Resent>, Error> {
    let ids: Vec<_> = ids.checked()?.into_iter().map(MessageId::from).collect();
    let again = Again::These(ids.clone());
    let work = async |tx: &mut PgConnection| {
        message::take_turn(tx).await?;
        let now = admin.clock.now();
        let give_up_at = give_up_at(now, admin.rules.give_up_after);
        let message_ids = queue::put_back(tx, &again, now, give_up_at).await?;
        Ok::<_, sqlx::Error>(Resent { message_ids, unknown: queue::unknown(tx, &ids).await? })
    };
    Ok(Json(admin.db.in_tx("resend_deliveries", work).await?))
}
