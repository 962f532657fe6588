//! loan-status: the read model. What became of every request and loan, as a
//! list, one loan with its timeline, and a live stream.
//!
//! The map of the rooms:
//!
//! * [`http`]: the list, the loan, the stream, each for its owner and for officers.
//! * [`admin`]: what operators look at and mend.
//! * [`events`]: everything that is shown comes from here.
//! * [`usecases`]: the steps that commit together.
//! * [`domain`]: what an event means for what is shown; who may see it; how a
//!   place in the feed is named.
//! * [`store`]: the SQL.
//! * [`tasks`]: the read model is made anew when an operator asks for it.
//! * [`app`], [`config`], [`error`]: the wiring, the settings, the failures.
//!
//! It publishes nothing and asks nobody: it answers while everything else is down.

pub mod admin;
pub mod app;
pub mod config;
pub mod domain;
pub mod error;
pub mod events;
pub mod http;
pub mod store;
pub mod tasks;
pub mod usecases;

pub use app::App;

/// The description of the HTTP API.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    http::routes().into_openapi()
}
