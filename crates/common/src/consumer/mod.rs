//! What a service does on the events of others: each event's effect commits
//! exactly once, together with the claim on its id, whatever is delivered twice,
//! however often something falls over.
//!
//! A service lists what it handles in [`Subscriptions`]; [`Consumer`] reads
//! Kafka and drives them. Three classes of failure, and no fourth: what
//! can't be an event or can't be true goes to the dead letters and the next one
//! has its turn; a dependency that is down is waited for, for ever, with the
//! same messages; what ends the Kafka client ends the process.

mod batch;
mod client;
mod context;
pub mod dead_letter;
mod failure;
pub(crate) mod inbox;
pub mod replay;
mod run;
mod said;
mod settings;
mod subscriptions;
mod suspicion;
#[cfg(test)]
mod tests;

pub use failure::HandlerError;
pub use replay::Replay;
pub use run::{Consumer, ConsumerError};
pub use settings::ConsumerSettings;
#[cfg(any(test, feature = "test-support"))]
pub use subscriptions::Delivered;
pub use subscriptions::{Decoded, Subscriptions};
