//! The figures of the system, measured on the real processes: `./dev bench`.
//!
//! Everything runs on this machine, load generator included; the database
//! writes durably (fsync on). Arrivals of the latency figure are open-loop: a
//! request starts when its time has come, whether or not earlier ones are
//! answered, so that a slow answer is not hidden by waiting for it.

mod agreement;
mod costs;
mod delay;
mod edge;
mod latency;
mod limit;
mod lists;
mod machine;
mod messages;
mod overload;
mod pair;
mod read_your_writes;
mod rebuild;
mod scale;
mod soak;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use journeys::client::{Client, Credentials};
use journeys::proxy::Proxy;
use journeys::siege;
use serde::Serialize;
use sqlx::{PgPool, Row};
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
    /// Measure only `loanctl reconcile`, on so many loans that are made by SQL.
    #[arg(long)]
    reconcile: Option<u32>,
    /// Measures nothing but whether whoever writes reads it: so many times at least,
    /// half of them while loan-status is disturbed.
    #[arg(long, value_name = "TIMES", num_args = 0..=1, default_missing_value = "10000")]
    read_your_writes: Option<u32>,
    /// Measures nothing but a rebuild of the read model with so many loans.
    #[arg(long, value_name = "LOANS", num_args = 0..=1, default_missing_value = "100000")]
    rebuild: Option<i64>,
    /// Measures nothing but the experiment with loan-auth's delay, for so many seconds.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60")]
    delay: Option<u32>,
    /// Measures nothing but more applications than can be served, for so many seconds each.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "15")]
    overload: Option<u32>,
    /// Measures nothing but what more instances bring while loan-auth is slow, so many
    /// seconds for each of nine loads.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "20")]
    scale: Option<u32>,
    /// Measures nothing but the gateway beside nginx, for so many seconds each.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "10")]
    edge: Option<u32>,
    /// Measures nothing but the system beside pgbench with what it writes, so many seconds each.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "15")]
    limit: Option<u32>,
    /// Measures nothing but reading lists, with up to a million loans.
    #[arg(long)]
    lists: bool,
    /// Compares this build with the one in another folder, in turns.
    #[arg(long, value_name = "BIN_DIR")]
    against: Option<PathBuf>,
    /// Writes the figures here too, as JSON, with the machine that they are of.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measures nothing but sending so many messages that have queued up.
    #[arg(long, value_name = "MESSAGES", num_args = 0..=1, default_missing_value = "100000")]
    messages: Option<i64>,
    /// Measures nothing but `./dev up`: without data, and again with them.
    #[arg(long)]
    up: bool,
    /// The same in a fresh clone, where all has to be compiled first.
    #[arg(long)]
    cold: bool,
    #[command(flatten)]
    soak: soak::Options,
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
    if arguments.cold {
        return up::measure(up::From::FreshClone).await;
    }
    if arguments.up {
        return up::measure(up::From::Here).await;
    }
    let bin_dir = std::fs::canonicalize(&arguments.bin_dir).context("the binaries' folder")?;
    if let Some(against) = &arguments.against {
        return pair::measure(&bin_dir, against, arguments.siege_seconds).await;
    }
    let mut figures = Vec::new();
    // Durable, as in production: a commit is on the disk when it is answered.
    let postgres = Arc::new(Postgres::throw_away_durable().await?);
    println!("starting PostgreSQL, the broker and the six processes …");
    let mut builder = Stack::builder().bin_dir(&bin_dir).postgres(Arc::clone(&postgres));
    if arguments.soak.soak.is_some() {
        builder = soak::settings(builder);
    }
    let proxy = Proxy::start().await?;
    if arguments.delay.is_some() {
        builder = delay::settings(builder, &proxy);
    }
    if arguments.scale.is_some() {
        builder = scale::settings(builder);
    }
    let nginx = match arguments.edge {
        Some(_) => Some(edge::Nginx::start().await?),
        None => None,
    };
    if let Some(nginx) = &nginx {
        builder = nginx.settings(builder);
    }
    let mut stack = builder.start().await?;
    proxy.lead_to(&stack.url(Service::LoanAuth));
    let client = Client::try_new(stack.gateway_url())?;
    let db = PgPool::connect(&stack.database().superuser_url()).await?;
    if let (Some(seconds), Some(nginx)) = (arguments.edge, &nginx) {
        return nginx.measure(&stack.gateway_url(), seconds).await;
    }
    if let Some(seconds) = arguments.limit {
        settle(&client).await?;
        let superuser = stack.database().superuser_url();
        return limit::measure(&stack.gateway_url(), &superuser, &db, seconds).await;
    }
    if arguments.lists {
        settle(&client).await?;
        return lists::measure(&client, &db).await;
    }
    if let Some(loans) = arguments.reconcile {
        return agreement::measure(&stack, &db, &bin_dir, loans).await;
    }
    if let Some(times) = arguments.read_your_writes {
        settle(&client).await?;
        return read_your_writes::measure(&mut stack, &client, &db, times).await;
    }
    if let Some(loans) = arguments.rebuild {
        settle(&client).await?;
        return rebuild::measure(&stack, &db, loans).await;
    }
    if let Some(seconds) = arguments.delay {
        settle(&client).await?;
        return delay::measure(&mut stack, &proxy, &client, &db, seconds).await;
    }
    if let Some(seconds) = arguments.overload {
        settle(&client).await?;
        return overload::measure(&stack.gateway_url(), &client, seconds).await;
    }
    if let Some(seconds) = arguments.scale {
        settle(&client).await?;
        return scale::measure(&mut stack, seconds).await;
    }
    if let Some(messages) = arguments.messages {
        settle(&client).await?;
        return messages::measure(&mut stack, &client, &db, messages).await;
    }
    if arguments.soak.soak.is_some() {
        settle(&client).await?;
        return soak::measure(&client, &db, arguments.rate, &arguments.soak).await;
    }

    figures.push(start_to_ready(&mut stack).await?);
    settle(&client).await?;
    figures.push(latency::measure(&client, arguments.rate, arguments.seconds).await?);
    figures.push(resident(&stack));
    let before = counts(&db).await?;
    let costs = costs::Costs::now()?;
    println!("siege -c100 -t{}S …", arguments.siege_seconds);
    let siege = siege::run(&stack.gateway_url(), 100, arguments.siege_seconds).await?;
    println!("siege: {siege:?}");
    figures.push(Figure {
        name: "siege, 100 clients: availability",
        measured: format!(
            "{} %, {} requests, {}/s",
            siege.availability, siege.transactions, siege.rate
        ),
        goal: "100 %",
        met: siege.availability >= 100.0,
    });
    figures.push(agreement(&db, &before, siege.transactions).await?);
    figures.push(costs::Costs::now()?.since(&costs).of_one(siege.transactions));
    println!("resident memory after siege: {}", resident(&stack).measured);
    Ok(figures)
}

/// Each process is ended and started again while all else is up.
async fn start_to_ready(stack: &mut Stack) -> Result<Figure> {
    let mut slowest = Duration::ZERO;
    let mut each = Vec::new();
    for service in Service::ALL {
        let process = stack.service_mut(service);
        process.terminate().await?;
        let started = Instant::now();
        process.start_again().await?;
        let took = started.elapsed();
        slowest = slowest.max(took);
        each.push(format!("{service} {} ms", took.as_millis()));
    }
    Ok(Figure {
        name: "start to ready, each process",
        measured: each.join(", "),
        goal: "≤ 1 s each",
        met: slowest <= Duration::from_secs(1),
    })
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

fn resident(stack: &Stack) -> Figure {
    let each: Vec<(Service, u64)> = stack
        .services()
        .map(|process| (process.service(), process.resident_kib().unwrap_or_default()))
        .collect();
    let total: u64 = each.iter().map(|(_, kib)| kib).sum();
    let parts: Vec<String> =
        each.iter().map(|(service, kib)| format!("{service} {:.1}", kib_as_mib(*kib))).collect();
    Figure {
        name: "resident memory of the six after this load",
        measured: format!("{:.1} MiB ({})", kib_as_mib(total), parts.join(", ")),
        goal: "≤ 120 MiB together",
        met: kib_as_mib(total) <= 120.0,
    }
}

fn kib_as_mib(kib: u64) -> f64 {
    u32::try_from(kib).map_or(f64::INFINITY, f64::from) / 1024.0
}

const COUNTED: [(&str, &str); 4] = [
    ("accepted", "SELECT count(*) FROM loan_request.loan_request WHERE customer_id IS NOT NULL"),
    ("요청완료", "SELECT count(*) FROM loan_request.loan_request WHERE status = '요청완료'"),
    (
        "in status",
        "SELECT count(*) FROM loan_status.entry WHERE event_type = 'LoanRequestReceived'",
    ),
    ("told", "SELECT count(*) FROM loan_messenger.message WHERE kind = 'request-received'"),
];

async fn counts(db: &PgPool) -> Result<Vec<i64>> {
    let mut counts = Vec::new();
    for (_, sql) in COUNTED {
        counts.push(sqlx::query(sql).fetch_one(db).await?.try_get(0)?);
    }
    Ok(counts)
}

/// After the load everything catches up: what was accepted is everywhere.
async fn agreement(db: &PgPool, before: &[i64], sent: u64) -> Result<Figure> {
    let started = Instant::now();
    loop {
        let now: Vec<i64> =
            counts(db).await?.iter().zip(before).map(|(now, before)| now - before).collect();
        let agreed = now.iter().all(|count| *count == now[0])
            && u64::try_from(now[0]).is_ok_and(|n| n >= sent);
        if agreed || started.elapsed() > Duration::from_secs(120) {
            let parts: Vec<String> = COUNTED
                .iter()
                .zip(&now)
                .map(|((name, _), count)| format!("{name} {count}"))
                .collect();
            return Ok(Figure {
                name: "after siege, caught up",
                measured: format!(
                    "{} after {:.1} s",
                    parts.join(" = "),
                    started.elapsed().as_secs_f64()
                ),
                goal: "accepted = 요청완료 = in status = told",
                met: agreed,
            });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
