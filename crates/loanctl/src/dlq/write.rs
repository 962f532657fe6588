//! Putting letters back on their topic, and marking what became of them.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use common::clock::Clock;
use common::consumer::dead_letter::{header, redrive_headers};
use common::kafka::Broker;
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use time::format_description::well_known::Rfc3339;

use super::letter::Letter;
use crate::kafka::client;

/// The broker acknowledges within this time.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Characters of a name in a marker at most.
const NAME_CHARS_MAX: usize = 64;

/// What became of a letter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Redriven,
    Discarded,
}

impl Outcome {
    /// As the marker says it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Redriven => "redriven",
            Self::Discarded => "discarded",
        }
    }
}

/// Sends both.
pub(super) struct Post(FutureProducer);

impl Post {
    pub(super) fn try_new(kafka: &Broker) -> anyhow::Result<Self> {
        let mut config = client(kafka);
        config
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", SEND_TIMEOUT.as_millis().to_string())
            // The services' partitioner: a key's messages stay in one partition.
            .set("partitioner", "murmur2_random");
        Ok(Self(config.create()?))
    }

    /// Puts the letter's message back on its topic, for the group that could not work
    /// on it.
    pub(super) async fn redrive(&self, letter: &Letter) -> anyhow::Result<()> {
        let place = &letter.place;
        let left_out = letter.headers().any(|(name, _)| name == header::LEFT_OUT);
        ensure!(
            !left_out,
            "{place} was too large to be kept: its message lies only where it was read, \
             `dlq show` says where; discard it"
        );
        let headers = letter.own_headers().and_then(redrive_headers);
        let headers = headers
            .with_context(|| format!("{place} does not say which group it is for; discard it"))?;
        let said = letter.headers().find(|(name, _)| *name == header::TOPIC);
        ensure!(
            said.is_some_and(|(_, topic)| topic == place.topic),
            "{place} does not say that it came from there; discard it"
        );
        let mut record: FutureRecord<'_, [u8], [u8]> =
            FutureRecord::to(&place.topic).headers(headers);
        record.key = letter.message.key();
        record.payload = letter.message.payload();
        self.send(record).await.with_context(|| format!("putting {place} back"))
    }

    /// Says beside the letter what became of it.
    pub(super) async fn mark(
        &self,
        letter: &Letter,
        outcome: Outcome,
        by: &str,
    ) -> anyhow::Result<()> {
        let place = &letter.place;
        let by: String = by.chars().filter(|one| !one.is_control()).take(NAME_CHARS_MAX).collect();
        let mut headers = OwnedHeaders::new();
        for (key, value) in [
            (header::HANDLED, place.offset.to_string()),
            (header::OUTCOME, outcome.word().to_owned()),
            (header::HANDLED_BY, by),
            (header::HANDLED_AT, Clock::system().now().format(&Rfc3339)?),
        ] {
            headers = headers.insert(Header { key, value: Some(&value) });
        }
        let topic = place.dead_letters();
        let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&topic).headers(headers);
        // In the letter's own partition, so that it is read after the letter.
        record.partition = Some(place.partition);
        record.key = letter.message.key();
        self.send(record).await.with_context(|| format!("marking {place}"))
    }

    async fn send(&self, record: FutureRecord<'_, [u8], [u8]>) -> anyhow::Result<()> {
        let sent = self.0.send(record, SEND_TIMEOUT).await;
        sent.map_err(|(error, _)| error)?;
        Ok(())
    }
}
