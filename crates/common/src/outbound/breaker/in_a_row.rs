//! "So many failures in a row, over so much time." failsafe's own policy counts and looks at no
//! clock: where many calls are on their way, one standstill of a moment makes all of them late
//! together, and they are enough for it.

use std::time::Duration;

use failsafe::FailurePolicy;
use tokio::time::Instant;

use super::Doubling;

#[derive(Debug)]
pub(super) struct InARow {
    failures_min: u32,
    lasting_min: Duration,
    backoff: Doubling,
    pauses: Doubling,
    failures: u32,
    /// When the first of these failures was known.
    since: Option<Instant>,
}

impl InARow {
    pub(super) fn new(failures_min: u32, lasting_min: Duration, backoff: Doubling) -> Self {
        let pauses = backoff.clone();
        let failures_min = failures_min.max(1);
        Self { failures_min, lasting_min, backoff, pauses, failures: 0, since: None }
    }

    fn forget(&mut self) {
        self.failures = 0;
        self.since = None;
    }
}

impl FailurePolicy for InARow {
    fn record_success(&mut self) {
        self.forget();
    }

    fn mark_dead_on_failure(&mut self) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        let lasting = self.since.get_or_insert_with(Instant::now).elapsed();
        if self.failures < self.failures_min || lasting < self.lasting_min {
            return None;
        }
        self.pauses.next()
    }

    fn revived(&mut self) {
        self.forget();
        self.pauses = self.backoff.clone();
    }
}
