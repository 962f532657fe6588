//! The outbox: an event commits together with the state that it speaks of and
//! is sent to Kafka afterwards, at least once and in order.
//!
//! [`append`] is what use cases call; [`Relay`] is what sends, and what deletes
//! old rows of the plumbing. One relay at a time works for a service, however
//! many instances there are: two would send one key's events out of order. A lock
//! in the database says which; that the one before has really ended says the broker.

mod append;
mod backlog;
mod end;
mod purge;
mod relay;
mod resend;
mod rows;
mod sender;
mod stuck;
#[cfg(test)]
mod tests;
mod transaction;

pub use append::append;
pub use backlog::{Backlog, backlog};
pub use relay::{Relay, RelayError, RelaySettings};
pub use resend::resend;
