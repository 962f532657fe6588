//! `POST /admin/cancellations/republish`: these compensations are told of once more.

use axum::extract::State;
use common::admin::{Ids, Republished};
use common::http::Json;

use super::Admin;
use crate::error::Error;
use crate::usecases::republish_cancellation;

/// Sends `LoanRequestCancelled` again for each request, under the ids of the first time.
pub(super) async fn republish_cancellations(
    State(admin): State<Admin>,
    Json(ids): Json<Ids>,
) -> Result<Json<Republished>, Error> {
    let ids = ids.checked()?;
    let work = async |tx: &mut _| {
        let mut republished = Republished::default();
        for id in &ids {
            let done = republish_cancellation(tx, &admin.clock, (*id).into()).await?;
            republished.note(*id, done);
        }
        Ok::<_, Error>(republished)
    };
    Ok(Json(admin.db.in_tx("republish_cancellations", work).await?))
}
