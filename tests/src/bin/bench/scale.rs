//! What more instances of loan-request bring while loan-auth is slow, measured beside what theory
//! says: the places for certifications are few, nobody waits for one, and arrivals know nothing
//! of each other.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use journeys::client::{Client, Credentials};
use journeys::dice::Dice;
use journeys::loss;
use standalone::{Service, Stack, StackBuilder};
use tokio::task::JoinSet;

use crate::Figure;

/// What loan-auth delays each certification by, in milliseconds: slow, and not so slow that any
/// would time out.
const DELAY: &str = "300-500";

/// Places of each instance; few, so that the load that fills them is light.
const PLACES: u32 = 16;

/// What is offered, as a share of what the places can carry.
const LOADS: [f64; 3] = [0.7, 1.0, 1.5];

/// Measured and said may differ by so much: three times what chance alone makes of 500 arrivals of
/// which a fifth is refused, and for few refusals half of them.
const WITHIN: f64 = 0.055;
const WITHIN_SHARE: f64 = 0.5;

/// What one place is meant to be worth, without a measurement: the middle of the delay.
const HELD: f64 = 0.4;

pub(crate) fn settings(builder: StackBuilder) -> StackBuilder {
    builder.env(Service::LoanAuth, "CERTIFY_DELAY_MS", DELAY).env(
        Service::LoanRequest,
        "CERTIFY_CONCURRENCY_MAX",
        &PLACES.to_string(),
    )
}

/// At one, two and three instances.
pub(crate) async fn measure(stack: &mut Stack, seconds: u32) -> Result<Vec<Figure>> {
    let mut others = Vec::new();
    let mut urls = vec![stack.url(Service::LoanRequest)];
    let mut rows = Vec::new();
    let mut farthest = 0.0_f64;
    for count in 1..=3_u32 {
        if count > 1 {
            let other = stack.another(Service::LoanRequest).await?;
            urls.push(other.url());
            others.push(other);
        }
        for load in LOADS {
            let rate = load * f64::from(PLACES * count) / HELD;
            let point = offer(&urls, rate, seconds).await?;
            let offered = rate * point.held / f64::from(count);
            let said = loss::turned_away(offered, PLACES);
            farthest = farthest.max((point.refused - said).abs() / WITHIN.min(said * WITHIN_SHARE));
            let row = format!(
                "{count} × {PLACES} places, {rate:.0}/s: {:.1} % refused, {:.1} % said",
                point.refused * 100.0,
                said * 100.0
            );
            println!("{row} ({} applications, {:.0} ms each)", point.count, point.held * 1_000.0);
            rows.push(row);
        }
    }
    drop(others);
    Ok(vec![
        Figure {
            name: "loan-auth slow, more instances of loan-request: refused beside Erlang's formula",
            measured: rows.join("; "),
            goal: "within 5.5 points, and half of what is said",
            met: farthest <= 1.0,
        },
        needed(),
    ])
}

/// How many instances carry how much, by the same formula and with the places as they are set.
fn needed() -> Figure {
    let usual = 128;
    let told = [300.0, 3_000.0, 30_000.0, 300_000.0].map(|rate| {
        let of = |held: f64| loss::instances(rate * held, usual, 0.001);
        format!("{rate}/s: {} at 5 ms, {} at 400 ms", of(0.005), of(0.4))
    });
    Figure {
        name: "instances of loan-request with 128 places, so that 1 of 1,000 is refused at most",
        measured: told.join("; "),
        goal: "told",
        met: true,
    }
}

/// What came of one load.
struct Point {
    count: usize,
    /// Share that was refused at once.
    refused: f64,
    /// Seconds that one which was served took on average.
    held: f64,
}

/// Offers so many a second, each to an instance by chance, answered or not.
#[expect(clippy::cast_precision_loss, reason = "counts of some hundreds")]
async fn offer(urls: &[String], rate: f64, seconds: u32) -> Result<Point> {
    let clients = urls.iter().map(Client::try_new).collect::<Result<Vec<_>>>()?;
    let mut dice = Dice(0x5ca1_ab1e);
    let (begun, mut at) = (Instant::now(), 0.0);
    let mut sending = JoinSet::new();
    let body = Credentials::demo().application(10_000);
    while at < f64::from(seconds) {
        at += dice.next_arrival(rate);
        let choice = dice.between(0, clients.len() as u64 - 1);
        let client = clients[usize::try_from(choice)?].clone();
        tokio::time::sleep_until((begun + Duration::from_secs_f64(at)).into()).await;
        let body = body.clone();
        sending.spawn(async move { client.post("/loanRequests", "", &body).await });
    }
    let (mut served, mut refused) = (Vec::new(), 0_usize);
    while let Some(answer) = sending.join_next().await {
        let answer = answer??;
        match answer.status {
            201 => served.push(answer.took.as_secs_f64()),
            503 => refused += 1,
            other => ensure!(false, "{other}: {}", answer.text),
        }
    }
    let count = served.len() + refused;
    ensure!(!served.is_empty(), "none of {count} was served");
    Ok(Point {
        count,
        refused: refused as f64 / count as f64,
        held: served.iter().sum::<f64>() / served.len() as f64,
    })
}
