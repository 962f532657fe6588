//! `GET /admin/messages`: of each request, which events were written about.

use axum::extract::State;
use common::admin::{AdminPage, Selection, SelectionQuery};
use common::http::{Json, Query};

use super::Admin;
use crate::error::Error;
use crate::store::fact::{self, Fact};

/// What was written, in the order of the requests' ids.
pub(super) async fn list_messages(
    State(admin): State<Admin>,
    Query(query): Query<SelectionQuery>,
) -> Result<Json<AdminPage<Fact>>, Error> {
    let selection = Selection::try_from(query)?;
    let facts = fact::facts(admin.db.pool(), &selection).await?;
    Ok(Json(selection.page(facts, |fact| fact.loan_request_id.as_uuid())))
}
