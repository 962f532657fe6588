//! `POST /admin/officers/{officerId}/password`: another password, without the old one.

use ::events::CustomerId;
use axum::extract::State;
use axum::http::StatusCode;
use common::config::Secret;
use common::http::{Json, Path};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::Admin;
use super::officer_shapes::{check, password};
use crate::domain::person::Role;
use crate::domain::words;
use crate::error::Error;
use crate::store;
use crate::usecases::{nfc, reset_password};

/// What it is to be.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewPassword {
    #[serde(deserialize_with = "password")]
    user_password: Secret,
}

/// Sets an officer's password and ends every login.
pub(super) async fn reset_officer_password(
    State(admin): State<Admin>,
    Path(id): Path<CustomerId>,
    Json(body): Json<NewPassword>,
) -> Result<StatusCode, Error> {
    let officer = store::person::by_id(admin.db.pool(), id).await?;
    let officer = officer.filter(|person| person.role == Role::Officer).ok_or(Error::NotFound)?;
    let new = nfc(body.user_password.expose_secret());
    let outcome = words::check_new_password(&new, &officer.user_id, &officer.user_name);
    check([("userPassword", outcome)])?;
    let hash = admin.hash_password(&body.user_password).await?;
    let work = async |tx: &mut _| reset_password(tx, &admin.clock, id, &hash).await;
    admin.db.in_tx("reset_officer_password", work).await?;
    Ok(StatusCode::NO_CONTENT)
}
