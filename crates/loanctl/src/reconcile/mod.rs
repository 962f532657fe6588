//! `loanctl reconcile`: whether the five services agree about every request.

mod compare;
mod disagreement;
pub(crate) mod facts;
mod repair;
mod report;
mod set_aside;
mod streams;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use common::clock::Clock;
use uuid::Uuid;

use self::compare::compare;
use self::disagreement::{Disagreement, Mend};
use self::report::{Report, Summary};
use self::streams::{Streams, look_up};
use crate::api::{IDS_MAX, Services};

/// Something older than the bound disagrees.
const DISAGREES: u8 = 1;

/// What it can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Only what could have agreed for so long counts: younger is on its way. A number
    /// with `ms`, `s`, `m` or `h`.
    #[arg(long, default_value = "60s", value_parser = duration)]
    older_than: Duration,
    /// JSON, one object a line; the last one holds the summary.
    #[arg(long)]
    json: bool,
    /// Have what is missing told once more by its owner, under the ids of the first
    /// time; then wait until it has arrived. The same as often as one likes.
    #[arg(long)]
    repair: bool,
    /// How long to wait until what was repaired has arrived.
    #[arg(long, default_value = "60s", value_parser = duration)]
    repair_wait: Duration,
}

/// Compares everything: 0 if all agree, 1 if something older than the bound does not.
pub(crate) async fn reconcile(
    services: &Services,
    arguments: Arguments,
) -> anyhow::Result<ExitCode> {
    let mut run = Run {
        services,
        clock: Clock::system(),
        report: Report::new(arguments.json),
        summary: Summary::default(),
        repaired: Vec::new(),
        sent: BTreeSet::new(),
        arguments,
    };
    let mut streams = Streams::new(services);
    let mut suspects = Vec::with_capacity(IDS_MAX);
    while let Some((id, facts)) = streams.next().await? {
        run.summary.checked += 1;
        let (old, young) = run.by_age(compare(id, &facts));
        run.summary.in_flight += young;
        if !old.is_empty() {
            suspects.push(id);
        }
        if suspects.len() == IDS_MAX {
            run.confirm(&std::mem::take(&mut suspects)).await?;
        }
        run.report.progress(run.summary.checked, id);
    }
    run.confirm(&suspects).await?;
    run.end().await
}

struct Run<'a> {
    services: &'a Services,
    clock: Clock,
    report: Report,
    summary: Summary,
    /// What was told of once more: an id each, and there are few of them.
    repaired: Vec<Uuid>,
    /// What was done for them.
    sent: BTreeSet<Mend>,
    arguments: Arguments,
}

impl Run<'_> {
    /// Those older than the bound, and how many are younger. What is dated further
    /// ahead than the bound has no age: it would be young for ever.
    fn by_age(&self, all: Vec<Disagreement>) -> (Vec<Disagreement>, u64) {
        let now = self.clock.now();
        let bound = self.arguments.older_than;
        let is_young = |since| now - bound < since && since <= now + bound;
        let found = all.len();
        let old: Vec<_> = all.into_iter().filter(|one| !is_young(one.since)).collect();
        let young = (found - old.len()) as u64;
        (old, young)
    }

    /// Looks at what disagreed once more: the pages of the services were not read at
    /// the same moment. Says what disagrees even so, and mends it.
    async fn confirm(&mut self, suspects: &[Uuid]) -> anyhow::Result<()> {
        if suspects.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let mut mends = BTreeSet::new();
        for (id, all) in disagreements(self.services, suspects).await? {
            let (old, young) = self.by_age(all);
            self.summary.in_flight += young;
            if old.is_empty() {
                continue;
            }
            self.summary.disagreeing += 1;
            for one in &old {
                self.report.found(one, now)?;
                *self.summary.kinds.entry(one.kind).or_default() += 1;
            }
            let of_this: Vec<_> = old.into_iter().flat_map(|one| one.mends).collect();
            if self.arguments.repair && !of_this.is_empty() {
                self.repaired.push(id);
                mends.extend(of_this);
            }
        }
        repair::mend(self.services, &mends).await?;
        self.sent.append(&mut mends);
        Ok(())
    }

    async fn end(mut self) -> anyhow::Result<ExitCode> {
        let tried = self.repaired.len() as u64;
        let repaired = std::mem::take(&mut self.repaired);
        let wait = self.arguments.repair_wait;
        let missed =
            repair::settle(self.services, repaired, std::mem::take(&mut self.sent), wait).await?;
        self.summary.mended = tried - missed;
        self.summary.left = self.summary.disagreeing - self.summary.mended;
        let code = if self.summary.left == 0 { 0 } else { DISAGREES };
        self.report.end(self.summary, self.arguments.repair)?;
        Ok(ExitCode::from(code))
    }
}

/// What disagrees now of these requests, in the order of their ids.
async fn disagreements(
    services: &Services,
    ids: &[Uuid],
) -> anyhow::Result<Vec<(Uuid, Vec<Disagreement>)>> {
    let known = look_up(services, ids).await?;
    let mut found: Vec<_> = known
        .iter()
        .map(|(id, facts)| (*id, compare(*id, facts)))
        .filter(|(_, all)| !all.is_empty())
        .collect();
    found.sort_by_key(|(id, _)| *id);
    set_aside::respect(services, found).await
}

/// `90s`, `5m`, `250ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|one: char| one.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "must be a number and a unit".to_owned())?;
    let ms = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err("the unit must be ms, s, m or h".to_owned()),
    };
    // More than a hundred years is no age of anything here.
    let ms = ms.filter(|ms| *ms <= 100 * 365 * 24 * 3_600_000).ok_or("is too long")?;
    Ok(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_its_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7_200)));
        for wrong in ["", "5", "s", "-1s", "1.5s", "99999999999h", "18446744073709551615s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
