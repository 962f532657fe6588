#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use events::LoanStatus;
use events::codes::RejectionReason;
use time::macros::datetime;

use super::*;

const AT: OffsetDateTime = datetime!(2026-11-21 08:00 UTC);

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// An application that was received, judged and executed, and that all agree about.
fn agreed() -> Facts {
    let told = [(11, "LoanRequestReceived"), (12, "LoanJudged"), (13, "LoanExecuted")];
    Facts {
        request: Some(Request {
            loan_request_id: id(1),
            status: RequestStatus::Received,
            customer_id: Some(id(2)),
            amount: 1_000,
            cancelled_event_id: None,
            submitted_at: AT,
            changed_at: AT,
        }),
        certification: Some(Certification {
            loan_request_id: id(1),
            outcome: Outcome::Certified,
            customer_id: Some(id(2)),
            amount_of_money: Some(1_000),
            event_id: Some(id(10)),
            decided_at: AT,
        }),
        open_loan: Some(OpenLoan {
            loan_id: id(1),
            customer_id: id(2),
            is_open: true,
            loan_version: 3,
            changed_at: AT,
        }),
        item: Some(Item {
            loan_request_id: id(1),
            kind: RequestKind::Apply,
            status: LoanStatus::Executed,
            amount: 1_000,
            outstanding: Some(400),
            booked: 600,
            reason: None,
            customer_id: id(2),
            standing_event_id: Some(id(13)),
            standing_version: Some(3),
            received_at: AT,
            changed_at: AT,
            event_ids: told.iter().map(|(event, _)| id(*event)).collect(),
            event_types: told.iter().map(|(_, name)| (*name).to_owned()).collect(),
            event_times_ms: vec![1_000, 2_000, 3_000],
        }),
        messages: Some(Messages {
            loan_request_id: id(1),
            event_ids: told.iter().map(|(event, _)| id(*event)).collect(),
            last_at: AT,
        }),
        entries: Some(Entries {
            loan_request_id: id(1),
            event_ids: told.iter().map(|(event, _)| id(*event)).collect(),
            last_at: AT,
            is_cancelled: false,
            loan_status: Some(LoanStatus::Executed),
            outstanding: Some(400),
        }),
    }
}

/// A repayment that was rejected, compensated, and that all agree about.
fn compensated() -> Facts {
    let mut facts = agreed();
    let item = facts.item.as_mut().unwrap();
    item.kind = RequestKind::Repay;
    item.status = LoanStatus::Refused;
    item.reason = Some(RejectionReason::NoSuchLoan);
    (item.outstanding, item.booked) = (None, 0);
    (item.standing_event_id, item.standing_version) = (None, None);
    facts.open_loan = None;
    let item = facts.item.as_mut().unwrap();
    item.event_ids = vec![id(11)];
    item.event_types = vec!["LoanRequestRejected".to_owned()];
    item.event_times_ms = vec![1_000];
    let request = facts.request.as_mut().unwrap();
    request.status = RequestStatus::Cancelled;
    request.cancelled_event_id = Some(id(20));
    facts.certification.as_mut().unwrap().outcome = Outcome::Cancelled;
    facts.messages.as_mut().unwrap().event_ids = vec![id(11)];
    let entries = facts.entries.as_mut().unwrap();
    entries.event_ids = vec![id(11)];
    entries.is_cancelled = true;
    (entries.loan_status, entries.outstanding) = (None, None);
    facts
}

fn kinds(facts: &Facts) -> Vec<Kind> {
    compare(id(1), facts).into_iter().map(|one| one.kind).collect()
}

/// The one disagreement after a change.
fn only(mut facts: Facts, damage: impl FnOnce(&mut Facts)) -> Disagreement {
    damage(&mut facts);
    let mut found = compare(id(1), &facts);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn what_agrees_is_not_reported() {
    assert_eq!(kinds(&agreed()), []);
    assert_eq!(kinds(&compensated()), []);
    // Refused and voided ones are nobody's but loan-request's and loan-auth's.
    for (status, outcome) in [
        (RequestStatus::Refused, Some(Outcome::Refused)),
        (RequestStatus::Cancelled, Some(Outcome::Voided)),
        (RequestStatus::Cancelled, None),
    ] {
        let mut facts = Facts { request: agreed().request, ..Facts::default() };
        let request = facts.request.as_mut().unwrap();
        (request.status, request.customer_id) = (status, None);
        facts.certification = agreed().certification.filter(|_| outcome.is_some());
        if let (Some(one), Some(outcome)) = (&mut facts.certification, outcome) {
            (one.outcome, one.customer_id) = (outcome, None);
        }
        assert_eq!(kinds(&facts), [], "{status} {outcome:?}");
    }
}

#[test]
fn a_certified_request_that_the_manager_lacks_is_told_of_once_more() {
    let mut facts = Facts {
        request: agreed().request,
        certification: agreed().certification,
        ..Facts::default()
    };
    facts.request.as_mut().unwrap().status = RequestStatus::Pending;
    let found = compare(id(1), &facts);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind, found[0].since), (Kind::ManagerMissing, AT));
    let mends = [Mend::Release(Reader::Manager, id(10)), Mend::Certification(id(1))];
    assert_eq!(found[0].mends, mends);
    facts.request.as_mut().unwrap().customer_id = None;
    assert_eq!(kinds(&facts), [Kind::RequestBehind, Kind::ManagerMissing]);
}

#[test]
fn a_request_that_is_behind_the_manager_hears_of_it_again() {
    let found = only(agreed(), |facts| {
        facts.request.as_mut().unwrap().status = RequestStatus::Pending;
    });
    assert_eq!(found.kind, Kind::RequestBehind);
    assert_eq!(found.mends, [Mend::Release(Reader::Request, id(11)), Mend::Event(id(11))]);
    let found = only(compensated(), |facts| {
        let request = facts.request.as_mut().unwrap();
        request.status = RequestStatus::Received;
    });
    assert_eq!(found.kind, Kind::NotCompensated);
    assert_eq!(found.mends, [Mend::Release(Reader::Request, id(11)), Mend::Event(id(11))]);
}

#[test]
fn each_lost_message_and_entry_is_named_with_the_age_of_the_oldest() {
    let found = only(agreed(), |facts| {
        facts.messages.as_mut().unwrap().event_ids = vec![id(11)];
    });
    assert_eq!(found.kind, Kind::MessageMissing);
    assert_eq!(found.since, OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(2));
    assert_eq!(found.detail, "LoanJudged, LoanExecuted");
    assert_eq!(found.mends.len(), 4);
    let found = only(agreed(), |facts| facts.messages = None);
    assert_eq!((found.kind, found.mends.len()), (Kind::MessageMissing, 6));
    let found = only(agreed(), |facts| facts.entries = None);
    assert_eq!((found.kind, found.mends.len()), (Kind::StatusMissing, 6));
    let found = only(agreed(), |facts| {
        facts.entries.as_mut().unwrap().event_ids.remove(0);
    });
    assert_eq!(found.mends, [Mend::Release(Reader::Status, id(11)), Mend::Event(id(11))]);
}

#[test]
fn what_never_happened_is_a_phantom_that_nobody_mends() {
    let found = only(agreed(), |facts| {
        facts.messages.as_mut().unwrap().event_ids.push(id(99));
    });
    assert_eq!((found.kind, found.mends), (Kind::MessagePhantom, vec![]));
    let mut facts = Facts { entries: agreed().entries, ..Facts::default() };
    assert_eq!(kinds(&facts), [Kind::StatusPhantom]);
    facts.messages = agreed().messages;
    assert_eq!(kinds(&facts), [Kind::MessagePhantom, Kind::StatusPhantom]);
}

#[test]
fn a_loan_that_is_shown_otherwise_than_it_stands_is_derived_anew() {
    for damage in [
        |entries: &mut Entries| entries.outstanding = Some(1_000),
        |entries: &mut Entries| entries.loan_status = Some(LoanStatus::Approved),
        |entries: &mut Entries| entries.loan_status = None,
    ] {
        let found = only(agreed(), |facts| damage(facts.entries.as_mut().unwrap()));
        assert_eq!(found.kind, Kind::StatusBehind);
        assert_eq!(found.mends, [Mend::Rederive(id(1))]);
    }
}

#[test]
fn a_loan_is_open_for_loan_auth_as_long_as_it_is_open() {
    // Each event that it has not seen is told of once more.
    let mends = [Mend::Release(Reader::Auth, id(13)), Mend::Event(id(13))];
    let found = only(agreed(), |facts| {
        let loan = facts.open_loan.as_mut().unwrap();
        (loan.is_open, loan.loan_version) = (false, 2);
    });
    assert_eq!((found.kind, found.mends.as_slice()), (Kind::OpenLoanWrong, mends.as_slice()));
    assert_eq!(found.detail, "is open, and loan-auth takes it for closed");
    let found = only(agreed(), |facts| facts.open_loan = None);
    assert_eq!((found.kind, found.mends.as_slice()), (Kind::OpenLoanWrong, mends.as_slice()));
    let found = only(agreed(), |facts| {
        let item = facts.item.as_mut().unwrap();
        (item.status, item.standing_version) = (LoanStatus::Repaid, Some(5));
        facts.entries.as_mut().unwrap().loan_status = Some(LoanStatus::Repaid);
    });
    assert_eq!(found.detail, "is closed, and loan-auth takes it for open");
    assert_eq!(found.mends, mends);
    // One that it has seen, or none at all, is for a person.
    let found = only(agreed(), |facts| facts.open_loan.as_mut().unwrap().is_open = false);
    assert_eq!((found.kind, found.mends), (Kind::OpenLoanWrong, vec![]));
    let found = only(agreed(), |facts| {
        facts.open_loan = None;
        facts.item.as_mut().unwrap().standing_event_id = None;
    });
    assert_eq!(found.mends, []);
    // A stray one keeps its customer here for ever; a closed one harms nobody.
    let mut facts = Facts { open_loan: agreed().open_loan, ..Facts::default() };
    assert_eq!(kinds(&facts), [Kind::OpenLoanWrong]);
    facts.open_loan.as_mut().unwrap().is_open = false;
    assert_eq!(kinds(&facts), []);
    let found = only(agreed(), |facts| facts.open_loan.as_mut().unwrap().customer_id = id(3));
    assert_eq!(found.kind, Kind::OwnerDiffers);
}

#[test]
fn a_compensation_reaches_all_who_need_to_know() {
    let found = only(compensated(), |facts| {
        facts.certification.as_mut().unwrap().outcome = Outcome::Certified;
    });
    assert_eq!(found.kind, Kind::CertificationNotCancelled);
    assert_eq!(found.mends, [Mend::Release(Reader::Auth, id(20)), Mend::Cancellation(id(1))]);
    let found = only(compensated(), |facts| {
        facts.entries.as_mut().unwrap().is_cancelled = false;
    });
    assert_eq!(found.kind, Kind::StatusNotCancelled);
    assert_eq!(found.mends, [Mend::Release(Reader::Status, id(20)), Mend::Cancellation(id(1))]);
}

#[test]
fn money_that_does_not_add_up_is_for_a_person() {
    let found = only(agreed(), |facts| facts.item.as_mut().unwrap().booked = 500);
    assert_eq!((found.kind, found.mends), (Kind::BooksWrong, vec![]));
    assert_eq!(found.detail, "400 owed, 1000 lent, 500 booked");
    let found = only(agreed(), |facts| facts.request.as_mut().unwrap().amount = 999);
    assert_eq!(found.kind, Kind::AmountDiffers);
    let found = only(agreed(), |facts| facts.item.as_mut().unwrap().customer_id = id(3));
    assert_eq!(found.kind, Kind::OwnerDiffers);
}

#[test]
fn what_the_client_was_told_and_what_was_done_are_compared() {
    let mut facts = Facts {
        request: agreed().request,
        certification: agreed().certification,
        ..Facts::default()
    };
    let request = facts.request.as_mut().unwrap();
    (request.status, request.customer_id) = (RequestStatus::Cancelled, None);
    assert_eq!(kinds(&facts), [Kind::Contradiction, Kind::ManagerMissing]);
    let found = only(agreed(), |facts| {
        let request = facts.request.as_mut().unwrap();
        (request.status, request.customer_id) = (RequestStatus::Refused, None);
    });
    assert_eq!(found.kind, Kind::Contradiction);
}

#[test]
fn what_is_missing_at_the_beginning_is_told() {
    let found = only(agreed(), |facts| facts.request = None);
    assert_eq!(found.kind, Kind::RequestMissing);
    let found = only(agreed(), |facts| facts.certification = None);
    assert_eq!(found.kind, Kind::CertificationMissing);
    let mut facts = Facts { request: agreed().request, ..Facts::default() };
    assert_eq!(kinds(&facts), [Kind::CertificationMissing]);
    let request = facts.request.as_mut().unwrap();
    (request.status, request.customer_id) = (RequestStatus::Pending, None);
    assert_eq!(kinds(&facts), [Kind::Undecided]);
}
