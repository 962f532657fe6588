//! Logins in a storm: hashing passwords is what they cost, and it has places of its own, so
//! that whoever reads or applies meanwhile hardly notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use journeys::client::{Client, Credentials};
use reqwest::Method;
use serde_json::json;
use standalone::{Service, StackBuilder};

use crate::Figure;
use crate::latency::{ms, pace, percentile};

/// Who tries to get in at the same time.
const CLIENTS: u64 = 64;

/// Reads of the status, and applications, each second.
const READS: u32 = 50;
const APPLICATIONS: u32 = 20;

/// The load comes from one machine, and is to be taken for that of many: the gateway
/// believes what it is told of the clients' addresses.
pub(crate) fn settings(builder: StackBuilder) -> StackBuilder {
    builder.env(Service::Gateway, "TRUSTED_PROXIES", "127.0.0.1/32")
}

/// What those who tried to log in were told.
#[derive(Default)]
struct Told {
    hashed: AtomicU64,
    come_back: AtomicU64,
    otherwise: AtomicU64,
}

pub(crate) async fn measure(client: &Client, seconds: u32) -> Result<Vec<Figure>> {
    println!("{READS} reads and {APPLICATIONS} applications each second …");
    let (mut reads, mut applied) = journeys_beside(client, seconds).await?;
    let (quiet_reads, quiet_applied) = (percentile(&mut reads, 99), percentile(&mut applied, 99));

    println!(
        "the same, and {CLIENTS} that try to log in, each from other addresses all the time …"
    );
    let over = Arc::new(AtomicBool::new(false));
    let told = Arc::new(Told::default());
    let storming: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (client, over, told) = (client.clone(), Arc::clone(&over), Arc::clone(&told));
            tokio::spawn(async move {
                let mut turn = number;
                while !over.load(Ordering::Relaxed) {
                    turn += CLIENTS;
                    let of = match log_in(&client, turn).await {
                        // `invalid_grant` (RFC 6749, 5.2).
                        Ok(400) => &told.hashed,
                        Ok(429 | 503) => &told.come_back,
                        _ => &told.otherwise,
                    };
                    of.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let beside = journeys_beside(client, seconds).await;
    over.store(true, Ordering::Relaxed);
    for one in storming {
        one.await?;
    }
    let (mut reads, mut applied) = beside?;
    let (storm_reads, storm_applied) = (percentile(&mut reads, 99), percentile(&mut applied, 99));
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let each_second = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64 / f64::from(seconds);
    Ok(vec![Figure {
        name: "reads and applications during a storm of logins",
        measured: format!(
            "logins: {:.0}/s hashed and refused, {:.0}/s told to come back, {} anything else; p99 of reads {} ms (without {} ms), of applications {} ms (without {} ms)",
            each_second(&told.hashed),
            each_second(&told.come_back),
            told.otherwise.load(Ordering::Relaxed),
            ms(storm_reads),
            ms(quiet_reads),
            ms(storm_applied),
            ms(quiet_applied),
        ),
        goal: "all are answered, p99 of reads < 250 ms",
        met: storm_reads < Duration::from_millis(250)
            && told.otherwise.load(Ordering::Relaxed) == 0,
    }])
}

/// One that nobody knows, from an address that has not tried before.
async fn log_in(client: &Client, turn: u64) -> Result<u16> {
    let [_, _, _, _, _, one, two, three] = turn.to_be_bytes();
    let body = json!({
        "grant_type": "password", "username": format!("nobody-{turn}@mail.example"),
        "password": "not the one, whatever it is",
    });
    let request = client.request(Method::POST, "/auth/token").json(&body);
    let request = request.header("X-Forwarded-For", format!("10.{one}.{two}.{three}"));
    Ok(client.send(request).await?.status)
}

/// How long reads and applications take, open-loop.
async fn journeys_beside(client: &Client, seconds: u32) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let token = client.demo_customer().await?;
    let begun = Instant::now();
    let mut reads = pace(begun, READS, READS * seconds);
    let mut applications = pace(begun, APPLICATIONS, APPLICATIONS * seconds);
    let (mut reading, mut applying) = (Vec::new(), Vec::new());
    loop {
        tokio::select! {
            Some(due) = reads.recv() => {
                let (client, token) = (client.clone(), token.clone());
                reading.push(tokio::spawn(async move {
                    client.get("/loanStatus?size=20", &token).await?.expect(200)?;
                    anyhow::Ok(due.elapsed())
                }));
            }
            Some(due) = applications.recv() => {
                let client = client.clone();
                applying.push(tokio::spawn(async move {
                    let body = Credentials::demo().application(10_000);
                    client.post("/loanRequests", "", &body).await?.expect(201)?;
                    anyhow::Ok(due.elapsed())
                }));
            }
            else => break,
        }
    }
    let (mut read, mut applied) = (Vec::new(), Vec::new());
    for one in reading {
        read.push(one.await??);
    }
    for one in applying {
        applied.push(one.await??);
    }
    Ok((read, applied))
}
