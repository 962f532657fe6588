//! What operators look at and mend, all routes on this screen: served below
//! `/admin` on the admin port, to whoever has a credential.

mod list_entries;
mod rederive_loans;
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
        .route("/entries", get(list_entries::list_entries))
        .route("/loans/rederive", post(rederive_loans::rederive_loans))
        .with_state(admin)
}
