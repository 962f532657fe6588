//! The figures of a synchronous call.

use std::time::Duration;

/// The figures of the calls to one service.
#[derive(Debug, Clone)]
pub struct OutboundSettings {
    /// For one call in all, its retries included.
    pub timeout: Duration,
    /// Calls on their way at the same time, at most (the bulkhead).
    pub concurrency_max: usize,
    /// When the breaker opens and closes.
    pub breaker: BreakerSettings,
    /// When a call is sent again.
    pub retry: RetrySettings,
}

impl Default for OutboundSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(610),
            concurrency_max: 64,
            breaker: BreakerSettings::default(),
            retry: RetrySettings::default(),
        }
    }
}

/// When the breaker opens and closes.
#[derive(Debug, Clone)]
pub struct BreakerSettings {
    /// It opens after so many failures in a row …
    pub failures_in_a_row: u32,
    /// … the last of which is known at least so long after the first: what stands still
    /// for a moment makes all calls that are on their way fail together.
    pub failing_for_min: Duration,
    /// It also opens when fewer than this share of the calls succeed (0 to 1) …
    pub success_share_min: f64,
    /// … weighed over this time, in whole seconds, and not before it has been
    /// closed for so long …
    pub window: Duration,
    /// … and at least so many calls were made in it.
    pub calls_min: u32,
    /// It stays open so long at first; twice as long after each failed probe …
    pub open_min: Duration,
    /// … and never longer than this.
    pub open_max: Duration,
    /// Calls that may try, at the same time, whether the other side is back.
    pub probes_max: u32,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures_in_a_row: 10,
            failing_for_min: Duration::from_secs(1),
            success_share_min: 0.5,
            window: Duration::from_secs(10),
            calls_min: 20,
            open_min: Duration::from_secs(1),
            open_max: Duration::from_secs(10),
            probes_max: 1,
        }
    }
}

/// When a call is sent again. Only one that surely did not arrive, or that the
/// receiver knows as the same; and only within the call's timeout.
#[derive(Debug, Clone)]
pub struct RetrySettings {
    /// How often one call is sent again, at most.
    pub retries_max: u32,
    /// How long lies between two attempts.
    pub pause: Duration,
    /// An attempt with less time than this is not made.
    pub attempt_min: Duration,
    /// Retries for each call, over all calls (0 to 1): what they may add to the
    /// load at most.
    pub share_max: f32,
    /// Retries per second that are allowed besides, for times of few calls.
    pub per_second_min: u32,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            retries_max: 1,
            pause: Duration::from_millis(20),
            attempt_min: Duration::from_millis(100),
            share_max: 0.1,
            per_second_min: 1,
        }
    }
}
