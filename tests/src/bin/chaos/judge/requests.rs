//! Requests: what was accepted is there, once, in every service; what was
//! refused is nowhere; and what nobody was told about is one of the two.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use crate::held::{Held, Item, Request};
use crate::ledger::{Account, Sent, Told};

const RECEIVED: &str = "요청완료";
const PENDING: &str = "인증대기";
const CANCELLED: &str = "요청취소";

pub(super) fn judge(account: &Account, held: &Held, findings: &mut Findings) {
    let services = Services::of(held);
    for sent in &account.sent {
        services.told(sent, findings);
    }
    for request in &held.requests {
        services.agree_on(request, findings);
    }
    for item in &held.items {
        if !services.requests.contains_key(item.id.as_str()) {
            findings.contradicted.push(format!("{}: an item of no request", item.id));
        }
    }
    for id in &held.certified {
        if !services.items.contains_key(id.as_str()) {
            findings.lost.push(format!("{id}: certified, and not with the manager"));
        }
    }
}

/// What the services hold, by id and by name.
struct Services<'a> {
    held: &'a Held,
    requests: BTreeMap<&'a str, &'a Request>,
    items: BTreeMap<&'a str, &'a Item>,
    named_requests: BTreeMap<&'a str, Vec<&'a Request>>,
    named_items: BTreeMap<&'a str, Vec<&'a Item>>,
    received: BTreeSet<&'a str>,
    rejected: BTreeSet<&'a str>,
}

impl<'a> Services<'a> {
    fn of(held: &'a Held) -> Self {
        let mut named_requests: BTreeMap<&str, Vec<&Request>> = BTreeMap::new();
        for request in &held.requests {
            named_requests.entry(&request.name).or_default().push(request);
        }
        let mut named_items: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
        for item in &held.items {
            named_items.entry(&item.name).or_default().push(item);
        }
        let of_events = |what: &str| {
            let events = held.events.iter().filter(|event| event.what == what);
            events.map(|event| event.request.as_str()).collect()
        };
        Self {
            held,
            requests: held.requests.iter().map(|one| (one.id.as_str(), one)).collect(),
            items: held.items.iter().map(|one| (one.id.as_str(), one)).collect(),
            named_requests,
            named_items,
            received: of_events("LoanRequestReceived"),
            rejected: of_events("LoanRequestRejected"),
        }
    }

    fn told(&self, sent: &Sent, findings: &mut Findings) {
        let name = sent.name.as_str();
        let none = Vec::new();
        let items = self.named_items.get(name).unwrap_or(&none);
        if items.len() > 1 {
            findings.doubled.push(format!("{name}: {} items of one request", items.len()));
        }
        match sent.told {
            Told::Accepted => self.accepted(sent, findings),
            Told::Pending => self.decided(sent, findings),
            Told::Cancelled => {
                if !items.iter().all(|item| item.rejected) || items.is_empty() {
                    findings.contradicted.push(format!("{name}: told cancelled, and is not"));
                }
            }
            Told::Refused | Told::ComeBack => {
                let live = self.named_requests.get(name).into_iter().flatten().any(|request| {
                    request.status == RECEIVED
                        || (request.status != CANCELLED && request.customer.is_some())
                });
                if live || !items.is_empty() {
                    findings.phantom.push(format!("{name}: told {:?}, and it is there", sent.told));
                }
            }
            Told::Nothing => {}
        }
    }

    /// A 201: received by the manager, or rejected by it, which is told as well.
    fn accepted(&self, sent: &Sent, findings: &mut Findings) {
        let Some(id) = sent.ids.last() else { return };
        let Some(request) = self.requests.get(id.as_str()) else {
            return findings.lost.push(format!("{id}: accepted, and no request"));
        };
        if request.name != sent.name || request.amount != sent.amount {
            findings.contradicted.push(format!("{id}: another request than was sent"));
        }
        let Some(item) = self.items.get(id.as_str()) else {
            return findings.lost.push(format!("{id}: accepted, and not with the manager"));
        };
        let status = if item.rejected { CANCELLED } else { RECEIVED };
        if request.status != status {
            let is = &request.status;
            findings.lost.push(format!("{id}: accepted, and is {is} instead of {status}"));
        }
        if item.rejected && sent.loan.is_none() {
            findings.contradicted.push(format!("{id}: an application was rejected"));
        }
        if let Some(loan) = &sent.loan
            && item.loan.as_ref().is_some_and(|other| other != loan)
        {
            findings.contradicted.push(format!("{id}: of another loan than was named"));
        }
    }

    /// A 202 ends: as after a 201, or gone.
    fn decided(&self, sent: &Sent, findings: &mut Findings) {
        for id in &sent.ids {
            match self.requests.get(id.as_str()) {
                None => findings.lost.push(format!("{id}: told 202, and no request")),
                Some(request) if request.status == PENDING => {
                    findings.lost.push(format!("{id}: told 202, and never decided"));
                }
                Some(_) => {}
            }
        }
    }

    /// Whatever anybody was told: the services say the same of a request.
    fn agree_on(&self, request: &Request, findings: &mut Findings) {
        let id = request.id.as_str();
        let item = self.items.get(id);
        let outcome = self.held.outcomes.get(id).map(String::as_str);
        let certified = outcome == Some("certified");
        match (request.status.as_str(), item) {
            (RECEIVED, None) => {
                findings.lost.push(format!("{id}: {RECEIVED}, and not with the manager"));
            }
            (RECEIVED, Some(item)) => {
                if item.rejected {
                    findings.lost.push(format!("{id}: rejected, and still {RECEIVED}"));
                }
                if !self.received.contains(id) || !certified {
                    findings.contradicted.push(format!("{id}: {RECEIVED} without its events"));
                }
                if item.amount != request.amount || item.kind != request.kind {
                    findings.contradicted.push(format!("{id}: the manager has another amount"));
                }
            }
            (CANCELLED, Some(item)) => {
                if !item.rejected || !self.rejected.contains(id) {
                    findings.contradicted.push(format!("{id}: {CANCELLED}, and with the manager"));
                } else if !self.held.cancelled.contains(id) {
                    findings
                        .lost
                        .push(format!("{id}: {CANCELLED}, and the status does not show it"));
                } else if outcome != Some("cancelled") {
                    findings.lost.push(format!("{id}: {CANCELLED}, and not at loan-auth"));
                }
            }
            (PENDING, _) => findings.lost.push(format!("{id}: never decided")),
            (status, Some(_)) => {
                findings.contradicted.push(format!("{id}: {status}, and with the manager"));
            }
            (_, None) if certified => {
                findings.contradicted.push(format!("{id}: certified, and not accepted"));
            }
            (_, None) => {}
        }
    }
}
