//! The relay: reads the outbox, sends, and marks what the broker has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::error::KafkaError;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::backlog::COUNT_MAX;
use super::end::{End, answer, while_holding};
use super::purge;
use super::rows::{self, Row};
use super::sender::{Interruption, Sender, Sent};
use super::stuck::Stuck;
use super::transaction::Transaction;
use crate::clock::Clock;
use crate::config::ServiceSettings;
use crate::db::{Db, described};
use crate::kafka::{self, SendError};

/// How often the relay gives PostgreSQL a sign of life, and how often a spare asks
/// for the lock: within this time it takes over from one that was killed.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);

/// After this long without a sign of life PostgreSQL ends the relay's session, and
/// with it the lock: within this and a heartbeat a spare takes over from one that
/// hangs. Some heartbeats, so that a busy machine does not look like one.
const LEASE: Duration = Duration::from_secs(5);

/// The pauses between two attempts to reach the database.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// How long lies between two new beginnings that the broker asks for.
const BROKER_PAUSE: Duration = Duration::from_secs(1);

/// So many events at once are a busy time: then the next ones are let gather for
/// [`BUSY_PAUSE`], which costs them less than each look and each request costs everybody.
const BUSY_EVENTS: usize = 16;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// How often the backlog is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// How the relay sends, and how long old rows stay. The defaults are those of the
/// settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaySettings {
    /// The most events that are sent before they are marked as sent together.
    pub batch_max: u32,
    /// How often the outbox is looked at without a call: for what another
    /// instance has written.
    pub poll: Duration,
    /// How long the relay goes on sending at the end of the process. What is
    /// left then is sent by the next one.
    pub flush: Duration,
    /// How long sent events are kept, in hours: to look something up.
    pub outbox_keep_hours: u32,
    /// How long the ids of events that were worked on are kept, in hours. Longer
    /// than the topics keep messages, so that reading a topic again from its
    /// start does nothing twice.
    pub inbox_keep_hours: u32,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            batch_max: 100,
            poll: Duration::from_millis(250),
            flush: Duration::from_secs(5),
            outbox_keep_hours: 72,
            inbox_keep_hours: 44_640,
        }
    }
}

impl From<&ServiceSettings> for RelaySettings {
    fn from(settings: &ServiceSettings) -> Self {
        Self {
            batch_max: settings.outbox_batch_max,
            poll: Duration::from_millis(settings.outbox_poll_ms),
            flush: Duration::from_millis(settings.outbox_flush_ms),
            outbox_keep_hours: settings.outbox_keep_hours,
            inbox_keep_hours: settings.inbox_keep_hours,
        }
    }
}

/// Why the relay gave up; the process ends with it.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The Kafka client cannot be made: a wrong setting.
    #[error("the Kafka producer cannot be made")]
    Client(#[source] KafkaError),
    /// The Kafka client has failed for good.
    #[error("the outbox relay has lost its producer")]
    Producer(#[source] SendError),
}

/// Sends what is in the outbox, as the service's one relay or as a spare.
pub struct Relay {
    db: Db,
    broker: kafka::Broker,
    client_id: String,
    settings: RelaySettings,
    clock: Clock,
    /// Whether this one is the service's relay now.
    pub(super) active: Arc<AtomicBool>,
}

impl Relay {
    /// A relay for the outbox in `db`'s schema. `client_id` is what the broker's
    /// logs call it. The lock needs a connection of its own, so a pooler between
    /// here and PostgreSQL must keep sessions.
    #[must_use]
    pub fn new(
        db: Db,
        broker: impl Into<kafka::Broker>,
        client_id: &str,
        settings: RelaySettings,
        clock: Clock,
    ) -> Self {
        Self {
            db,
            broker: broker.into(),
            client_id: client_id.to_owned(),
            settings,
            clock,
            active: Arc::default(),
        }
    }

    /// Whether this one is the service's relay, as it changes.
    #[must_use]
    pub fn activity(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.active)
    }

    /// Runs until `shutdown`; then sends what is there, for as long as the
    /// settings allow. Database or broker may come and go meanwhile.
    ///
    /// # Errors
    ///
    /// [`RelayError`]: the Kafka client has failed for good, and the process
    /// should end.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RelayError> {
        tokio::select! {
            ended = self.relay(&shutdown) => ended,
            // It ends at the shutdown, before the relay has flushed.
            () = async {
                purge::run(self.db.pool(), &self.settings, &self.active, &shutdown).await;
                std::future::pending().await
            } => Ok(()),
        }
    }

    async fn relay(&self, shutdown: &CancellationToken) -> Result<(), RelayError> {
        let mut backoff = BACKOFF_MIN;
        loop {
            let started = Instant::now();
            let end = self.session(shutdown).await.err().unwrap_or(End::Shutdown);
            self.set_active(false);
            let pause = match end {
                End::Shutdown => return Ok(()),
                End::Failed(error) => return Err(error),
                End::Broker(error) => {
                    tracing::warn!(%error, "the outbox relay begins anew with the broker");
                    BROKER_PAUSE
                }
                End::Fenced => {
                    tracing::info!("another instance has become the outbox relay");
                    HEARTBEAT
                }
                End::Database(error) => {
                    if started.elapsed() > BACKOFF_MAX {
                        backoff = BACKOFF_MIN;
                    }
                    tracing::warn!(error = %described(&error), pause_ms = backoff.as_millis(), "the outbox relay waits for the database");
                    let longer = (backoff * 2).min(BACKOFF_MAX);
                    std::mem::replace(&mut backoff, longer)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return Ok(()),
            }
        }
    }

    /// From one connection to its loss.
    async fn session(&self, shutdown: &CancellationToken) -> Result<(), End> {
        let Some(mut connection) = self.lock(shutdown).await? else { return Ok(()) };
        self.set_active(true);
        tracing::info!("this instance is the outbox relay");
        let deadline = self.deadline(shutdown);
        tokio::pin!(deadline);
        tokio::select! {
            ended = self.send_all(&mut connection, shutdown) => ended?,
            () = &mut deadline => {}
        }
        // Closing it properly gives the lock to the next one at once.
        let _ = timeout(HEARTBEAT, connection.close()).await;
        Ok(())
    }

    /// Sends what there is until `shutdown`, and what there is then.
    async fn send_all(
        &self,
        connection: &mut PgConnection,
        shutdown: &CancellationToken,
    ) -> Result<(), End> {
        let mut sender = self.take_over(connection).await?;
        let committed = self.db.committed();
        let mut transaction = Transaction::default();
        let mut stuck = Stuck::default();
        let mut measured: Option<Instant> = None;
        // Whether what was sent last was tried again. After it comes a batch: however
        // many are stuck, the others go on.
        let mut has_retried = false;
        loop {
            self.measure(connection, &mut measured).await?;
            if has_retried || transaction.remaining(self.settings.batch_max).is_zero() {
                self.commit(connection, &mut sender, &mut transaction, &mut stuck).await?;
            }
            let mut rows = vec![];
            let mut room = 1;
            if !has_retried && !shutdown.is_cancelled() {
                rows = answer(rows::due(connection, &mut stuck)).await?;
            }
            has_retried = !rows.is_empty();
            if has_retried {
                // Were it refused, what is in the transaction would go with it.
                self.commit(connection, &mut sender, &mut transaction, &mut stuck).await?;
            } else {
                let open = transaction.ids();
                // One that is full has ended above.
                room = (self.settings.batch_max as usize).saturating_sub(open.len()).max(1);
                let limit = i64::try_from(room).unwrap_or(i64::MAX);
                rows = answer(rows::unsent(connection, limit, &open, &stuck)).await?;
            }
            let is_busy = rows.len() >= BUSY_EVENTS;
            if !rows.is_empty() {
                let is_batch = rows.len() >= room;
                let all_sent =
                    self.send(connection, &mut sender, rows, &mut transaction, &mut stuck).await?;
                // What was committed meanwhile has rung, and nothing else is looked for.
                if is_batch || has_retried || !all_sent || shutdown.is_cancelled() {
                    continue;
                }
            }
            if !shutdown.is_cancelled() {
                let left = transaction.remaining(self.settings.batch_max);
                let pause = if is_busy { BUSY_PAUSE } else { self.settings.poll.min(HEARTBEAT) };
                let pause = pause.min(left);
                tokio::select! {
                    () = committed.notified(), if !is_busy => {}
                    () = tokio::time::sleep(pause) => {}
                    () = shutdown.cancelled() => {}
                }
            } else if transaction.is_empty() {
                return Ok(());
            } else {
                self.commit(connection, &mut sender, &mut transaction, &mut stuck).await?;
            }
        }
    }

    /// Sends `rows` in the open transaction; says whether the broker has all of them.
    async fn send(
        &self,
        connection: &mut PgConnection,
        sender: &mut Sender,
        rows: Vec<Row>,
        transaction: &mut Transaction,
        stuck: &mut Stuck,
    ) -> Result<bool, End> {
        #[cfg(feature = "sabotage")]
        let is_marked = crate::sabotage::breaks(crate::sabotage::Sabotage::RelayMarksBeforeAck);
        #[cfg(feature = "sabotage")]
        if is_marked {
            answer(rows::mark_sent(connection, &rows)).await?;
        }
        let sent = match while_holding(connection, sender.send(&rows)).await? {
            Ok(sent) => sent,
            Err(Interruption::Refused(refused)) => {
                // Its transaction can't be gone on with.
                transaction.take();
                *sender = self.take_over(connection).await?;
                Sent { refused, ..Sent::default() }
            }
            Err(interruption) => return Err(interruption.into()),
        };
        let all_sent = sent.acknowledged.len() == rows.len();
        stuck.note_refused(&rows, sent.refused);
        sent.acknowledged.iter().for_each(|place| self.observe(&rows[*place]));
        #[cfg(feature = "sabotage")]
        if is_marked {
            return Ok(all_sent);
        }
        transaction.add(at(rows, &sent.acknowledged));
        Ok(all_sent)
    }

    /// A connection that holds the lock, or `None` at the shutdown.
    async fn lock(&self, shutdown: &CancellationToken) -> Result<Option<PgConnection>, End> {
        let options = self.db.pool().connect_options();
        let mut connection = answer(options.connect()).await?;
        answer(rows::end_with_silence(&mut connection, LEASE)).await?;
        let mut measured: Option<Instant> = None;
        while !answer(rows::try_lock(&mut connection)).await? {
            // Also while another one sends, or stands still and does not.
            self.measure(&mut connection, &mut measured).await?;
            tokio::select! {
                () = tokio::time::sleep(HEARTBEAT) => {}
                () = shutdown.cancelled() => return Ok(None),
            }
        }
        Ok(Some(connection))
    }

    async fn take_over(&self, connection: &mut PgConnection) -> Result<Sender, End> {
        let sender = Sender::take_over(&self.broker, &self.client_id);
        while_holding(connection, sender).await?.map_err(End::from)
    }

    /// Ends the transaction and marks what was in it.
    async fn commit(
        &self,
        connection: &mut PgConnection,
        sender: &mut Sender,
        transaction: &mut Transaction,
        stuck: &mut Stuck,
    ) -> Result<(), End> {
        if transaction.is_empty() {
            return Ok(());
        }
        while_holding(connection, sender.commit()).await??;
        let rows = transaction.take();
        answer(rows::mark_sent(connection, &rows)).await?;
        for row in &rows {
            stuck.passed(row);
        }
        Ok(())
    }

    /// Ends when the time for sending after the shutdown is over.
    async fn deadline(&self, shutdown: &CancellationToken) {
        shutdown.cancelled().await;
        tokio::time::sleep(self.settings.flush).await;
        tracing::warn!("the outbox is not empty at the end; the next relay goes on");
    }

    /// Measures the backlog, unless that was done a moment ago.
    async fn measure(
        &self,
        connection: &mut PgConnection,
        measured: &mut Option<Instant>,
    ) -> Result<(), End> {
        if measured.is_some_and(|at| at.elapsed() < MEASURE_EVERY) {
            return Ok(());
        }
        let (events, oldest_seconds) = answer(rows::backlog(connection, COUNT_MAX)).await?;
        metrics::gauge!("outbox_unsent").set(count_as_f64(events));
        metrics::gauge!("outbox_oldest_unsent_seconds").set(oldest_seconds);
        *measured = Some(Instant::now());
        Ok(())
    }

    /// The broker has it, and consumers see it.
    fn observe(&self, row: &Row) {
        metrics::counter!("outbox_sent_total", "topic" => row.topic.clone()).increment(1);
        let waited = self.clock.now() - row.created_at;
        metrics::histogram!("outbox_delay_seconds").record(waited.as_seconds_f64().max(0.0));
    }

    fn set_active(&self, active: bool) {
        self.active.store(active, Ordering::Relaxed);
        metrics::gauge!("outbox_relay_active").set(if active { 1.0 } else { 0.0 });
    }
}

/// The rows at these places, which are in their order.
fn at(rows: Vec<Row>, places: &[usize]) -> impl Iterator<Item = Row> {
    let all = rows.into_iter().enumerate();
    all.filter(|(place, _)| places.binary_search(place).is_ok()).map(|(_, row)| row)
}

/// Exact up to 2⁵³, which no backlog reaches.
fn count_as_f64(count: i64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
