//! The figures of every day: starting, the way of one application, siege, memory, and whether
//! all agree afterwards.

use std::time::{Duration, Instant};

use anyhow::Result;
use journeys::client::Client;
use journeys::siege;
use sqlx::{PgPool, Row};
use standalone::{Service, Stack};

use crate::costs::Costs;
use crate::latency::{Load, ms};
use crate::{Arguments, Figure, latency, settle};

pub(crate) async fn measure(
    stack: &mut Stack,
    client: &Client,
    db: &PgPool,
    arguments: &Arguments,
) -> Result<Vec<Figure>> {
    let mut figures = vec![start_to_ready(stack).await?];
    settle(client).await?;
    figures.push(latency::measure(client, arguments.rate, arguments.seconds).await?);
    figures.push(resident(stack));
    let before = counts(db).await?;
    let costs = Costs::now()?;
    println!("siege -c100 -t{}S, and beside it", arguments.siege_seconds);
    // Not to its very end, so that each of these is under siege until it is seen.
    let beside =
        Load { rate: BESIDE, seconds: arguments.siege_seconds.saturating_sub(2), is_keyed: false };
    let gateway = stack.gateway_url();
    let (siege, beside) = tokio::try_join!(
        siege::run(&gateway, 100, arguments.siege_seconds),
        latency::load(client, beside)
    )?;
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
    figures.push(kept_up(beside.seen, siege.rate));
    figures.push(agreement(db, &before, siege.transactions).await?);
    figures.push(Costs::now()?.since(&costs).of_one(siege.transactions));
    println!("resident memory after siege: {}", resident(stack).measured);
    Ok(figures)
}

/// The operators' siege line, beside what it said of the system before.
pub(crate) async fn operators(gateway: &str, seconds: u32) -> Result<Vec<Figure>> {
    println!("siege -c100 -t{seconds}S …");
    let siege = siege::run(gateway, 100, seconds).await?;
    Ok(vec![Figure {
        name: "siege, 100 clients, a connection for each request",
        measured: format!(
            "{} of {} failed, {} %, {}/s, longest {:.2} s; the system before: 100 %, 141–152/s, p99 2.1–2.2 s \
             after 4 minutes, 318–392/s, p99 0.7–0.9 s fully warm with its database in memory",
            siege.failed,
            siege.transactions + siege.failed,
            siege.availability,
            siege.rate,
            siege.longest_seconds
        ),
        goal: "100 %, faster than before, none longer than 1 s",
        met: siege.failed == 0 && siege.rate > 392.0 && siege.longest_seconds < 1.0,
    }])
}

/// Applications a second beside siege, whose way into the status is followed.
const BESIDE: u32 = 10;

/// How far behind what is shown may be while as much comes as can.
const BEHIND_MAX: Duration = Duration::from_secs(2);

fn kept_up(mut seen: Vec<Duration>, rate: f64) -> Figure {
    let (p50, p99) = (latency::percentile(&mut seen, 50), latency::percentile(&mut seen, 99));
    let longest = seen.last().copied().unwrap_or_default();
    Figure {
        name: "under siege: application → entry in /loanStatus",
        measured: format!(
            "p50 {} ms, p99 {} ms, longest {} ms ({} applications beside siege's {rate:.0}/s)",
            ms(p50),
            ms(p99),
            ms(longest),
            seen.len()
        ),
        goal: "p99 ≤ 2 s: the status keeps up",
        met: p99 <= BEHIND_MAX,
    }
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

pub(crate) fn kib_as_mib(kib: u64) -> f64 {
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
