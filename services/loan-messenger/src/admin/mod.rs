//! What operators look at and mend, all routes on this screen: served below
//! `/admin` on the admin port, to whoever has a credential.

mod list_messages;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::get;
use common::db::Db;

/// What these routes need.
#[derive(Clone)]
pub struct Admin {
    /// The database.
    pub db: Db,
}

/// The routes, without `/admin` before them.
pub fn router(admin: Admin) -> Router {
    Router::new().route("/messages", get(list_messages::list_messages)).with_state(admin)
}
