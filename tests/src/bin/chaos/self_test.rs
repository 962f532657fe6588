//! The checker checked on real processes: binaries that were built to be broken
//! must each be caught, by the kind of finding that is theirs, within a bounded run.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::faults::Bundle;
use crate::judge::Findings;
use crate::plan::Asked;
use crate::report::Report;
use crate::run::{Order, run};
use crate::system::Shape;

/// How a binary is broken, and how that is provoked.
struct Trial {
    /// What `SABOTAGE` is set to.
    word: &'static str,
    faults: &'static [&'static str],
    seconds: u64,
    /// What must be found.
    caught: fn(&Findings) -> bool,
}

const TRIALS: [Trial; 4] = [
    // What was not taken by the broker dies with the relay.
    Trial {
        word: "relay-marks-before-ack",
        faults: &["kill-broker+kill-loan-auth"],
        seconds: 17,
        caught: |findings| !findings.lost.is_empty(),
    },
    // What was not taken by the database dies with the consumer: the one batch that
    // is under way, and none where the database has taken it and only its answer is
    // held. So three consumers are tried.
    Trial {
        word: "offset-before-commit",
        faults: &[
            "hold-loan-status-postgres+kill-loan-status",
            "hold-loan-messenger-postgres+kill-loan-messenger",
            "hold-loan-manager-postgres+kill-loan-manager",
        ],
        seconds: 62,
        caught: |findings| !findings.lost.is_empty(),
    },
    // What a consumer had done and not yet committed to the broker comes again.
    Trial {
        word: "inbox-off",
        faults: &["kill-loan-messenger", "kill-loan-status"],
        seconds: 22,
        caught: |findings| !findings.doubled.is_empty(),
    },
    // The answer comes too late, and so does the event that says the same; nobody
    // takes the question back.
    Trial {
        word: "void-left-out",
        faults: &["hold-loan-auth-kafka+delay-loan-request-loan-auth"],
        seconds: 24,
        caught: |findings| !findings.phantom.is_empty(),
    },
];

/// Requests a second: enough for something to be under way at any moment.
const RATE: u32 = 8;
const SEED: u64 = 4;
/// How fast it recovers is not what is checked.
const RECOVERED_WITHIN: Duration = Duration::from_secs(15);
/// What is lost stays lost: no need to wait for it.
const STUCK_AFTER: Duration = Duration::from_secs(15);

/// The same binaries and the same faults, with nothing broken: the checker that finds
/// something then would have found it in the trials too.
const CONTROL: &str = "control";

/// Runs all; true if each came out as it should.
pub(crate) async fn run_all(folder: &Path, small_disks: bool) -> Result<bool> {
    let bin_dir = std::fs::canonicalize(folder).context("the folder of the broken binaries")?;
    let mut good = true;
    for trial in &TRIALS {
        let mut order = order_of(trial.word, trial.faults, trial.seconds, &bin_dir, small_disks)?;
        order.shape.sabotage = Some(trial.word.to_owned());
        good &= told(trial.word, (trial.caught)(&tried(&order).await?.findings));
    }
    let faults: Vec<_> = TRIALS.iter().flat_map(|trial| trial.faults).copied().collect();
    let seconds = TRIALS.iter().map(|trial| trial.seconds).sum();
    let mut order = order_of(CONTROL, &faults, seconds, &bin_dir, small_disks)?;
    // Here what is late is waited for.
    (order.recovered_within, order.stuck_after) = (crate::RECOVERED_WITHIN, crate::STUCK_AFTER);
    good &= told(CONTROL, tried(&order).await?.passed);
    Ok(good)
}

async fn tried(order: &Order) -> Result<Report> {
    println!("\n== {}", order.command);
    let report = run(order).await?;
    report.print();
    Ok(report)
}

fn told(name: &str, is_good: bool) -> bool {
    println!("== {name}: {}", if is_good { "as it should be" } else { "NOT as it should be" });
    is_good
}

fn order_of(
    name: &str,
    faults: &[&str],
    seconds: u64,
    bin_dir: &Path,
    small_disks: bool,
) -> Result<Order> {
    let bundles: Vec<Bundle> = faults
        .iter()
        .map(|fault| fault.parse().map_err(anyhow::Error::msg))
        .collect::<Result<_>>()?;
    Ok(Order {
        shape: Shape {
            bin_dir: bin_dir.to_owned(),
            brokers: 0,
            instances: 1,
            faults: bundles.iter().flat_map(|bundle| bundle.0.clone()).collect(),
            small_disks,
            sabotage: None,
        },
        asked: Asked { seed: SEED, seconds, bundles },
        rate: RATE,
        left_out: Vec::new(),
        recovered_within: RECOVERED_WITHIN,
        stuck_after: STUCK_AFTER,
        command: format!("--self-test: {name}"),
    })
}
