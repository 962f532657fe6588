//! Whether the demo's people are where they were not asked for.

use std::net::Ipv4Addr;

use common::config::Secret;
use common::db::Db;

use super::seed_demo_data::{DemoPerson, PEOPLE};
use super::{Hasher, Origin, Purpose, user_key};
use crate::error::Error;
use crate::store;

/// Whether somebody of the demo is here, with the password that everybody knows.
///
/// # Errors
/// The database's.
pub async fn has_demo_data(db: &Db, hasher: &Hasher) -> Result<bool, Error> {
    for DemoPerson { user_id, password, .. } in PEOPLE {
        let hash = store::person::password_hash(db.pool(), &user_key(user_id)).await?;
        let Some(hash) = hash else { continue };
        let here = Origin::of(Ipv4Addr::LOCALHOST.into());
        let place = hasher.place(Purpose::Register, &here, hasher.deadline()).await?;
        // A real person may have that name, with another password.
        if hasher.is_right(place, &Secret::from(password), Some(hash)).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
