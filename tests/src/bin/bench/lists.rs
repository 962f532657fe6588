//! Reading one loan and pages of lists, with ever more loans: it must not get slower.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use common::hal::Cursor;
use journeys::client::Client;
use sqlx::PgPool;

use crate::Figure;
use crate::latency::{ms, percentile};

/// So many loans, beside each other.
const LOANS: [i64; 3] = [1_000, 100_000, 1_000_000];

/// Reads of each kind.
const READS: usize = 400;

/// How many of the loans are the demo customer's.
const OWN: i64 = 500;

/// Loans as the read model shows them, each with the entry of its receipt.
const SHOW: &str = "
    WITH new AS MATERIALIZED (
        SELECT row_number() OVER () AS nth, gen_random_uuid() AS id,
               CASE WHEN n <= $3 THEN $2 ELSE gen_random_uuid() END AS customer
          FROM generate_series(1, $1) AS n
    ), counter AS (
        UPDATE loan_status.feed_counter SET last_id = last_id + $1 RETURNING last_id - $1 AS before
    ), shown AS (
        INSERT INTO loan_status.entry (id, event_id, event_type, loan_request_id, loan_id, customer_id, request_id,
               request_name, amount_of_money, currency, loan_status, loan_version, occurred_at)
        SELECT before + nth, gen_random_uuid(), 'LoanRequestReceived', id, id, customer, '01', 'Deposit', 10000, 'KRW',
               '00', 1, now() FROM new, counter
    )
    INSERT INTO loan_status.loan (loan_id, customer_id, request_name, amount_of_money, currency, loan_status,
                                  loan_version, changed_at)
    SELECT id, customer, 'Deposit', 10000, 'KRW', '00', 1, now() FROM new";

/// How long the reads took, by what was read.
type Medians = Vec<(&'static str, Duration)>;

pub(crate) async fn measure(client: &Client, db: &PgPool) -> Result<Vec<Figure>> {
    let (own, officer) = (client.demo_customer().await?, client.officer().await?);
    let customer: uuid::Uuid =
        sqlx::query_scalar("SELECT customer_id FROM loan_status.entry ORDER BY id LIMIT 1")
            .fetch_one(db)
            .await?;
    let mut all: Vec<Medians> = Vec::new();
    let mut there = 0;
    for loans in LOANS {
        println!("{loans} loans …");
        let mine = if there == 0 { OWN } else { 0 };
        while there < loans {
            let chunk = 100_000.min(loans - there);
            let mine = if there == 0 { mine } else { 0 };
            sqlx::query(SHOW).bind(chunk).bind(customer).bind(mine).execute(db).await?;
            there += chunk;
        }
        // What writing leaves to be done is done, and not while the reads are measured.
        for statement in ["VACUUM ANALYZE loan_status.entry, loan_status.loan", "CHECKPOINT"] {
            sqlx::query(statement).execute(db).await?;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        all.push(medians(client, db, &own, &officer, customer).await?);
    }
    let first = all.first().context("nothing was measured")?.clone();
    let figures = first.iter().enumerate().map(|(index, (name, least))| {
        let each: Vec<Duration> = all.iter().map(|medians| medians[index].1).collect();
        let ratio = each.last().map_or(f64::INFINITY, Duration::as_secs_f64) / least.as_secs_f64();
        let told: Vec<String> = each.iter().map(|one| format!("{} ms", ms(*one))).collect();
        Figure {
            name,
            measured: format!(
                "p50 {} at 10³, 10⁵ and 10⁶ loans: {ratio:.2} times",
                told.join(", ")
            ),
            goal: "≤ 1.3 times",
            met: ratio <= 1.3,
        }
    });
    Ok(figures.collect())
}

async fn medians(
    client: &Client,
    db: &PgPool,
    own: &str,
    officer: &str,
    customer: uuid::Uuid,
) -> Result<Medians> {
    let loan: uuid::Uuid =
        sqlx::query_scalar("SELECT loan_id FROM loan_status.loan WHERE customer_id = $1 LIMIT 1")
            .bind(customer)
            .fetch_one(db)
            .await?;
    // In the middle of all: a page that is many pages away, by its key.
    let deep = deep_page(db).await?;
    let mut medians = Vec::new();
    for (name, path, token) in [
        ("GET of one loan's status", format!("/loanStatus/loans/{loan}"), own),
        ("a customer's list page", "/loanStatus?size=20".to_owned(), own),
        ("an officer's list page, of all", "/loanStatus?size=20".to_owned(), officer),
        ("the same in the middle of all, by its key", deep, officer),
    ] {
        let mut times = Vec::with_capacity(READS);
        for read in 0..READS + 20 {
            let begun = Instant::now();
            client.get(&path, token).await?.expect(200)?;
            if read >= 20 {
                times.push(begun.elapsed());
            }
            // Far below the limit of requests.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        medians.push((name, percentile(&mut times, 50)));
    }
    Ok(medians)
}

/// The page behind the entry in the middle, by a cursor as the links of pages hold it.
async fn deep_page(db: &PgPool) -> Result<String> {
    let last: i64 =
        sqlx::query_scalar("SELECT last_id FROM loan_status.feed_counter").fetch_one(db).await?;
    Ok(format!("/loanStatus?size=20&cursor={}", Cursor::encode(&(last / 2))))
}
