//! A release in the middle of the day: the operators' siege on the gateway while every instance
//! of every part is replaced, one after another. Nothing may fail: with `--kill`, where one
//! instance is killed in place of being asked to end, only what was under way there.

mod balanced;
mod rotate;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use journeys::client::Client;
use journeys::siege::{self, Siege};
use standalone::{Service, ServiceProcess, Stack};
use tokio::process::Command;

use crate::balanced::Balanced;

/// Instances of each part.
const INSTANCES: usize = 2;

/// Siege's clients, of which each has one request under way.
const CLIENTS: u64 = 100;

/// Between two replacements, so that each is seen by itself.
const PAUSE: Duration = Duration::from_secs(2);

/// No request takes longer while a release is made.
const LONGEST_SECONDS: f64 = 1.0;

/// Replaces all instances under siege.
#[derive(Parser)]
struct Arguments {
    /// The programs of the version that runs; this one's own, if nothing is said.
    #[arg(long)]
    bin_dir: Option<PathBuf>,
    /// Those of the version that is released; the same, if nothing is said.
    #[arg(long)]
    new_bin_dir: Option<PathBuf>,
    /// Kills the first instance of this part (SIGKILL) in place of asking it to end.
    #[arg(long)]
    kill: Option<Service>,
    /// Replaces not the programs but what is secret: the key that signs tokens, the
    /// credential of loan-request, and the logins of the database.
    #[arg(long, conflicts_with_all = ["kill", "new_bin_dir"])]
    rotate: bool,
    /// Gives a certification ten seconds in place of 610 ms: on a machine that siege has for
    /// itself already, what times out says nothing of a release.
    #[arg(long)]
    patient: bool,
    /// How long siege goes on, in seconds. More than the replacements take.
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u32).range(30..=3_600))]
    seconds: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    match release(Arguments::parse()).await {
        Ok(()) => {
            println!("PASSED");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("FAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn release(arguments: Arguments) -> Result<()> {
    let balanced = Balanced::start().await?;
    let mut stack = stack(&arguments, &balanced).await?;
    let mut old = Vec::new();
    for service in Service::ALL {
        balanced.add(service, stack.service(service));
        for _ in 1..INSTANCES {
            let instance = stack.another(service).await?;
            balanced.add(service, &instance);
            old.push(instance);
        }
    }
    if let Some(folder) = &arguments.new_bin_dir {
        stack.set_bin_dir(folder);
    }
    is_there(&balanced.front()?).await?;
    println!("{INSTANCES} instances of each part; siege -c{CLIENTS} -t{}S", arguments.seconds);
    let siege = tokio::spawn(run_siege(balanced.front()?, arguments.seconds));
    tokio::time::sleep(PAUSE).await;
    let begun = Instant::now();
    println!("{:<16} {:>9} {:>9}  end", "replaced", "ready", "ended");
    let mut parts = Parts { stack, balanced, extra: old };
    if arguments.rotate {
        rotate::rotate(&mut parts).await?;
    } else {
        for service in ORDER {
            parts.replace(service, arguments.kill == Some(service)).await?;
        }
    }
    let Parts { stack, balanced, extra } = parts;
    println!("all replaced in {:.0} s", begun.elapsed().as_secs_f64());
    let was_over = siege.is_finished();
    let siege = siege.await??;
    ensure!(!was_over, "siege was over before the release ({siege:?}): give it more --seconds");
    verdict(&siege, &balanced, arguments.kill)?;
    agree(&stack, &extra).await
}

/// Waits until the way in leads somewhere: who is ready is found out a moment later.
async fn is_there(front: &str) -> Result<()> {
    let client = Client::try_new(front)?;
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match client.get("/actuator/health", "").await {
            Ok(answer) if answer.status == 200 => return Ok(()),
            other => ensure!(Instant::now() < until, "the way in leads nowhere: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What siege has left behind is worked on within this time.
const AGREE_WITHIN: Duration = Duration::from_secs(180);

async fn run_siege(front: String, seconds: u32) -> Result<Siege> {
    siege::run(&front, CLIENTS, seconds).await
}

/// Who is called is replaced before who calls.
const ORDER: [Service; 6] = [
    Service::LoanAuth,
    Service::LoanManager,
    Service::LoanMessenger,
    Service::LoanStatus,
    Service::LoanRequest,
    Service::Gateway,
];

async fn stack(arguments: &Arguments, balanced: &Balanced) -> Result<Stack> {
    let mut builder = Stack::builder()
        // Still served while those in front learn of it; the chart gives them 6 s.
        .env_for_all("SHUTDOWN_LINGER_SECONDS", "4")
        // Whose roles are changed must be alone on its server.
        .own_postgres()
        .detour(balanced.detour());
    if arguments.patient {
        builder = builder.env(Service::LoanRequest, "CERTIFY_TIMEOUT_MS", "10000");
    }
    if let Some(folder) = &arguments.bin_dir {
        builder = builder.bin_dir(std::fs::canonicalize(folder)?);
    }
    builder.start().await
}

/// All that runs, several of each part.
struct Parts {
    stack: Stack,
    balanced: Balanced,
    /// The instances that the stack does not know, the oldest first.
    extra: Vec<ServiceProcess>,
}

impl Parts {
    /// Replaces every instance of a part, one after another: a new one beside the old
    /// ones, and then one of these less. The first may be killed.
    async fn replace(&mut self, service: Service, first_is_killed: bool) -> Result<()> {
        for place in 0..INSTANCES {
            let begun = Instant::now();
            let instance = self.stack.another(service).await?;
            let ready = begun.elapsed();
            self.balanced.add(service, &instance);
            let begun = Instant::now();
            let killed = first_is_killed && place == 0;
            let end = self.end_oldest(service, killed).await?;
            self.extra.push(instance);
            println!(
                "{:<16} {:>7.1} s {:>7.1} s  {end}",
                format!("{service} {}", place + 1),
                ready.as_secs_f64(),
                begun.elapsed().as_secs_f64()
            );
            ensure!(killed || end.ends_with(": 0"), "{service} did not end in good order");
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Ends the instance that has been there for the longest.
    async fn end_oldest(&mut self, service: Service, killed: bool) -> Result<String> {
        let is_first = self.stack.service_mut(service).is_running();
        let oldest = self.extra.iter().position(|one| one.service() == service);
        let going = match oldest.filter(|_| !is_first) {
            Some(index) => self.extra.get_mut(index).context("an instance")?,
            None => self.stack.service_mut(service),
        };
        let end = if killed {
            going.kill()?;
            "killed".to_owned()
        } else {
            going.terminate().await?.to_string()
        };
        self.balanced.remove(service, going);
        if let Some(index) = oldest.filter(|_| !is_first) {
            drop(self.extra.remove(index));
        }
        Ok(end)
    }
}

fn verdict(siege: &Siege, balanced: &Balanced, kill: Option<Service>) -> Result<()> {
    println!(
        "siege: {} of {} failed, availability {:.2} %, {:.0}/s, longest {:.2} s",
        siege.failed,
        siege.failed + siege.transactions,
        siege.availability,
        siege.rate,
        siege.longest_seconds
    );
    let refused = balanced.refused();
    println!("connections that an instance refused which was said to be ready: {}", refused.len());
    for one in &refused {
        println!("  {one}");
    }
    if kill.is_some() {
        ensure!(siege.failed <= CLIENTS, "more failed than was under way");
        return Ok(());
    }
    ensure!(siege.failed == 0, "{} requests failed", siege.failed);
    ensure!(siege.longest_seconds < LONGEST_SECONDS, "one took {:.2} s", siege.longest_seconds);
    ensure!(refused.is_empty(), "an instance was still called after its end");
    Ok(())
}

/// Waits until the services agree about every request: siege leaves events behind that are
/// worked on after it.
async fn agree(stack: &Stack, there: &[ServiceProcess]) -> Result<()> {
    let begun = Instant::now();
    loop {
        // The stack knows its first instances alone, and these have gone.
        let there = there.iter().map(|one| (variable(one.service()), one.admin_url()));
        let output = Command::new(stack.bin_dir().join("loanctl"))
            .args(["reconcile", "--older-than", "0s"])
            .envs(stack.operator_environment())
            .envs(there)
            .output()
            .await?;
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.lines().last().unwrap_or_default();
        if output.status.success() {
            println!("all agree {:.0} s after siege: {last}", begun.elapsed().as_secs_f64());
            return Ok(());
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(begun.elapsed() < AGREE_WITHIN, "the services do not agree: {last} {errors}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Where loanctl reads where a service's admin port is.
const fn variable(service: Service) -> &'static str {
    match service {
        Service::LoanRequest => "REQUEST_ADMIN_URL",
        Service::LoanAuth => "AUTH_ADMIN_URL",
        Service::LoanManager => "MANAGER_ADMIN_URL",
        Service::LoanMessenger => "MESSENGER_ADMIN_URL",
        Service::LoanStatus => "STATUS_ADMIN_URL",
        Service::Gateway => "GATEWAY_ADMIN_URL",
    }
}
