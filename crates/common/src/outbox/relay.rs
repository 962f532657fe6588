//! The relay: reads the outbox, sends, and marks what the broker has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::error::KafkaError;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::purge;
use super::rows::{self, Row};
use super::sender::{Outcome, Sender};
use crate::clock::Clock;
use crate::config::ServiceSettings;
use crate::db::{Db, described};
use crate::kafka::{self, SendError};

/// How often the connection that holds the lock is tried while the broker makes
/// the relay wait, and how often a spare relay asks for the lock.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long the database may take to answer the relay before it counts as away.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// After this long without a word from the relay PostgreSQL ends its session,
/// and with it the lock: a process that hangs must not keep the lock.
const SESSION_TIMEOUT: &str = "30s";

/// The pauses between two attempts to reach the database.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// How long an event that the broker does not take is left before it is tried again.
const REJECTED_PAUSE: Duration = Duration::from_secs(1);

/// How often the backlog is measured, and how far it is counted.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
const MEASURE_ROWS_MAX: i64 = 100_000;

/// How the relay sends, and how long old rows stay. The defaults are those of the
/// settings.
#[derive(Debug, Clone)]
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
            batch_max: 500,
            poll: Duration::from_millis(100),
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

/// How a session with the database came to its end.
enum End {
    /// The process ends.
    Shutdown,
    /// The database is away, and the lock with it.
    Database(sqlx::Error),
    /// The broker did not take an event; everything starts anew after a pause.
    Rejected,
    Failed(RelayError),
}

impl From<sqlx::Error> for End {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
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
    ) -> Self {
        Self {
            db,
            broker: broker.into(),
            client_id: client_id.to_owned(),
            settings,
            clock: Clock::system(),
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
                End::Rejected => REJECTED_PAUSE,
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
        let sender = Sender::new(&self.broker, &self.client_id)
            .map_err(|error| End::Failed(RelayError::Client(error)))?;
        let committed = self.db.committed();
        let deadline = self.deadline(shutdown);
        tokio::pin!(deadline);
        let mut measured: Option<Instant> = None;
        loop {
            if measured.is_none_or(|at| at.elapsed() >= MEASURE_EVERY) {
                self.measure(&mut connection).await?;
                measured = Some(Instant::now());
            }
            let rows =
                answer(rows::unsent(&mut connection, i64::from(self.settings.batch_max))).await?;
            if !rows.is_empty() {
                tokio::select! {
                    done = self.send(&mut connection, &sender, &rows) => done?,
                    () = &mut deadline => return Ok(()),
                }
            } else if shutdown.is_cancelled() {
                // Closing it properly gives the lock to the next one at once.
                let _ = timeout(HEARTBEAT, connection.close()).await;
                return Ok(());
            } else {
                tokio::select! {
                    () = committed.notified() => {}
                    () = tokio::time::sleep(self.settings.poll) => {}
                    () = shutdown.cancelled() => {}
                }
            }
        }
    }

    /// A connection that holds the lock, or `None` at the shutdown.
    async fn lock(&self, shutdown: &CancellationToken) -> Result<Option<PgConnection>, End> {
        let options = self.db.pool().connect_options();
        let mut connection = answer(options.connect()).await?;
        answer(
            sqlx::query("SELECT set_config('idle_session_timeout', $1, false)")
                .bind(SESSION_TIMEOUT)
                .execute(&mut connection),
        )
        .await?;
        while !answer(rows::try_lock(&mut connection)).await? {
            tokio::select! {
                () = tokio::time::sleep(HEARTBEAT) => {}
                () = shutdown.cancelled() => return Ok(None),
            }
        }
        Ok(Some(connection))
    }

    /// Sends `rows` and marks those that the broker has. While it waits it keeps
    /// an eye on the connection: with it the right to send would be gone.
    async fn send(
        &self,
        connection: &mut PgConnection,
        sender: &Sender,
        rows: &[Row],
    ) -> Result<(), End> {
        let sending = sender.send(rows);
        tokio::pin!(sending);
        let sent = loop {
            match timeout(HEARTBEAT, &mut sending).await {
                Ok(sent) => break sent,
                Err(_) => answer(connection.ping()).await?,
            }
        };
        let acknowledged: Vec<i64> = rows
            .iter()
            .zip(&sent)
            .filter(|(_, outcome)| matches!(outcome, Outcome::Acknowledged))
            .map(|(row, _)| row.id)
            .collect();
        if !acknowledged.is_empty() {
            answer(rows::mark_sent(connection, &acknowledged)).await?;
        }
        let mut rejected = 0;
        for (row, outcome) in rows.iter().zip(sent) {
            match outcome {
                Outcome::Acknowledged => self.count(row),
                Outcome::HeldBack => {}
                Outcome::Failed(error @ SendError::Fatal(_)) => {
                    return Err(End::Failed(RelayError::Producer(error)));
                }
                Outcome::Failed(SendError::Rejected(error)) => {
                    if rejected == 0 {
                        tracing::error!(%error, event_id = %row.event_id, topic = row.topic, "the broker does not take an event; those after it under its key wait");
                    }
                    rejected += 1;
                }
            }
        }
        metrics::counter!("outbox_rejected_total").increment(rejected);
        if rejected == 0 { Ok(()) } else { Err(End::Rejected) }
    }

    /// Ends when the time for sending after the shutdown is over.
    async fn deadline(&self, shutdown: &CancellationToken) {
        shutdown.cancelled().await;
        tokio::time::sleep(self.settings.flush).await;
        tracing::warn!("the outbox is not empty at the end; the next relay goes on");
    }

    async fn measure(&self, connection: &mut PgConnection) -> Result<(), End> {
        let (events, oldest_seconds) = answer(rows::backlog(connection, MEASURE_ROWS_MAX)).await?;
        metrics::gauge!("outbox_unsent").set(count_as_f64(events));
        metrics::gauge!("outbox_oldest_unsent_seconds").set(oldest_seconds);
        Ok(())
    }

    fn count(&self, row: &Row) {
        metrics::counter!("outbox_sent_total", "topic" => row.topic.clone()).increment(1);
        let waited = self.clock.now() - row.created_at;
        metrics::histogram!("outbox_delay_seconds").record(waited.as_seconds_f64().max(0.0));
    }

    fn set_active(&self, active: bool) {
        self.active.store(active, Ordering::Relaxed);
        metrics::gauge!("outbox_relay_active").set(if active { 1.0 } else { 0.0 });
    }
}

/// What the database answers, if it does so in time.
async fn answer<T>(asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, End> {
    match timeout(ANSWER_TIMEOUT, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(End::Database(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
    }
}

/// Exact up to 2⁵³, which no backlog reaches.
fn count_as_f64(count: i64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
