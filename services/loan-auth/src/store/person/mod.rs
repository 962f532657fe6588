//! `person`: customers and officers.

mod read;
mod write;

pub use read::{Attempted, Candidate, by_id, candidates, has, lock, officers, password_hash};
pub use write::{add, remove, set_password, update};

use ::events::codes::{ROLE_CUSTOMER, ROLE_OFFICER};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::domain::person::{Person, Role};

/// The role as it is stored, and as a token names it.
#[must_use]
pub const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Customer => ROLE_CUSTOMER,
        Role::Officer => ROLE_OFFICER,
    }
}

fn person(row: &PgRow) -> Result<Person, sqlx::Error> {
    // The column's constraint knows no third role.
    let role = if row.try_get::<&str, _>("role")? == ROLE_OFFICER {
        Role::Officer
    } else {
        Role::Customer
    };
    Ok(Person {
        id: row.try_get("customer_id")?,
        role,
        user_id: row.try_get("user_id")?,
        user_name: row.try_get("user_name")?,
        user_mobile: row.try_get("user_mobile")?,
        user_email: row.try_get("user_email")?,
        language: row.try_get("language")?,
        credential_version: row.try_get("credential_version")?,
        version: row.try_get("version")?,
        registered_at: row.try_get("registered_at")?,
        changed_at: row.try_get("changed_at")?,
    })
}
