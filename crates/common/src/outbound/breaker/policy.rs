//! When the breaker wants to open, and for how long.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use failsafe::FailurePolicy;
use failsafe::failure_policy::SuccessRateOverTimeWindow;
use tokio::time::Instant;

/// "So many failures in a row, over so much time." failsafe's own policy counts and looks at no
/// clock: where many calls are on their way, one standstill of a moment makes all of them late
/// together, and they are enough for it.
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

/// How long the policy wants the breaker open, if it has just said so.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenedFor(Arc<Mutex<Option<Duration>>>);

impl OpenedFor {
    fn set(&self, open_for: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(open_for);
    }

    pub(super) fn take(&self) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Reports for how long a policy wants the breaker open and tells the machine
/// "for no time": the machine has a clock of its own, which nobody can read and
/// no test can stop, so the waiting is done here.
#[derive(Debug)]
pub(super) struct Reporting {
    in_a_row: InARow,
    share: SuccessRateOverTimeWindow<Doubling>,
    /// Over which the share is weighed.
    window: Duration,
    last: Option<std::time::Instant>,
    opened_for: OpenedFor,
}

impl Reporting {
    pub(super) fn new(
        in_a_row: InARow,
        share: SuccessRateOverTimeWindow<Doubling>,
        window: Duration,
        opened_for: OpenedFor,
    ) -> Self {
        Self { in_a_row, share, window, last: None, opened_for }
    }

    fn begin_anew_after_a_pause(&mut self) {
        // The clock of the share itself.
        let now = failsafe::clock::now();
        if self.last.replace(now).is_some_and(|last| now - last >= self.window) {
            self.share.revived();
        }
    }
}

impl FailurePolicy for Reporting {
    fn record_success(&mut self) {
        self.begin_anew_after_a_pause();
        self.in_a_row.record_success();
        self.share.record_success();
    }

    fn mark_dead_on_failure(&mut self) -> Option<Duration> {
        self.begin_anew_after_a_pause();
        // Both count it.
        let (in_a_row, share) =
            (self.in_a_row.mark_dead_on_failure(), self.share.mark_dead_on_failure());
        self.opened_for.set(in_a_row.or(share)?);
        Some(Duration::ZERO)
    }

    fn revived(&mut self) {
        self.in_a_row.revived();
        self.share.revived();
    }
}

/// Pauses that double, up to a bound. failsafe's own begin at a whole second.
#[derive(Debug, Clone)]
pub(super) struct Doubling {
    next: Duration,
    max: Duration,
}

impl Doubling {
    pub(super) fn new(next: Duration, max: Duration) -> Self {
        Self { next, max }
    }
}

impl Iterator for Doubling {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next.min(self.max);
        self.next = pause * 2;
        Some(pause)
    }
}
