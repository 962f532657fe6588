//! What a Kafka client has to say, without the repetitions: while a broker is
//! away librdkafka says so several times a second, for hours.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

/// The same kind of complaint is logged once in this time.
const REPEAT_EVERY: Duration = Duration::from_secs(30);

/// How many kinds of complaint are told apart. librdkafka has some dozens.
const KINDS_MAX: usize = 100;

/// Logs for one client.
#[derive(Debug)]
pub(crate) struct Log {
    client_id: String,
    said: Mutex<HashMap<String, Said>>,
}

#[derive(Debug)]
struct Said {
    at: Instant,
    held_back: u64,
}

impl Log {
    pub(crate) fn new(client_id: &str) -> Self {
        Self { client_id: client_id.to_owned(), said: Mutex::default() }
    }

    /// Logs a complaint, unless its kind was logged a short while ago.
    pub(crate) fn complain(&self, kind: &str, text: &str) {
        metrics::counter!("kafka_client_errors_total", "client" => self.client_id.clone())
            .increment(1);
        if let Some(held_back) = self.turn_of(kind, Instant::now()) {
            tracing::warn!(client = self.client_id, kind, text, held_back, "Kafka client");
        }
    }

    /// How many of this kind were held back, if it is time to log another.
    fn turn_of(&self, kind: &str, now: Instant) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = said.get_mut(kind) {
            if now.duration_since(last.at) < REPEAT_EVERY {
                last.held_back += 1;
                return None;
            }
            last.at = now;
            return Some(std::mem::take(&mut last.held_back));
        }
        if said.len() >= KINDS_MAX {
            said.clear();
        }
        said.insert(kind.to_owned(), Said { at: now, held_back: 0 });
        Some(0)
    }
}

impl ClientContext for Log {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => self.complain(facility, text),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(client = self.client_id, facility, text, "Kafka client");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complain(&error.to_string(), reason);
    }
}

/// Says nothing: for a client that is made for one question, whose answer says
/// all there is to say.
pub(crate) struct Silence;

impl ClientContext for Silence {
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _text: &str) {}

    fn error(&self, _error: KafkaError, _reason: &str) {}
}

impl ConsumerContext for Silence {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_said_once_in_a_while() {
        let log = Log::new("test");
        let now = Instant::now();
        assert_eq!(log.turn_of("down", now), Some(0));
        assert_eq!(log.turn_of("down", now + REPEAT_EVERY / 3), None);
        assert_eq!(log.turn_of("refused", now + REPEAT_EVERY / 3), Some(0));
        assert_eq!(log.turn_of("down", now + REPEAT_EVERY / 2), None);
        assert_eq!(log.turn_of("down", now + REPEAT_EVERY), Some(2));
        assert_eq!(log.turn_of("down", now + REPEAT_EVERY * 2), Some(0));
        for kind in 0..KINDS_MAX * 3 {
            assert_eq!(log.turn_of(&kind.to_string(), now), Some(0));
        }
        assert!(log.said.lock().unwrap_or_else(PoisonError::into_inner).len() <= KINDS_MAX);
    }
}
