//! `GET /admin/deliveries/{messageId}`: one of them, with its attempts.

use ::events::MessageId;
use axum::extract::State;
use common::admin::Selection;
use common::http::{Json, Path};
use serde::Serialize;

use super::Admin;
use crate::error::Error;
use crate::store::queue::{self, Attempt, Entry, Turn};

/// A delivery with its attempts, the newest first.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    #[serde(flatten)]
    entry: Entry,
    #[serde(skip_serializing_if = "Option::is_none")]
    turn: Option<Turn>,
    log: Vec<Attempt>,
}

/// Nothing of the text, and nothing of the address.
pub(super) async fn get_delivery(
    State(admin): State<Admin>,
    Path(id): Path<MessageId>,
) -> Result<Json<Told>, Error> {
    let pool = admin.db.pool();
    let this = Selection::These(vec![id.as_uuid()]);
    let entry = queue::entries(pool, &this, None, None).await?.pop().ok_or(Error::NotFound)?;
    let turn = queue::turn(pool, id).await?;
    Ok(Json(Told { entry, turn, log: queue::attempts(pool, id).await? }))
}
