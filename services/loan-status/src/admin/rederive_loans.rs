//! `POST /admin/loans/rederive`: where these loans stand is made anew.

use axum::extract::State;
use common::admin::{Ids, Republished};
use common::http::Json;

use super::Admin;
use crate::error::Error;
use crate::usecases::rederive_loan::rederive_loan;

/// Makes the state of each loan anew from the entries that are shown of it.
pub(super) async fn rederive_loans(
    State(admin): State<Admin>,
    Json(ids): Json<Ids>,
) -> Result<Json<Republished>, Error> {
    let mut done = Republished::default();
    for id in ids.checked()? {
        let work = async |tx: &mut _| rederive_loan(tx, id.into()).await;
        done.note(id, admin.db.in_tx("rederive_loan", work).await?);
    }
    Ok(Json(done))
}
