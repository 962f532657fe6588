//! Where each partition ends, and a wake-up when one grows.
//!
//! All writes come through this process, so what is known here is true; what
//! is not known yet is asked of the storage.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Topic and partition.
pub(super) type Partition = (String, i32);

/// The ends of all partitions that were asked for so far.
#[derive(Clone)]
pub(super) struct Arrivals {
    ends: Arc<Mutex<HashMap<Partition, i64>>>,
    changed: watch::Sender<()>,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { ends: Arc::default(), changed: watch::Sender::new(()) }
    }
}

impl Arrivals {
    /// The offset after the last message, if it is known.
    pub(super) fn end(&self, partition: &Partition) -> Option<i64> {
        self.lock().get(partition).copied()
    }

    /// Notes an end read from the storage; one that a producer has reported
    /// meanwhile is newer and stays.
    pub(super) fn learn(&self, partition: Partition, end: i64) {
        let mut ends = self.lock();
        let known = ends.entry(partition).or_insert(end);
        *known = end.max(*known);
    }

    /// Notes that messages were appended, and wakes those who wait.
    pub(super) fn appended(&self, partition: Partition, end: i64) {
        self.learn(partition, end);
        self.changed.send_replace(());
    }

    /// Forgets an end, after a write of which it is not known how far it got.
    pub(super) fn forget(&self, partition: &Partition) {
        self.lock().remove(partition);
        self.changed.send_replace(());
    }

    /// Tells of every later change. Take it before looking, or one is missed.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Partition, i64>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
