//! `GET /admin/officers`: who may decide.

use axum::extract::State;
use common::admin::{AdminPage, Selection, SelectionQuery};
use common::http::{Json, Query};

use super::Admin;
use super::officer_shapes::Officer;
use crate::error::Error;
use crate::store;

/// The active officers, in the order of their ids.
pub(super) async fn list_officers(
    State(admin): State<Admin>,
    Query(query): Query<SelectionQuery>,
) -> Result<Json<AdminPage<Officer>>, Error> {
    let selection = Selection::try_from(query)?;
    let officers = store::person::officers(admin.db.pool(), &selection).await?;
    let officers = officers.into_iter().map(Officer::from).collect();
    Ok(Json(selection.page(officers, |officer| officer.officer_id.as_uuid())))
}
