//! What operators look at and mend, all routes on this screen: served below
//! `/admin` on the admin port, to whoever has a credential.

mod get_delivery;
mod list_deliveries;
mod list_messages;
mod preview_message;
mod recover_deliveries;
mod resend_deliveries;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::{get, post};
use common::clock::Clock;
use common::db::Db;

use crate::usecases::Rules;

/// What these routes need.
#[derive(Clone)]
pub struct Admin {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// The figures of sending.
    pub rules: Rules,
}

/// The routes, without `/admin` before them.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/messages", get(list_messages::list_messages))
        .route("/messages/preview", get(preview_message::preview_message))
        .route("/deliveries", get(list_deliveries::list_deliveries))
        .route("/deliveries/{messageId}", get(get_delivery::get_delivery))
        .route("/deliveries/resend", post(resend_deliveries::resend_deliveries))
        .route("/deliveries/recover", post(recover_deliveries::recover_deliveries))
        .with_state(admin)
}
