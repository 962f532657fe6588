//! `GET /admin/open-loans`: which loans are taken for open, and which not any more.

use axum::extract::State;
use common::admin::{AdminPage, Selection, SelectionQuery};
use common::http::{Json, Query};

use super::Admin;
use crate::error::Error;
use crate::store::open_loan::{self, Fact};

/// The loans, in the order of their ids.
pub(super) async fn list_open_loans(
    State(admin): State<Admin>,
    Query(query): Query<SelectionQuery>,
) -> Result<Json<AdminPage<Fact>>, Error> {
    let selection = Selection::try_from(query)?;
    let facts = open_loan::facts(admin.db.pool(), &selection).await?;
    Ok(Json(selection.page(facts, |fact| fact.loan_id.as_uuid())))
}
