//! The repository's own chores: `cargo run -p xtask -- layout|observability|chart|test`.
//!
//! * [`layout`]: the rooms, checked by a program.
//! * [`observability`]: alerts, runbooks and dashboards, compared with the code.
//! * [`chart`]: what the chart renders, and refuses.
//! * [`suite`]: everything that must be green, in one run with a summary.

mod chart;
mod layout;
mod observability;
mod said;
mod suite;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the repository.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Checks the rooms of the services, the imports and the words.
    Layout,
    /// Compares alerts, runbooks and dashboards with the code, and tries the rules.
    Observability,
    /// Renders the chart and compares it with what is committed.
    Chart {
        /// Writes what is committed anew.
        #[arg(long)]
        write: bool,
    },
    /// Runs every check and every test, and ends with a summary.
    Test(suite::Options),
}

fn main() -> ExitCode {
    let root = repository();
    match Arguments::parse().chore {
        Chore::Layout => report(
            "layout",
            "every room is as it should be",
            "ARCHITECTURE.md says which room knows which",
            layout::check(&root),
        ),
        Chore::Observability => report(
            "observability",
            "every alert has its metrics, its page and its tests",
            "docs/runbooks/README.md says what an alert needs",
            observability::check(&root),
        ),
        Chore::Chart { write } => report(
            "chart",
            "it renders what is committed, and refuses what is wrong",
            "docs/kubernetes.md says how it is made",
            chart::check(&root, write),
        ),
        Chore::Test(options) => match suite::run(&root, &options) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("xtask: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

/// Says what a check has found: `well` if nothing, else where to read on.
fn report(check: &str, well: &str, hint: &str, findings: anyhow::Result<Vec<String>>) -> ExitCode {
    match findings {
        Ok(findings) if findings.is_empty() => {
            println!("{check}: {well}");
            ExitCode::SUCCESS
        }
        Ok(findings) => {
            for finding in &findings {
                eprintln!("{check}: {finding}");
            }
            eprintln!("{check}: {} findings; {hint}", findings.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{check}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository that this program was built from.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
