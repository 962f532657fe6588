//! What operators look at and mend, all routes on this screen: served below
//! `/admin` on the admin port, to whoever has a credential.

mod add_officer;
mod list_certifications;
mod list_officers;
mod list_open_loans;
mod officer_shapes;
mod remove_officer;
mod republish_certifications;
mod reset_officer_password;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;

use axum::Router;
use axum::routing::{delete, get, post};
use common::admin::AdminRoutes;
use common::clock::Clock;
use common::config::Secret;
use common::db::Db;

use crate::error::Error;
use crate::usecases::{Hasher, Origin, Purpose};

/// What these routes need.
#[derive(Clone)]
pub struct Admin {
    /// The database.
    pub db: Db,
    /// The time and new ids.
    pub clock: Clock,
    /// Hashes new passwords.
    pub hasher: Hasher,
}

impl Admin {
    /// Hashes a new password, when its turn has come. All operators wait in one
    /// place of the queue: they are few.
    async fn hash_password(&self, password: &Secret) -> Result<String, Error> {
        let (origin, deadline) = (Origin::of(Ipv4Addr::LOCALHOST.into()), self.hasher.deadline());
        let place = self.hasher.place(Purpose::Register, &origin, deadline).await?;
        self.hasher.hash_password(place, password).await
    }
}

/// The routes, without `/admin` before them.
pub fn router(admin: Admin) -> AdminRoutes {
    let accounts = Router::new()
        .route("/officers", get(list_officers::list_officers).post(add_officer::add_officer))
        .route("/officers/{officerId}", delete(remove_officer::remove_officer))
        .route(
            "/officers/{officerId}/password",
            post(reset_officer_password::reset_officer_password),
        )
        .with_state(admin.clone());
    let data = Router::new()
        .route("/certifications", get(list_certifications::list_certifications))
        .route(
            "/certifications/republish",
            post(republish_certifications::republish_certifications),
        )
        .route("/open-loans", get(list_open_loans::list_open_loans))
        .with_state(admin);
    AdminRoutes { data, accounts }
}
