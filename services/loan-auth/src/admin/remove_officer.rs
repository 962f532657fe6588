//! `DELETE /admin/officers/{officerId}`: somebody who may not decide any more.

use ::events::CustomerId;
use axum::extract::State;
use axum::http::StatusCode;
use common::http::Path;

use super::Admin;
use crate::error::Error;
use crate::usecases;

/// Removes an officer and ends every login at once. An access token that is out is
/// good until it expires: `OFFICER_ACCESS_TOKEN_SECONDS`, two minutes.
pub(super) async fn remove_officer(
    State(admin): State<Admin>,
    Path(id): Path<CustomerId>,
) -> Result<StatusCode, Error> {
    let work = async |tx: &mut _| usecases::remove_officer(tx, &admin.clock, id).await;
    admin.db.in_tx("remove_officer", work).await?;
    Ok(StatusCode::NO_CONTENT)
}
