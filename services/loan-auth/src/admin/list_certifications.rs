//! `GET /admin/certifications`: what was decided on each request.

use axum::extract::State;
use common::admin::{AdminPage, Selection, SelectionQuery};
use common::http::{Json, Query};

use super::Admin;
use crate::error::Error;
use crate::store::certification::{self, Fact};

/// The decisions, in the order of the requests' ids.
pub(super) async fn list_certifications(
    State(admin): State<Admin>,
    Query(query): Query<SelectionQuery>,
) -> Result<Json<AdminPage<Fact>>, Error> {
    let selection = Selection::try_from(query)?;
    let facts = certification::facts(admin.db.pool(), &selection).await?;
    Ok(Json(selection.page(facts, |fact| fact.loan_request_id.as_uuid())))
}
