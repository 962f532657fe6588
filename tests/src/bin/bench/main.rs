//! The figures of the system, measured on the real processes: `./dev bench`.
//!
//! Everything runs on this machine, load generator included; the database
//! writes durably (fsync on). Arrivals of the latency figure are open-loop: a
//! request starts when its time has come, whether or not earlier ones are
//! answered, so that a slow answer is not hidden by waiting for it.

mod agreement;
mod bounds;
mod connections;
mod costs;
mod delay;
mod edge;
mod everyday;
mod latency;
mod limit;
mod lists;
mod machine;
mod messages;
mod overload;
mod pair;
mod profile;
mod read_your_writes;
mod rebuild;
mod scale;
mod soak;
mod storm;
mod up;
mod wrk;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, Parser};
use journeys::client::{Client, Credentials};
use journeys::proxy::Proxy;
use serde::Serialize;
use sqlx::PgPool;
use standalone::{Postgres, Service, Stack};

/// Measures the system.
#[derive(Parser)]
struct Arguments {
    /// The folder of the binaries; a release build tells the truth.
    #[arg(long, default_value = "target/release")]
    bin_dir: PathBuf,
    /// Applications each second for the latency figure.
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// For how long they come, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// For how long siege's 100 clients come, in seconds.
    #[arg(long, default_value_t = 30)]
    siege_seconds: u32,
    /// Writes the figures here too, as JSON, with the machine that they are of.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    instead: Instead,
    #[command(flatten)]
    soak: soak::Options,
}

/// What is measured in place of the figures of every day: one of these.
#[derive(Args)]
#[group(multiple = false)]
struct Instead {
    /// The operators' siege line alone, beside what the system before gave it.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "90")]
    siege: Option<u32>,
    /// The experiment with loan-auth's delay, for so many seconds.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60")]
    delay: Option<u32>,
    /// More applications than can be served, for so many seconds each.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "15")]
    overload: Option<u32>,
    /// The same with other bounds of loan-request, in turns, for so many seconds each.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "10")]
    bounds: Option<u32>,
    /// Applications over 1, 10 and 100 connections that are kept, for so many seconds each.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "10")]
    connections: Option<u32>,
    /// What more instances bring while loan-auth is slow, so many seconds for each of nine
    /// loads.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "20")]
    scale: Option<u32>,
    /// The gateway beside nginx, for so many seconds each.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "10")]
    edge: Option<u32>,
    /// The system beside pgbench with what it writes, so many seconds each.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "15")]
    limit: Option<u32>,
    /// Where the time goes, for so many seconds: needs perf, and PostgreSQL's
    /// pg_stat_statements.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "15")]
    profile: Option<u32>,
    /// A storm of logins, for so many seconds.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "15")]
    storm: Option<u32>,
    /// Reading lists, with up to a million loans.
    #[arg(long)]
    lists: bool,
    /// This build and the one in another folder, in turns.
    #[arg(long, value_name = "BIN_DIR")]
    against: Option<PathBuf>,
    /// `loanctl reconcile`, on so many loans that are made by SQL.
    #[arg(long)]
    reconcile: Option<u32>,
    /// Whether whoever writes reads it: so many times at least, half of them while
    /// loan-status is disturbed.
    #[arg(long, value_name = "TIMES", num_args = 0..=1, default_missing_value = "10000")]
    read_your_writes: Option<u32>,
    /// A rebuild of the read model with so many loans.
    #[arg(long, value_name = "LOANS", num_args = 0..=1, default_missing_value = "100000")]
    rebuild: Option<i64>,
    /// Sending so many messages that have queued up.
    #[arg(long, value_name = "MESSAGES", num_args = 0..=1, default_missing_value = "100000")]
    messages: Option<i64>,
    /// `./dev up`: without data, and again with them.
    #[arg(long)]
    up: bool,
    /// The same in a fresh clone, where all has to be compiled first.
    #[arg(long)]
    cold: bool,
}

/// One measured figure beside its goal.
#[derive(Serialize)]
struct Figure {
    name: &'static str,
    measured: String,
    goal: &'static str,
    met: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.json.clone();
    let figures = run(arguments).await.and_then(|figures| {
        json.map_or(Ok(()), |file| machine::write(&file, &figures))?;
        Ok(figures)
    });
    match figures {
        Ok(figures) => report(&figures),
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn report(figures: &[Figure]) -> ExitCode {
    println!("\n| figure | measured | goal | met |\n|---|---|---|---|");
    for figure in figures {
        let met = if figure.met { "yes" } else { "no" };
        println!("| {} | {} | {} | {met} |", figure.name, figure.measured, figure.goal);
    }
    if figures.iter().all(|figure| figure.met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(arguments: Arguments) -> Result<Vec<Figure>> {
    if arguments.instead.cold {
        return up::measure(up::From::FreshClone).await;
    }
    if arguments.instead.up {
        return up::measure(up::From::Here).await;
    }
    let bin_dir = std::fs::canonicalize(&arguments.bin_dir).context("the binaries' folder")?;
    if let Some(against) = &arguments.instead.against {
        return pair::measure(&bin_dir, against, arguments.siege_seconds).await;
    }
    Bench::start(&arguments, bin_dir).await?.measure(&arguments).await
}

/// The system that is measured.
struct Bench {
    stack: Stack,
    client: Client,
    db: PgPool,
    bin_dir: PathBuf,
    /// What stands before loan-auth, where that is to be slow.
    proxy: Proxy,
    nginx: Option<edge::Nginx>,
}

impl Bench {
    async fn start(arguments: &Arguments, bin_dir: PathBuf) -> Result<Self> {
        let instead = &arguments.instead;
        // Durable, as in production: a commit is on the disk when it is answered.
        let mut postgres = Postgres::throw_away_durable().await?;
        if instead.profile.is_some() {
            profile::prepare(&mut postgres).await?;
        }
        println!("starting PostgreSQL, the broker and the six processes …");
        let mut builder = Stack::builder().bin_dir(&bin_dir).postgres(Arc::new(postgres));
        let proxy = Proxy::start().await?;
        let nginx = match instead.edge {
            Some(_) => Some(edge::Nginx::start().await?),
            None => None,
        };
        if arguments.soak.soak.is_some() {
            builder = soak::settings(builder);
        }
        if instead.delay.is_some() {
            builder = delay::settings(builder, &proxy);
        }
        if instead.storm.is_some() {
            builder = storm::settings(builder);
        }
        if instead.scale.is_some() {
            builder = scale::settings(builder);
        }
        if instead.connections.is_some() {
            builder = connections::settings(builder);
        }
        if instead.overload.is_some() {
            builder = overload::settings(builder);
        }
        if instead.bounds.is_some() {
            builder = bounds::settings(builder);
        }
        if let Some(nginx) = &nginx {
            builder = nginx.settings(builder);
        }
        let stack = builder.start().await?;
        proxy.lead_to(&stack.url(Service::LoanAuth));
        let client = Client::try_new(stack.gateway_url())?;
        let db = PgPool::connect(&stack.database().superuser_url()).await?;
        Ok(Self { stack, client, db, bin_dir, proxy, nginx })
    }

    /// What was asked for; without a wish the figures of every day.
    async fn measure(&mut self, arguments: &Arguments) -> Result<Vec<Figure>> {
        let Self { stack, client, db, bin_dir, proxy, nginx } = self;
        let gateway = stack.gateway_url();
        let instead = &arguments.instead;
        // What needs no first loan, and comes before it.
        if let (Some(seconds), Some(nginx)) = (instead.edge, nginx) {
            return nginx.measure(&gateway, seconds).await;
        }
        if let Some(loans) = instead.reconcile {
            return agreement::measure(stack, db, bin_dir, loans).await;
        }
        if !instead.is_any() && arguments.soak.soak.is_none() {
            return everyday::measure(stack, client, db, arguments).await;
        }
        settle(client).await?;
        match instead {
            Instead { siege: Some(seconds), .. } => everyday::operators(&gateway, *seconds).await,
            Instead { delay: Some(seconds), .. } => {
                delay::measure(stack, proxy, client, db, *seconds).await
            }
            Instead { overload: Some(seconds), .. } => {
                overload::measure(&gateway, client, *seconds).await
            }
            Instead { bounds: Some(seconds), .. } => bounds::measure(stack, client, *seconds).await,
            Instead { connections: Some(seconds), .. } => {
                connections::measure(&gateway, *seconds).await
            }
            Instead { scale: Some(seconds), .. } => scale::measure(stack, *seconds).await,
            Instead { limit: Some(seconds), .. } => {
                let superuser = stack.database().superuser_url();
                limit::measure(&gateway, &superuser, db, *seconds).await
            }
            Instead { profile: Some(seconds), .. } => {
                profile::measure(&gateway, db, *seconds).await
            }
            Instead { storm: Some(seconds), .. } => storm::measure(client, *seconds).await,
            Instead { lists: true, .. } => lists::measure(client, db).await,
            Instead { read_your_writes: Some(times), .. } => {
                read_your_writes::measure(stack, client, db, *times).await
            }
            Instead { rebuild: Some(loans), .. } => rebuild::measure(stack, db, *loans).await,
            Instead { messages: Some(messages), .. } => {
                messages::measure(stack, client, db, *messages).await
            }
            _ => soak::measure(client, db, arguments.rate, &arguments.soak).await,
        }
    }
}

impl Instead {
    fn is_any(&self) -> bool {
        let seconds = [
            self.siege,
            self.delay,
            self.overload,
            self.bounds,
            self.connections,
            self.scale,
            self.limit,
            self.profile,
            self.storm,
            self.read_your_writes,
        ];
        seconds.iter().any(Option::is_some)
            || self.lists
            || self.rebuild.is_some()
            || self.messages.is_some()
    }
}

/// Until a first loan has gone all the way.
async fn settle(client: &Client) -> Result<()> {
    let token = client.demo_customer().await?;
    let until = Instant::now() + Duration::from_secs(30);
    let loan = loop {
        match client.apply(&Credentials::demo(), 10_000).await {
            Ok(loan) => break loan,
            Err(error) if Instant::now() >= until => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let path = format!("/loanStatus/loans/{loan}");
    client.wait_for(&path, &token, Duration::from_secs(30), |answer| answer.status == 200).await?;
    Ok(())
}
