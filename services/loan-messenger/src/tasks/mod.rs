//! What runs by the clock, on every instance at once.

mod deliver;
mod send_codes;
mod watch_queue;

pub use deliver::{Deliver, deliver};
pub use send_codes::send_codes;
pub use watch_queue::{WatchQueue, watch_queue};

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
