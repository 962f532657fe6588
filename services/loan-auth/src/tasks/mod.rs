//! What runs by the clock, on every instance at once.

mod purge_expired;

pub use purge_expired::{PurgeExpired, purge_expired};
