//! What is shown already of that which somebody waits for.

use ::events::{CustomerId, LoanVersion};
use sqlx::PgPool;
use uuid::Uuid;

/// What somebody wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What their write has answered.
    pub version: LoanVersion,
    /// Whose entries alone they see, unless it is everybody's: what is another
    /// customer's is not there for them, now or later.
    pub only: Option<CustomerId>,
}

/// Which of `wanted` can be seen, by their places in it.
///
/// A loan's events are consumed in their order, so its version is shown when the
/// first and the last of its events are.
///
/// # Errors
/// What the database says.
pub async fn shown(pool: &PgPool, wanted: &[Wanted]) -> Result<Vec<usize>, sqlx::Error> {
    let (mut ids, mut firsts, mut lasts, mut owners) = (vec![], vec![], vec![], vec![]);
    for one in wanted {
        let (id, first, last) = match one.version {
            LoanVersion::Request(id) => (id.as_uuid(), None, None),
            LoanVersion::Loan { loan_id, first, last } => {
                (loan_id.as_uuid(), Some(first), Some(last))
            }
        };
        ids.push(id);
        firsts.push(first);
        lasts.push(last);
        owners.push(one.only.map(CustomerId::as_uuid));
    }
    let places: Vec<i64> = sqlx::query_scalar(
        "SELECT wanted.place
           FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::uuid[])
                WITH ORDINALITY AS wanted(id, first, last, owner, place)
          WHERE CASE WHEN wanted.first IS NULL
            THEN EXISTS (SELECT 1 FROM entry WHERE entry.loan_request_id = wanted.id
                            AND entry.customer_id = COALESCE(wanted.owner, entry.customer_id))
            ELSE EXISTS (SELECT 1 FROM entry WHERE entry.loan_id = wanted.id AND entry.loan_version = wanted.first
                            AND entry.customer_id = COALESCE(wanted.owner, entry.customer_id))
             AND EXISTS (SELECT 1 FROM entry WHERE entry.loan_id = wanted.id AND entry.loan_version = wanted.last
                            AND entry.customer_id = COALESCE(wanted.owner, entry.customer_id))
            END",
    )
    .bind::<Vec<Uuid>>(ids)
    .bind::<Vec<Option<i64>>>(firsts)
    .bind::<Vec<Option<i64>>>(lasts)
    .bind::<Vec<Option<Uuid>>>(owners)
    .fetch_all(pool)
    .await?;
    // The database counts from one.
    Ok(places.into_iter().filter_map(|place| usize::try_from(place - 1).ok()).collect())
}
