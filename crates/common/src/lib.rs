//! The plumbing that every service stands on, without a word of the business.
//!
//! A service is `http` (requests), `consumer` (events) and a few tasks over one
//! database; [`service::run`] starts and ends all of them together.
//!
//! * [`clock`]: the time and new ids, handed in.
//! * [`config`]: settings from flags, environment and file.
//! * [`db`]: the pool, transactions and the counting of rows.
//! * [`problem`], [`http`], [`hal`], [`token`]: what an endpoint needs.
//! * [`event`], [`outbox`], [`consumer`]: what events need.
//! * [`idempotency`], [`outbound`]: repeated requests and calls to others.
//! * [`trace`], [`logs`], [`telemetry`]: what is seen of it in operation.
//! * [`service`], [`shutdown`], [`admin`]: the life of the process.

pub mod admin;
pub mod clock;
pub mod config;
pub mod consumer;
pub mod db;
pub mod event;
pub mod hal;
pub mod http;
pub mod idempotency;
pub mod kafka;
pub mod logs;
pub mod outbound;
pub mod outbox;
pub mod problem;
#[cfg(all(feature = "sabotage", not(debug_assertions)))]
compile_error!("`sabotage` breaks promises on demand; it is for the checker's own check alone");
#[cfg(feature = "sabotage")]
pub mod sabotage;
pub mod secrets;
pub mod service;
pub mod shutdown;
pub mod telemetry;
#[cfg(any(test, feature = "test-support"))]
pub mod test_support;
pub mod token;
pub mod trace;

pub use consumer::{HandlerError, Subscriptions};
