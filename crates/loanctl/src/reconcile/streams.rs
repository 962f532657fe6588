//! The five services side by side: each is read page by page in the order of the
//! requests' ids, so that what is in memory does not grow with what there is.

use std::collections::{HashMap, VecDeque};

use anyhow::ensure;
use futures::try_join;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::facts::{
    Certification, ENTRIES, Entries, Facts, ITEMS, Item, Keyed, Messages, OpenLoan, Request,
};
use crate::api::{AdminApi, Page, Services};

const REQUESTS: &str = "/admin/requests";
const CERTIFICATIONS: &str = "/admin/certifications";
const OPEN_LOANS: &str = "/admin/open-loans";
const MESSAGES: &str = "/admin/messages";

/// One service's rows, as far as they were read.
struct Stream<'a, T> {
    api: &'a AdminApi,
    path: &'static str,
    rows: VecDeque<T>,
    last: Option<Uuid>,
    is_at_end: bool,
}

impl<'a, T: Keyed + DeserializeOwned> Stream<'a, T> {
    fn new(api: &'a AdminApi, path: &'static str) -> Self {
        Self { api, path, rows: VecDeque::new(), last: None, is_at_end: false }
    }

    /// Reads the next page, if nothing is left of the last one.
    async fn fill(&mut self) -> anyhow::Result<()> {
        if self.is_at_end || !self.rows.is_empty() {
            return Ok(());
        }
        let page: Page<T> = self.api.page(self.path, self.last).await?;
        for row in &page.items {
            let key = row.key();
            ensure!(self.last < Some(key), "{} does not list in order", self.api.service);
            self.last = Some(key);
        }
        self.is_at_end = page.next.is_none();
        self.rows = page.items.into();
        Ok(())
    }

    fn head(&self) -> Option<Uuid> {
        self.rows.front().map(Keyed::key)
    }

    /// The first row, if it is of this request.
    fn take(&mut self, key: Uuid) -> Option<T> {
        if self.head() == Some(key) { self.rows.pop_front() } else { None }
    }
}

/// All five.
pub(super) struct Streams<'a> {
    requests: Stream<'a, Request>,
    certifications: Stream<'a, Certification>,
    open_loans: Stream<'a, OpenLoan>,
    items: Stream<'a, Item>,
    messages: Stream<'a, Messages>,
    entries: Stream<'a, Entries>,
}

impl<'a> Streams<'a> {
    pub(super) fn new(services: &'a Services) -> Self {
        Self {
            requests: Stream::new(&services.request, REQUESTS),
            certifications: Stream::new(&services.auth, CERTIFICATIONS),
            open_loans: Stream::new(&services.auth, OPEN_LOANS),
            items: Stream::new(&services.manager, ITEMS),
            messages: Stream::new(&services.messenger, MESSAGES),
            entries: Stream::new(&services.status, ENTRIES),
        }
    }

    /// What all five say of the next request that any of them knows.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<(Uuid, Facts)>> {
        try_join!(
            self.requests.fill(),
            self.certifications.fill(),
            self.open_loans.fill(),
            self.items.fill(),
            self.messages.fill(),
            self.entries.fill(),
        )?;
        let heads = [
            self.requests.head(),
            self.certifications.head(),
            self.open_loans.head(),
            self.items.head(),
            self.messages.head(),
            self.entries.head(),
        ];
        let Some(key) = heads.into_iter().flatten().min() else { return Ok(None) };
        let facts = Facts {
            request: self.requests.take(key),
            certification: self.certifications.take(key),
            open_loan: self.open_loans.take(key),
            item: self.items.take(key),
            messages: self.messages.take(key),
            entries: self.entries.take(key),
        };
        Ok(Some((key, facts)))
    }
}

/// What all five say of these requests now. The owners are asked before their
/// readers: what was told meanwhile may have arrived, and not the reverse.
pub(super) async fn look_up(
    services: &Services,
    ids: &[Uuid],
) -> anyhow::Result<HashMap<Uuid, Facts>> {
    let mut known: HashMap<Uuid, Facts> = ids.iter().map(|id| (*id, Facts::default())).collect();
    let certifications = services.auth.these::<Certification>(CERTIFICATIONS, ids).await?;
    let items = services.manager.these::<Item>(ITEMS, ids).await?;
    let (open_loans, requests, messages, entries) = try_join!(
        services.auth.these::<OpenLoan>(OPEN_LOANS, ids),
        services.request.these::<Request>(REQUESTS, ids),
        services.messenger.these::<Messages>(MESSAGES, ids),
        services.status.these::<Entries>(ENTRIES, ids),
    )?;
    put(&mut known, certifications, |facts, row| facts.certification = Some(row));
    put(&mut known, open_loans, |facts, row| facts.open_loan = Some(row));
    put(&mut known, items, |facts, row| facts.item = Some(row));
    put(&mut known, requests, |facts, row| facts.request = Some(row));
    put(&mut known, messages, |facts, row| facts.messages = Some(row));
    put(&mut known, entries, |facts, row| facts.entries = Some(row));
    Ok(known)
}

fn put<T: Keyed>(known: &mut HashMap<Uuid, Facts>, rows: Vec<T>, set: impl Fn(&mut Facts, T)) {
    for row in rows {
        if let Some(facts) = known.get_mut(&row.key()) {
            set(facts, row);
        }
    }
}
