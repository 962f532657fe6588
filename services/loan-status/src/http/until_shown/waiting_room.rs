//! Who waits on this instance for something to be shown. In memory, and bounded:
//! one who finds no place is told so at once and loses nothing but the wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::events::CustomerId;
use futures::FutureExt as _;
use tokio::sync::{Notify, oneshot};

use crate::store::entry::Wanted;

/// How many may wait at once.
#[derive(Clone, Copy, Debug)]
pub struct WaitsMax {
    /// On this instance.
    pub all: usize,
    /// Of one customer.
    pub of_customer: usize,
}

/// The waiting room of this instance.
pub struct WaitingRoom {
    max: WaitsMax,
    inner: Mutex<Inner>,
    /// Rings when somebody has come, so that a look is taken for them: what they
    /// want may have been committed just before they sat down.
    came: Notify,
}

#[derive(Default)]
struct Inner {
    next_number: u64,
    waiting: HashMap<u64, (Wanted, oneshot::Sender<()>)>,
    by_customer: HashMap<CustomerId, usize>,
}

/// A place in the waiting room. It is free again when this is dropped.
pub struct Place {
    room: Arc<WaitingRoom>,
    number: u64,
    shown: oneshot::Receiver<()>,
}

impl WaitingRoom {
    /// An empty one.
    #[must_use]
    pub fn new(max: WaitsMax) -> Arc<Self> {
        Arc::new(Self { max, inner: Mutex::default(), came: Notify::new() })
    }

    /// A place for somebody who waits; `None` if there is none.
    #[must_use]
    pub fn enter(self: &Arc<Self>, wanted: Wanted) -> Option<Place> {
        let mut inner = self.lock();
        let own = wanted.only.map_or(0, |id| inner.by_customer.get(&id).copied().unwrap_or(0));
        if inner.waiting.len() >= self.max.all || own >= self.max.of_customer {
            return None;
        }
        let (sender, shown) = oneshot::channel();
        let number = inner.next_number;
        inner.next_number += 1;
        inner.waiting.insert(number, (wanted, sender));
        if let Some(id) = wanted.only {
            *inner.by_customer.entry(id).or_default() += 1;
        }
        inner.count();
        drop(inner);
        self.came.notify_one();
        Some(Place { room: Arc::clone(self), number, shown })
    }

    /// What is waited for, each with the number of its place.
    #[must_use]
    pub fn wanted(&self) -> Vec<(u64, Wanted)> {
        self.lock().waiting.iter().map(|(number, (wanted, _))| (*number, *wanted)).collect()
    }

    /// Lets those go whose version is shown.
    pub fn call(&self, numbers: impl IntoIterator<Item = u64>) {
        let mut inner = self.lock();
        for number in numbers {
            if let Some(sender) = inner.leave(number) {
                // Whoever went away meanwhile does not hear it.
                let _ = sender.send(());
            }
        }
    }

    /// Waits until somebody has come since the last time.
    pub fn came(&self) -> impl Future<Output = ()> + '_ {
        self.came.notified()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code of a caller runs under the lock, so a panic elsewhere leaves it whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn leave(&mut self, number: u64) -> Option<oneshot::Sender<()>> {
        let (wanted, sender) = self.waiting.remove(&number)?;
        if let Some(id) = wanted.only
            && let Some(own) = self.by_customer.get_mut(&id)
        {
            *own -= 1;
            if *own == 0 {
                self.by_customer.remove(&id);
            }
        }
        self.count();
        Some(sender)
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge; never so many wait")]
    fn count(&self) {
        metrics::gauge!("loan_status_version_waits").set(self.waiting.len() as f64);
    }
}

impl Place {
    /// Waits until what was wanted is shown.
    pub fn shown(&mut self) -> impl Future<Output = bool> + '_ {
        (&mut self.shown).map(|called| called.is_ok())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.lock().leave(self.number);
    }
}

#[cfg(test)]
mod tests;
