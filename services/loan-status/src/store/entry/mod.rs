//! `entry`: one row for each event that is shown.

mod shown;

use ::events::codes::RejectionReason;
use ::events::{
    CustomerId, LoanExecuted, LoanId, LoanJudged, LoanRepaid, LoanRequestId, LoanRequestReceived,
    LoanRequestRejected, LoanStatus, RequestKind,
};
use common::db::column;
use common::event::Event as _;
use common::hal::Total;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::change::{Change, Effect, effect_of_receiving};
use crate::domain::viewer::Scope;

pub use shown::{Wanted, shown};

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Entry {
    /// Its number in the feed.
    pub id: i64,
    /// The event's type.
    pub event_type: String,
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// The loan, where it is known.
    pub loan_id: Option<LoanId>,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// A new loan or a repayment.
    pub request_id: RequestKind,
    /// What the customer called it.
    pub request_name: String,
    /// How much it is about.
    pub amount_of_money: i64,
    /// In which currency.
    pub currency: String,
    /// What was owed after it, where that was told.
    pub outstanding: Option<i64>,
    /// The state.
    pub loan_status: LoanStatus,
    /// Why it was rejected.
    pub reason: Option<RejectionReason>,
    /// What the officer said to it.
    pub adm_comment: Option<String>,
    /// Its number among the loan's events.
    pub loan_version: Option<i64>,
    /// When it happened.
    pub occurred_at: OffsetDateTime,
    /// When its request was compensated.
    pub cancelled_at: Option<OffsetDateTime>,
}

const COLUMNS: &str = "entry.id, event_type, entry.loan_request_id, loan_id, customer_id, request_id, \
                       request_name, amount_of_money, currency, outstanding, loan_status, reason, \
                       adm_comment, loan_version, occurred_at, cancelled_at";

const SHOWN: &str = "entry LEFT JOIN cancellation USING (loan_request_id)";

/// Where a page begins.
#[derive(Debug, Clone, Copy)]
pub enum Start {
    /// After so many entries.
    Offset(i64),
    /// Behind the entry with this number.
    Behind(i64),
}

/// Adds entries at the end of the feed, in their order; says of which events there were
/// none. Takes the feed's lock: whoever writes to other tables as well does so after this,
/// so that two transactions never wait for each other.
///
/// # Errors
/// What the database says.
pub async fn append(
    tx: &mut PgConnection,
    changes: &[(Uuid, &Change)],
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "WITH new AS (
            SELECT told.*, row_number() OVER (ORDER BY told.place) AS nth
              FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[],
                          $8::bigint[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[],
                          $14::bigint[], $15::timestamptz[]) WITH ORDINALITY
                   AS told(event_id, event_type, loan_request_id, loan_id, customer_id, request_id,
                           request_name, amount_of_money, currency, outstanding, loan_status, reason,
                           adm_comment, loan_version, occurred_at, place)
             WHERE NOT EXISTS (SELECT 1 FROM entry WHERE entry.event_id = told.event_id)
         ), counted AS (
            SELECT count(*) AS news FROM new
         ), counter AS (
            UPDATE feed_counter SET last_id = last_id + counted.news FROM counted WHERE counted.news > 0
            RETURNING last_id - counted.news AS before
         )
         INSERT INTO entry (id, event_id, event_type, loan_request_id, loan_id, customer_id, request_id,
                            request_name, amount_of_money, currency, outstanding, loan_status, reason,
                            adm_comment, loan_version, occurred_at)
         SELECT counter.before + nth, event_id, event_type, loan_request_id, loan_id, customer_id, request_id,
                request_name, amount_of_money, currency, outstanding, loan_status, reason,
                adm_comment, loan_version, occurred_at
           FROM new, counter
         RETURNING event_id",
    )
    .bind(column(changes, |(event_id, _)| *event_id))
    .bind(column(changes, |(_, change)| change.event_type))
    .bind(column(changes, |(_, change)| change.loan_request_id))
    .bind(column(changes, |(_, change)| change.loan_id))
    .bind(column(changes, |(_, change)| change.customer_id))
    .bind(column(changes, |(_, change)| change.request_id))
    .bind(column(changes, |(_, change)| change.request_name.as_str()))
    .bind(column(changes, |(_, change)| change.amount))
    .bind(column(changes, |(_, change)| change.currency.code()))
    .bind(column(changes, |(_, change)| change.outstanding))
    .bind(column(changes, |(_, change)| change.status))
    .bind(column(changes, |(_, change)| change.reason))
    .bind(column(changes, |(_, change)| change.comment.as_deref()))
    .bind(column(changes, |(_, change)| change.loan_version))
    .bind(column(changes, |(_, change)| change.occurred_at))
    .fetch_all(tx)
    .await
}

/// At most `limit` entries of the scope.
///
/// # Errors
/// What the database says.
pub async fn list(
    pool: &PgPool,
    scope: Scope,
    newest_first: bool,
    start: Start,
    limit: i64,
) -> Result<Vec<Entry>, sqlx::Error> {
    let Some(mut query) = within(scope, format!("SELECT {COLUMNS} FROM {SHOWN}")) else {
        return Ok(Vec::new());
    };
    if let Start::Behind(id) = start {
        query
            .push(if newest_first { " AND entry.id < " } else { " AND entry.id > " })
            .push_bind(id);
    }
    query.push(if newest_first { " ORDER BY entry.id DESC" } else { " ORDER BY entry.id" });
    query.push(" LIMIT ").push_bind(limit);
    if let Start::Offset(skipped) = start {
        query.push(" OFFSET ").push_bind(skipped);
    }
    query.build_query_as().fetch_all(pool).await
}

/// At most `limit` entries of the scope behind one number and up to another,
/// in the order of the feed.
///
/// # Errors
/// What the database says.
pub async fn between(
    pool: &PgPool,
    scope: Scope,
    behind: i64,
    up_to: i64,
    limit: i64,
) -> Result<Vec<Entry>, sqlx::Error> {
    let Some(mut query) = within(scope, format!("SELECT {COLUMNS} FROM {SHOWN}")) else {
        return Ok(Vec::new());
    };
    query.push(" AND entry.id > ").push_bind(behind);
    query.push(" AND entry.id <= ").push_bind(up_to);
    query.push(" ORDER BY entry.id LIMIT ").push_bind(limit);
    query.build_query_as().fetch_all(pool).await
}

/// How many entries the scope has, counted up to [`Total::COUNT_LIMIT`].
///
/// # Errors
/// What the database says.
pub async fn count(pool: &PgPool, scope: Scope) -> Result<i64, sqlx::Error> {
    let Some(mut query) = within(scope, "SELECT count(*) FROM (SELECT 1 FROM entry".to_owned())
    else {
        return Ok(0);
    };
    query.push(" LIMIT ").push_bind(Total::COUNT_LIMIT).push(") AS counted");
    query.build_query_scalar().fetch_one(pool).await
}

/// Whether an entry with this number is in the scope.
///
/// # Errors
/// What the database says.
pub async fn exists(pool: &PgPool, scope: Scope, id: i64) -> Result<bool, sqlx::Error> {
    let Some(mut query) = within(scope, "SELECT EXISTS (SELECT 1 FROM entry".to_owned()) else {
        return Ok(false);
    };
    query.push(" AND entry.id = ").push_bind(id).push(")");
    query.build_query_scalar().fetch_one(pool).await
}

/// The last `limit` entries of a loan, in the loan's own order: by its
/// version, and an entry without one (rejected before it came to the loan)
/// where it arrived. Only the owner's (who is looked up if not given): a
/// stranger who named this loan in a request of their own must not show up
/// here.
///
/// # Errors
/// What the database says.
pub async fn timeline(
    pool: &PgPool,
    loan_id: LoanId,
    owner: Option<CustomerId>,
    limit: i64,
) -> Result<Vec<Entry>, sqlx::Error> {
    let mut query = QueryBuilder::<Postgres>::new(format!(
        "SELECT {COLUMNS} FROM (
            SELECT *, COALESCE(loan_version, max(loan_version) OVER (ORDER BY id), 0) AS place
              FROM entry WHERE loan_id = "
    ));
    query.push_bind(loan_id).push(" AND customer_id = ");
    match owner {
        Some(owner) => query.push_bind(owner),
        None => query
            .push("(SELECT loan.customer_id FROM loan WHERE loan.loan_id = ")
            .push_bind(loan_id)
            .push(")"),
    };
    query.push(") AS entry LEFT JOIN cancellation USING (loan_request_id)");
    query.push(" ORDER BY place DESC, entry.id DESC LIMIT ").push_bind(limit);
    let mut entries: Vec<Entry> = query.build_query_as().fetch_all(pool).await?;
    entries.reverse();
    Ok(entries)
}

/// What the entries of a loan say, in the order of the feed.
///
/// # Errors
/// What the database says.
pub async fn changes_of(
    tx: &mut PgConnection,
    loan_id: LoanId,
) -> Result<Vec<Change>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT event_type, loan_request_id, loan_id, customer_id, request_id, request_name,
                amount_of_money, currency, outstanding, loan_status, reason, adm_comment,
                loan_version, occurred_at
         FROM entry WHERE loan_id = $1 ORDER BY id",
    )
    .bind(loan_id)
    .fetch_all(tx)
    .await?;
    rows.iter().map(change).collect()
}

fn change(row: &PgRow) -> Result<Change, sqlx::Error> {
    let request_id: RequestKind = row.try_get("request_id")?;
    let (event_type, effect) = match row.try_get::<&str, _>("event_type")? {
        LoanRequestReceived::TYPE => (LoanRequestReceived::TYPE, effect_of_receiving(request_id)),
        LoanRequestRejected::TYPE => (LoanRequestRejected::TYPE, Effect::None),
        LoanJudged::TYPE => (LoanJudged::TYPE, Effect::OfApplication),
        LoanExecuted::TYPE => (LoanExecuted::TYPE, Effect::OfApplication),
        LoanRepaid::TYPE => (LoanRepaid::TYPE, Effect::OfBooking),
        _ => return Err(sqlx::Error::Decode("an entry of an unknown type".into())),
    };
    Ok(Change {
        event_type,
        loan_request_id: row.try_get("loan_request_id")?,
        loan_id: row.try_get("loan_id")?,
        customer_id: row.try_get("customer_id")?,
        request_id,
        request_name: row.try_get("request_name")?,
        amount: row.try_get("amount_of_money")?,
        currency: row.try_get("currency")?,
        outstanding: row.try_get("outstanding")?,
        status: row.try_get("loan_status")?,
        reason: row.try_get("reason")?,
        comment: row.try_get("adm_comment")?,
        loan_version: row.try_get("loan_version")?,
        occurred_at: row.try_get("occurred_at")?,
        effect,
    })
}

/// The one place that narrows a query down to what may be seen.
fn within(scope: Scope, select: String) -> Option<QueryBuilder<Postgres>> {
    let Scope::Matching { customer_id, loan_id } = scope else {
        return None;
    };
    let mut query = QueryBuilder::new(select);
    query.push(" WHERE true");
    if let Some(customer_id) = customer_id {
        query.push(" AND customer_id = ").push_bind(customer_id);
    }
    if let Some(loan_id) = loan_id {
        query.push(" AND loan_id = ").push_bind(loan_id);
    }
    Some(query)
}
