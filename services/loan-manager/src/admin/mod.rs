//! What operators look at and mend, all routes on this screen: served below
//! `/admin` on the admin port, to whoever has a credential.

use axum::Router;
use common::db::Db;

/// What these routes need.
#[derive(Clone)]
pub struct Admin {
    /// The database.
    pub db: Db,
}

/// The routes, without `/admin` before them.
pub fn router(admin: Admin) -> Router {
    Router::new().with_state(admin)
}
