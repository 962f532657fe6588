//! Reading items, without a lock.

use ::events::{LoanId, LoanRequestId, LoanStatus, RequestKind};
use sqlx::{PgExecutor, PgPool, Postgres, QueryBuilder};
use time::OffsetDateTime;

use super::{Item, columns};

/// Which items are looked for; `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In one of these states.
    pub statuses: Option<Vec<LoanStatus>>,
    /// New loans or repayments.
    pub kind: Option<RequestKind>,
    /// A loan with its repayments.
    pub loan_id: Option<LoanId>,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// After so many items.
    Offset(i64),
    /// Behind the item that was received then and has this id.
    Behind(OffsetDateTime, LoanRequestId),
}

/// One item.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, id: LoanRequestId) -> Result<Option<Item>, sqlx::Error> {
    sqlx::query_as(concat!("SELECT ", columns!(), " FROM item WHERE loan_request_id = $1"))
        .bind(id)
        .fetch_optional(db)
        .await
}

/// At most `limit` items, by their age.
///
/// # Errors
/// What the database says.
pub async fn list(
    pool: &PgPool,
    filter: &Filter,
    newest_first: bool,
    start: Start,
    limit: i64,
) -> Result<Vec<Item>, sqlx::Error> {
    let select = concat!("SELECT ", columns!(), " FROM item");
    page(select, filter, newest_first, start, limit).build_query_as().fetch_all(pool).await
}

fn page(
    select: &'static str,
    filter: &Filter,
    newest_first: bool,
    start: Start,
    limit: i64,
) -> QueryBuilder<Postgres> {
    let mut query = filtered(select, filter);
    if let Start::Behind(received_at, id) = start {
        query.push(" AND (received_at, loan_request_id) ").push(if newest_first {
            "<"
        } else {
            ">"
        });
        query.push(" (").push_bind(received_at).push(", ").push_bind(id).push(")");
    }
    query.push(if newest_first {
        " ORDER BY received_at DESC, loan_request_id DESC"
    } else {
        " ORDER BY received_at, loan_request_id"
    });
    query.push(" LIMIT ").push_bind(limit);
    if let Start::Offset(skipped) = start {
        query.push(" OFFSET ").push_bind(skipped);
    }
    query
}

/// How many items match, counted up to `limit`.
///
/// # Errors
/// What the database says.
pub async fn count(pool: &PgPool, filter: &Filter, limit: i64) -> Result<i64, sqlx::Error> {
    let mut query = filtered("SELECT count(*) FROM (SELECT 1 FROM item", filter);
    query.push(" LIMIT ").push_bind(limit).push(") AS counted");
    query.build_query_scalar().fetch_one(pool).await
}

fn filtered(select: &'static str, filter: &Filter) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(select);
    query.push(" WHERE true");
    if let Some(statuses) = &filter.statuses {
        // The codes stand in the text, for the planner takes the queue's
        // partial index only where it sees them. They come from an enum.
        let codes: Vec<String> = statuses.iter().map(|status| format!("'{status}'")).collect();
        query.push(" AND status IN (").push(codes.join(", ")).push(")");
    }
    if let Some(kind) = filter.kind {
        query.push(" AND kind = ").push_bind(kind);
    }
    if let Some(loan_id) = filter.loan_id {
        query.push(" AND loan_id = ").push_bind(loan_id);
    }
    query
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::domain::step::WAITING_FOR_OFFICER;

    async fn plan(pool: &PgPool, filter: &Filter, newest_first: bool, start: Start) -> String {
        let mut connection = pool.acquire().await.unwrap();
        // A table as small as this one would be read as a whole and sorted.
        for off in
            ["SET enable_seqscan = off", "SET enable_bitmapscan = off", "SET enable_sort = off"]
        {
            sqlx::query(off).execute(&mut *connection).await.unwrap();
        }
        let select = concat!("EXPLAIN SELECT ", columns!(), " FROM item");
        let lines: Vec<String> = page(select, filter, newest_first, start, 21)
            .build_query_scalar()
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        lines.join("\n")
    }

    /// The queue stays quick however much is done: its index holds only what
    /// waits, and gives it in its order.
    #[sqlx::test(migrations = "./migrations")]
    async fn the_queue_is_read_from_its_own_index(pool: PgPool) {
        let waiting = Filter { statuses: Some(WAITING_FOR_OFFICER.to_vec()), ..Filter::default() };
        let one = Filter { statuses: Some(vec![LoanStatus::Executed]), ..Filter::default() };
        let behind = Start::Behind(OffsetDateTime::UNIX_EPOCH, uuid::Uuid::nil().into());
        for start in [Start::Offset(0), behind] {
            for newest_first in [false, true] {
                for (filter, index) in [
                    (&waiting, "item_that_waits"),
                    (&one, "item_by_status"),
                    (&Filter::default(), "item_by_age"),
                ] {
                    let plan = plan(&pool, filter, newest_first, start).await;
                    assert!(plan.contains(index) && !plan.contains("Sort"), "{plan}");
                }
            }
        }
    }
}
