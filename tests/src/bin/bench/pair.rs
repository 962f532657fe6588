//! Two builds beside each other, in turns, because one machine is faster at some times than
//! at others: what is compared is measured within the same minutes.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use journeys::client::Client;
use journeys::siege;
use standalone::{Postgres, Stack};

use crate::Figure;
use crate::costs::Costs;

/// How often each has its turn.
const ROUNDS: usize = 3;

/// What a fall must not reach: less than this times what it was.
const LEAST: f64 = 0.9;

/// One turn of one build.
struct Turn {
    rate: f64,
    /// Processor time of one application, in milliseconds.
    cost: f64,
}

pub(crate) async fn measure(bin_dir: &Path, against: &Path, seconds: u32) -> Result<Vec<Figure>> {
    let against = std::fs::canonicalize(against).context("the other binaries' folder")?;
    let mut turns: Vec<(Turn, Turn)> = Vec::new();
    for round in 1..=ROUNDS {
        println!("round {round} of {ROUNDS} …");
        // Who begins changes, so that neither has the warmer machine.
        turns.push(if round % 2 == 1 {
            let before = turn(&against, seconds).await?;
            (before, turn(bin_dir, seconds).await?)
        } else {
            let now = turn(bin_dir, seconds).await?;
            (turn(&against, seconds).await?, now)
        });
    }
    let median = |of: fn(&(Turn, Turn)) -> f64| {
        let mut all: Vec<f64> = turns.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let rate = median(|(before, now)| now.rate / before.rate);
    let cost = median(|(before, now)| before.cost / now.cost);
    let told =
        |of: fn(&(Turn, Turn)) -> String| turns.iter().map(of).collect::<Vec<_>>().join(", ");
    Ok(vec![
        Figure {
            name: "siege, 100 clients: beside the other build",
            measured: format!(
                "{rate:.2} times ({})",
                told(|(before, now)| format!("{:.0} → {:.0}/s", before.rate, now.rate))
            ),
            goal: "≥ 0.9 times, the median of three pairs",
            met: rate >= LEAST,
        },
        Figure {
            name: "applications for the same processor time",
            measured: format!(
                "{cost:.2} times ({})",
                told(|(before, now)| format!("{:.2} → {:.2} ms", before.cost, now.cost))
            ),
            goal: "≥ 0.9 times, the median of three pairs",
            met: cost >= LEAST,
        },
    ])
}

async fn turn(bin_dir: &Path, seconds: u32) -> Result<Turn> {
    let postgres = Arc::new(Postgres::throw_away_durable().await?);
    let stack = Stack::builder().bin_dir(bin_dir).postgres(postgres).start().await?;
    let client = Client::try_new(stack.gateway_url())?;
    crate::settle(&client).await?;
    siege::run(&stack.gateway_url(), 100, 3).await?;
    let costs = Costs::now()?;
    let siege = siege::run(&stack.gateway_url(), 100, seconds).await?;
    let cost = Costs::now()?.since(&costs).ms_of_one(siege.transactions);
    Ok(Turn { rate: siege.rate, cost })
}
