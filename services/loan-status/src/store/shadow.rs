//! The read model that is made anew: tables of the same names, seen by one
//! session alone and gone with it. The statements that fill the served model
//! fill this one when they are run there; what is served is seen there as
//! `live_entry`, `live_loan`, `live_cancellation` and `live_feed_counter`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::events::LoanRequestRejected;
use common::db::{Db, ExpectRows as _, read_whole_tables};
use common::event::Event as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::domain::rebuild::{Difference, Rows};

/// How long the session may take to come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the served model's lock is waited for: whoever comes after that waits as
/// well.
const LOCK_WITHIN: Duration = Duration::from_secs(30);

/// How long one statement may take while the served model is locked, and how long the
/// session may do nothing then. Reading from Kafka gives up before that.
pub const STATEMENT_MAX: Duration = Duration::from_secs(60);

/// The tables that are made anew. A temporary table hides the served one of its
/// name, so the served one's other name comes first. Views of this kind can be
/// written to.
const TABLES: [&str; 5] = ["entry", "loan", "cancellation", "feed_counter", "inbox"];

/// What an entry is, but for its number in the feed.
const ENTRY: &str = "event_id, event_type, loan_request_id, loan_id, customer_id, request_id, request_name, \
                     amount_of_money, currency, outstanding, loan_status, reason, adm_comment, loan_version, \
                     occurred_at";
/// What a loan is.
const LOAN: &str = "loan_id, customer_id, request_name, amount_of_money, currency, loan_status, outstanding, \
                    loan_version, changed_at";
/// What a cancellation is.
const CANCELLATION: &str = "loan_request_id, cancelled_at";

/// Opens the session. There is one connection and never another: a second one
/// would begin with nothing.
///
/// # Errors
/// What the database says.
pub async fn open(options: &PgConnectOptions) -> Result<Db, sqlx::Error> {
    // A comparison of everything takes its time.
    let options = options.clone().options([("statement_timeout", "0")]);
    let opened = Arc::new(AtomicBool::new(false));
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(CONNECT_TIMEOUT)
        .after_connect(move |connection, _| {
            let opened = Arc::clone(&opened);
            Box::pin(async move {
                if opened.swap(true, Ordering::Relaxed) {
                    return Err(sqlx::Error::Protocol("the session of the rebuild is gone".into()));
                }
                prepare(connection).await
            })
        })
        .connect_with(options)
        .await?;
    Ok(Db::from_pool(pool))
}

async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for table in TABLES {
        for statement in [
            format!("CREATE TEMPORARY VIEW live_{table} AS SELECT * FROM {table}"),
            format!("CREATE TEMPORARY TABLE {table} (LIKE {table} INCLUDING ALL)"),
        ] {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *connection).await?;
        }
    }
    for statement in [
        "INSERT INTO feed_counter DEFAULT VALUES",
        // Entries have a number that says it.
        "ALTER TABLE cancellation ADD COLUMN is_late boolean NOT NULL DEFAULT false",
    ] {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Whether this session is the one that rebuilds; it is until it ends.
///
/// # Errors
/// What the database says.
pub async fn be_the_only_one(shadow: &Db) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT pg_try_advisory_lock(hashtext('rebuild of the read model'), hashtext(current_schema()))",
    )
    .fetch_one(shadow.pool())
    .await
}

/// What is made from now on is late: it may not have come to the served model
/// yet. Says the number of the last entry that is not.
///
/// # Errors
/// What the database says.
pub async fn begin_late(tx: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query("ALTER TABLE cancellation ALTER COLUMN is_late SET DEFAULT true")
        .execute(&mut *tx)
        .await?;
    // Temporary tables are known to nobody who would do it.
    sqlx::query("ANALYZE entry, loan, cancellation").execute(&mut *tx).await?;
    sqlx::query_scalar("SELECT last_id FROM feed_counter").fetch_one(tx).await
}

/// Where the topic of the compensations is not kept from its beginning: what was
/// rejected is compensated, always, and when that was is taken over from the served
/// model, or else from the rejection.
///
/// # Errors
/// What the database says.
pub async fn assume_cancellations(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    read_whole_tables(tx).await?;
    sqlx::query(
        "INSERT INTO cancellation (loan_request_id, cancelled_at)
         SELECT DISTINCT ON (entry.loan_request_id)
                entry.loan_request_id, COALESCE(live.cancelled_at, entry.occurred_at)
           FROM entry LEFT JOIN live_cancellation AS live USING (loan_request_id)
          WHERE entry.event_type = $1
          ORDER BY entry.loan_request_id, entry.id
         ON CONFLICT (loan_request_id) DO NOTHING",
    )
    .bind(LoanRequestRejected::TYPE)
    .execute(tx)
    .await?;
    Ok(())
}

/// Where only a part of what was told of a loan is known any more: what the served
/// model knows of it beside that counts as well, as it would had it come in the same
/// order. A booking tells neither name nor amount of the loan, for example.
///
/// # Errors
/// What the database says.
pub async fn assume_loans(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    read_whole_tables(tx).await?;
    // Any number is right: those of which the served model shows something else.
    sqlx::query(
        "UPDATE loan AS made SET
            request_name = COALESCE(made.request_name, live.request_name),
            amount_of_money = COALESCE(made.amount_of_money, live.amount_of_money),
            loan_status = CASE WHEN live.loan_version > made.loan_version
                THEN live.loan_status ELSE made.loan_status END,
            outstanding = CASE WHEN live.loan_version > made.loan_version
                THEN COALESCE(live.outstanding, made.outstanding)
                ELSE COALESCE(made.outstanding, live.outstanding) END,
            changed_at = CASE WHEN live.loan_version > made.loan_version
                THEN live.changed_at ELSE made.changed_at END,
            loan_version = GREATEST(made.loan_version, live.loan_version)
           FROM live_loan AS live
          WHERE live.loan_id = made.loan_id AND live.customer_id = made.customer_id
            AND EXISTS (SELECT 1 FROM live_entry AS older
                         WHERE older.loan_id = made.loan_id
                           AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.event_id = older.event_id))",
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps everybody from writing to the served model until the transaction ends; none
/// of its statements takes longer than [`STATEMENT_MAX`], and should this process
/// vanish, PostgreSQL ends it.
///
/// # Errors
/// What the database says, or if the lock is not to be had.
pub async fn lock_live(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    for (limit, value) in [
        ("lock_timeout", LOCK_WITHIN),
        ("statement_timeout", STATEMENT_MAX),
        ("idle_in_transaction_session_timeout", STATEMENT_MAX),
    ] {
        sqlx::query("SELECT set_config($1, $2, true)")
            .bind(limit)
            .bind(value.as_millis().to_string())
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query("SELECT 1 FROM live_feed_counter FOR UPDATE").execute(tx).await?;
    Ok(())
}

/// How many events the consumer has worked on that were not found when this model
/// was made. Of those that went to the dead letters nothing is shown.
///
/// # Errors
/// What the database says.
pub async fn not_found_again(tx: &mut PgConnection) -> Result<i64, sqlx::Error> {
    read_whole_tables(tx).await?;
    sqlx::query_scalar(
        "SELECT count(*) FROM live_inbox AS live
          WHERE live.dead_lettered_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM inbox AS made WHERE made.event_id = live.event_id)",
    )
    .fetch_one(tx)
    .await
}

/// How the served model differs from this one. Of what is behind the entry
/// `on_time` only the new model may know; `None`: nothing is excused.
///
/// # Errors
/// What the database says.
pub async fn compare(
    tx: &mut PgConnection,
    on_time: Option<i64>,
) -> Result<Difference, sqlx::Error> {
    read_whole_tables(tx).await?;
    let entries = rows(
        tx,
        "FROM live_entry AS live FULL JOIN entry AS made ON made.event_id = live.event_id
          WHERE made.id IS NULL OR live.id IS NOT NULL OR made.id <= $1",
        "event_id",
        ENTRY,
        on_time,
    )
    .await?;
    let loans = rows(
        tx,
        "FROM live_loan AS live FULL JOIN loan AS made ON made.loan_id = live.loan_id
          WHERE NOT EXISTS (SELECT 1 FROM entry WHERE entry.id > $1
                               AND entry.loan_id = COALESCE(made.loan_id, live.loan_id))",
        "loan_id",
        LOAN,
        on_time,
    )
    .await?;
    let cancellations = rows(
        tx,
        "FROM live_cancellation AS live FULL JOIN cancellation AS made
              ON made.loan_request_id = live.loan_request_id
          WHERE made.loan_request_id IS NULL OR live.loan_request_id IS NOT NULL
             OR NOT made.is_late OR $1 = 9223372036854775807",
        "loan_request_id",
        CANCELLATION,
        on_time,
    )
    .await?;
    Ok(Difference { entries, loans, cancellations })
}

async fn rows(
    tx: &mut PgConnection,
    from: &str,
    key: &str,
    columns: &str,
    on_time: Option<i64>,
) -> Result<Rows, sqlx::Error> {
    let (live, made) = (of("live", columns), of("made", columns));
    let (missing, changed, surplus) = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT count(*) FILTER (WHERE live.{key} IS NULL),
                count(*) FILTER (WHERE live.{key} = made.{key} AND ({live}) IS DISTINCT FROM ({made})),
                count(*) FILTER (WHERE made.{key} IS NULL)
           {from}"
    )))
    .bind(on_time.unwrap_or(i64::MAX))
    .fetch_one(tx)
    .await?;
    Ok(Rows { missing, changed, surplus })
}

/// Brings the served model to this one: what no event tells of goes (unless it is
/// `difference` that does not say so), what differs
/// is mended under its number, and what is missing comes to the end of the feed,
/// also what the consumer has not come to yet; it will find it there.
/// `difference` is what [`compare`] has just said.
///
/// # Errors
/// What the database says, or if it is not as it was compared.
pub async fn apply(tx: &mut PgConnection, difference: &Difference) -> Result<(), sqlx::Error> {
    for (table, key, columns, rows) in [
        ("entry", "event_id", ENTRY, difference.entries),
        ("loan", "loan_id", LOAN, difference.loans),
        ("cancellation", "loan_request_id", CANCELLATION, difference.cancellations),
    ] {
        if rows.surplus > 0 {
            let surplus = sqlx::query(AssertSqlSafe(format!(
                "DELETE FROM live_{table} AS live
                  WHERE NOT EXISTS (SELECT 1 FROM {table} AS made WHERE made.{key} = live.{key})"
            )))
            .execute(&mut *tx)
            .await?;
            surplus.expect_rows(rows.surplus.unsigned_abs())?;
        }
        let (live, made) = (of("live", columns), of("made", columns));
        let changed = sqlx::query(AssertSqlSafe(format!(
            "UPDATE live_{table} AS live SET ({columns}) = ROW ({made}) FROM {table} AS made
              WHERE made.{key} = live.{key} AND ({live}) IS DISTINCT FROM ({made})"
        )))
        .execute(&mut *tx)
        .await?;
        // A loan may also differ because the consumer has not come to its last events.
        if table != "loan" {
            changed.expect_rows(rows.changed.unsigned_abs())?;
        }
        let (numbered, number) = if table == "entry" {
            (
                "id, ",
                "(SELECT last_id FROM live_feed_counter) + row_number() OVER (ORDER BY made.id), ",
            )
        } else {
            ("", "")
        };
        let missing = sqlx::query(AssertSqlSafe(format!(
            "INSERT INTO live_{table} ({numbered}{columns})
             SELECT {number}{made} FROM {table} AS made
              WHERE NOT EXISTS (SELECT 1 FROM live_{table} AS live WHERE live.{key} = made.{key})"
        )))
        .execute(&mut *tx)
        .await?;
        if table == "entry" {
            count_entries(tx, missing.rows_affected()).await?;
        }
    }
    if difference.contradicts() {
        become_another_feed(tx).await?;
    }
    Ok(())
}

async fn count_entries(tx: &mut PgConnection, added: u64) -> Result<(), sqlx::Error> {
    let done = sqlx::query("UPDATE live_feed_counter SET last_id = last_id + $1")
        .bind(i64::try_from(added).unwrap_or(i64::MAX))
        .execute(tx)
        .await?;
    done.expect_rows(1)
}

/// The same numbers, but whoever remembers one of them begins anew.
async fn become_another_feed(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    let done = sqlx::query(
        "UPDATE live_feed_counter SET epoch = left(replace(gen_random_uuid()::text, '-', ''), 12)",
    )
    .execute(tx)
    .await?;
    done.expect_rows(1)
}

fn of(table: &str, columns: &str) -> String {
    let columns: Vec<_> =
        columns.split(", ").map(|column| format!("{table}.{}", column.trim())).collect();
    columns.join(", ")
}

#[cfg(test)]
mod tests;
