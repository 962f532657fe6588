//! The demo customer and officer, where they were asked for.

use std::net::Ipv4Addr;

use ::events::Language;
use common::clock::Clock;
use common::config::Secret;
use common::db::Db;

use super::{Hasher, NewPerson, Origin, Purpose, register_person, user_key};
use crate::domain::person::Role;
use crate::error::Error;
use crate::store;

/// The people of the demo. Their passwords are known to everybody, and so are
/// checked against no rule.
pub(super) const PEOPLE: [DemoPerson; 2] = [
    DemoPerson {
        role: Role::Customer,
        user_id: "1@sk.com",
        user_name: "유은상",
        password: "1234",
        user_mobile: Some("010-000-0000"),
    },
    DemoPerson {
        role: Role::Officer,
        user_id: "officer@bank.example",
        user_name: "Officer",
        password: "officer-1234",
        user_mobile: None,
    },
];

/// Somebody of the demo.
pub(super) struct DemoPerson {
    role: Role,
    pub(super) user_id: &'static str,
    user_name: &'static str,
    pub(super) password: &'static str,
    user_mobile: Option<&'static str>,
}

/// Adds those of them who are not there yet. Several instances may do so at once.
///
/// # Errors
/// The database's.
pub async fn seed_demo_data(db: &Db, clock: &Clock, hasher: &Hasher) -> Result<(), Error> {
    for DemoPerson { role, user_id, user_name, password, user_mobile } in PEOPLE {
        if store::person::has(db.pool(), &user_key(user_id)).await? {
            continue;
        }
        let person = NewPerson {
            role,
            user_id: user_id.to_owned(),
            user_name: user_name.to_owned(),
            user_mobile: user_mobile.map(str::to_owned),
            user_email: None,
            language: Language::Ko,
        }
        .into_person(clock);
        let here = Origin::of(Ipv4Addr::LOCALHOST.into());
        let place = hasher.place(Purpose::Register, &here, hasher.deadline()).await?;
        let hash = hasher.hash_password(place, &Secret::from(password)).await?;
        let added = db
            .in_tx("seed_demo_data", async |tx| {
                register_person(tx, clock, &person, &hash, None).await
            })
            .await;
        match added {
            Ok(_) => tracing::info!(customer_id = %person.id, "a demo account was added"),
            // Another instance was quicker.
            Err(Error::UserIdTaken) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
