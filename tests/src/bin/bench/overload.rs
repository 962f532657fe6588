//! More applications than can be served: what is served stays, what is not is refused early, and
//! reads of the status have a share of their own.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use journeys::client::{Client, Credentials};
use journeys::siege;
use standalone::{Service, StackBuilder};
use tokio::task::JoinSet;

use crate::Figure;
use crate::latency::{ms, pace, percentile};

/// So many times what siege's 100 clients are served.
const TIMES: [u32; 2] = [2, 4];

/// Reads of the status beside them, each second.
const READS: u32 = 20;

/// All of it comes from one address, and is meant as many clients': no client's own part is seen.
pub(crate) fn settings(builder: StackBuilder) -> StackBuilder {
    let high = "65536";
    builder
        .env(Service::Gateway, "UPSTREAM_CONCURRENCY_PER_CLIENT_MAX", high)
        .env(Service::Gateway, "HTTP_CONNECTIONS_PER_CLIENT_MAX", high)
        .env(Service::Gateway, "BODIES_PER_CLIENT_MAX", high)
}

/// What was answered, and after how long.
#[derive(Default)]
pub(crate) struct Answers {
    served: Vec<Duration>,
    refused: Vec<Duration>,
    pub(crate) other: usize,
    reads: Vec<Duration>,
    failed_reads: usize,
}

impl Answers {
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    pub(crate) fn served_each_second(&self, seconds: u32) -> f64 {
        self.served.len() as f64 / f64::from(seconds)
    }

    pub(crate) fn served_p99(&mut self) -> Duration {
        percentile(&mut self.served, 99)
    }
}

pub(crate) async fn measure(gateway: &str, client: &Client, seconds: u32) -> Result<Vec<Figure>> {
    println!("siege -c100 -t{seconds}S, for what can be served …");
    let full = siege::run(gateway, 100, seconds).await?.rate;
    let mut figures = Vec::new();
    for times in TIMES {
        // The queues of the one before are empty.
        tokio::time::sleep(Duration::from_secs(5)).await;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
        let rate = full as u32 * times;
        let answers = offer(client, rate, seconds).await?;
        figures.extend(told(answers, times, rate, seconds, full));
    }
    Ok(figures)
}

/// So many each second, answered or not.
pub(crate) async fn offer(client: &Client, rate: u32, seconds: u32) -> Result<Answers> {
    println!("{rate} applications each second, answered or not, and {READS} reads …");
    let token = client.demo_customer().await?;
    let begun = Instant::now();
    let mut sending = JoinSet::new();
    let mut reading = JoinSet::new();
    let (mut dues, mut reads) =
        (pace(begun, rate, rate * seconds), pace(begun, READS, READS * seconds));
    let body = Credentials::demo().application(10_000);
    loop {
        tokio::select! {
            Some(due) = dues.recv() => {
                let (client, body) = (client.clone(), body.clone());
                sending.spawn(async move {
                    let answer = client.post("/loanRequests", "", &body).await;
                    (answer.map(|answer| answer.status).unwrap_or_default(), due.elapsed())
                });
            }
            Some(due) = reads.recv() => {
                let (client, token) = (client.clone(), token.clone());
                reading.spawn(async move {
                    let answer = client.get("/loanStatus?size=20", &token).await;
                    (answer.map(|answer| answer.status).unwrap_or_default(), due.elapsed())
                });
            }
            else => break,
        }
    }
    let mut answers = Answers::default();
    while let Some(sent) = sending.join_next().await {
        match sent.context("a request")? {
            (201 | 202, took) => answers.served.push(took),
            (503, took) => answers.refused.push(took),
            _ => answers.other += 1,
        }
    }
    while let Some(read) = reading.join_next().await {
        match read.context("a read")? {
            (200, took) => answers.reads.push(took),
            _ => answers.failed_reads += 1,
        }
    }
    Ok(answers)
}

fn told(mut answers: Answers, times: u32, rate: u32, seconds: u32, full: f64) -> [Figure; 2] {
    let served = answers.served_each_second(seconds);
    let (p50, p99) = (percentile(&mut answers.served, 50), answers.served_p99());
    let refused = percentile(&mut answers.refused, 50);
    let name = |two: &'static str, four: &'static str| if times == 2 { two } else { four };
    let applications = Figure {
        name: name("twice as many applications as can be served", "four times as many"),
        measured: format!(
            "{rate}/s for {seconds} s: {served:.0}/s served of the {full:.0}/s that siege gets, p50 {} ms, p99 {} ms; \
             {} refused, p50 {} ms, p99 {} ms; {} neither",
            ms(p50),
            ms(p99),
            answers.refused.len(),
            ms(refused),
            ms(percentile(&mut answers.refused, 99)),
            answers.other,
        ),
        goal: "≥ 0.7 of it is served, p99 < 1 s, nothing but 201, 202, 503",
        met: served >= 0.7 * full && p99 < Duration::from_secs(1) && answers.other == 0,
    };
    let read = percentile(&mut answers.reads, 99);
    let reads = Figure {
        name: name(
            "reads of the status beside that",
            "reads of the status beside that (four times)",
        ),
        measured: format!(
            "{} of {}, p50 {} ms, p99 {} ms",
            answers.reads.len(),
            answers.reads.len() + answers.failed_reads,
            ms(percentile(&mut answers.reads, 50)),
            ms(read)
        ),
        goal: "all, p99 < 1 s",
        met: answers.failed_reads == 0 && read < Duration::from_secs(1),
    };
    [applications, reads]
}
