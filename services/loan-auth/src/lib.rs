//! loan-auth: who is who. People, their credentials and tokens, and the history
//! of who was certified for which request.
//!
//! The map of the rooms:
//!
//! * [`http`]: certify and void for loan-request; people and tokens for everybody.
//! * [`admin`]: what operators look at and mend.
//! * [`events`]: requests that were cancelled, and loans that are not open any more.
//! * [`usecases`]: the steps that commit together; proving who somebody is.
//! * [`domain`]: the first decision on a request stands; how many wrong passwords
//!   are borne; which names and passwords are taken.
//! * [`store`]: the SQL.
//! * [`publish`]: certifications and customers, as the others are told.
//! * [`tasks`]: what is not needed any more goes.
//! * [`app`], [`config`], [`error`]: the wiring, the settings, the failures.

pub mod admin;
pub mod app;
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
