//! The loop: read a batch, work on it, set aside what can't be worked on, store
//! the offsets. The offsets come last, so whatever happens before is repeated
//! and found in the inbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::batch::{self, Incoming};
use super::client;
use super::context::Context;
use super::dead_letter::Office;
use super::settings::ConsumerSettings;
use super::subscriptions::Subscriptions;
use super::suspicion::Suspicion;
use crate::clock::Clock;
use crate::db::{Db, described};
use crate::kafka::{self, SendError};

/// The first pause when the database is away.
const BACKOFF_MIN: Duration = Duration::from_millis(100);

/// How long reading rests after an error of the Kafka client. Short, because
/// while a broker is away these errors queue up before the next message.
const READ_ERROR_PAUSE: Duration = Duration::from_millis(10);

/// So many events at once are a busy time: then the next batch waits for [`BUSY_LINGER`] at
/// least, which costs its events less than each transaction costs everybody.
const BUSY_BATCH: usize = 16;
const BUSY_LINGER: Duration = Duration::from_millis(20);

/// How long leaving the group may take at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the consumer gave up; the process ends with it.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The Kafka client cannot be made: a wrong setting.
    #[error("the Kafka consumer cannot be made")]
    Client(#[source] KafkaError),
    /// The Kafka client has failed for good.
    #[error("the Kafka consumer has failed for good")]
    Failed(#[source] KafkaError),
    /// The producer of the dead letters has failed for good.
    #[error("the dead letters have lost their producer")]
    DeadLetters(#[source] SendError),
}

/// Reads the topics of the subscriptions and has their events worked on.
pub struct Consumer {
    db: Db,
    broker: kafka::Broker,
    subscriptions: Subscriptions,
    settings: ConsumerSettings,
    clock: Clock,
    /// How much was read during an outage and waits; never more than a batch.
    pub(super) waiting: Arc<AtomicUsize>,
}

impl Consumer {
    /// A consumer in the subscriptions' group.
    #[must_use]
    pub fn new(
        db: Db,
        broker: impl Into<kafka::Broker>,
        subscriptions: Subscriptions,
        settings: ConsumerSettings,
        clock: Clock,
    ) -> Self {
        let waiting = Arc::default();
        Self { db, broker: broker.into(), subscriptions, settings, clock, waiting }
    }

    /// Runs until `shutdown`; then finishes the batch at hand, commits the
    /// offsets and leaves the group. Broker and database may come and go
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// [`ConsumerError`]: a Kafka client has failed for good, and the process
    /// should end.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), ConsumerError> {
        let topics = self.subscriptions.topics();
        if topics.is_empty() {
            shutdown.cancelled().await;
            return Ok(());
        }
        let kafka = client::make(&self.broker, self.subscriptions.group(), &self.settings)
            .map_err(ConsumerError::Client)?;
        kafka.subscribe(&topics).map_err(ConsumerError::Client)?;
        let office =
            Office::new(self.broker.clone(), self.subscriptions.group(), self.clock.clone());
        let mut session = Session {
            consumer: &self,
            kafka: &kafka,
            office: &office,
            shutdown: &shutdown,
            waiting: Vec::new(),
            suspicion: Suspicion::default(),
            backoff: None,
            is_busy: false,
        };
        let ended = session.run().await;
        // Leaving the group talks to the broker and waits for it.
        let closing = tokio::task::spawn_blocking(move || drop((kafka, office)));
        if timeout(CLOSE_TIMEOUT, closing).await.is_err() {
            tracing::warn!("the group did not let go in time; its timeout will see to it");
        }
        ended
    }
}

/// Whether to go on, or the process ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Continue,
    Shutdown,
}

struct Session<'a> {
    consumer: &'a Consumer,
    kafka: &'a StreamConsumer<Context>,
    office: &'a Office,
    shutdown: &'a CancellationToken,
    /// Read during an outage and not worked on yet: the first message of each
    /// partition that came meanwhile, and at most a batch.
    waiting: Vec<Incoming>,
    /// What is held against events of the batch at hand.
    suspicion: Suspicion,
    /// The next pause, while something is away; the partitions rest then.
    backoff: Option<Duration>,
    /// The last batch was one of a busy time.
    is_busy: bool,
}

impl Session<'_> {
    async fn run(&mut self) -> Result<(), ConsumerError> {
        while let Some(batch) = self.read().await? {
            if !batch.is_empty() && self.finish(batch).await? == Next::Shutdown {
                break;
            }
        }
        Ok(())
    }

    /// The next batch: what is there, and what comes within the linger. `None`
    /// at the shutdown.
    async fn read(&mut self) -> Result<Option<Vec<Incoming>>, ConsumerError> {
        let batch_max = self.consumer.settings.batch_max;
        self.look_around(&mut Vec::new());
        let mut batch = std::mem::take(&mut self.waiting);
        if self.shutdown.is_cancelled() {
            return Ok(None);
        }
        if batch.is_empty() {
            let first = tokio::select! {
                first = self.kafka.recv() => first,
                // What has come may be paused from an earlier time, and then sends nothing.
                () = self.kafka.context().changed() => return Ok(Some(batch)),
                () = self.shutdown.cancelled() => return Ok(None),
            };
            self.look_around(&mut batch);
            match first {
                Ok(message) => batch.push(Incoming::new(message.detach())),
                Err(error) => {
                    self.read_error(error)?;
                    tokio::time::sleep(READ_ERROR_PAUSE).await;
                    return Ok(Some(batch));
                }
            }
        }
        let busy = if self.is_busy { BUSY_LINGER } else { Duration::ZERO };
        let linger = self.consumer.settings.linger.max(busy);
        let until = Instant::now() + linger;
        while batch.len() < batch_max {
            let read = if linger.is_zero() {
                // A timer waits for a millisecond at least.
                self.kafka.recv().now_or_never()
            } else {
                timeout_at(until, self.kafka.recv()).await.ok()
            };
            self.look_around(&mut batch);
            match read {
                Some(Ok(message)) => batch.push(Incoming::new(message.detach())),
                Some(Err(error)) => {
                    self.read_error(error)?;
                    break;
                }
                None => break,
            }
        }
        self.is_busy = batch.len() >= BUSY_BATCH;
        Ok(Some(batch))
    }

    /// Takes notice of partitions that have come and gone. It is called before a
    /// message is put anywhere, so that what is dropped was read before.
    fn look_around(&mut self, batch: &mut Vec<Incoming>) {
        let changes = self.kafka.context().changes();
        batch.retain(|one| !changes.takes(&one.message));
        self.waiting.retain(|one| !changes.takes(&one.message));
        if changes.has_new {
            match self.backoff {
                Some(_) => self.rest(),
                None => self.set_going(),
            }
        }
        self.consumer.waiting.store(self.waiting.len(), Ordering::Relaxed);
    }

    /// Works on a batch until all of it is done or set aside, or is another's.
    async fn finish(&mut self, mut batch: Vec<Incoming>) -> Result<Next, ConsumerError> {
        let started = Instant::now();
        let Consumer { db, subscriptions, clock, .. } = self.consumer;
        #[cfg(feature = "sabotage")]
        if crate::sabotage::breaks(crate::sabotage::Sabotage::OffsetBeforeCommit) {
            self.store_offsets(&batch);
        }
        let rejected = loop {
            match batch::work(db, subscriptions, &batch, &mut self.suspicion, clock).await {
                Ok(rejected) => break rejected,
                Err(outage) => {
                    let cause = described(&outage.error);
                    let wants_more =
                        outage.wants_more && batch.len() < self.consumer.settings.batch_max;
                    let next = self.wait_out(&cause, &mut batch, wants_more).await?;
                    if next == Next::Shutdown {
                        return Ok(Next::Shutdown);
                    }
                    if wants_more {
                        batch.append(&mut self.waiting);
                    }
                }
            }
        };
        self.suspicion.clear();
        // From here on the batch stays as it is: `rejected` counts by its places.
        // What is done twice with a partition that went meanwhile is found in the inbox.
        for one in &rejected {
            let message = &batch[one.index].message;
            tracing::error!(
                topic = message.topic(),
                partition = message.partition(),
                offset = message.offset(),
                event_id = batch[one.index]
                    .event
                    .as_ref()
                    .ok()
                    .map(|event| tracing::field::display(event.id)),
                reason = one.reason,
                attempts = one.attempts,
                "an event goes to the dead letters",
            );
            if self.set_aside(message, one).await? == Next::Shutdown {
                return Ok(Next::Shutdown);
            }
        }
        while let Err(outage) = batch::claim_rejected(db, &batch, &rejected).await {
            let cause = described(&outage.error);
            if self.wait_out(&cause, &mut Vec::new(), false).await? == Next::Shutdown {
                return Ok(Next::Shutdown);
            }
        }
        self.store_offsets(&batch);
        self.resume();
        metrics::histogram!("consumer_batch_seconds").record(started.elapsed().as_secs_f64());
        Ok(Next::Continue)
    }

    /// Puts one message among the dead letters, however long the broker takes.
    async fn set_aside(
        &mut self,
        message: &rdkafka::message::OwnedMessage,
        rejected: &batch::Rejected,
    ) -> Result<Next, ConsumerError> {
        loop {
            let sent = tokio::select! {
                sent = self.office.send(message, rejected) => sent,
                () = self.shutdown.cancelled() => return Ok(Next::Shutdown),
            };
            match sent {
                Ok(()) => return Ok(Next::Continue),
                Err(error @ SendError::Fatal(_)) => return Err(ConsumerError::DeadLetters(error)),
                Err(SendError::Rejected(error)) => {
                    let cause = error.to_string();
                    if self.wait_out(&cause, &mut Vec::new(), false).await? == Next::Shutdown {
                        return Ok(Next::Shutdown);
                    }
                }
            }
        }
    }

    /// Lets time pass while something is away. The partitions rest, those that come
    /// meanwhile as well, but the client is still polled: it must stay in its group
    /// however long this takes. Of `batch` it drops what is another's now. With
    /// `wants_more` it reads on until one message is there.
    async fn wait_out(
        &mut self,
        outage: &str,
        batch: &mut Vec<Incoming>,
        wants_more: bool,
    ) -> Result<Next, ConsumerError> {
        let pause = self.backoff.unwrap_or(BACKOFF_MIN);
        self.backoff = Some((pause * 2).min(self.consumer.settings.backoff_max));
        metrics::counter!("consumer_outages_total").increment(1);
        tracing::warn!(error = outage, pause_ms = pause.as_millis(), "events wait");
        self.look_around(batch);
        if wants_more && self.waiting.is_empty() {
            self.set_going();
        } else {
            self.rest();
        }
        let until = Instant::now() + pause;
        loop {
            // They rest, so there is nothing to read; should they ever not, this is
            // the bound all the same.
            let has_room = self.waiting.len() < self.consumer.settings.batch_max;
            let read = tokio::select! {
                () = self.shutdown.cancelled() => return Ok(Next::Shutdown),
                read = timeout_at(until, self.kafka.recv()), if has_room => read,
                () = self.kafka.context().changed() => {
                    self.look_around(batch);
                    continue;
                }
                () = tokio::time::sleep_until(until), if !has_room => return Ok(Next::Continue),
            };
            self.look_around(batch);
            match read {
                Err(_) => return Ok(Next::Continue),
                // Of a partition that came just now; its turn comes after the batch at hand.
                Ok(Ok(message)) => {
                    self.waiting.push(Incoming::new(message.detach()));
                    self.rest();
                }
                Ok(Err(error)) => self.read_error(error)?,
            }
        }
    }

    /// Pauses every partition that is ours now.
    fn rest(&self) {
        if let Err(error) = self.kafka.assignment().and_then(|all| self.kafka.pause(&all)) {
            tracing::debug!(%error, "the partitions could not be paused");
        }
    }

    fn set_going(&self) {
        if let Err(error) = self.kafka.assignment().and_then(|all| self.kafka.resume(&all)) {
            tracing::warn!(%error, "the partitions could not be resumed");
        }
    }

    fn resume(&mut self) {
        if self.backoff.take().is_some() {
            tracing::info!("events go on");
            self.set_going();
        }
    }

    /// An error that ends the client ends the consumer; any other is the
    /// client's own to get over.
    fn read_error(&self, error: KafkaError) -> Result<(), ConsumerError> {
        if matches!(error, KafkaError::MessageConsumptionFatal(_))
            || self.kafka.client().fatal_error().is_some()
        {
            return Err(ConsumerError::Failed(error));
        }
        self.kafka.context().log.complain("read", &error.to_string());
        Ok(())
    }

    fn store_offsets(&self, batch: &[Incoming]) {
        if batch.is_empty() {
            return;
        }
        let stored =
            batch::next_offsets(batch).and_then(|offsets| self.kafka.store_offsets(&offsets));
        if let Err(error) = stored {
            // The partitions went to another instance meanwhile. It reads the
            // same messages again and finds them in the inbox.
            tracing::debug!(%error, "offsets of partitions that are not ours any more");
        }
    }
}
