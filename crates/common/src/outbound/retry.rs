//! When a call is sent again: only if that can do no harm, seldom enough not to
//! add to the other side's trouble, and in time.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, Sleep, sleep};
use tower::retry::Policy;
use tower::retry::budget::{Budget, TpsBudget};

use super::call::{Answer, Call, CallError};
use super::settings::RetrySettings;

/// How long a call counts in the budget of the retries.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// The policy. Each call works on its own clone; the budget is everyone's.
#[derive(Debug, Clone)]
pub(super) struct Again {
    name: &'static str,
    budget: Arc<TpsBudget>,
    pause: Duration,
    attempt_min: Duration,
    retries_max: u32,
    retries: u32,
}

impl Again {
    pub(super) fn new(name: &'static str, settings: &RetrySettings) -> Self {
        let share_max = settings.share_max.clamp(0.0, 1.0);
        Self {
            name,
            budget: Arc::new(TpsBudget::new(BUDGET_WINDOW, settings.per_second_min, share_max)),
            pause: settings.pause,
            attempt_min: settings.attempt_min,
            retries_max: settings.retries_max,
            retries: 0,
        }
    }

    /// Whether another attempt can do no harm, and may do some good.
    fn is_worth_it(call: &Call, error: CallError) -> bool {
        match error {
            // Nothing has arrived, though an earlier attempt may have.
            CallError::NotSent => call.idempotent || !call.trail.may_have_arrived(),
            CallError::Unknown => call.idempotent,
            CallError::Status(status) => {
                let passing = [
                    StatusCode::BAD_GATEWAY,
                    StatusCode::SERVICE_UNAVAILABLE,
                    StatusCode::GATEWAY_TIMEOUT,
                ];
                call.idempotent && passing.contains(&status)
            }
            CallError::Refused(_) => false,
        }
    }
}

impl Policy<Call, Answer, CallError> for Again {
    type Future = Sleep;

    fn retry(&mut self, call: &mut Call, outcome: &mut Result<Answer, CallError>) -> Option<Sleep> {
        if self.retries == 0 {
            self.budget.deposit();
        }
        let error = outcome.as_ref().err().copied()?;
        let in_time = Instant::now() + self.pause + self.attempt_min <= call.deadline;
        if self.retries >= self.retries_max || !in_time || !Self::is_worth_it(call, error) {
            return None;
        }
        if !self.budget.withdraw() {
            metrics::counter!("outbound_retries_total", "name" => self.name, "outcome" => "over-budget").increment(1);
            return None;
        }
        metrics::counter!("outbound_retries_total", "name" => self.name, "outcome" => "sent")
            .increment(1);
        self.retries += 1;
        Some(sleep(self.pause))
    }

    fn clone_request(&mut self, call: &Call) -> Option<Call> {
        call.again()
    }
}
