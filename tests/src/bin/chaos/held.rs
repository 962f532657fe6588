//! What the services hold, read past all of them: a superuser's look, which
//! changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::Value;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, FromRow, Row};

/// A request of loan-request's.
#[derive(Clone, Debug, Default, FromRow)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) amount: i64,
    pub(crate) customer: Option<String>,
}

/// An item of loan-manager's.
#[derive(Clone, Debug, Default, FromRow)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) loan: Option<String>,
    pub(crate) status: String,
    pub(crate) amount: i64,
    pub(crate) outstanding: Option<i64>,
    pub(crate) rejected: bool,
}

/// What was booked.
#[derive(Clone, Debug, Default, FromRow)]
pub(crate) struct Booking {
    pub(crate) id: String,
    pub(crate) loan: String,
    pub(crate) amount: i64,
}

/// An event of loan-manager's, in the order in which they are to be sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) what: String,
    pub(crate) request: String,
    pub(crate) loan: Option<String>,
    /// The state that it tells of, where it does.
    pub(crate) to: Option<String>,
    /// Its number among the loan's.
    pub(crate) version: Option<i64>,
}

/// An entry of loan-status or a message of loan-messenger: of which event, of
/// which loan. In the order in which customers see them.
#[derive(Clone, Debug, Default, FromRow)]
pub(crate) struct Shown {
    pub(crate) event: String,
    pub(crate) loan: Option<String>,
}

/// Where a loan stands, as loan-status shows it.
#[derive(Clone, Debug, Default, FromRow)]
pub(crate) struct Standing {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) outstanding: Option<i64>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    pub(crate) requests: Vec<Request>,
    pub(crate) items: Vec<Item>,
    pub(crate) bookings: Vec<Booking>,
    pub(crate) events: Vec<Event>,
    /// Requests of which loan-auth has published that they are certified.
    pub(crate) certified: Vec<String>,
    /// loan-auth's decision on each request.
    pub(crate) outcomes: BTreeMap<String, String>,
    pub(crate) entries: Vec<Shown>,
    pub(crate) messages: Vec<Shown>,
    pub(crate) standings: Vec<Standing>,
    /// Requests that loan-status shows as compensated.
    pub(crate) cancelled: BTreeSet<String>,
    /// Events that were set aside, each with the schema that did so.
    pub(crate) dead_letters: Vec<String>,
    /// Events that a service has worked on more than once.
    pub(crate) worked_twice: Vec<String>,
}

const REQUESTS: &str = "SELECT loan_request_id::text AS id, request_name AS name, request_id AS kind, status, amount, \
     customer_id::text AS customer FROM loan_request.loan_request";
const ITEMS: &str = "SELECT loan_request_id::text AS id, request_name AS name, kind, loan_id::text AS loan, status, \
     amount, outstanding, reason IS NOT NULL AS rejected FROM loan_manager.item";
const BOOKINGS: &str =
    "SELECT loan_request_id::text AS id, loan_id::text AS loan, amount FROM loan_manager.booking";
const EVENTS: &str = "SELECT event_id::text, event_type, payload FROM loan_manager.outbox \
     WHERE topic = 'loan.manager' ORDER BY id";
const CERTIFIED: &str = "SELECT payload FROM loan_auth.outbox WHERE event_type = 'AuthCertified'";
const OUTCOMES: &str = "SELECT loan_request_id::text, outcome FROM loan_auth.certification";
const ENTRIES: &str =
    "SELECT event_id::text AS event, loan_id::text AS loan FROM loan_status.entry ORDER BY id";
const MESSAGES: &str = "SELECT event_id::text AS event, loan_id::text AS loan FROM loan_messenger.message \
     ORDER BY position";
const STANDINGS: &str =
    "SELECT loan_id::text AS id, loan_status AS status, outstanding FROM loan_status.loan";
const CANCELLED: &str = "SELECT loan_request_id::text FROM loan_status.cancellation";

impl Held {
    /// Reads all of it.
    pub(crate) async fn read(db: &PgPool) -> Result<Self> {
        let mut held = Self {
            requests: sqlx::query_as(REQUESTS).fetch_all(db).await?,
            items: sqlx::query_as(ITEMS).fetch_all(db).await?,
            bookings: sqlx::query_as(BOOKINGS).fetch_all(db).await?,
            entries: sqlx::query_as(ENTRIES).fetch_all(db).await?,
            messages: sqlx::query_as(MESSAGES).fetch_all(db).await?,
            standings: sqlx::query_as(STANDINGS).fetch_all(db).await?,
            ..Self::default()
        };
        for row in sqlx::query(EVENTS).fetch_all(db).await? {
            held.events.push(event(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)?);
        }
        for row in sqlx::query(CERTIFIED).fetch_all(db).await? {
            let payload: Value = serde_json::from_str(row.try_get(0)?)?;
            held.certified.extend(text(&payload, "loanRequestId"));
        }
        for row in sqlx::query(OUTCOMES).fetch_all(db).await? {
            held.outcomes.insert(row.try_get(0)?, row.try_get(1)?);
        }
        for row in sqlx::query(CANCELLED).fetch_all(db).await? {
            held.cancelled.insert(row.try_get(0)?);
        }
        for schema in journeys::harness::SCHEMAS {
            let sql = format!(
                "SELECT '{schema}: ' || event_id FROM {schema}.inbox WHERE dead_lettered_at IS NOT NULL"
            );
            // Only the names of our own schemas are put into it.
            for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(db).await? {
                held.dead_letters.push(row.try_get(0)?);
            }
        }
        Ok(held)
    }
}

fn event(id: String, what: String, payload: String) -> Result<Event> {
    let payload: Value = serde_json::from_str(&payload)?;
    Ok(Event {
        id,
        what,
        request: text(&payload, "loanRequestId").unwrap_or_default(),
        loan: text(&payload, "loanId"),
        to: text(&payload, "loanStatus"),
        version: payload.get("loanVersion").and_then(Value::as_i64),
    })
}

fn text(payload: &Value, field: &str) -> Option<String> {
    payload.get(field).and_then(Value::as_str).map(str::to_owned)
}

/// What has still to be done: events that are not sent, requests that are not
/// decided. And how much is there in all, which stands still once it is done.
pub(crate) async fn left_to_do(db: &PgPool) -> Result<(i64, i64)> {
    let mut left = String::from(
        "SELECT (SELECT count(*) FROM loan_request.loan_request WHERE status = '인증대기')",
    );
    let mut total = String::from(
        "(SELECT count(*) FROM loan_status.entry) + (SELECT count(*) FROM loan_messenger.message)",
    );
    for schema in journeys::harness::SCHEMAS {
        left.push_str(&format!(" + (SELECT count(*) FROM {schema}.outbox WHERE sent_at IS NULL)"));
        total.push_str(&format!(" + (SELECT count(*) FROM {schema}.inbox)"));
    }
    let row = sqlx::query(AssertSqlSafe(format!("{left}, {total}"))).fetch_one(db).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}
