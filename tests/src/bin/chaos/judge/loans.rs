//! Loans: every event is shown and told once and in its order, every decision
//! came about once, and the sums are right.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use crate::held::{Event, Held, Item, Shown};
use crate::ledger::{Account, Taken};

pub(super) fn judge(account: &Account, held: &Held, findings: &mut Findings) {
    once(held, findings);
    for (who, shown) in [("status", &held.entries), ("messages", &held.messages)] {
        seen(who, held, shown, findings);
    }
    decisions(account, held, findings);
    sums(held, findings);
}

/// What an event says happened, so that the same can be told from another.
fn deed(event: &Event) -> (&str, &str, &str) {
    let to = if event.what == "LoanJudged" { event.to.as_deref() } else { None };
    (&event.request, &event.what, to.unwrap_or_default())
}

/// Nothing happened twice, and a loan's events are numbered as they were written.
fn once(held: &Held, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    let mut versions: BTreeMap<&str, i64> = BTreeMap::new();
    for event in &held.events {
        if !seen.insert(deed(event)) {
            findings.doubled.push(format!("{}: {} twice", event.request, event.what));
        }
        let (Some(loan), Some(version)) = (event.loan.as_deref(), event.version) else { continue };
        let last = versions.entry(loan).or_default();
        if version != *last + 1 {
            findings.out_of_order.push(format!("{loan}: event {version} after {last}"));
        }
        *last = version;
    }
    for item in &held.items {
        if item.kind == "01" && !seen.contains(&(item.id.as_str(), "LoanRequestReceived", "")) {
            findings.lost.push(format!("{}: an item without its event", item.id));
        }
    }
}

/// One entry, and one message, for each event; a loan's in their order.
fn seen(who: &str, held: &Held, shown: &[Shown], findings: &mut Findings) {
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    for one in shown {
        *times.entry(&one.event).or_default() += 1;
    }
    for event in &held.events {
        match times.remove(event.id.as_str()) {
            None => findings.lost.push(format!("{}: {} is not in {who}", event.id, event.what)),
            Some(1) => {}
            Some(times) => {
                findings.doubled.push(format!("{}: {times} times in {who}", event.id));
            }
        }
    }
    for event in times.keys() {
        findings.phantom.push(format!("{event}: in {who}, and the manager never said so"));
    }
    let published = by_loan(held.events.iter().map(|one| (one.loan.as_deref(), one.id.as_str())));
    let shown = by_loan(shown.iter().map(|one| (one.loan.as_deref(), one.event.as_str())));
    for (loan, events) in published {
        let there: Vec<&str> = shown.get(loan).cloned().unwrap_or_default();
        let known: BTreeSet<&str> = there.iter().copied().collect();
        let expected: Vec<&str> = events.into_iter().filter(|id| known.contains(id)).collect();
        if expected != there {
            findings.out_of_order.push(format!("{loan}: another order in {who}"));
        }
    }
}

fn by_loan<'a>(
    all: impl Iterator<Item = (Option<&'a str>, &'a str)>,
) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut loans: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (loan, event) in all {
        if let Some(loan) = loan {
            loans.entry(loan).or_default().push(event);
        }
    }
    loans
}

/// What officers were told about their steps.
fn decisions(account: &Account, held: &Held, findings: &mut Findings) {
    let items: BTreeMap<&str, &Item> =
        held.items.iter().map(|one| (one.id.as_str(), one)).collect();
    let mut happened: BTreeSet<(&str, &str)> = BTreeSet::new();
    for event in &held.events {
        let to = match event.what.as_str() {
            "LoanJudged" => event.to.as_deref().unwrap_or_default(),
            "LoanExecuted" => "04",
            "LoanRepaid" => "05",
            "LoanRequestRejected" => "03",
            _ => continue,
        };
        happened.insert((&event.request, to));
    }
    let mut done: BTreeSet<(&str, &str)> = BTreeSet::new();
    for decision in &account.decisions {
        let what = (decision.item.as_str(), decision.to);
        if decision.taken == Taken::Refused {
            continue;
        }
        if !done.insert(what) {
            findings.doubled.push(format!("{}: {} was taken twice", what.0, what.1));
        }
        if !happened.contains(&what) {
            findings.lost.push(format!("{}: {} was taken, and no event", what.0, what.1));
        }
    }
    for decision in &account.decisions {
        let what = (decision.item.as_str(), decision.to);
        // A repayment is rejected by itself when its loan is repaid.
        let by_itself =
            decision.to == "03" && items.get(what.0).is_some_and(|item| item.kind == "02");
        if decision.taken == Taken::Refused
            && happened.contains(&what)
            && !done.contains(&what)
            && !by_itself
        {
            findings.phantom.push(format!("{}: {} was refused, and happened", what.0, what.1));
        }
    }
}

/// Outstanding is what was lent without what was booked, wherever it is shown.
fn sums(held: &Held, findings: &mut Findings) {
    let mut booked: BTreeMap<&str, i64> = BTreeMap::new();
    for booking in &held.bookings {
        *booked.entry(&booking.loan).or_default() += booking.amount;
    }
    let standings: BTreeMap<&str, (&str, Option<i64>)> = held
        .standings
        .iter()
        .map(|one| (one.id.as_str(), (one.status.as_str(), one.outstanding)))
        .collect();
    let bookings: BTreeMap<&str, i64> =
        held.bookings.iter().map(|one| (one.id.as_str(), one.amount)).collect();
    for item in &held.items {
        let id = item.id.as_str();
        if item.kind == "02" {
            let expected = (item.status == "05").then_some(item.amount);
            if bookings.get(id).copied() != expected {
                findings.contradicted.push(format!("{id}: {} and booked otherwise", item.status));
            }
            continue;
        }
        if let Some(outstanding) = item.outstanding {
            let owed = item.amount - booked.get(id).copied().unwrap_or_default();
            if outstanding != owed || outstanding < 0 {
                findings
                    .contradicted
                    .push(format!("{id}: {outstanding} is owed instead of {owed}"));
            }
        }
        match standings.get(id) {
            None => findings.lost.push(format!("{id}: a loan that the status does not know")),
            Some(shown) if *shown != (item.status.as_str(), item.outstanding) => {
                findings.contradicted.push(format!(
                    "{id}: the status shows {shown:?} instead of ({}, {:?})",
                    item.status, item.outstanding
                ));
            }
            Some(_) => {}
        }
    }
}
