//! The embedded default: a private PostgreSQL, a Kafka-compatible broker and
//! the six processes, supervised; and the same parts, one by one, for tests and
//! benches.
//!
//! * [`Postgres`]: a PostgreSQL server, kept or thrown away, and databases with
//!   the services' roles and schemas in it.
//! * [`Broker`]: the embedded broker as a process; [`broker`] is what runs in it.
//! * [`Stack`]: all of that with any of the six real binaries, for one test.
//! * [`supervisor`]: what `./dev up` and its companions do.

pub mod binaries;
pub mod broker;
pub mod broker_process;
mod environment;
pub mod logs;
pub mod net;
pub mod postgres;
pub mod private;
pub mod process;
pub mod secrets;
pub mod services;
pub mod stack;
pub mod supervisor;
pub mod wiring;

pub use broker_process::Broker;
pub use postgres::{Database, Postgres};
pub use services::Service;
pub use stack::{ServiceProcess, Stack, StackBuilder};
