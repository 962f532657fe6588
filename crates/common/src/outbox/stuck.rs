//! Keys whose next event the broker does not take.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::rows::Row;

/// How long such an event is left before it is tried again.
pub(super) const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// How many of them are remembered; beyond that all are forgotten, and tried anew.
const KEYS_MAX: usize = 10_000;

/// A topic and a key.
pub(super) type Key = (String, String);

/// What waits behind an event that the broker does not take, and until when. An
/// event is tried again by itself, because in a batch it would undo the others.
#[derive(Debug, Default)]
pub(super) struct Stuck(HashMap<Key, Instant>);

impl Stuck {
    /// The events of this row's key wait.
    pub(super) fn add(&mut self, row: &Row) {
        if self.0.len() >= KEYS_MAX {
            self.0.clear();
        }
        self.0.insert((row.topic.clone(), row.key.clone()), Instant::now() + RETRY_PAUSE);
    }

    /// They need not wait any more.
    pub(super) fn remove(&mut self, key: &Key) {
        self.0.remove(key);
    }

    /// One whose time has come.
    pub(super) fn due(&self) -> Option<Key> {
        let now = Instant::now();
        self.0.iter().find(|(_, at)| **at <= now).map(|(key, _)| key.clone())
    }

    /// All of them.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.keys()
    }
}
