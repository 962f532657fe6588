//! How long making the read model anew takes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use journeys::rebuild::Builder;
use sqlx::PgPool;
use standalone::Stack;

use super::Figure;

/// Events of each loan: received, reviewed, approved, executed.
const EVENTS_OF_A_LOAN: i64 = 4;

/// Loans that are told of in one statement.
const CHUNK_LOANS: i64 = 10_000;

/// However many there are.
const WITHIN: Duration = Duration::from_secs(3_600);

/// What loan-manager would have told of so many loans; its relay sends it.
const TELL: &str = "
    WITH loan AS MATERIALIZED (
        SELECT gen_random_uuid() AS id, gen_random_uuid() AS customer FROM generate_series(1, $1)
    )
    INSERT INTO loan_manager.outbox (event_id, topic, key, event_type, source, subject, occurred_at, payload)
    SELECT gen_random_uuid(), 'loan.manager', loan.id, step.type, 'loan-manager', loan.id, now(),
           (jsonb_build_object('loanRequestId', loan.id, 'loanId', loan.id, 'requestName', 'Deposit',
                'customerId', loan.customer, 'amountOfMoney', 10000, 'currency', 'KRW', 'language', 'ko',
                'loanVersion', step.number) || step.more)::text
      FROM loan, (VALUES
        (1, 'LoanRequestReceived', '{\"requestId\": \"01\", \"receivedAt\": \"2026-11-21T08:00:00Z\"}'::jsonb),
        (2, 'LoanJudged', '{\"loanStatus\": \"01\", \"judgedAt\": \"2026-11-21T08:01:00Z\"}'),
        (3, 'LoanJudged', '{\"loanStatus\": \"02\", \"judgedAt\": \"2026-11-21T08:02:00Z\"}'),
        (4, 'LoanExecuted', '{\"outstanding\": 10000, \"executedAt\": \"2026-11-21T08:03:00Z\"}')
      ) AS step(number, type, more)
     ORDER BY loan.id, step.number";

pub(super) async fn measure(stack: &Stack, db: &PgPool, loans: i64) -> Result<Vec<Figure>> {
    println!("{loans} loans are told of …");
    let begun = Instant::now();
    let before = shown(db).await?;
    let mut told = 0;
    while told < loans {
        let chunk = CHUNK_LOANS.min(loans - told);
        sqlx::query(TELL).bind(chunk).execute(db).await?;
        told += chunk;
    }
    let wanted = before + loans * EVENTS_OF_A_LOAN;
    loop {
        let now = shown(db).await?;
        if now >= wanted {
            break;
        }
        ensure!(begun.elapsed() < WITHIN, "{now} of {wanted} events are shown");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    println!("shown after {:.0} s; the read model is made anew …", begun.elapsed().as_secs_f64());
    let builder = Builder::start(stack).await?;
    let mut figures = Vec::new();
    for (name, damage) in [
        ("rebuild of the read model, nothing amiss", None),
        (
            "the same, a tenth of the loans and entries lost, and a tenth of the loans changed",
            Some([
                "DELETE FROM loan_status.entry WHERE id % 10 = 0",
                "DELETE FROM loan_status.loan WHERE hashtext(loan_id::text) % 10 = 0",
                "UPDATE loan_status.loan SET outstanding = 1 WHERE hashtext(loan_id::text) % 10 = 1",
            ]),
        ),
    ] {
        for statement in damage.into_iter().flatten() {
            sqlx::query(statement).execute(db).await?;
        }
        let begun = Instant::now();
        let rebuild = builder.rebuild(false, WITHIN).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let differing = rebuild.difference.map(|difference| difference.total()).unwrap_or_default();
        let left = match damage {
            None => differing,
            Some(_) => {
                let again = builder.rebuild(true, WITHIN).await?;
                again.difference.map(|difference| difference.total()).unwrap_or(-1)
            }
        };
        figures.push(Figure {
            name,
            measured: format!(
                "{} events in {seconds:.1} s ({:.0}/s), {differing} rows differed, {left} afterwards",
                rebuild.events_read,
                f64::from(u32::try_from(rebuild.events_read).unwrap_or(u32::MAX)) / seconds,
            ),
            goal: "0 rows differ afterwards",
            met: left == 0,
        });
    }
    Ok(figures)
}

async fn shown(db: &PgPool) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM loan_status.entry").fetch_one(db).await?)
}
