//! How far topics were read, and what came from behind the end that was asked for.

use std::collections::{BTreeSet, VecDeque};

use rdkafka::message::Message as _;

use super::Places;
use crate::consumer::batch::Incoming;

/// How far it is. What ends a transaction takes a place that no message has, so the
/// last place before an end need not be a message's.
pub(super) struct Progress {
    /// The next place in each partition.
    pub(super) places: Places,
    /// The place after the last message that was given.
    pub(super) read_to: Places,
    /// Read already, but behind the end that was asked for.
    pub(super) held: VecDeque<Incoming>,
    /// Partitions that have reached that end.
    pub(super) resting: BTreeSet<(String, i32)>,
}

impl Progress {
    pub(super) fn new(beginnings: Places) -> Self {
        let read_to = Places::new();
        Self { places: beginnings, read_to, held: VecDeque::new(), resting: BTreeSet::new() }
    }

    /// The message, if its turn has come; nothing, if it was had before; the
    /// partition, if it lies behind its end, and is held.
    pub(super) fn sort_in(
        &mut self,
        incoming: Incoming,
        ends: &Places,
    ) -> Result<Option<Incoming>, (String, i32)> {
        let message = &incoming.message;
        let key = (message.topic().to_owned(), message.partition());
        let end = ends.get(&key).copied().unwrap_or_default();
        let place = self.places.entry(key.clone()).or_default();
        if message.offset() >= end {
            // They come in order: nothing that lies before the end comes any more.
            *place = (*place).max(end);
            self.held.push_back(incoming);
            return Err(key);
        }
        if message.offset() < *place {
            return Ok(None);
        }
        *place = message.offset() + 1;
        self.read_to.insert(key, message.offset() + 1);
        Ok(Some(incoming))
    }

    /// The client has come to these positions; whether that is further than was
    /// known. Where a message is held, it has come to that one, which is not had yet.
    pub(super) fn come_to(&mut self, positions: &Places) -> bool {
        let mut has_moved = false;
        for (key, position) in positions {
            let is_held = self
                .held
                .iter()
                .any(|held| held.message.topic() == key.0 && held.message.partition() == key.1);
            match self.places.get_mut(key) {
                Some(place) if *place < *position && !is_held => {
                    *place = *position;
                    has_moved = true;
                }
                _ => {}
            }
        }
        has_moved
    }
}

#[cfg(test)]
mod tests;
