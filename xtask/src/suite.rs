//! Every check and every test in one run. A step that fails does not stop the
//! ones after it, so that one run shows all that is wrong.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::said;

/// What to leave out.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out the journeys on a real Apache Kafka.
    #[arg(long)]
    no_kafka: bool,
    /// Only what is quick: no journeys, no documentation pages.
    #[arg(long)]
    quick: bool,
    /// Where cargo puts the programs; `./dev` sees to it that there is no blank in it.
    #[arg(long, env = "CARGO_TARGET_DIR", default_value = "target")]
    target: String,
    /// What is left out because a program is missing counts as failed.
    #[arg(long)]
    complete: bool,
    /// Only the steps whose name contains this.
    #[arg(long)]
    only: Option<String>,
}

/// Why a step is left out that nobody wants.
const ASKED_FOR: &str = "asked for";

enum Outcome {
    Passed,
    /// With what it said.
    Failed(Vec<String>),
    LeftOut(&'static str),
}

struct Step {
    name: &'static str,
    command: Vec<String>,
    env: Vec<(&'static str, String)>,
    left_out: Option<&'static str>,
}

impl Step {
    fn new(name: &'static str, command: &str) -> Self {
        let command = command.split_whitespace().map(str::to_owned).collect();
        Self { name, command, env: Vec::new(), left_out: None }
    }

    /// Leaves the step out, if there is a reason to.
    fn unless(mut self, reason: Option<&'static str>) -> Self {
        self.left_out = reason;
        self
    }

    fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }
}

fn steps(options: &Options) -> Vec<Step> {
    let target = &options.target;
    let kafka_missing = if options.no_kafka || options.quick {
        Some(ASKED_FOR)
    } else if !there("java") || !there("mvn") {
        Some("Java and Maven are not there")
    } else {
        None
    };
    let kafka = Step::new(
        "journeys on Apache Kafka",
        &format!(
            "{target}/debug/standalone with-postgres -- cargo test --locked --workspace --test journeys -- \
             journey:: certification:: isolation:: relay_fence:: scale_out:: rebuild::damage \
             operator::restore"
        ),
    )
    .env("JOURNEYS_KAFKA", "apache")
    // A failure is said in a few lines; whoever needs to know where from runs it alone.
    .env("RUST_BACKTRACE", "0")
    .unless(kafka_missing);
    let slow = options.quick.then_some(ASKED_FOR);
    let tests = if options.quick { "--lib" } else { "--no-fail-fast" };
    vec![
        Step::new("format", "cargo fmt --all --check"),
        Step::new("layout", "cargo run -q --locked -p xtask -- layout"),
        Step::new("observability", "cargo run -q --locked -p xtask -- observability"),
        Step::new("chart", "cargo run -q --locked -p xtask -- chart")
            .unless((!says("helm", "version")).then_some("helm is not there")),
        Step::new("clippy", "cargo clippy --locked --workspace --all-targets -- -D warnings"),
        // The programs and the tests at once: apart, our own crates would be compiled twice.
        Step::new("build", "cargo build --locked --workspace --all-targets"),
        Step::new("generated files", &format!("{target}/debug/generate --check")),
        // One selection of packages for all of it: another one would have other
        // features, and compile everything once more.
        Step::new(
            "tests",
            &format!("{target}/debug/standalone with-postgres -- cargo test --locked --workspace {tests}"),
        )
        .env("RUST_BACKTRACE", "0"),
        kafka,
        // The same seeds each time: what has passed once shows what a change broke.
        Step::new(
            "chaos",
            &format!(
                "{target}/debug/chaos --bin-dir {target}/debug --seed 1 --seconds 90 --rate 6 \
                 --faults kill-loan-request,kill-loan-auth,kill-loan-manager,kill-loan-messenger,kill-loan-status,\
kill-gateway,kill-broker,kill-postgres,kill-broker+kill-loan-auth,cut-loan-manager-postgres"
            ),
        )
        .unless(slow),
        Step::new(
            "build to be broken",
            &format!(
                "cargo build --locked --workspace --features loan-request/sabotage --target-dir {target}/sabotage \
                 --bin standalone --bin loan-auth --bin loan-request --bin loan-manager --bin loan-messenger \
                 --bin loan-status --bin gateway"
            ),
        )
        // What it has in common with the usual build is not compiled again.
        .env("CARGO_BUILD_BUILD_DIR", target)
        .unless(slow),
        Step::new(
            "chaos, self-test",
            &format!("{target}/debug/chaos --self-test {target}/sabotage/debug"),
        )
        .unless(slow),
        Step::new("documentation", "cargo doc --locked --workspace --no-deps -q")
            .env("RUSTDOCFLAGS", "-D warnings")
            .unless(slow),
    ]
}

/// Runs the steps; true if none failed.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let mut outcomes: Vec<(&'static str, Outcome, Duration)> = Vec::new();
    for mut step in steps(options) {
        if options.complete {
            step = step.env(COMPLETE, "1");
        }
        if options.only.as_ref().is_some_and(|only| !step.name.contains(only.as_str())) {
            continue;
        }
        if let Some(reason) = step.left_out {
            println!("\n== {}: left out, {reason}", step.name);
            if options.complete && reason != ASKED_FOR {
                let told = vec![format!("left out: {reason}")];
                outcomes.push((step.name, Outcome::Failed(told), Duration::ZERO));
                continue;
            }
            outcomes.push((step.name, Outcome::LeftOut(reason), Duration::ZERO));
            continue;
        }
        println!("\n== {}: {}", step.name, step.command.join(" "));
        let started = Instant::now();
        let outcome = execute(root, &step).unwrap_or_else(|error| {
            eprintln!("{error:#}");
            Outcome::Failed(vec![format!("{error:#}")])
        });
        outcomes.push((step.name, outcome, started.elapsed()));
    }
    Ok(summary(&outcomes))
}

fn execute(root: &Path, step: &Step) -> Result<Outcome> {
    let (program, arguments) = step.command.split_first().context("a step without a command")?;
    let mut command = Command::new(program);
    // What cargo tells this program of itself would be told to the programs that it
    // starts; build scripts that look at it would compile all that stands on them anew.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| {
            ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.starts_with(start))
        }) {
            command.env_remove(name);
        }
    }
    let child = command
        .args(arguments)
        .envs(step.env.iter().map(|(name, value)| (name, value)))
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let (status, told) = said::wait(child)?;
    Ok(if status.success() { Outcome::Passed } else { Outcome::Failed(told) })
}

fn summary(outcomes: &[(&'static str, Outcome, Duration)]) -> bool {
    for (name, outcome, _) in outcomes {
        if let Outcome::Failed(told) = outcome {
            println!("\n== what {name} said");
            for line in told {
                println!("{line}");
            }
        }
    }
    println!("\n== summary");
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, outcome, took) in outcomes {
        let word = match outcome {
            Outcome::Passed => {
                passed += 1;
                "passed".to_owned()
            }
            Outcome::Failed(_) => {
                failed += 1;
                "FAILED".to_owned()
            }
            Outcome::LeftOut(reason) => {
                skipped += 1;
                format!("left out ({reason})")
            }
        };
        println!("{name:<28} {word:<10} {:>5} s", took.as_secs());
    }
    println!("steps: {passed} passed, {failed} failed, {skipped} skipped");
    failed == 0 && passed > 0
}

/// Set for each step where what is left out counts as failed.
const COMPLETE: &str = "CHECKS_COMPLETE";

/// Part of a check that a program is missing for: it is said, and a finding where all is to be
/// checked.
#[expect(clippy::disallowed_methods, reason = "said by this program to itself")]
pub(crate) fn left_out(told: &str, findings: &mut Vec<String>) {
    if std::env::var_os(COMPLETE).is_some() {
        findings.push(told.to_owned());
    } else {
        println!("{told}");
    }
}

/// Whether a program can be started.
fn there(program: &str) -> bool {
    says(program, "-version")
}

/// Whether a program can be started with this argument.
fn says(program: &str, argument: &str) -> bool {
    Command::new(program)
        .arg(argument)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
