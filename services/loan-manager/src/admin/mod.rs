//! What operators look at and mend, all routes on this screen: served below
//! `/admin` on the admin port, to whoever has a credential.

mod list_events;
mod list_items;
mod republish_events;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::{get, post};
use common::db::Db;

/// What these routes need.
#[derive(Clone)]
pub struct Admin {
    /// The database.
    pub db: Db,
}

/// The routes, without `/admin` before them.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/events", get(list_events::list_events))
        .route("/items", get(list_items::list_items))
        .route("/events/republish", post(republish_events::republish_events))
        .with_state(admin)
}
