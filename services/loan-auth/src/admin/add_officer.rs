//! `POST /admin/officers`: somebody who may decide.

use ::events::Language;
use axum::extract::State;
use axum::http::StatusCode;
use common::admin::Operator;
use common::config::Secret;
use common::http::Json;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::Admin;
use super::officer_shapes::{Officer, check, password};
use crate::domain::person::Role;
use crate::domain::words;
use crate::error::Error;
use crate::usecases::{NewPerson, nfc, register_person};

/// Who is to be added.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewOfficer {
    user_id: String,
    user_name: String,
    #[serde(deserialize_with = "password")]
    user_password: Secret,
    #[serde(default)]
    user_email: Option<String>,
    #[serde(default)]
    language: Language,
}

impl NewOfficer {
    /// The same rules as for customers.
    fn check(&self) -> Result<(), Error> {
        let (user_id, user_name) = (nfc(&self.user_id), nfc(&self.user_name));
        let password = nfc(self.user_password.expose_secret());
        check([
            ("userId", words::check_user_id(&user_id)),
            ("userName", words::check_user_name(&user_name)),
            ("userPassword", words::check_new_password(&password, &user_id, &user_name)),
            ("userEmail", self.user_email.as_deref().map_or(Ok(()), words::check_email)),
        ])
    }
}

/// Adds an officer.
pub(super) async fn add_officer(
    State(admin): State<Admin>,
    operator: Operator,
    Json(body): Json<NewOfficer>,
) -> Result<(StatusCode, Json<Officer>), Error> {
    body.check()?;
    let person = NewPerson {
        role: Role::Officer,
        user_id: body.user_id,
        user_name: body.user_name,
        user_mobile: None,
        user_email: body.user_email,
        language: body.language,
    }
    .into_person(&admin.clock);
    // Before the transaction: it takes as long as a hundred statements.
    let hash = admin.hash_password(&body.user_password).await?;
    let work = async |tx: &mut _| register_person(tx, &admin.clock, &person, &hash, None).await;
    admin.db.in_tx("add_officer", work).await?;
    tracing::info!(target: "audit", operator = operator.name(), officer_id = %person.id, "an officer was added");
    Ok((StatusCode::CREATED, Json(Officer::from(person))))
}
