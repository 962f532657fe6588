//! loan-messenger: tells a customer of every change, in their language, in order.
//!
//! The map of the rooms:
//!
//! * [`http`]: the mailbox, for its owner and for officers.
//! * [`admin`]: what operators look at and mend.
//! * [`events`]: each of loan-manager's events is one message; the customers'
//!   events say whom to write to.
//! * [`usecases`]: the steps that commit together, and sending.
//! * [`tasks`]: what runs by the clock: sending, and watching the queue.
//! * [`clients`]: the channels by which messages go out.
//! * [`domain`]: what is told and in which words, how it reaches its customer, who may
//!   read it.
//! * [`store`]: the SQL.
//! * [`publish`]: the word that a message went out.
//! * [`app`], [`config`], [`error`]: the wiring, the settings, the failures.

pub mod admin;
pub mod app;
pub mod clients;
pub mod config;
pub mod domain;
pub mod error;
pub mod events;
pub mod http;
pub mod publish;
pub mod store;
pub mod tasks;
pub mod usecases;

pub use app::App;

/// The description of the HTTP API.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    http::routes().into_openapi()
}
