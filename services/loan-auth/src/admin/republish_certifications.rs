//! `POST /admin/certifications/republish`: these are told of once more.

use axum::extract::State;
use common::admin::{Ids, Republished};
use common::http::Json;

use super::Admin;
use crate::error::Error;
use crate::usecases::republish_certification;

/// Sends `AuthCertified` again for each request, under the ids of the first time.
pub(super) async fn republish_certifications(
    State(admin): State<Admin>,
    Json(ids): Json<Ids>,
) -> Result<Json<Republished>, Error> {
    let ids = ids.checked()?;
    let work = async |tx: &mut _| {
        let mut republished = Republished::default();
        for id in &ids {
            let done = republish_certification(tx, &admin.clock, (*id).into()).await?;
            republished.note(*id, done);
        }
        Ok::<_, Error>(republished)
    };
    Ok(Json(admin.db.in_tx("republish_certifications", work).await?))
}
