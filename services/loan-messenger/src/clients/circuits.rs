//! A circuit breaker and a few places for each target: one that is dead or slow uses up
//! neither the workers nor the patience of the others.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use failsafe::backoff::EqualJittered;
use failsafe::failure_policy::ConsecutiveFailures;
use failsafe::{StateMachine, backoff, failure_policy};
use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Outcome;

/// Targets that are remembered at most.
const TARGETS_MAX: u64 = 10_000;

/// A target is forgotten when it was not written to for so long.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);

/// Failures in a row that open a circuit.
const FAILURES_IN_A_ROW: u32 = 5;

/// How long it is open, at first.
const OPEN_MIN: Duration = Duration::from_secs(2);

/// Whom a destination depends on: what fails for one fails for all that share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A server of ours, by its channel.
    Ours(&'static str),
    /// A customer's, by its host and port.
    Theirs(String),
}

/// The circuits of all targets.
#[derive(Clone)]
pub struct Circuits {
    targets: Cache<Target, Arc<Circuit>>,
    places: Places,
    open_max: Duration,
}

/// How many messages are on their way to a target at once at most.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// To our own mail server or provider.
    pub ours: usize,
    /// To a customer's system.
    pub theirs: usize,
}

struct Circuit {
    machine: StateMachine<ConsecutiveFailures<EqualJittered>, ()>,
    places: Arc<Semaphore>,
}

/// Leave to send one message to a target.
pub struct Leave {
    target: Arc<Circuit>,
    _place: OwnedSemaphorePermit,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLeave {
    /// The circuit is open.
    Open,
    /// All places are taken.
    Full,
}

impl fmt::Debug for Circuits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuits").field("targets", &self.targets.entry_count()).finish()
    }
}

impl Circuits {
    /// With so many places; a circuit is open for `open_max` at most.
    #[must_use]
    pub fn new(places: Places, open_max: Duration) -> Self {
        let targets = Cache::builder().max_capacity(TARGETS_MAX).time_to_idle(FORGET_AFTER).build();
        Self { targets, places, open_max }
    }

    /// Whether this target is left alone at the moment.
    #[must_use]
    pub fn is_open(&self, target: &Target) -> bool {
        matches!(self.leave(target), Err(NoLeave::Open))
    }

    /// Leave to send to this target, now or not at all.
    ///
    /// # Errors
    /// [`NoLeave`].
    pub fn leave(&self, target: &Target) -> Result<Leave, NoLeave> {
        let places = match target {
            Target::Ours(_) => self.places.ours,
            Target::Theirs(_) => self.places.theirs,
        };
        let target = self.targets.get_with_by_ref(target, || {
            let pause = backoff::equal_jittered(OPEN_MIN.min(self.open_max), self.open_max);
            let policy = failure_policy::consecutive_failures(FAILURES_IN_A_ROW, pause);
            Arc::new(Circuit {
                machine: StateMachine::new(policy, ()),
                places: Arc::new(Semaphore::new(places)),
            })
        });
        let place = Arc::clone(&target.places).try_acquire_owned().map_err(|_| NoLeave::Full)?;
        if !target.machine.is_call_permitted() {
            return Err(NoLeave::Open);
        }
        Ok(Leave { target, _place: place })
    }
}

impl Leave {
    /// Says what came of it.
    pub fn settle(self, outcome: &Outcome) {
        if outcome.is_failure() {
            self.target.machine.on_error();
        } else {
            self.target.machine.on_success();
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const PLACES: Places = Places { ours: 3, theirs: 2 };

    fn theirs(host: &str) -> Target {
        Target::Theirs(host.to_owned())
    }

    #[test]
    fn a_dead_target_is_left_alone_and_no_other() {
        let circuits = Circuits::new(PLACES, Duration::from_secs(60));
        for _ in 0..FAILURES_IN_A_ROW {
            circuits.leave(&theirs("dead")).unwrap().settle(&Outcome::failed("503"));
        }
        assert_eq!(circuits.leave(&theirs("dead")).err(), Some(NoLeave::Open));
        assert!(circuits.leave(&theirs("well")).is_ok());
    }

    #[test]
    fn one_who_refuses_a_message_is_not_dead() {
        let circuits = Circuits::new(PLACES, Duration::from_secs(60));
        for _ in 0..3 * FAILURES_IN_A_ROW {
            let refused = Outcome::Refused { detail: "550".to_owned() };
            circuits.leave(&Target::Ours("mail")).unwrap().settle(&refused);
        }
        assert!(circuits.leave(&Target::Ours("mail")).is_ok());
    }

    #[test]
    fn a_slow_target_has_only_its_places() {
        let circuits = Circuits::new(PLACES, Duration::from_secs(60));
        let slow = theirs("slow");
        let both = [circuits.leave(&slow).unwrap(), circuits.leave(&slow).unwrap()];
        assert_eq!(circuits.leave(&slow).err(), Some(NoLeave::Full));
        assert!(circuits.leave(&theirs("other")).is_ok());
        drop(both);
        assert!(circuits.leave(&slow).is_ok());
        let ours = [(); 3].map(|()| circuits.leave(&Target::Ours("sms")).unwrap());
        assert_eq!(circuits.leave(&Target::Ours("sms")).err(), Some(NoLeave::Full));
        drop(ours);
    }
}
