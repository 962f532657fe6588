//! The repository's own chores: `cargo run -p xtask -- layout|test`.
//!
//! * [`layout`]: the rooms, checked by a program.
//! * [`suite`]: everything that must be green, in one run with a summary.

mod layout;
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
    /// Runs every check and every test, and ends with a summary.
    Test(suite::Options),
}

fn main() -> ExitCode {
    let root = repository();
    match Arguments::parse().chore {
        Chore::Layout => report(layout::check(&root)),
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

fn report(findings: anyhow::Result<Vec<String>>) -> ExitCode {
    match findings {
        Ok(findings) if findings.is_empty() => {
            println!("layout: every room is as it should be");
            ExitCode::SUCCESS
        }
        Ok(findings) => {
            for finding in &findings {
                eprintln!("layout: {finding}");
            }
            eprintln!(
                "layout: {} findings; ARCHITECTURE.md says which room knows which",
                findings.len()
            );
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("layout: {error:#}");
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
