//! Whether whoever writes reads it: in peace, and while loan-status is disturbed.

use std::time::Instant;

use anyhow::Result;
use journeys::client::Client;
use journeys::read_your_writes::{Tally, disturb, write_then_read};
use sqlx::PgPool;
use standalone::Stack;

use super::Figure;

/// Customers who write and read at once.
const CUSTOMERS: u32 = 8;

pub(super) async fn measure(
    stack: &mut Stack,
    client: &Client,
    db: &PgPool,
    times: u32,
) -> Result<Vec<Figure>> {
    let half = times.div_ceil(2);
    println!("{half} times written and read in peace …");
    let begun = Instant::now();
    let peace = write_then_read(client, half, "peace", CUSTOMERS).await?;
    let in_peace = figure("write, then read", &peace, begun);
    println!("{half} times while loan-status falls behind, is killed, stopped and paused …");
    let begun = Instant::now();
    let disturbed = tokio::select! {
        tally = write_then_read(client, half, "storm", CUSTOMERS) => tally?,
        ended = disturb(stack, db) => return Err(ended.err().unwrap_or_else(|| anyhow::anyhow!("it never ends"))),
    };
    Ok(vec![in_peace, figure("the same while loan-status is disturbed", &disturbed, begun)])
}

fn figure(name: &'static str, tally: &Tally, begun: Instant) -> Figure {
    for stale in tally.stale.iter().take(5) {
        println!("stale: {stale}");
    }
    Figure {
        name,
        measured: format!(
            "{} writes in {:.1} s, {} stale answers ({} of {} reads without a version were); 202 {} times, \
             nobody there {} times; the slowest was shown after {:.2} s",
            tally.writes,
            begun.elapsed().as_secs_f64(),
            tally.stale.len(),
            tally.plain_stale,
            tally.plain,
            tally.told_to_retry,
            tally.unavailable,
            tally.slowest.as_secs_f64(),
        ),
        goal: "0 stale answers",
        met: tally.stale.is_empty(),
    }
}
