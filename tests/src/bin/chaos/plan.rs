//! The schedule: what is broken when, for how long. A pure function of what was
//! asked for, so that a run can be had again by its seed.

use std::fmt;

use journeys::dice::Dice;

use crate::faults::{Bundle, Fault, Link, Part};

/// Before the first fault the load is there for so long.
const LEAD_MS: u64 = 3_000;
/// What the schedule allows for a recovery. If it takes longer, all later
/// faults come later.
const RECOVERY_MS: u64 = 3_000;
/// The second of two faults at once begins so long after the first.
const SECOND_AFTER_MS: u64 = 2_500;
/// From this length on, some stops outlast whatever a request may take.
const LONG_RUN_SECONDS: u64 = 600;

/// What a schedule is made from.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) seed: u64,
    pub(crate) seconds: u64,
    pub(crate) bundles: Vec<Bundle>,
}

/// One fault of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timed {
    pub(crate) fault: Fault,
    /// After the step's begin.
    pub(crate) after_ms: u64,
    pub(crate) lasts_ms: u64,
    /// Chooses among equal processes, and how much a delay or a clock is off.
    pub(crate) pick: u64,
}

/// One or more faults at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// After the load's begin, at the earliest.
    pub(crate) at_ms: u64,
    pub(crate) faults: Vec<Timed>,
}

impl Step {
    /// From the step's begin to its heal.
    pub(crate) fn lasts_ms(&self) -> u64 {
        self.faults.iter().map(|timed| timed.after_ms + timed.lasts_ms).max().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> String {
        Bundle(self.faults.iter().map(|timed| timed.fault).collect()).to_string()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7.1} s  {}", seconds(self.at_ms), self.name())?;
        for timed in &self.faults {
            write!(f, "  {:.1} s (#{})", seconds(timed.lasts_ms), timed.pick)?;
        }
        Ok(())
    }
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// The schedule: each of the bundles once, in an order of the seed's, and again
/// from the beginning while there is time.
pub(crate) fn plan(asked: &Asked) -> Vec<Step> {
    let mut dice = Dice(asked.seed);
    let mut steps = Vec::new();
    let mut at_ms = LEAD_MS;
    let mut bag: Vec<Bundle> = Vec::new();
    loop {
        if bag.is_empty() {
            bag = shuffled(asked.bundles.clone(), &mut dice);
        }
        let Some(bundle) = bag.pop() else { return steps };
        let step = step(at_ms, &bundle, asked.seconds >= LONG_RUN_SECONDS, &mut dice);
        at_ms += step.lasts_ms() + RECOVERY_MS + dice.between(500, 2_500);
        if at_ms > asked.seconds * 1_000 {
            return steps;
        }
        steps.push(step);
    }
}

fn step(at_ms: u64, bundle: &Bundle, long: bool, dice: &mut Dice) -> Step {
    let mut faults: Vec<Timed> = Vec::new();
    for (index, &fault) in bundle.0.iter().enumerate() {
        let after_ms = if index == 0 { 0 } else { SECOND_AFTER_MS };
        let lasts_ms = lasts_ms(fault, long, dice);
        faults.push(Timed { fault, after_ms, lasts_ms, pick: dice.between(0, 999) });
    }
    // One that began first lasts until the others have begun.
    if faults.len() > 1 {
        faults[0].lasts_ms = faults[0].lasts_ms.max(SECOND_AFTER_MS + 1_500);
    }
    Step { at_ms, faults }
}

/// How long it is left broken. The figures it is measured by: 610 ms for a
/// certification, 10 s for a consumer's session and for the relay's patience
/// with the database, 5 s for the relay's lease, 30 s for a request.
fn lasts_ms(fault: Fault, long: bool, dice: &mut Dice) -> u64 {
    match fault {
        Fault::Kill(_) => dice.between(500, 3_500),
        Fault::Stop(Part::Service(_)) if long && dice.between(0, 1) == 1 => {
            dice.between(32_000, 40_000)
        }
        Fault::Stop(_) => dice.between(11_000, 15_000),
        Fault::Cut(_) => dice.between(1_500, 5_000),
        Fault::Hold(Link::ToPostgres(_) | Link::ToKafka(_)) => dice.between(11_000, 14_000),
        Fault::Hold(_) => dice.between(2_000, 6_000),
        Fault::Delay(_) => dice.between(4_000, 8_000),
        Fault::FullDisk(_) => dice.between(3_000, 6_000),
        Fault::RollingRestart => 0,
        Fault::Clock { .. } => dice.between(4_000, 8_000),
    }
}

fn shuffled(mut bundles: Vec<Bundle>, dice: &mut Dice) -> Vec<Bundle> {
    for last in (1..bundles.len()).rev() {
        let other = dice.between(0, last as u64);
        bundles.swap(last, usize::try_from(other).unwrap_or_default());
    }
    bundles
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::faults::usual;

    fn asked(seed: u64, seconds: u64) -> Asked {
        Asked { seed, seconds, bundles: usual() }
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_gives_another() {
        assert_eq!(plan(&asked(7, 900)), plan(&asked(7, 900)));
        assert_ne!(plan(&asked(7, 900)), plan(&asked(8, 900)));
    }

    #[test]
    fn steps_follow_each_other_within_the_time() {
        let steps = plan(&asked(3, 1_800));
        assert!(steps.len() > 50);
        for pair in steps.windows(2) {
            assert!(pair[1].at_ms > pair[0].at_ms + pair[0].lasts_ms());
        }
        let last = steps.last().unwrap();
        assert!(last.at_ms + last.lasts_ms() <= 1_800_000);
    }

    #[test]
    fn every_fault_comes_before_one_comes_again() {
        let bundles: Vec<Bundle> = ["kill-broker", "kill-postgres", "rolling-restart"]
            .map(|name| name.parse().unwrap())
            .into();
        let steps = plan(&Asked { seed: 1, seconds: 120, bundles });
        let mut first: Vec<String> = steps.iter().take(3).map(Step::name).collect();
        first.sort_unstable();
        assert_eq!(first, ["kill-broker", "kill-postgres", "rolling-restart"]);
    }

    #[test]
    fn the_first_of_two_at_once_lasts_until_the_second_has_begun() {
        let bundles = vec!["kill-broker+kill-loan-auth".parse().unwrap()];
        for step in plan(&Asked { seed: 5, seconds: 300, bundles }) {
            assert!(step.faults[0].lasts_ms > step.faults[1].after_ms);
        }
    }
}
