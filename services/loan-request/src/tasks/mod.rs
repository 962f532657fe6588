//! What runs by the clock, on every instance at once.

mod decide_pending;
mod purge_unproven;

pub use decide_pending::{DecidePending, decide_pending};
pub use purge_unproven::{PurgeUnproven, purge_unproven};

use std::time::Duration;

use common::shutdown::Shutdown;

/// Waits; false if the process is to end instead.
async fn pause(length: Duration, shutdown: &Shutdown) -> bool {
    let soft = shutdown.soft();
    tokio::select! {
        () = soft.cancelled() => false,
        () = tokio::time::sleep(length) => true,
    }
}
