//! loan-manager: the loan officers' desk. It owns the loan: review, decision,
//! execution, repayment.
//!
//! The rooms:
//!
//! * `http`: what officers ask: the queue, one item, a step.
//! * `admin`: what operators look at and mend.
//! * `events`: what is done on AuthCertified.
//! * `usecases`: the steps that commit together; each locks the loan first.
//! * `domain`: the table of steps, and what they do to what is owed.
//! * `store`: the SQL of `item` and `booking`.
//! * `publish`: what happened, as public events.
//! * `error`: what can go wrong, and the problem that it becomes.
//! * `config`, `app`: settings and wiring.

pub mod admin;
mod app;
pub mod config;
pub mod domain;
pub mod error;
pub mod events;
pub mod http;
pub mod publish;
pub mod store;
pub mod usecases;

pub use app::App;
pub use config::Config;

/// The description of this service's API.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    http::routes().into_openapi()
}
