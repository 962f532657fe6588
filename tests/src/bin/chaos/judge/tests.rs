//! The checker checked: a true account passes, and each lie is found.

use super::*;
use crate::held::{Booking, Event, Item, Request, Shown, Standing};
use crate::ledger::{Decision, Sent, Taken, Told};

fn sent(name: &str, told: Told, id: Option<&str>) -> Sent {
    Sent {
        name: name.to_owned(),
        loan: None,
        amount: 100,
        keyed: false,
        tries: 1,
        told,
        ids: id.map(str::to_owned).into_iter().collect(),
    }
}

fn event(id: &str, what: &str, to: Option<&str>, version: i64) -> Event {
    Event {
        id: id.to_owned(),
        what: what.to_owned(),
        request: "L".to_owned(),
        loan: Some("L".to_owned()),
        to: to.map(str::to_owned),
        version: Some(version),
    }
}

/// One loan, executed, of which 40 were repaid, and everybody agrees.
fn truth() -> (Account, Held) {
    let account = Account {
        sent: vec![
            sent("one", Told::Accepted, Some("L")),
            sent("two", Told::ComeBack, None),
            Sent { loan: Some("L".into()), amount: 40, ..sent("three", Told::Accepted, Some("R")) },
        ],
        decisions: [("L", "01"), ("L", "02"), ("L", "04"), ("R", "05")]
            .map(|(item, to)| Decision { item: item.to_owned(), to, taken: Taken::Done })
            .into(),
        ..Account::default()
    };
    let request = |id: &str, name: &str, kind: &str, amount| Request {
        id: id.to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        status: "요청완료".to_owned(),
        amount,
        customer: Some("C".to_owned()),
    };
    let item = |id: &str, name: &str, kind: &str, status: &str, amount, outstanding| Item {
        id: id.to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        loan: Some("L".to_owned()),
        status: status.to_owned(),
        amount,
        outstanding,
        rejected: false,
    };
    let of_repayment = |event: Event| Event { request: "R".to_owned(), ..event };
    let events = vec![
        event("e1", "LoanRequestReceived", None, 1),
        event("e2", "LoanJudged", Some("01"), 2),
        event("e3", "LoanJudged", Some("02"), 3),
        event("e4", "LoanExecuted", None, 4),
        of_repayment(event("e5", "LoanRequestReceived", None, 5)),
        of_repayment(event("e6", "LoanRepaid", Some("04"), 6)),
    ];
    let shown: Vec<Shown> = events
        .iter()
        .map(|event| Shown { event: event.id.clone(), loan: event.loan.clone() })
        .collect();
    let held = Held {
        requests: vec![request("L", "one", "01", 100), request("R", "three", "02", 40)],
        items: vec![
            item("L", "one", "01", "04", 100, Some(60)),
            item("R", "three", "02", "05", 40, None),
        ],
        bookings: vec![Booking { id: "R".into(), loan: "L".into(), amount: 40 }],
        events,
        certified: vec!["L".into(), "R".into()],
        outcomes: [("L", "certified"), ("R", "certified")]
            .map(|(id, outcome)| (id.to_owned(), outcome.to_owned()))
            .into(),
        entries: shown.clone(),
        messages: shown,
        standings: vec![Standing { id: "L".into(), status: "04".into(), outstanding: Some(60) }],
        ..Held::default()
    };
    (account, held)
}

/// What is found after a lie: the names of the kinds.
fn found(lie: impl FnOnce(&mut Account, &mut Held)) -> Vec<&'static str> {
    let (mut account, mut held) = truth();
    lie(&mut account, &mut held);
    let findings = judge(&account, &held);
    let kinds = findings.kinds();
    kinds.iter().filter(|(_, lines)| !lines.is_empty()).map(|(name, _)| *name).collect()
}

#[test]
fn the_truth_passes() {
    let (account, held) = truth();
    let findings = judge(&account, &held);
    assert!(findings.none(), "{findings:?}");
}

#[test]
fn an_accepted_request_that_is_nowhere_is_lost() {
    let nowhere = sent("four", Told::Accepted, Some("X"));
    assert_eq!(found(|account, _| account.sent.push(nowhere)), ["lost"]);
}

#[test]
fn a_request_that_is_never_decided_is_lost() {
    let pending = Request {
        id: "P".into(),
        name: "four".into(),
        kind: "01".into(),
        status: "인증대기".into(),
        ..Request::default()
    };
    let told = sent("four", Told::Pending, Some("P"));
    let lie = |account: &mut Account, held: &mut Held| {
        account.sent.push(told);
        held.requests.push(pending);
    };
    assert_eq!(found(lie), ["lost"]);
}

#[test]
fn a_certification_that_does_not_reach_the_manager_is_lost() {
    assert_eq!(found(|_, held| held.certified.push("X".into())), ["lost"]);
}

#[test]
fn an_event_that_is_not_shown_or_not_told_is_lost() {
    assert_eq!(found(|_, held| drop(held.entries.remove(2))), ["lost"]);
    assert_eq!(found(|_, held| drop(held.messages.pop())), ["lost"]);
}

#[test]
fn a_step_that_was_taken_and_is_not_there_is_lost() {
    let step = Decision { item: "L".into(), to: "03", taken: Taken::Done };
    assert_eq!(found(|account, _| account.decisions.push(step)), ["lost"]);
}

#[test]
fn what_is_shown_or_happens_twice_is_doubled() {
    let again = Shown { event: "e6".into(), loan: Some("L".into()) };
    assert!(found(|_, held| held.messages.push(again)).contains(&"doubled"));
    let again = event("e7", "LoanExecuted", None, 7);
    assert!(found(|_, held| held.events.push(again)).contains(&"doubled"));
    assert_eq!(found(|_, held| held.worked_twice.push("e1".into())), ["doubled"]);
}

#[test]
fn two_items_of_one_request_are_doubled() {
    let again = |held: &mut Held| {
        let twin = Item { id: "L2".into(), ..held.items[0].clone() };
        held.items.push(twin);
    };
    assert!(found(|_, held| again(held)).contains(&"doubled"));
}

#[test]
fn another_order_is_found_wherever_it_is() {
    assert_eq!(found(|_, held| held.entries.swap(1, 2)), ["out of order"]);
    assert_eq!(found(|_, held| held.messages.swap(0, 5)), ["out of order"]);
    assert!(found(|_, held| held.events.swap(1, 2)).contains(&"out of order"));
}

#[test]
fn what_was_refused_and_is_there_is_a_phantom() {
    assert_eq!(found(|account, _| account.sent[0].told = Told::ComeBack), ["phantom"]);
    assert_eq!(found(|account, _| account.sent[0].told = Told::Refused), ["phantom"]);
    assert_eq!(found(|account, _| account.decisions[1].taken = Taken::Refused), ["phantom"]);
    let never = Shown { event: "e9".into(), loan: None };
    assert_eq!(found(|_, held| held.messages.push(never)), ["phantom"]);
}

#[test]
fn no_answer_may_be_either() {
    assert!(found(|account, _| account.sent[0].told = Told::Nothing).is_empty());
    assert!(found(|account, _| account.sent.push(sent("x", Told::Nothing, None))).is_empty());
}

#[test]
fn wrong_sums_and_states_are_contradictions() {
    assert!(found(|_, held| held.items[0].outstanding = Some(50)).contains(&"contradicted"));
    assert_eq!(found(|_, held| held.standings[0].outstanding = Some(50)), ["contradicted"]);
    assert_eq!(found(|_, held| held.standings[0].status = "02".into()), ["contradicted"]);
    assert!(found(|_, held| drop(held.bookings.pop())).contains(&"contradicted"));
    assert_eq!(
        found(|_, held| held.requests[0].status = "요청취소".into())[..],
        ["lost", "contradicted"]
    );
}

#[test]
fn a_certified_request_that_nobody_accepted_is_a_contradiction() {
    let gone = Request {
        id: "V".into(),
        name: "four".into(),
        kind: "01".into(),
        status: "요청취소".into(),
        ..Request::default()
    };
    let lie = |_: &mut Account, held: &mut Held| {
        held.requests.push(gone);
        held.outcomes.insert("V".into(), "certified".into());
    };
    assert_eq!(found(lie), ["contradicted"]);
}

#[test]
fn dead_letters_and_surprises_are_found() {
    assert_eq!(found(|_, held| held.dead_letters.push("x".into())), ["dead letters"]);
    assert_eq!(found(|account, _| account.surprises.push("x".into())), ["contradicted"]);
}
