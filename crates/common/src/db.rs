//! The database: the pool, transactions that are named, measured and retried,
//! and statements that say how many rows they expect.

mod commit;
mod gather;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::{Notify, watch};
use tracing::Instrument as _;

pub use self::commit::OutcomeUnknown;
pub use self::gather::Gather;
use crate::config::ServiceSettings;

/// How often one transaction is begun at most when PostgreSQL asks for it.
pub const TX_ATTEMPTS_MAX: u32 = 5;

/// How long a request waits for a connection of the pool, at most. Longer than
/// this and the answer is 503.
pub const POOL_ACQUIRE_SECONDS: u64 = 3;

/// The time after which PostgreSQL ends a statement, unless the address of the
/// database says otherwise.
pub const STATEMENT_TIMEOUT_MS: u64 = 20_000;

/// The time after which PostgreSQL ends a wait for a lock, unless the address of
/// the database says otherwise. Less than the statement's, so that whoever waits
/// for another is told apart from whoever is slow himself.
pub const LOCK_TIMEOUT_MS: u64 = 10_000;

/// The time after which PostgreSQL ends a session that has begun a transaction and
/// says nothing, unless the address of the database says otherwise: that of a process
/// that was stopped, or whose machine is gone. Its locks are free then. Nothing
/// waits for anything but the database within a transaction, so a busy machine does
/// not look like that (a rebuild's swap waits for Kafka, and has a limit of its own);
/// and it is half of [`LOCK_TIMEOUT_MS`], so whoever waits for
/// such a lock gets it.
pub const IDLE_IN_TRANSACTION_TIMEOUT_MS: u64 = 5_000;

/// The time after which PostgreSQL's machine gives up a connection whose other end
/// takes nothing in, unless the address of the database says otherwise: a session
/// that is in the middle of an answer is not idle.
pub const TCP_USER_TIMEOUT_MS: u64 = 10_000;

/// The time after which PostgreSQL's machine asks whether the other end of a silent
/// connection is still there: one that is not takes a place among the connections.
pub const TCP_KEEPALIVE_SECONDS: u64 = 30;

/// How long lies between two such questions; unanswered, the connection is closed
/// after [`TCP_USER_TIMEOUT_MS`].
pub const TCP_KEEPALIVE_INTERVAL_SECONDS: u64 = 5;

/// A pooled connection that was used within this time is taken to be alive; any other
/// is asked first, which is a round trip. One that is given back is asked then as well. A
/// session that was ended within this time costs one request a 503: it fails at its first
/// statement.
const TRUSTED_WHILE_IDLE: Duration = Duration::from_secs(1);

/// How PostgreSQL is to plan, unless the address of the database says otherwise. Every
/// statement here looks up rows by an index, a few or a few hundred of them. A plan is kept
/// with its connection, and one that was made while a table was new or small reads all of it
/// from then on, however large it has become: until the statistics are made anew, and every
/// time. Compiling a plan takes longer than running it. Whoever has to read whole tables
/// says so in their transaction.
pub const PLANNING: [(&str, &str); 4] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

const RETRY_PAUSE_MS: u64 = 5;

/// The service's database. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
    committed: Arc<Notify>,
    commits: watch::Sender<u64>,
}

impl Db {
    /// Makes the pool and opens one connection, so that a wrong address shows
    /// itself.
    pub async fn connect(settings: &ServiceSettings) -> Result<Self, sqlx::Error> {
        let options = connect_options(settings)?;
        let pool = PgPoolOptions::new()
            .max_connections(settings.database_pool_max)
            .acquire_timeout(Duration::from_secs(POOL_ACQUIRE_SECONDS))
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    Ok(meta.idle_for < TRUSTED_WHILE_IDLE || connection.ping().await.is_ok())
                })
            })
            .connect_with(options)
            .await?;
        Ok(Self::from_pool(pool))
    }

    /// A database over a pool that exists already, as `#[sqlx::test]` hands out.
    #[must_use]
    pub fn from_pool(pool: PgPool) -> Self {
        Self { pool, committed: Arc::new(Notify::new()), commits: watch::Sender::new(0) }
    }

    /// The pool, for reads outside a transaction.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Rings after every commit of [`Db::in_tx`]; the outbox relay waits for it.
    #[must_use]
    pub fn committed(&self) -> Arc<Notify> {
        Arc::clone(&self.committed)
    }

    /// Changes after every commit of this process, the consumer's included: for
    /// whoever wants to look at once at what was written.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// Tells everybody who waits for it that something was committed.
    pub(crate) fn wake(&self) {
        self.committed.notify_one();
        self.commits.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Begins a transaction, runs `f` in it and commits, or rolls back if `f`
    /// fails. It is run again, at most [`TX_ATTEMPTS_MAX`] times, where
    /// PostgreSQL asks for that (serialisation failure, deadlock), so `f` does
    /// nothing but write to the database. The name is for metrics and logs.
    ///
    /// After an error nothing of it is there, then or later, unless
    /// [`is_outcome_unknown`] says that this isn't known.
    ///
    /// `f` may refer to what is around it, but not mutably: what it changed there
    /// would survive a run that was undone. (`AsyncFnMut` would allow that, and
    /// its future is not `Send` as soon as it refers to anything.)
    ///
    /// ```
    /// # use common::db::Db;
    /// # async fn example(db: Db, id: uuid::Uuid) -> Result<(), sqlx::Error> {
    /// db.in_tx("forget", async |tx| {
    ///     sqlx::query("DELETE FROM note WHERE id = $1").bind(id).execute(&mut *tx).await?;
    ///     Ok(())
    /// })
    /// .await
    /// # }
    /// ```
    pub async fn in_tx<T, E, F>(&self, name: &'static str, f: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut PgConnection) -> Result<T, E> + Clone,
        E: From<sqlx::Error> + Retryable,
    {
        let started = Instant::now();
        let mut attempt = 1;
        let outcome = loop {
            let outcome = self.attempt(f.clone()).await;
            match &outcome {
                Err(error) if error.is_retryable() && attempt < TX_ATTEMPTS_MAX => {
                    metrics::counter!("db_transaction_retries_total", "name" => name).increment(1);
                    let pause = RETRY_PAUSE_MS << attempt;
                    tracing::debug!(name, attempt, pause_ms = pause, "transaction runs again");
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    attempt += 1;
                }
                _ => break outcome,
            }
        };
        let result = if outcome.is_ok() { "committed" } else { "rolled-back" };
        metrics::histogram!("db_transaction_seconds", "name" => name, "result" => result)
            .record(started.elapsed().as_secs_f64());
        if outcome.is_ok() {
            self.wake();
        }
        outcome
    }

    /// Begins a transaction, to its end even if the caller goes away meanwhile.
    /// The driver, dropped while it waits for the answer to BEGIN, gives the
    /// connection back with the transaction open: what the next one wrote there
    /// would seem to be committed and would not be.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        // Who goes away while it waits for a connection waits for none any more.
        let connection = self.pool.acquire().await?;
        let begun = Transaction::begin(connection, None);
        let begun = tokio::spawn(begun.in_current_span());
        begun.await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }

    async fn attempt<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
        E: From<sqlx::Error>,
    {
        let mut tx = self.begin().await?;
        match f(&mut tx).await {
            Ok(value) => {
                tx.commit().await.map_err(OutcomeUnknown::unless_undone)?;
                Ok(value)
            }
            Err(error) => {
                // The failure of `f` is what matters; should the rollback fail
                // too, the pool drops the connection and PostgreSQL the work.
                if let Err(rollback) = tx.rollback().await {
                    tracing::debug!(error = %rollback, "rollback failed");
                }
                Err(error)
            }
        }
    }
}

/// How to reach the database, from the settings. The address holds the
/// password, so an error here never repeats it.
pub fn connect_options(settings: &ServiceSettings) -> Result<PgConnectOptions, sqlx::Error> {
    use secrecy::ExposeSecret as _;

    let address = settings.database_url.expose_secret();
    // The driver reads an address of any database, and then knocks at it for ever.
    if !["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme)) {
        return Err(sqlx::Error::Configuration("not an address of PostgreSQL".into()));
    }
    let options: PgConnectOptions = address.parse()?;
    let own = options.get_options().unwrap_or_default().to_owned();
    let is_own = |name: &str| {
        let mut words = own.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.any(|word| word.eq_ignore_ascii_case(name))
    };
    let limits = [
        ("statement_timeout", STATEMENT_TIMEOUT_MS),
        ("lock_timeout", LOCK_TIMEOUT_MS),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT_MS),
        ("tcp_user_timeout", TCP_USER_TIMEOUT_MS),
        ("tcp_keepalives_idle", TCP_KEEPALIVE_SECONDS),
        ("tcp_keepalives_interval", TCP_KEEPALIVE_INTERVAL_SECONDS),
    ];
    let limits = limits.map(|(name, limit)| (name, limit.to_string()));
    let planning = PLANNING.map(|(name, value)| (name, value.to_owned()));
    let missing = limits.into_iter().chain(planning).filter(|(name, _)| !is_own(name));
    let options = options.options(missing);
    Ok(options.application_name(settings.service_name))
}

/// Lets PostgreSQL read whole tables in this transaction, as it sees fit.
///
/// # Errors
///
/// Only the database's.
pub async fn read_whole_tables(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    for (name, _) in PLANNING.iter().filter(|(name, _)| name.starts_with("enable_")) {
        sqlx::query("SELECT set_config($1, 'on', true)").bind(name).execute(&mut *tx).await?;
    }
    Ok(())
}

/// Whether the whole transaction may be run again.
pub trait Retryable {
    /// True where PostgreSQL undid everything and asks for another run.
    fn is_retryable(&self) -> bool;
}

impl Retryable for sqlx::Error {
    fn is_retryable(&self) -> bool {
        // 40001: serialisation failure; 40P01: deadlock.
        self.as_database_error()
            .and_then(|error| error.code())
            .is_some_and(|code| code == "40001" || code == "40P01")
    }
}

/// Whether the failure lies in what is around us (the database is away, out of
/// connections, shutting down, asks for another run) and not in what was asked.
#[must_use]
pub fn is_infrastructure(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // 08: connection; 53: resources; 57P: shutting down or starting;
            // 57014: cut off; 55P03: a lock was not to be had in time; 58: the
            // system around it; 40001 and 40P01: run again; 25006: a standby after
            // a fail-over; 25P03: this process was silent in a transaction.
            const CODES: [&str; 6] = ["57014", "55P03", "40001", "40P01", "25006", "25P03"];
            ["08", "53", "57P", "58"].iter().any(|class| code.starts_with(class))
                || CODES.contains(&code.as_ref())
        }),
        // A connection that ended while it was made: the driver asks whether the
        // other side speaks TLS, and takes the end for an answer.
        sqlx::Error::Protocol(text) => text.contains("SSLRequest"),
        other => is_outcome_unknown(other),
    }
}

/// Whether this is the failure of a transaction that may be committed all the same:
/// whoever has to know it looks at its rows.
#[must_use]
pub fn is_outcome_unknown(error: &sqlx::Error) -> bool {
    OutcomeUnknown::of(error).is_some()
}

/// Whether PostgreSQL has cut a statement off because it took too long.
#[must_use]
pub fn is_cut_off(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == "57014")
}

/// The error for a log: the database's own message without its DETAIL, which
/// quotes the row and so may hold personal data.
#[must_use]
pub fn described(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            let constraint = error.constraint().unwrap_or("-");
            // Class 22 (data) quotes the value in its message.
            let message =
                if code.starts_with("22") { "a value was refused" } else { error.message() };
            format!("SQLSTATE {code}, constraint {constraint}: {message}")
        }
        other => match OutcomeUnknown::of(other) {
            Some(unknown) => format!("{unknown}: {}", described(unknown.cause())),
            None => other.to_string(),
        },
    }
}

/// One column of many rows, to be bound as an array: `unnest` makes rows of it again.
pub fn column<'a, T, V>(rows: &'a [T], value: impl FnMut(&'a T) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}

/// Every UPDATE and DELETE says how many rows it expects.
pub trait ExpectRows {
    /// An error (and so a rollback) unless exactly `n` rows were touched.
    fn expect_rows(self, n: u64) -> Result<(), sqlx::Error>;
}

impl ExpectRows for PgQueryResult {
    fn expect_rows(self, n: u64) -> Result<(), sqlx::Error> {
        let touched = self.rows_affected();
        if touched == n {
            Ok(())
        } else {
            Err(sqlx::Error::Protocol(format!(
                "a statement touched {touched} rows where {n} were expected"
            )))
        }
    }
}

#[cfg(test)]
mod tests;
