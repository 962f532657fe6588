//! What operators look at and mend, all routes on this screen: served below
//! `/admin` on the admin port, to whoever has a credential.

mod list_requests;
mod republish_cancellations;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::{get, post};
use common::clock::Clock;
use common::db::Db;

/// What these routes need.
#[derive(Clone)]
pub struct Admin {
    /// The database.
    pub db: Db,
    /// The time and new ids.
    pub clock: Clock,
}

/// The routes, without `/admin` before them.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/requests", get(list_requests::list_requests))
        .route("/cancellations/republish", post(republish_cancellations::republish_cancellations))
        .with_state(admin)
}
