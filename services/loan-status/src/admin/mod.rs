//! What operators look at and mend, all routes on this screen: served below
//! `/admin` on the admin port, to whoever has a credential.

mod get_rebuild;
mod hand_in_history;
mod list_entries;
mod rederive_loans;
mod start_rebuild;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::{get, post};
use common::db::Db;

use crate::usecases::order_rebuild::Orders;

/// What these routes need.
#[derive(Clone)]
pub struct Admin {
    /// The database.
    pub db: Db,
    /// Where a rebuild is asked for.
    pub orders: Orders,
}

/// The routes, without `/admin` before them.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/entries", get(list_entries::list_entries))
        .route("/loans/rederive", post(rederive_loans::rederive_loans))
        .route("/rebuild", get(get_rebuild::get_rebuild).post(start_rebuild::start_rebuild))
        .route("/rebuild/history", post(hand_in_history::hand_in_history))
        .with_state(admin)
}
