//! Requests that nothing can be made anew of: what was told of them at first is
//! neither in the topics any more nor in what loan-manager keeps.

use events::RequestKind;
use uuid::Uuid;

use crate::api::{IDS_MAX, Services};
use crate::reconcile::facts::{ENTRIES, Entries, ITEMS, Item};

/// What tells of a request for the first time.
const FIRST: [&str; 2] = ["LoanRequestReceived", "LoanRequestRejected"];

/// How many are named.
const NAMED_MAX: usize = 5;

/// Requests that loan-manager has and of which it has not kept the beginning.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Forgotten {
    /// Shown all the same, as they always were.
    shown: u64,
    /// Not shown any more.
    lost: u64,
    /// Some of these.
    named: Vec<Uuid>,
}

impl Forgotten {
    /// What there is to say of those that are not shown, if there is one.
    pub(super) fn told(&self) -> Option<String> {
        let Self { shown, lost, named } = self;
        if *lost == 0 {
            return None;
        }
        let named: Vec<String> = named.iter().map(Uuid::to_string).collect();
        Some(format!(
            "{lost} requests of loan-manager are older than all that was kept and are not shown in full, \
             {shown} as old are; among those that are not: {}",
            named.join(", ")
        ))
    }

    fn count(&mut self, old: &[&Item], shown: &[Entries]) {
        for item in old {
            let id = item.loan_request_id;
            let is_shown = shown.iter().find(|one| one.loan_request_id == id).is_some_and(|one| {
                let has_older = one.event_ids.iter().any(|shown| !item.event_ids.contains(shown));
                has_older && (item.kind == RequestKind::Repay || one.loan_status.is_some())
            });
            if is_shown {
                self.shown += 1;
                continue;
            }
            self.lost += 1;
            if self.named.len() < NAMED_MAX {
                self.named.push(id);
            }
        }
    }
}

/// Looks through all of loan-manager's items; one page is in memory at a time.
pub(super) async fn forgotten(services: &Services) -> anyhow::Result<Forgotten> {
    let (mut found, mut after) = (Forgotten::default(), None);
    loop {
        let page = services.manager.page::<Item>(ITEMS, after).await?;
        after = page.next;
        let has_beginning =
            |item: &&Item| item.event_types.iter().any(|told| FIRST.contains(&told.as_str()));
        let old: Vec<&Item> = page.items.iter().filter(|item| !has_beginning(item)).collect();
        for old in old.chunks(IDS_MAX) {
            let ids: Vec<Uuid> = old.iter().map(|item| item.loan_request_id).collect();
            let shown = services.status.these::<Entries>(ENTRIES, &ids).await?;
            found.count(old, &shown);
        }
        if after.is_none() {
            return Ok(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(id: Uuid, kind: &str, kept: &[Uuid]) -> Item {
        serde_json::from_value(json!({
            "loanRequestId": id, "kind": kind, "status": "04", "amount": 1, "booked": 0,
            "customerId": id, "receivedAt": "2026-11-21T08:00:00Z", "changedAt": "2026-11-21T08:00:00Z",
            "eventIds": kept, "eventTypes": [], "eventTimesMs": [],
        }))
        .expect("an item")
    }

    fn entries(id: Uuid, events: &[Uuid], loan_status: Option<&str>) -> Entries {
        serde_json::from_value(json!({
            "loanRequestId": id, "eventIds": events, "lastAt": "2026-11-21T08:00:00Z",
            "isCancelled": false, "loanStatus": loan_status,
        }))
        .expect("entries")
    }

    #[test]
    fn what_is_not_shown_is_counted_and_named() {
        let ids: Vec<Uuid> = (0..5).map(Uuid::from_u128).collect();
        let (kept, older) = (Uuid::from_u128(10), Uuid::from_u128(11));
        let items = [
            item(ids[0], "01", &[kept]),
            item(ids[1], "01", &[kept]),
            item(ids[2], "02", &[]),
            item(ids[3], "01", &[]),
            item(ids[4], "01", &[kept]),
        ];
        let shown = [
            entries(ids[0], &[kept, older], Some("04")),
            entries(ids[1], &[kept, older], None),
            entries(ids[2], &[older], None),
            // What is kept of it was made anew, and nothing that is older.
            entries(ids[4], &[kept], Some("04")),
        ];
        let mut found = Forgotten::default();
        assert_eq!(found.told(), None);
        found.count(&items.iter().collect::<Vec<_>>(), &shown);
        let wanted = Forgotten { shown: 2, lost: 3, named: vec![ids[1], ids[3], ids[4]] };
        assert_eq!(found, wanted);
        assert!(found.told().is_some_and(|text| text.starts_with("3 requests")));
    }
}
