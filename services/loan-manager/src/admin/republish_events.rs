//! `POST /admin/events/republish`: these are told of once more.

use axum::extract::State;
use common::admin::{Ids, Republished};
use common::http::Json;

use super::Admin;
use crate::error::Error;
use crate::usecases;

/// Sends events again, under the ids and in the words of the first time.
pub(super) async fn republish_events(
    State(admin): State<Admin>,
    Json(ids): Json<Ids>,
) -> Result<Json<Republished>, Error> {
    let ids = ids.checked()?;
    let work = async |tx: &mut _| Ok::<_, Error>(usecases::republish_events(tx, &ids).await?);
    let sent = admin.db.in_tx("republish_events", work).await?;
    let mut republished = Republished::default();
    for id in ids {
        republished.note(id, sent.contains(&id));
    }
    Ok(Json(republished))
}
