//! Looking at decisions.

use ::events::codes::RequestKind;
use ::events::{Amount, CustomerId, LoanId, LoanRequestId};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row as _};
use time::OffsetDateTime;

use crate::domain::certification::Decision;

/// A decision as it is shown.
pub struct Certification {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// What was decided.
    pub decision: Decision,
    /// The loan, where it is known.
    pub loan_id: Option<LoanId>,
    /// A new loan or a repayment; unknown of what was voided first.
    pub request_id: Option<RequestKind>,
    /// What the customer calls it.
    pub request_name: Option<String>,
    /// How much.
    pub amount_of_money: Option<Amount>,
    /// Its currency.
    pub currency: Option<String>,
    /// The login name of the customer now, or the one that was claimed.
    pub user_id: Option<String>,
    /// When.
    pub decided_at: OffsetDateTime,
    /// When the request was cancelled.
    pub cancelled_at: Option<OffsetDateTime>,
}

/// Whose decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A customer's own, and only those in which they were proven.
    Own(CustomerId),
    /// Everybody's.
    All,
}

impl Scope {
    fn owner(self) -> Option<CustomerId> {
        match self {
            Self::Own(id) => Some(id),
            Self::All => None,
        }
    }
}

/// A place in the list: newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The decision's time.
    #[serde(rename = "t", with = "time::serde::rfc3339")]
    pub decided_at: OffsetDateTime,
    /// The request, where two were decided at once.
    #[serde(rename = "i")]
    pub loan_request_id: LoanRequestId,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// After so many.
    Offset(i64),
    /// After this one.
    Behind(Position),
}

const COLUMNS: &str = "c.loan_request_id, c.outcome, c.customer_id, c.loan_id, c.request_id, c.request_name,
    c.amount_of_money, c.currency, coalesce(p.user_id, c.claimed_user_key) AS user_id, c.decided_at, c.cancelled_at
    FROM certification c LEFT JOIN person p ON p.customer_id = c.customer_id";

/// The decision on a request, if there is one. In a transaction that may change
/// it, it is locked.
///
/// # Errors
/// What the database says.
pub async fn decision(
    tx: &mut PgConnection,
    id: LoanRequestId,
) -> Result<Option<Decision>, sqlx::Error> {
    sqlx::query(
        "SELECT outcome, customer_id FROM certification WHERE loan_request_id = $1 FOR UPDATE",
    )
    .bind(id)
    .fetch_optional(tx)
    .await?
    .as_ref()
    .map(decided)
    .transpose()
}

/// One of them, if it is in the scope.
///
/// # Errors
/// What the database says.
pub async fn get(
    pool: &PgPool,
    scope: Scope,
    id: LoanRequestId,
) -> Result<Option<Certification>, sqlx::Error> {
    let sql = format!(
        "SELECT {COLUMNS} WHERE c.loan_request_id = $1 AND ($2::uuid IS NULL OR c.customer_id = $2)"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(id)
        .bind(scope.owner())
        .fetch_optional(pool)
        .await?
        .as_ref()
        .map(shown)
        .transpose()
}

/// A page of them.
///
/// # Errors
/// What the database says.
pub async fn list(
    pool: &PgPool,
    scope: Scope,
    newest_first: bool,
    start: Start,
    limit: i64,
) -> Result<Vec<Certification>, sqlx::Error> {
    let (behind, offset) = match start {
        Start::Offset(offset) => (None, offset),
        Start::Behind(position) => (Some(position), 0),
    };
    let (beyond, order) = if newest_first { ("<", "DESC") } else { (">", "ASC") };
    // One statement for each scope: the planner takes the index of each.
    let owned = if scope.owner().is_some() { "c.customer_id = $1" } else { "$1::uuid IS NULL" };
    let behind_sql = if behind.is_some() {
        format!("(c.decided_at, c.loan_request_id) {beyond} ($2, $3)")
    } else {
        "num_nulls($2::timestamptz, $3::uuid) = 2".to_owned()
    };
    let sql = format!(
        "SELECT {COLUMNS} WHERE {owned} AND {behind_sql}
         ORDER BY c.decided_at {order}, c.loan_request_id {order} LIMIT $4 OFFSET $5"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(scope.owner())
        .bind(behind.map(|position| position.decided_at))
        .bind(behind.map(|position| position.loan_request_id))
        .bind(limit)
        .bind(offset)
        .fetch_all(pool)
        .await?;
    rows.iter().map(shown).collect()
}

/// How many there are, as far as `limit`.
///
/// # Errors
/// What the database says.
pub async fn count(pool: &PgPool, scope: Scope, limit: i64) -> Result<i64, sqlx::Error> {
    let owned = if scope.owner().is_some() { "customer_id = $1" } else { "$1::uuid IS NULL" };
    let sql = format!(
        "SELECT count(*) FROM (SELECT FROM certification WHERE {owned} LIMIT $2) AS counted"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .bind(scope.owner())
        .bind(limit)
        .fetch_one(pool)
        .await
}

fn shown(row: &PgRow) -> Result<Certification, sqlx::Error> {
    Ok(Certification {
        loan_request_id: row.try_get("loan_request_id")?,
        decision: decided(row)?,
        loan_id: row.try_get("loan_id")?,
        request_id: row.try_get("request_id")?,
        request_name: row.try_get("request_name")?,
        amount_of_money: row.try_get("amount_of_money")?,
        currency: row.try_get("currency")?,
        user_id: row.try_get("user_id")?,
        decided_at: row.try_get("decided_at")?,
        cancelled_at: row.try_get("cancelled_at")?,
    })
}

fn decided(row: &PgRow) -> Result<Decision, sqlx::Error> {
    let outcome: &str = row.try_get("outcome")?;
    let customer_id: Option<CustomerId> = row.try_get("customer_id")?;
    match (outcome, customer_id) {
        ("certified", Some(id)) => Ok(Decision::Certified(id)),
        ("cancelled", Some(id)) => Ok(Decision::Cancelled(id)),
        ("refused", None) => Ok(Decision::Refused),
        ("voided", None) => Ok(Decision::Voided),
        // The table's constraints know nothing else.
        _ => Err(sqlx::Error::Protocol("a certification without a decision".to_owned())),
    }
}
