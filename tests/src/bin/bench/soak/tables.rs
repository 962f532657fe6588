//! The tables whose rows go by themselves, and time that runs faster for them.
//!
//! The windows are hours and days. Rather than to wait for them, each row is made
//! older by what its window is longer than the bench's, in the statement that
//! writes it, so that nothing is written twice and sizes are what they would be.

use std::time::Duration;

use anyhow::Result;
use journeys::harness::{CERTIFY_TIMEOUT_MS, SCHEMAS};
use sqlx::{AssertSqlSafe, PgPool, Row as _};
use standalone::{Service, StackBuilder};

/// How long a row stays here.
pub(super) const WINDOW: Duration = Duration::from_secs(20);

/// The shortest that the settings of hours and days allow, in hours.
const HOUR: u32 = 1;
const DAY: u32 = 24;

/// The one whose outbox stays empty.
const TELLS_NOTHING: &str = "loan_status";

/// When a row's age begins.
#[derive(Clone, Copy)]
enum Ages {
    /// With its insert, if that is so of it.
    Inserted(&'static str),
    /// With the update that sets the column.
    Set,
    /// As it is: its window is set in seconds.
    InSeconds,
}

/// A table, or the part of it that is not kept.
#[derive(Clone)]
pub(super) struct Purged {
    pub(super) name: String,
    /// Which rows go.
    rows: &'static str,
    /// Whether all of them do, so that the table's size says something.
    pub(super) is_all: bool,
    column: &'static str,
    window_hours: u32,
    ages: Ages,
}

/// All of them; `docs/operations.md` lists them with their windows.
pub(super) fn all() -> Vec<Purged> {
    let table = |name: &str, column, window_hours, ages| Purged {
        name: name.to_owned(),
        rows: "true",
        is_all: true,
        column,
        window_hours,
        ages,
    };
    let every = Ages::Inserted("true");
    let mut all = Vec::new();
    for schema in SCHEMAS {
        if schema != TELLS_NOTHING {
            all.push(table(&format!("{schema}.outbox"), "sent_at", HOUR, Ages::Set));
        }
        all.push(table(&format!("{schema}.inbox"), "received_at", HOUR, every));
    }
    for schema in ["loan_request", "loan_auth"] {
        all.push(table(&format!("{schema}.idempotency"), "created_at", DAY, every));
    }
    all.push(table("loan_auth.login_failure", "failed_at", 0, Ages::InSeconds));
    all.push(table("loan_auth.registration_attempt", "attempted_at", 0, Ages::InSeconds));
    all.push(table("loan_auth.known_address", "last_success_at", DAY, every));
    all.push(table("loan_auth.refresh_family", "expires_at", HOUR, every));
    all.push(Purged {
        rows: "customer_id IS NULL",
        is_all: false,
        ..table(
            "loan_auth.certification",
            "decided_at",
            DAY,
            Ages::Inserted("NEW.customer_id IS NULL"),
        )
    });
    all.push(Purged {
        rows: "refused_at IS NOT NULL",
        is_all: false,
        ..table("loan_request.loan_request", "refused_at", DAY, Ages::Set)
    });
    all
}

/// The shortest windows that can be set, and bounds that the load does not reach.
pub(crate) fn settings(stack: StackBuilder) -> StackBuilder {
    let window = WINDOW.as_secs().to_string();
    let stack = stack.env_for_all("OUTBOX_KEEP_HOURS", "1").env_for_all("INBOX_KEEP_HOURS", "1");
    let of_auth = [
        ("FAILURES_ACCOUNT_ADDRESS_SECONDS", window.as_str()),
        ("FAILURES_ACCOUNT_SECONDS", &window),
        ("FAILURES_ADDRESS_SECONDS", &window),
        ("FAILURES_ADDRESS_MAX", "1000000"),
        ("REGISTRATIONS_ADDRESS_SECONDS", &window),
        ("REGISTRATIONS_ADDRESS_MAX", "1000000"),
        ("KNOWN_ADDRESS_DAYS", "1"),
        ("REFRESH_TOKEN_HOURS", "1"),
    ];
    let stack = of_auth
        .into_iter()
        .fold(stack, |stack, (name, value)| stack.env(Service::LoanAuth, name, value));
    // It is not measured here who is told to ask again on a busy machine.
    let stack = stack.env(Service::LoanAuth, "PASSWORD_WAIT_MS", "9000").env(
        Service::LoanRequest,
        CERTIFY_TIMEOUT_MS,
        "10000",
    );
    [Service::LoanAuth, Service::LoanRequest].into_iter().fold(stack, |stack, service| {
        stack.env(service, "REFUSED_KEEP_DAYS", "1").env(service, "PURGE_SECONDS", "5")
    })
}

impl Purged {
    /// Has time run faster for what is written from now on, and makes it possible to
    /// hold purging back.
    pub(super) async fn prepare(&self, db: &PgPool) -> Result<()> {
        let Self { name, column, window_hours, .. } = self;
        let function = format!("public.{}_is_older", name.replace('.', "_"));
        let shift = format!("interval '{window_hours} hours' - interval '{} s'", WINDOW.as_secs());
        let event = match self.ages {
            Ages::Inserted(which) => Some(format!("INSERT ON {name} FOR EACH ROW WHEN ({which})")),
            Ages::Set => Some(format!(
                "UPDATE OF {column} ON {name} FOR EACH ROW \
                 WHEN (OLD.{column} IS NULL AND NEW.{column} IS NOT NULL)"
            )),
            Ages::InSeconds => None,
        };
        let aging = event.map_or_else(String::new, |event| {
            format!(
                "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN NEW.{column} := NEW.{column} - ({shift}); RETURN NEW; END $$;
                 CREATE TRIGGER is_older BEFORE {event} EXECUTE FUNCTION {function}();"
            )
        });
        let holding = format!(
            "CREATE OR REPLACE FUNCTION public.nothing_goes() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RETURN NULL; END $$;
             CREATE TRIGGER nothing_goes BEFORE DELETE ON {name} FOR EACH ROW EXECUTE FUNCTION public.nothing_goes();
             ALTER TABLE {name} DISABLE TRIGGER nothing_goes;"
        );
        // The names are constants of this file.
        sqlx::raw_sql(AssertSqlSafe(format!("{aging}{holding}"))).execute(db).await?;
        Ok(())
    }

    /// Whether its rows may go.
    pub(super) async fn let_go(&self, db: &PgPool, may: bool) -> Result<()> {
        let how = if may { "DISABLE" } else { "ENABLE" };
        let statement = format!("ALTER TABLE {} {how} TRIGGER nothing_goes", self.name);
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(db).await?;
        Ok(())
    }

    /// How many of its rows there are that will go, and the bytes of the whole table.
    pub(super) async fn size(&self, db: &PgPool) -> Result<Size> {
        let Self { name, rows, .. } = self;
        let statement =
            format!("SELECT count(*), pg_total_relation_size('{name}') FROM {name} WHERE {rows}");
        let row = sqlx::query(AssertSqlSafe(statement)).fetch_one(db).await?;
        Ok(Size { rows: row.try_get(0)?, bytes: row.try_get(1)? })
    }
}

/// How large a table is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) rows: i64,
    pub(super) bytes: i64,
}

impl Size {
    /// The larger of each.
    pub(super) fn max(self, other: Self) -> Self {
        Self { rows: self.rows.max(other.rows), bytes: self.bytes.max(other.bytes) }
    }
}

/// Whether the rows of all tables may go.
pub(super) async fn let_all_go(db: &PgPool, may: bool) -> Result<()> {
    for table in all() {
        table.let_go(db, may).await?;
    }
    Ok(())
}

/// The tables of loan-manager's plumbing, where the backlog is.
const BACKLOG: &str = "
    INSERT INTO loan_manager.outbox (event_id, topic, key, event_type, source, subject, occurred_at,
        payload, created_at, sent_at)
    SELECT gen_random_uuid(), 'loan.manager', 'old', 'LoanJudged', '/loan-manager', 'old', now() - interval '2 hours',
        repeat('x', 300), now() - interval '2 hours', now() - interval '2 hours'
    FROM generate_series(1, $1)";
const BACKLOG_OF_INBOX: &str = "
    INSERT INTO loan_manager.inbox (event_id, topic, received_at)
    SELECT gen_random_uuid(), 'loan.auth', now() - interval '2 hours' FROM generate_series(1, $1)";

/// Writes so many rows that are old already into loan-manager's outbox and inbox.
pub(super) async fn pile_up(db: &PgPool, rows: i64) -> Result<()> {
    for statement in [BACKLOG, BACKLOG_OF_INBOX] {
        sqlx::query(statement).bind(rows).execute(db).await?;
    }
    // What writing them left to do for the disk is not what is to be measured.
    sqlx::query("VACUUM ANALYZE loan_manager.outbox, loan_manager.inbox").execute(db).await?;
    sqlx::query("CHECKPOINT").execute(db).await?;
    Ok(())
}

/// How many rows of these tables have ever gone.
pub(super) async fn gone(db: &PgPool) -> Result<i64> {
    let names: Vec<String> = all().into_iter().map(|table| table.name).collect();
    let statement = "SELECT coalesce(sum(n_tup_del), 0)::bigint FROM pg_stat_all_tables
         WHERE schemaname || '.' || relname = ANY($1)";
    Ok(sqlx::query_scalar(statement).bind(names).fetch_one(db).await?)
}

/// How many old rows of the backlog are left.
pub(super) async fn left(db: &PgPool) -> Result<i64> {
    let statement = "SELECT (SELECT count(*) FROM loan_manager.outbox WHERE key = 'old')
         + (SELECT count(*) FROM loan_manager.inbox WHERE received_at < now() - interval '90 minutes')";
    Ok(sqlx::query_scalar(statement).fetch_one(db).await?)
}
