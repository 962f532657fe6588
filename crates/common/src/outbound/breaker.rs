//! The circuit breaker: failsafe's state machine decides when it opens and for
//! how long; what that machine leaves open is added here.
//!
//! * In half-open the machine lets everybody through; here only so many probes.
//! * It can't say in which state it is, or until when; here that is mirrored.
//! * It believes every outcome, however old; here an outcome counts only in the
//!   *generation* (the time between two changes of state) in which its call was
//!   allowed, so a late success of better days doesn't close an open breaker.
//! * A permission that is dropped unused gives its place back and counts neither way.
//! * Failures in a row are an outage only if they last ([`policy::InARow`]).
//! * A call that nobody waits for any more says nothing either, however long it was under way:
//!   whoever makes the other side slow for themselves and hangs up would else open it for everybody.
//! * After a time without calls the share of successes begins anew. failsafe weighs an outcome
//!   by the time since the one before: one failure after a quiet night would be all there is.

mod policy;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use failsafe::StateMachine;
use failsafe::failure_policy;
use futures::future::BoxFuture;
use tokio::time::Instant;
use tower::{Layer, Service};

use self::policy::{Doubling, InARow, OpenedFor, Reporting};
use super::call::{Answer, Call, CallError, Refused};
use super::settings::BreakerSettings;

/// When to come back while all probes are on their way.
const PROBES_BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The shortest window that failsafe can weigh.
const WINDOW_MIN: Duration = Duration::from_secs(1);

/// The breaker of one service. Clones share it.
#[derive(Clone)]
pub(super) struct Breaker(Arc<Shared>);

struct Shared {
    name: &'static str,
    probes_max: u32,
    machine: StateMachine<Reporting, ()>,
    opened_for: OpenedFor,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Grows with every change of phase.
    generation: u64,
    /// Probes on their way, in half-open.
    probes: u32,
    /// How long it was open last: a failed probe opens it for as long again,
    /// unless the policy has a wish.
    open_for: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen,
}

/// What a call's outcome says of the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Success,
    Failure,
    /// Nothing: it was not asked.
    None,
}

impl Verdict {
    fn of(outcome: &Result<Answer, CallError>) -> Self {
        match outcome {
            // 4xx too: who refuses a request well is well.
            Ok(_) => Self::Success,
            Err(CallError::NotSent | CallError::Unknown | CallError::Status(_)) => Self::Failure,
            Err(CallError::Refused(_)) => Self::None,
        }
    }
}

impl Breaker {
    pub(super) fn new(name: &'static str, settings: &BreakerSettings) -> Self {
        let backoff = Doubling::new(settings.open_min, settings.open_max);
        let in_a_row =
            InARow::new(settings.failures_in_a_row, settings.failing_for_min, backoff.clone());
        let share = failure_policy::success_rate_over_time_window(
            settings.success_share_min.clamp(0.0, 1.0),
            settings.calls_min,
            settings.window.max(WINDOW_MIN),
            backoff,
        );
        let opened_for = OpenedFor::default();
        let window = settings.window.max(WINDOW_MIN);
        let policy = Reporting::new(in_a_row, share, window, opened_for.clone());
        let state =
            State { phase: Phase::Closed, generation: 0, probes: 0, open_for: settings.open_min };
        show(name, state.phase);
        Self(Arc::new(Shared {
            name,
            probes_max: settings.probes_max.max(1),
            machine: StateMachine::new(policy, ()),
            opened_for,
            state: Mutex::new(state),
        }))
    }

    /// Permission for one call, now or not at all.
    fn permit(&self) -> Result<Permission, Refused> {
        let shared = &self.0;
        let mut state = shared.lock();
        match state.phase {
            Phase::Closed => {}
            Phase::Open { until } => {
                let left = until.saturating_duration_since(Instant::now());
                // Asking the machine is what moves it to half-open.
                if !left.is_zero() || !shared.machine.is_call_permitted() {
                    return Err(Refused::BreakerOpen { retry_after: left });
                }
                shared.change(&mut state, Phase::HalfOpen);
                state.probes = 1;
            }
            Phase::HalfOpen if state.probes < shared.probes_max => state.probes += 1,
            Phase::HalfOpen => {
                return Err(Refused::BreakerOpen { retry_after: PROBES_BUSY_RETRY_AFTER });
            }
        }
        Ok(Permission { breaker: self.clone(), generation: Some(state.generation) })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an outcome to the state that it was allowed in.
    fn settle(&self, generation: u64, verdict: Verdict) {
        let mut state = self.lock();
        if state.generation != generation {
            return;
        }
        let probing = state.phase == Phase::HalfOpen;
        if probing {
            state.probes -= 1;
        }
        match verdict {
            Verdict::None => {}
            Verdict::Success => {
                self.machine.on_success();
                if probing {
                    self.change(&mut state, Phase::Closed);
                }
            }
            Verdict::Failure => {
                self.machine.on_error();
                let wish = self.opened_for.take();
                if wish.is_some() || probing {
                    state.open_for = wish.unwrap_or(state.open_for);
                    let until = Instant::now() + state.open_for;
                    self.change(&mut state, Phase::Open { until });
                }
            }
        }
    }

    fn change(&self, state: &mut State, phase: Phase) {
        state.phase = phase;
        state.generation += 1;
        state.probes = 0;
        show(self.name, phase);
        match phase {
            Phase::Closed => {
                tracing::info!(name = self.name, "the circuit breaker is closed again")
            }
            Phase::HalfOpen => {
                tracing::info!(name = self.name, "the circuit breaker lets a probe through")
            }
            Phase::Open { .. } => tracing::warn!(name = self.name, "the circuit breaker is open"),
        }
    }
}

/// Mirrors the state into the metrics: 0 closed, 1 half-open, 2 open.
fn show(name: &'static str, phase: Phase) {
    let (value, to) = match phase {
        Phase::Closed => (0.0, "closed"),
        Phase::HalfOpen => (1.0, "half-open"),
        Phase::Open { .. } => (2.0, "open"),
    };
    metrics::gauge!("outbound_breaker_state", "name" => name).set(value);
    metrics::counter!("outbound_breaker_changes_total", "name" => name, "to" => to).increment(1);
}

/// Leave to make one call, to be settled with its outcome.
struct Permission {
    breaker: Breaker,
    /// When it was given; `None` once it is settled.
    generation: Option<u64>,
}

impl Permission {
    fn settle(mut self, verdict: Verdict) {
        if let Some(generation) = self.generation.take() {
            self.breaker.0.settle(generation, verdict);
        }
    }
}

impl Drop for Permission {
    fn drop(&mut self) {
        if let Some(generation) = self.generation.take() {
            self.breaker.0.settle(generation, Verdict::None);
        }
    }
}

#[derive(Clone)]
pub(super) struct BreakerLayer(Breaker);

impl BreakerLayer {
    pub(super) fn new(breaker: Breaker) -> Self {
        Self(breaker)
    }
}

impl<S> Layer<S> for BreakerLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, breaker: self.0.clone(), permission: None }
    }
}

/// A service behind the breaker. Readiness is where the permission is taken.
pub(super) struct Guarded<S> {
    inner: S,
    breaker: Breaker,
    permission: Option<Permission>,
}

impl<S: Clone> Clone for Guarded<S> {
    /// A permission is for one call and is not copied.
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), breaker: self.breaker.clone(), permission: None }
    }
}

impl<S> Service<Call> for Guarded<S>
where
    S: Service<Call, Response = Answer, Error = CallError>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = CallError;
    type Future = BoxFuture<'static, Result<Answer, CallError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        if self.permission.is_none() {
            self.permission = Some(self.breaker.permit()?);
        }
        let below = ready!(self.inner.poll_ready(context));
        if below.is_err() {
            self.permission = None;
        }
        Poll::Ready(below)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let permission =
            self.permission.take().expect("poll_ready was called first, as tower demands");
        let attempt = self.inner.call(call);
        Box::pin(async move {
            let outcome = attempt.await;
            permission.settle(Verdict::of(&outcome));
            outcome
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    // Here the share's clock is failsafe's own, which its own tests stop this way.
    #[test]
    fn it_opens_when_too_few_calls_succeed_though_never_many_fail_in_a_row() {
        let settings =
            BreakerSettings { failures_in_a_row: u32::MAX, ..BreakerSettings::default() };
        for (successes_of_4, opens) in [(3, false), (1, true)] {
            failsafe::clock::freeze(|clock| {
                let breaker = Breaker::new("test", &settings);
                let mut calls = 0;
                while calls < 200 {
                    let Ok(permission) = breaker.permit() else { break };
                    let verdict = if calls % 4 < successes_of_4 {
                        Verdict::Success
                    } else {
                        Verdict::Failure
                    };
                    permission.settle(verdict);
                    clock.advance(Duration::from_millis(100));
                    calls += 1;
                }
                // Never before the window is over.
                assert_eq!(opens, (100..200).contains(&calls), "{calls} calls");
                assert_eq!(opens, breaker.permit().is_err());
            });
        }
    }

    #[test]
    fn a_failure_after_a_quiet_night_is_one_failure() {
        let settings =
            BreakerSettings { failures_in_a_row: u32::MAX, ..BreakerSettings::default() };
        failsafe::clock::freeze(|clock| {
            let breaker = Breaker::new("test", &settings);
            let settle = |verdict| breaker.permit().unwrap().settle(verdict);
            settle(Verdict::Success);
            clock.advance(Duration::from_secs(30));
            settle(Verdict::Failure);
            for _ in 0..100 {
                clock.advance(Duration::from_millis(20));
                settle(Verdict::Success);
            }
            settle(Verdict::Failure);
            assert!(breaker.permit().is_ok(), "one of a hundred has failed");
        });
    }

    #[test]
    fn a_failed_probe_opens_it_again_even_where_the_policy_has_no_wish() {
        let settings = BreakerSettings {
            failures_in_a_row: u32::MAX,
            open_min: Duration::ZERO,
            ..BreakerSettings::default()
        };
        failsafe::clock::freeze(|clock| {
            let breaker = Breaker::new("test", &settings);
            for _ in 0..150 {
                if let Ok(permission) = breaker.permit() {
                    permission.settle(Verdict::Failure);
                }
                clock.advance(Duration::from_millis(100));
            }
            // So long ago that too few calls are left in the window.
            clock.advance(Duration::from_secs(60));
            breaker.permit().unwrap().settle(Verdict::Failure);
            clock.advance(Duration::from_millis(1));
            let generation = breaker.0.lock().generation;
            breaker.permit().unwrap();
            assert_eq!(breaker.0.lock().phase, Phase::HalfOpen);
            assert_eq!(breaker.0.lock().generation, generation + 1);
        });
    }
}
