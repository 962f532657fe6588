//! The plumbing by itself: a broker and a database of the test's own, and
//! `common`'s relay and consumer run in the test's process, so that a test can
//! open transactions beside them, end them half way, and look at each part.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use common::clock::Clock;
use common::consumer::{Consumer, ConsumerError, ConsumerSettings, HandlerError, Subscriptions};
use common::db::Db;
use common::event::{Event, NewEvent, ReceivedEvent};
use common::outbox::{Relay, RelayError, RelaySettings};
use journeys::harness::Journey;
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use standalone::StackBuilder;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::by_hand::{self, Seen};

/// Where the notes go; any topic that every broker of the tests has.
pub(crate) const TOPIC: &str = events::topics::LOAN_MANAGER;
/// Its dead-letter twin.
pub(crate) const DEAD_LETTERS: &str = "loan.manager.dlq";

/// How long anything may take that is to happen by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the notes are about, and what comes of them. `effect` has no unique
/// column on purpose: an effect that happens twice is to be seen twice.
const TABLES: &str = "
    CREATE TABLE account (id text PRIMARY KEY, last bigint NOT NULL DEFAULT 0);
    CREATE TABLE effect (
        place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id uuid NOT NULL, account text NOT NULL, number bigint NOT NULL, worker text NOT NULL
    );";

/// The next note of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Noted {
    pub(crate) account: String,
    pub(crate) number: i64,
}

impl Event for Noted {
    const TYPE: &'static str = "Noted";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = "/facts";

    fn key(&self) -> String {
        self.account.clone()
    }

    fn subject(&self) -> String {
        self.account.clone()
    }
}

/// The envelope of a note.
pub(crate) fn noted(account: &str, number: i64) -> NewEvent {
    NewEvent::of(&Noted { account: account.to_owned(), number }, &Clock::system())
}

/// A broker, and a database with the plumbing's tables.
pub(crate) struct Plumbing {
    pub(crate) journey: Journey,
    pub(crate) db: Db,
}

impl Plumbing {
    pub(crate) async fn start() -> Result<Self> {
        Self::start_with(|stack| stack).await
    }

    pub(crate) async fn start_with(
        change: impl FnOnce(StackBuilder) -> StackBuilder,
    ) -> Result<Self> {
        let journey = Journey::start_with(|stack| change(stack.only(&[]))).await?;
        sqlx::query("CREATE SCHEMA facts").execute(&journey.db).await?;
        let pool = connect(&journey, Duration::from_secs(3)).await?;
        let plumbing = include_str!("../../../crates/common/migrations/plumbing.sql");
        sqlx::raw_sql(plumbing).execute(&pool).await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        Ok(Self { journey, db: Db::from_pool(pool) })
    }

    /// From now on a database that is away is found out soon.
    pub(crate) async fn grow_impatient(&mut self) -> Result<()> {
        self.db = Db::from_pool(connect(&self.journey, Duration::from_millis(200)).await?);
        Ok(())
    }

    pub(crate) fn bootstrap(&self) -> &str {
        self.journey.stack.bootstrap()
    }

    /// A relay on this database, as each instance of a service has one.
    pub(crate) fn relay(&self, batch_max: u32) -> Running<RelayError> {
        let settings = RelaySettings { batch_max, ..RelaySettings::default() };
        let relay =
            Relay::new(self.db.clone(), self.bootstrap(), "facts", settings, Clock::system());
        Running::start(|stop| relay.run(stop))
    }

    /// A consumer of these subscriptions, with a linger that lets what was sent
    /// together come together.
    pub(crate) fn consumer(&self, subscriptions: Subscriptions) -> Running<ConsumerError> {
        self.consumer_of(subscriptions, 200)
    }

    pub(crate) fn consumer_of(
        &self,
        subscriptions: Subscriptions,
        batch_max: usize,
    ) -> Running<ConsumerError> {
        let settings = ConsumerSettings {
            batch_max,
            linger: Duration::from_millis(50),
            backoff_max: Duration::from_millis(500),
            session_timeout: Duration::from_secs(6),
            ..ConsumerSettings::default()
        };
        let consumer = Consumer::new(
            self.db.clone(),
            self.bootstrap(),
            subscriptions,
            settings,
            Clock::system(),
        );
        Running::start(|stop| consumer.run(stop))
    }

    /// A number from the test's own schema.
    pub(crate) async fn count(&self, sql: &str) -> Result<i64> {
        let statement = AssertSqlSafe(sql.to_owned());
        Ok(sqlx::query_scalar(statement).fetch_one(self.db.pool()).await?)
    }

    pub(crate) async fn unsent(&self) -> Result<i64> {
        self.count("SELECT count(*) FROM outbox WHERE sent_at IS NULL").await
    }

    pub(crate) async fn all_sent(&self) -> Result<()> {
        until("all is sent", async || Ok(self.unsent().await? == 0)).await
    }

    /// Waits for this many effects.
    pub(crate) async fn effects(&self, count: i64) -> Result<()> {
        let statement = "SELECT count(*) FROM effect";
        until("the effects", async || Ok(self.count(statement).await? >= count)).await
    }

    /// Every effect as `account/number`, in the order in which they happened.
    pub(crate) async fn effects_in_order(&self) -> Result<Vec<String>> {
        let statement = "SELECT account || '/' || number FROM effect ORDER BY place";
        Ok(sqlx::query_scalar(statement).fetch_all(self.db.pool()).await?)
    }

    /// Locks the account's row, counts up, and puts the note into the outbox: what a
    /// use case does with its aggregate.
    pub(crate) async fn write(tx: &mut PgConnection, account: &str) -> Result<(), sqlx::Error> {
        let number: i64 = sqlx::query_scalar(
            "INSERT INTO account (id, last) VALUES ($1, 1)
             ON CONFLICT (id) DO UPDATE SET last = account.last + 1 RETURNING last",
        )
        .bind(account)
        .fetch_one(&mut *tx)
        .await?;
        common::outbox::append(tx, &[noted(account, number)]).await
    }

    /// The same in a transaction of its own.
    pub(crate) async fn write_one(&self, account: &str) -> Result<()> {
        self.db.in_tx("write", async |tx| Self::write(tx, account).await).await?;
        Ok(())
    }

    pub(crate) async fn read(&self, topic: &'static str) -> Result<Vec<Seen>> {
        by_hand::read(self.bootstrap(), topic).await
    }
}

/// The test's own schema.
async fn connect(journey: &Journey, patience: Duration) -> Result<PgPool> {
    let url = journey.stack.database().superuser_url();
    let options: PgConnectOptions = url.parse()?;
    // The servers of the tests don't write each commit through at once.
    let options = options.options([("search_path", "facts"), ("synchronous_commit", "on")]);
    let pool = PgPoolOptions::new().max_connections(20).acquire_timeout(patience);
    Ok(pool.connect_with(options).await?)
}

/// The effect of a note: that it is noted who worked on it.
pub(crate) async fn note(
    tx: &mut PgConnection,
    event: &ReceivedEvent,
    note: &Noted,
    worker: &str,
) -> Result<(), HandlerError> {
    sqlx::query("INSERT INTO effect (event_id, account, number, worker) VALUES ($1, $2, $3, $4)")
        .bind(event.id)
        .bind(&note.account)
        .bind(note.number)
        .bind(worker)
        .execute(tx)
        .await?;
    Ok(())
}

/// The subscriptions that note each effect.
pub(crate) fn noting(group: &'static str, worker: &'static str) -> Subscriptions {
    Subscriptions::new(group).on::<Noted>(move |tx, event, body| {
        Box::pin(async move { note(tx, event, &body, worker).await })
    })
}

/// A relay or a consumer that runs beside the test.
pub(crate) struct Running<E> {
    stop: CancellationToken,
    task: JoinHandle<Result<(), E>>,
}

impl<E: Debug + Send + 'static> Running<E> {
    fn start<F>(task: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(task(stop.clone())), stop }
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.task.is_finished()
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        let ended =
            tokio::time::timeout(PATIENCE, self.task).await.context("it does not end")??;
        ensure!(ended.is_ok(), "it ended with {ended:?}");
        Ok(())
    }

    /// Ends it wherever it is, with nothing said to anybody.
    pub(crate) async fn kill(self) {
        self.task.abort();
        drop(self.task.await);
    }
}

/// Waits until it is so; what never comes true fails the test.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !is_so().await? {
        ensure!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
