//! What waits: keys whose next event the broker does not take, and topics that it
//! does not let in.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::error::KafkaError;
use tokio::time::Instant;

use super::rows::Row;
use super::sender::{Fault, fault};

/// How long such an event is left before it is tried again. Every attempt costs a
/// new producer, so that each pause is twice as long as the one before.
const PAUSE_MIN: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How many of them are remembered; beyond that all are forgotten, and tried anew.
const KEYS_MAX: usize = 10_000;

/// A topic and a key, or without one the whole topic.
pub(super) type Waiting = (String, Option<String>);

#[derive(Debug)]
struct Wait {
    /// The event that was refused.
    id: i64,
    until: Instant,
    pause: Duration,
}

/// What waits behind an event that the broker does not take, and until when. An
/// event is tried again by itself, because in a batch it would undo the others.
#[derive(Debug, Default)]
pub(super) struct Stuck(HashMap<Waiting, Wait>);

impl Stuck {
    /// Notes what the broker does not take, by the places of the rows.
    pub(super) fn note_refused(&mut self, rows: &[Row], refused: Vec<(usize, KafkaError)>) {
        for (place, error) in refused {
            let row = &rows[place];
            let fault = fault(&error).unwrap_or(Fault::Message);
            tracing::error!(%error, ?fault, event_id = %row.event_id, topic = row.topic, "the broker does not take an event; those after it under its key, or in its topic, wait");
            metrics::counter!("outbox_rejected_total").increment(1);
            self.add(row, fault);
        }
    }

    /// The events of this row's key wait, or those of its whole topic; longer than
    /// the last time.
    pub(super) fn add(&mut self, row: &Row, fault: Fault) {
        if self.0.len() >= KEYS_MAX {
            self.0.clear();
        }
        let (topic, key) = (row.topic.clone(), row.key.clone());
        let waiting = match fault {
            Fault::Topic => (topic, None),
            Fault::Message => {
                // The broker has let it come as far as that.
                self.0.remove(&(topic.clone(), None));
                (topic, Some(key))
            }
        };
        let before = self.0.get(&waiting).map(|wait| wait.pause);
        let pause = before.map_or(PAUSE_MIN, |pause| (pause * 2).min(PAUSE_MAX));
        let until = Instant::now() + pause;
        self.0.insert(waiting, Wait { id: row.id, until, pause });
    }

    /// The broker has this row: nothing waits for it any more. One from before what was
    /// refused says nothing about that: it may have been on its way already.
    pub(super) fn passed(&mut self, row: &Row) {
        if self.0.is_empty() {
            return;
        }
        for waiting in [(row.topic.clone(), Some(row.key.clone())), (row.topic.clone(), None)] {
            if self.0.get(&waiting).is_some_and(|wait| wait.id <= row.id) {
                self.remove(&waiting);
            }
        }
    }

    /// They need not wait any more.
    pub(super) fn remove(&mut self, waiting: &Waiting) {
        self.0.remove(waiting);
    }

    /// The one whose time came first. In a topic that waits no key is tried.
    pub(super) fn due(&self) -> Option<Waiting> {
        let now = Instant::now();
        let due = self.0.iter().filter(|((topic, key), wait)| {
            wait.until <= now && (key.is_none() || !self.0.contains_key(&(topic.clone(), None)))
        });
        due.min_by_key(|(_, wait)| wait.until).map(|(waiting, _)| waiting.clone())
    }

    /// The keys among them, each with its topic.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.keys().filter_map(|(topic, key)| Some((topic.as_str(), key.as_deref()?)))
    }

    /// The whole topics among them.
    pub(super) fn topics(&self) -> Vec<&str> {
        let topics = self.0.keys().filter(|(_, key)| key.is_none());
        topics.map(|(topic, _)| topic.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_refusal_doubles_the_pause_up_to_a_bound() {
        let (mut stuck, row) = (Stuck::default(), Row::for_test("notes", "a"));
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            stuck.add(&row, Fault::Message);
            tokio::time::advance(Duration::from_millis(seconds * 1_000 - 1)).await;
            assert_eq!(stuck.due(), None, "{seconds}");
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_eq!(stuck.due(), Some(("notes".to_owned(), Some("a".to_owned()))));
        }
        stuck.passed(&row);
        assert_eq!((stuck.due(), stuck.keys().count()), (None, 0));
        stuck.add(&row, Fault::Message);
        tokio::time::advance(PAUSE_MIN).await;
        assert!(stuck.due().is_some(), "it begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_on_its_way_before_frees_nothing() {
        let (mut stuck, mut refused) = (Stuck::default(), Row::for_test("notes", "a"));
        let before = Row::for_test("notes", "a");
        refused.id = before.id + 1;
        stuck.add(&refused, Fault::Message);
        stuck.passed(&before);
        assert_eq!(stuck.keys().collect::<Vec<_>>(), [("notes", "a")]);
        stuck.passed(&refused);
        assert_eq!(stuck.keys().count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_waits_as_a_whole() {
        let mut stuck = Stuck::default();
        stuck.add(&Row::for_test("notes", "a"), Fault::Message);
        stuck.add(&Row::for_test("notes", "b"), Fault::Topic);
        assert_eq!(stuck.topics(), ["notes"]);
        assert_eq!(stuck.keys().collect::<Vec<_>>(), [("notes", "a")]);
        tokio::time::advance(PAUSE_MAX).await;
        assert_eq!(stuck.due(), Some(("notes".to_owned(), None)));
        stuck.passed(&Row::for_test("notes", "b"));
        assert_eq!(stuck.topics(), [""; 0]);
        assert_eq!(stuck.due(), Some(("notes".to_owned(), Some("a".to_owned()))));
    }
}
