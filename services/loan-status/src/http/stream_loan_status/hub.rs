//! The streams of this instance: who has one, and what each is handed. In
//! memory, bounded everywhere, and never waiting, so that one slow reader costs
//! the others nothing: a stream that has no room left is handed nothing more. It
//! reads from the database what it missed and listens again; if it has not come
//! so far within a time, it is too slow and loses its place.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::events::CustomerId;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::domain::feed_id::FeedId;
use crate::domain::viewer::{Scope, Viewer};
use crate::store::entry::Entry;

/// One in so many streams is never a customer's: however many customers there are,
/// officers see what happens.
const OFFICERS_PART: usize = 10;

/// How much there may be of everything.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Streams at once.
    pub streams_max: usize,
    /// Streams of one customer at once.
    pub customer_streams_max: usize,
    /// Streams of one officer at once.
    pub officer_streams_max: usize,
    /// Entries that wait for one stream.
    pub buffer_entries_max: usize,
    /// How long a stream may lag behind before it is cut off.
    pub lag_max: Duration,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The customer has as many streams as a customer may have.
    OfCustomer,
    /// The officer has as many streams as an officer may have.
    OfOfficer,
    /// The instance has as many streams as it can bear.
    OfInstance,
}

/// The streams of this instance.
pub struct Hub {
    limits: Limits,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Up to where the feed was handed out.
    position: FeedId,
    next_number: u64,
    seated: HashMap<u64, Seated>,
    by_customer: HashMap<CustomerId, Vec<u64>>,
    /// By whose token it is; each of them is handed everything.
    by_officer: HashMap<Uuid, Vec<u64>>,
}

struct Seated {
    viewer: Viewer,
    bearer: Uuid,
    expires_at: OffsetDateTime,
    standing: Standing,
}

enum Standing {
    /// Reads from the database what there was before it came.
    CatchingUp,
    /// Is handed the entries of the scope behind a number.
    Listening { scope: Scope, behind: i64, entries: mpsc::Sender<Arc<Entry>> },
    /// Had no room left, and reads from the database what it missed.
    Lagging { since: OffsetDateTime },
}

/// A stream's place. It is free again when this is dropped.
pub struct Seat {
    hub: Arc<Hub>,
    number: u64,
}

impl Hub {
    /// A hub without streams, for a feed that has come to `position`.
    #[must_use]
    pub fn new(limits: Limits, position: FeedId) -> Arc<Self> {
        let inner = Inner {
            position,
            next_number: 0,
            seated: HashMap::new(),
            by_customer: HashMap::new(),
            by_officer: HashMap::new(),
        };
        Arc::new(Self { limits, inner: Mutex::new(inner) })
    }

    /// A place for a stream of this viewer, whose token is `bearer`'s.
    ///
    /// # Errors
    /// [`Full`] if there is none.
    pub fn take_seat(
        self: &Arc<Self>,
        viewer: Viewer,
        bearer: Uuid,
        expires_at: OffsetDateTime,
    ) -> Result<Seat, Full> {
        let mut inner = self.lock();
        let (own, own_max, full) = match viewer {
            Viewer::Customer(customer) => (
                inner.by_customer.get(&customer),
                self.limits.customer_streams_max,
                Full::OfCustomer,
            ),
            Viewer::Officer => {
                (inner.by_officer.get(&bearer), self.limits.officer_streams_max, Full::OfOfficer)
            }
        };
        if own.map_or(0, Vec::len) >= own_max {
            return Err(full);
        }
        let customers: usize = inner.by_customer.values().map(Vec::len).sum();
        let for_customers = self.limits.streams_max - self.limits.streams_max / OFFICERS_PART;
        let is_full = match viewer {
            Viewer::Customer(_) => customers >= for_customers,
            Viewer::Officer => false,
        };
        if is_full || inner.seated.len() >= self.limits.streams_max {
            return Err(Full::OfInstance);
        }
        let number = inner.next_number;
        inner.next_number += 1;
        let standing = Standing::CatchingUp;
        inner.seated.insert(number, Seated { viewer, bearer, expires_at, standing });
        match viewer {
            Viewer::Customer(customer) => {
                inner.by_customer.entry(customer).or_default().push(number)
            }
            Viewer::Officer => inner.by_officer.entry(bearer).or_default().push(number),
        }
        inner.count();
        drop(inner);
        Ok(Seat { hub: Arc::clone(self), number })
    }

    /// Up to where the feed was handed out.
    #[must_use]
    pub fn position(&self) -> FeedId {
        self.lock().position.clone()
    }

    /// Whether nobody has a stream; then the feed has come to `number` without
    /// anything to hand out.
    #[must_use]
    pub fn skip_if_empty(&self, number: i64) -> bool {
        let mut inner = self.lock();
        let empty = inner.seated.is_empty();
        if empty {
            inner.position.number = number;
        }
        empty
    }

    /// Hands out the next entries of the feed, in their order.
    pub fn hand_out(&self, entries: Vec<Entry>, now: OffsetDateTime) {
        let mut inner = self.lock();
        for entry in entries {
            inner.position.number = entry.id;
            inner.hand_out(&Arc::new(entry), now);
        }
    }

    /// Says that nothing up to `number` is left to hand out.
    pub fn reach(&self, number: i64) {
        self.lock().position.number = number;
    }

    /// The feed is another one: every stream ends, and starts anew when its
    /// client comes back.
    pub fn restart(&self, position: FeedId) {
        let mut inner = self.lock();
        inner.position = position;
        for number in inner.numbers(|_| true) {
            inner.leave(number);
        }
    }

    /// Frees the places of the streams that lag behind for too long; their
    /// clients come back with `Last-Event-ID`. And of those whose token has
    /// expired: such a stream ends by itself, except if its client stopped
    /// reading, because then nobody asks it for anything any more.
    pub fn sweep(&self, now: OffsetDateTime) {
        let mut inner = self.lock();
        let lag_max = self.limits.lag_max;
        let is_late = |seated: &Seated| match seated.standing {
            Standing::Lagging { since } => since + lag_max <= now,
            Standing::CatchingUp | Standing::Listening { .. } => false,
        };
        let late: Vec<u64> = inner.numbers(is_late);
        if !late.is_empty() {
            metrics::counter!("loan_status_streams_cut_total").increment(late.len() as u64);
        }
        let expired = inner.numbers(|seated| seated.expires_at <= now);
        for number in late.into_iter().chain(expired) {
            inner.leave(number);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code of a caller runs under the lock, so a panic elsewhere leaves it whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn numbers(&self, which: impl Fn(&Seated) -> bool) -> Vec<u64> {
        self.seated.iter().filter(|(_, seated)| which(seated)).map(|(number, _)| *number).collect()
    }

    fn hand_out(&mut self, entry: &Arc<Entry>, now: OffsetDateTime) {
        let own = self.by_customer.get(&entry.customer_id).map_or(&[][..], Vec::as_slice);
        for number in own.iter().chain(self.by_officer.values().flatten()) {
            let Some(seated) = self.seated.get_mut(number) else {
                continue;
            };
            let Standing::Listening { scope, behind, entries } = &seated.standing else {
                continue;
            };
            let is_wanted = entry.id > *behind && scope.has(entry.customer_id, entry.loan_id);
            if is_wanted && entries.try_send(Arc::clone(entry)).is_err() {
                seated.standing = Standing::Lagging { since: now };
            }
        }
    }

    fn leave(&mut self, number: u64) {
        let Some(seated) = self.seated.remove(&number) else {
            return;
        };
        match seated.viewer {
            Viewer::Customer(customer) => forget(&mut self.by_customer, &customer, number),
            Viewer::Officer => forget(&mut self.by_officer, &seated.bearer, number),
        }
        self.count();
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge; there are never so many streams")]
    fn count(&self) {
        metrics::gauge!("loan_status_streams").set(self.seated.len() as f64);
    }
}

/// Takes a number from whoever has it; who has none left is not kept.
fn forget<K: Eq + Hash>(numbers_of: &mut HashMap<K, Vec<u64>>, whose: &K, number: u64) {
    if let Some(numbers) = numbers_of.get_mut(whose) {
        numbers.retain(|other| *other != number);
        if numbers.is_empty() {
            numbers_of.remove(whose);
        }
    }
}

impl Seat {
    /// From now on the entries of the scope behind the returned position and
    /// behind the number `seen` come by the returned channel. It ends when there
    /// was no room left in it, or the place is lost.
    #[must_use]
    pub fn listen(&self, scope: Scope, seen: i64) -> (FeedId, mpsc::Receiver<Arc<Entry>>) {
        let (entries, receiver) = mpsc::channel(self.hub.limits.buffer_entries_max);
        let mut inner = self.hub.lock();
        if let Some(seated) = inner.seated.get_mut(&self.number) {
            seated.standing = Standing::Listening { scope, behind: seen, entries };
        }
        (inner.position.clone(), receiver)
    }

    /// Whether the place was taken away.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        !self.hub.lock().seated.contains_key(&self.number)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.lock().leave(self.number);
    }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
