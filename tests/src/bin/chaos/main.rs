//! `./dev chaos`: the system under load, while one thing after another is
//! broken and healed; then what clients were told is compared with what every
//! service holds.
//!
//! * [`faults`]: what can be broken. [`plan`]: when; a pure function of the seed.
//! * [`system`], [`cluster`], [`links`], [`disks`], [`clocks`]: what is broken.
//! * [`inject`] says how.
//! * [`customers`], [`officers`]: the load. [`ledger`]: what they were told.
//! * [`held`], [`logs`]: what the services hold. [`judge`]: the comparison.
//! * [`run`], [`report`]: all of it in its order, and what came of it.
//! * [`self_test`]: whether the checker finds what it should.

mod agreement;
mod clocks;
mod cluster;
mod customers;
mod disks;
mod faults;
mod held;
mod inject;
mod judge;
mod ledger;
mod links;
mod logs;
mod officers;
mod plan;
mod report;
mod run;
mod self_test;
mod system;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::faults::{Bundle, Fault, usual};
use crate::plan::Asked;
use crate::run::Order;
use crate::system::Shape;

/// How long after its heal a fault may be felt.
const RECOVERED_WITHIN: Duration = Duration::from_secs(90);
/// Longer than any pause after which something is tried again: 10 s.
const STUCK_AFTER: Duration = Duration::from_secs(45);

/// Breaks the system under load and checks that nothing is lost and nothing
/// happens twice.
#[derive(Parser, Debug)]
#[command(name = "chaos")]
struct Arguments {
    /// The schedule and the load follow from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long things are broken, in minutes.
    #[arg(long, conflicts_with = "seconds")]
    minutes: Option<u64>,
    /// The same in seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Requests a second, sent without waiting for answers.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=500))]
    rate: u32,
    /// 0: the embedded broker; 1 or 3: so many of Apache Kafka (needs Java and Maven).
    #[arg(long, default_value = "0", value_parser = ["0", "1", "3"])]
    brokers: String,
    /// So many processes of each service.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3))]
    instances: u64,
    /// Only these, comma separated; those joined by a plus come at once.
    #[arg(long, value_delimiter = ',')]
    faults: Vec<Bundle>,
    /// Names the faults.
    #[arg(long)]
    list_faults: bool,
    /// Where the result goes as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// The folder of the binaries.
    #[arg(long, default_value = "target/debug")]
    bin_dir: PathBuf,
    /// Checks the checker with binaries that were built to be broken, in this folder.
    #[arg(long, value_name = "FOLDER")]
    self_test: Option<PathBuf>,
}

fn main() -> ExitCode {
    // Before there is another thread.
    let namespace = disks::own_namespace();
    let arguments = Arguments::parse();
    if arguments.list_faults {
        for bundle in usual() {
            println!("{bundle}");
        }
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime.context("no runtime").and_then(|runtime| {
        runtime.block_on(async {
            match &arguments.self_test {
                Some(folder) => self_test::run_all(folder, namespace.is_ok()).await,
                None => once(&arguments, namespace).await,
            }
        })
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn once(arguments: &Arguments, namespace: Result<()>) -> Result<bool> {
    let order = order(arguments, namespace)?;
    let report = run::run(&order).await?;
    report.print();
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(report.passed)
}

fn order(arguments: &Arguments, namespace: Result<()>) -> Result<Order> {
    let chosen = if arguments.faults.is_empty() { usual() } else { arguments.faults.clone() };
    let (mut bundles, mut left_out) = (Vec::new(), Vec::new());
    let small_disks = namespace.is_ok();
    let no_disk = namespace.err().map(|error| format!("{error:#}"));
    for bundle in chosen {
        let reason = bundle.0.iter().find_map(|fault| impossible(*fault, arguments, &no_disk));
        match reason {
            Some(reason) => left_out.push(format!("{bundle}: {reason}")),
            None => bundles.push(bundle),
        }
    }
    ensure!(!bundles.is_empty(), "none of the faults can be made here: {left_out:?}");
    let seconds = arguments.seconds.or(arguments.minutes.map(|minutes| minutes * 60));
    let bin_dir = std::fs::canonicalize(&arguments.bin_dir).context("the binaries' folder")?;
    Ok(Order {
        shape: Shape {
            bin_dir,
            brokers: arguments.brokers.parse()?,
            instances: usize::try_from(arguments.instances)?,
            faults: bundles.iter().flat_map(|bundle| bundle.0.clone()).collect(),
            small_disks,
            sabotage: None,
        },
        asked: Asked { seed: arguments.seed, seconds: seconds.unwrap_or(120), bundles },
        rate: arguments.rate,
        left_out,
        recovered_within: RECOVERED_WITHIN,
        stuck_after: STUCK_AFTER,
        command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
    })
}

/// Why a fault cannot be made here.
fn impossible(fault: Fault, arguments: &Arguments, no_disk: &Option<String>) -> Option<String> {
    match fault {
        Fault::FullDisk(faults::Part::Broker) if arguments.brokers != "0" => {
            Some("Apache Kafka's data are not on a small disk".to_owned())
        }
        Fault::FullDisk(_) => no_disk.clone(),
        Fault::Clock { .. } if clocks::library().is_none() => {
            Some("libfaketime is not installed".to_owned())
        }
        _ => None,
    }
}
