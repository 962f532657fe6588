//! `GET /admin/events`: what was told of each request, in the order of the events' ids.

use axum::extract::State;
use common::admin::{AdminPage, Selection, SelectionQuery};
use common::http::{Json, Query};

use super::Admin;
use crate::error::Error;
use crate::store::history::{self, Told};

/// The events as they were told, for whoever makes anew what was made of them.
pub(super) async fn list_events(
    State(admin): State<Admin>,
    Query(query): Query<SelectionQuery>,
) -> Result<Json<AdminPage<Told>>, Error> {
    let selection = Selection::try_from(query)?;
    let told = history::told(admin.db.pool(), &selection).await?;
    Ok(Json(selection.page(told, |event| event.event_id)))
}
