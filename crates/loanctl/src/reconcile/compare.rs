//! Where the five disagree about one request. Pure: what they say comes in, what
//! does not fit goes out, with what would mend it.

use std::collections::BTreeSet;

use events::{LoanStatus, RequestKind, RequestStatus};
use time::OffsetDateTime;
use uuid::Uuid;

use super::disagreement::{Disagreement, Kind, Mend, Reader};
use super::facts::{Certification, Entries, Facts, Item, Messages, OpenLoan, Outcome, Request};

/// Every disagreement about one request.
pub(crate) fn compare(id: Uuid, facts: &Facts) -> Vec<Disagreement> {
    let mut found = Found { id, all: Vec::new() };
    let Facts { request, certification, open_loan, item, messages, entries } = facts;
    let certified = certification.as_ref().filter(|one| one.outcome == Outcome::Certified);
    match request {
        Some(request) => {
            standing(&mut found, request, certified, item.as_ref());
            cancellation(&mut found, request, certified, entries.as_ref());
        }
        None => missing_request(&mut found, certified, item.as_ref()),
    }
    records(&mut found, facts);
    told(&mut found, item.as_ref(), messages.as_ref(), entries.as_ref());
    if let Some(item) = item.as_ref().filter(|item| item.kind == RequestKind::Apply) {
        books(&mut found, item);
        shown_standing(&mut found, item, entries.as_ref());
        open_standing(&mut found, item, open_loan.as_ref());
    }
    if let (None, Some(loan), None) = (item, open_loan, certified) {
        unknown_loan(&mut found, loan);
    }
    identities(&mut found, facts);
    found.all
}

struct Found {
    id: Uuid,
    all: Vec<Disagreement>,
}

impl Found {
    fn add(
        &mut self,
        kind: Kind,
        since: OffsetDateTime,
        detail: impl Into<String>,
        mends: Vec<Mend>,
    ) {
        let detail = detail.into();
        self.all.push(Disagreement { loan_request_id: self.id, kind, since, detail, mends });
    }
}

/// Whether loan-request knows what was decided about it.
fn standing(
    found: &mut Found,
    request: &Request,
    certified: Option<&Certification>,
    item: Option<&Item>,
) {
    let is_decided = request.customer_id.is_some();
    let status = request.status;
    match (item, certified, status) {
        (Some(item), _, RequestStatus::Refused) => {
            let detail = "refused, and loan-manager works on it";
            found.add(Kind::Contradiction, item.received_at, detail, vec![]);
        }
        (Some(item), _, RequestStatus::Cancelled) if item.reason.is_none() => {
            let detail = "cancelled, and loan-manager works on it";
            found.add(Kind::Contradiction, request.changed_at, detail, vec![]);
        }
        (Some(item), _, RequestStatus::Pending) if item.reason.is_none() => {
            let mends = events_of_type(item, "LoanRequestReceived", Reader::Request);
            found.add(Kind::RequestBehind, item.received_at, "received, and still 인증대기", mends);
        }
        (Some(item), _, RequestStatus::Pending | RequestStatus::Received)
            if item.reason.is_some() =>
        {
            let mends = events_of_type(item, "LoanRequestRejected", Reader::Request);
            let detail = format!("rejected, and still {status}");
            found.add(Kind::NotCompensated, item.changed_at, detail, mends);
        }
        (None, Some(certified), RequestStatus::Pending) if !is_decided => {
            let mends = certification_once_more(certified, Reader::Request);
            let detail = "certified, and loan-request does not know";
            found.add(Kind::RequestBehind, certified.decided_at, detail, mends);
        }
        (None, Some(certified), RequestStatus::Refused | RequestStatus::Cancelled)
            if !is_decided =>
        {
            let detail = format!("certified, and the client was told no ({status})");
            found.add(Kind::Contradiction, certified.decided_at, detail, vec![]);
        }
        (None, None, RequestStatus::Pending) if !is_decided => {
            let detail = "nobody has decided on it";
            found.add(Kind::Undecided, request.submitted_at, detail, vec![]);
        }
        _ => {}
    }
}

fn missing_request(found: &mut Found, certified: Option<&Certification>, item: Option<&Item>) {
    let since = certified.map(|one| one.decided_at).or(item.map(|item| item.received_at));
    if let Some(since) = since {
        let detail = "certified or worked on, and loan-request has no such request";
        found.add(Kind::RequestMissing, since, detail, vec![]);
    }
}

/// Whether a compensation has reached those who need to know.
fn cancellation(
    found: &mut Found,
    request: &Request,
    certified: Option<&Certification>,
    entries: Option<&Entries>,
) {
    if request.status != RequestStatus::Cancelled || request.customer_id.is_none() {
        return;
    }
    let mends = |reader| {
        let release = request.cancelled_event_id.map(|event| Mend::Release(reader, event));
        release.into_iter().chain([Mend::Cancellation(request.loan_request_id)]).collect()
    };
    let since = request.changed_at;
    if certified.is_some() {
        let detail = "compensated, and still certified";
        found.add(Kind::CertificationNotCancelled, since, detail, mends(Reader::Auth));
    }
    if entries.is_some_and(|entries| !entries.is_cancelled) {
        let detail = "compensated, and not shown so";
        found.add(Kind::StatusNotCancelled, since, detail, mends(Reader::Status));
    }
}

/// Whether loan-manager has what is certified, and nothing else.
fn records(found: &mut Found, facts: &Facts) {
    let certification = facts.certification.as_ref();
    let was_certified =
        certification.filter(|one| matches!(one.outcome, Outcome::Certified | Outcome::Cancelled));
    match (was_certified, &facts.item) {
        (Some(certification), None) => {
            // A cancelled one cannot be told of again: it does not hold any more.
            let mends = match certification.outcome {
                Outcome::Certified => certification_once_more(certification, Reader::Manager),
                Outcome::Cancelled | Outcome::Refused | Outcome::Voided => vec![],
            };
            let detail = "certified, and loan-manager has no record";
            found.add(Kind::ManagerMissing, certification.decided_at, detail, mends);
        }
        (None, Some(item)) => {
            let detail = "loan-manager has it, and it was never certified";
            found.add(Kind::CertificationMissing, item.received_at, detail, vec![]);
        }
        (None, None) => {
            if let Some(request) = facts.request.as_ref().filter(|one| one.customer_id.is_some()) {
                let detail = "loan-request has it as certified, and nobody else knows of it";
                found.add(Kind::CertificationMissing, request.changed_at, detail, vec![]);
            }
        }
        (Some(_), Some(_)) => {}
    }
}

/// Whether what loan-manager told has arrived, and nothing else.
fn told(
    found: &mut Found,
    item: Option<&Item>,
    messages: Option<&Messages>,
    entries: Option<&Entries>,
) {
    let told: BTreeSet<Uuid> =
        item.into_iter().flat_map(|item| item.event_ids.iter().copied()).collect();
    if item.is_some() && told.is_empty() {
        // From before there was a history: nothing can be said.
        return;
    }
    let readers = [
        (
            Reader::Messenger,
            messages.map(|one| (&one.event_ids, one.last_at)),
            (Kind::MessageMissing, Kind::MessagePhantom),
        ),
        (
            Reader::Status,
            entries.map(|one| (&one.event_ids, one.last_at)),
            (Kind::StatusMissing, Kind::StatusPhantom),
        ),
    ];
    for (reader, has, (missing, phantom)) in readers {
        let ids: BTreeSet<Uuid> =
            has.into_iter().flat_map(|(ids, _)| ids.iter().copied()).collect();
        if let Some(item) = item {
            let lost: Vec<(Uuid, &str, OffsetDateTime)> =
                events_of(item).filter(|(id, ..)| !ids.contains(id)).collect();
            if let Some(since) = lost.iter().map(|(.., at)| *at).min() {
                let names: Vec<&str> = lost.iter().map(|(_, name, _)| *name).collect();
                let mends = lost
                    .iter()
                    .flat_map(|(id, ..)| [Mend::Release(reader, *id), Mend::Event(*id)])
                    .collect();
                found.add(missing, since, names.join(", "), mends);
            }
        }
        let made_up = ids.difference(&told).count();
        if let (Some((_, last_at)), true) = (has, made_up > 0) {
            let detail = format!("{made_up} that loan-manager never told of");
            found.add(phantom, last_at, detail, vec![]);
        }
    }
}

/// Whether what is owed is what was lent less what was booked.
fn books(found: &mut Found, item: &Item) {
    let owed = match item.outstanding {
        Some(outstanding) => outstanding,
        None if item.booked == 0 => return,
        None => 0,
    };
    if owed != item.amount - item.booked {
        let Item { amount, booked, .. } = item;
        let detail = format!("{owed} owed, {amount} lent, {booked} booked");
        found.add(Kind::BooksWrong, item.changed_at, detail, vec![]);
    }
}

/// Whether the loan is shown as it stands.
fn shown_standing(found: &mut Found, item: &Item, entries: Option<&Entries>) {
    let Some(entries) = entries else { return };
    if (entries.loan_status, entries.outstanding) != (Some(item.status), item.outstanding) {
        let shown = entries.loan_status.map_or("nothing", |status| status.code());
        let owed = |outstanding: Option<i64>| {
            outstanding.map_or_else(|| "nothing".to_owned(), |owed| owed.to_string())
        };
        let detail = format!(
            "is {} and owes {}, shown {shown} owing {}",
            item.status,
            owed(item.outstanding),
            owed(entries.outstanding)
        );
        let mends = vec![Mend::Rederive(item.loan_request_id)];
        found.add(Kind::StatusBehind, item.changed_at, detail, mends);
    }
}

/// Whether a loan keeps its customer from leaving.
fn is_open(item: &Item) -> bool {
    match item.status {
        LoanStatus::Waiting
        | LoanStatus::UnderReview
        | LoanStatus::Approved
        | LoanStatus::Executed => item.reason.is_none(),
        LoanStatus::Refused | LoanStatus::Repaid => false,
    }
}

/// Whether loan-auth takes the loan for open if it is, and else not: it is asked when
/// the customer wants to leave.
fn open_standing(found: &mut Found, item: &Item, loan: Option<&OpenLoan>) {
    let (is, taken) = (is_open(item), loan.is_some_and(|loan| loan.is_open));
    if is == taken {
        return;
    }
    let seen = loan.map_or(0, |loan| loan.loan_version);
    // As new an event as it has seen would change nothing there.
    let standing = item.standing_event_id.filter(|_| item.standing_version > Some(seen));
    let mends = standing.map(|event| [Mend::Release(Reader::Auth, event), Mend::Event(event)]);
    let word = |is| if is { "open" } else { "closed" };
    let detail = format!("is {}, and loan-auth takes it for {}", word(is), word(taken));
    let mends = mends.into_iter().flatten().collect();
    found.add(Kind::OpenLoanWrong, item.changed_at, detail, mends);
}

/// A loan that keeps a customer from leaving and that nobody else knows of.
fn unknown_loan(found: &mut Found, loan: &OpenLoan) {
    if loan.is_open {
        let detail = "loan-auth takes it for open, and it is not certified";
        found.add(Kind::OpenLoanWrong, loan.changed_at, detail, vec![]);
    }
}

/// Whether all speak of the same customer and the same amount.
fn identities(found: &mut Found, facts: &Facts) {
    let (request, certification, item) = (&facts.request, &facts.certification, &facts.item);
    let amounts = [
        request.as_ref().map(|one| one.amount),
        certification.as_ref().and_then(|one| one.amount_of_money),
        item.as_ref().map(|one| one.amount),
    ];
    let owners = [
        request.as_ref().and_then(|one| one.customer_id),
        certification.as_ref().and_then(|one| one.customer_id),
        item.as_ref().map(|one| one.customer_id),
        facts.open_loan.as_ref().map(|one| one.customer_id),
    ];
    let since = [
        request.as_ref().map(|one| one.changed_at),
        certification.as_ref().map(|one| one.decided_at),
        item.as_ref().map(|one| one.received_at),
    ];
    let Some(since) = since.into_iter().flatten().max() else { return };
    if differ(&amounts) {
        let detail = "loan-request, loan-auth and loan-manager have different amounts";
        found.add(Kind::AmountDiffers, since, detail, vec![]);
    }
    if differ(&owners) {
        let detail = "loan-request, loan-auth and loan-manager have different owners";
        found.add(Kind::OwnerDiffers, since, detail, vec![]);
    }
}

fn differ<T: PartialEq>(said: &[Option<T>]) -> bool {
    let mut said = said.iter().flatten();
    said.next().is_some_and(|first| said.any(|other| other != first))
}

fn events_of(item: &Item) -> impl Iterator<Item = (Uuid, &str, OffsetDateTime)> {
    item.event_ids.iter().zip(&item.event_types).zip(&item.event_times_ms).map(
        |((id, event_type), ms)| {
            let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(*ms) * 1_000_000);
            (*id, event_type.as_str(), at.unwrap_or(OffsetDateTime::UNIX_EPOCH))
        },
    )
}

fn events_of_type(item: &Item, wanted: &str, reader: Reader) -> Vec<Mend> {
    events_of(item)
        .filter(|(_, event_type, _)| *event_type == wanted)
        .flat_map(|(id, ..)| [Mend::Release(reader, id), Mend::Event(id)])
        .collect()
}

fn certification_once_more(certification: &Certification, reader: Reader) -> Vec<Mend> {
    let release = certification.event_id.map(|event| Mend::Release(reader, event));
    release.into_iter().chain([Mend::Certification(certification.loan_request_id)]).collect()
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
