//! The operators' experiment: loan-auth delays each certification by a random 400 to 620 ms,
//! of which loan-request waits 610, while siege's clients come. Beside siege, which says
//! no more than whether and how long, applications at a steady pace say what each was
//! answered and how fast; and then the delay ends.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use journeys::client::{Client, Credentials};
use journeys::proxy::{Mode, Proxy};
use journeys::siege;
use sqlx::{PgPool, Row};
use standalone::{Service, Stack, StackBuilder};

use crate::Figure;
use crate::latency::{ms, percentile};

/// What the experiment delays by, in milliseconds.
const DELAY: &str = "400-620";

/// The same as figures, and how long loan-request waits.
const DELAY_MIN_MS: f64 = 400.0;
const DELAY_MAX_MS: f64 = 620.0;
const WAITS_MS: f64 = 610.0;

/// Between two applications of the steady pace.
const PACE: Duration = Duration::from_millis(40);

/// A 503 in so short a time was not of a certification that came too late, for which loan-request
/// waits 610 ms.
const AT_ONCE: Duration = Duration::from_millis(600);

/// Full speed: in less than the least delay, beside siege's hundred clients.
const FULL_SPEED: Duration = Duration::from_millis(400);

/// How long siege goes on around the delay's end.
const BEFORE_ITS_END: Duration = Duration::from_secs(3);
const AFTERWARDS: Duration = Duration::from_secs(10);

/// How long the steady pace is alone, before there is a delay, and how much of that is left
/// for connections to be made.
const ALONE: Duration = Duration::from_secs(5);
const WARMING: Duration = Duration::from_secs(2);

/// What loan-auth's calls come to without having been sent.
const UNASKED: [&str; 2] = ["breaker-open", "bulkhead-full"];

/// An application of the steady pace.
#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    status: u16,
    took: Duration,
}

/// loan-auth behind a proxy, with the delay.
pub(crate) fn settings(builder: StackBuilder, proxy: &Proxy) -> StackBuilder {
    builder.env(Service::LoanAuth, "CERTIFY_DELAY_MS", DELAY).env(
        Service::LoanRequest,
        "AUTH_URL",
        &proxy.url(),
    )
}

/// The experiment.
pub(crate) async fn measure(
    stack: &mut Stack,
    proxy: &Proxy,
    client: &Client,
    db: &PgPool,
    seconds: u32,
) -> Result<Vec<Figure>> {
    stack.set_env(Service::LoanAuth, "CERTIFY_DELAY_MS", "");
    let delayed = stack.url(Service::LoanAuth);
    let undelayed = stack.another(Service::LoanAuth).await?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let sampling = tokio::spawn(sample(client.clone(), stopped));
    // What a call takes by itself, when there is no delay and nothing else.
    println!("no delay, and nothing beside the steady pace …");
    lead(proxy, &undelayed.url()).await;
    tokio::time::sleep(WARMING).await;
    let calls = Calls::until_now(stack, client).await?;
    tokio::time::sleep(ALONE).await;
    let own_ms = Calls::until_now(stack, client).await?.mean_ms_since(&calls);
    lead(proxy, &delayed).await;
    tokio::time::sleep(WARMING).await;
    let calls = Calls::until_now(stack, client).await?;
    let begun = Instant::now();
    println!("siege -c100 -t{seconds}S with a delay of {DELAY} ms …");
    let before = decided(db).await?;
    let siege = siege::run(&stack.gateway_url(), 100, seconds).await?;
    let over = Instant::now();
    let now = decided(db).await?;
    let (certified, voided) = (now.0 - before.0, now.1 - before.1);
    let unasked = Calls::until_now(stack, client).await?.unasked_since(&calls);
    // What siege has left behind comes to its end, and is not in the way of the next.
    tokio::time::sleep(WARMING).await;

    // The delay ends in the midst of the next siege: the same address, another process.
    let gateway = stack.gateway_url();
    let after = BEFORE_ITS_END + AFTERWARDS;
    let lasting = u32::try_from(after.as_secs())?;
    let again = tokio::spawn(async move { siege::run(&gateway, 100, lasting).await });
    tokio::time::sleep(BEFORE_ITS_END).await;
    let ended = Instant::now();
    lead(proxy, &undelayed.url()).await;
    let at_full_speed = again.await??;
    // And nothing but refusals, when loan-auth is away.
    tokio::time::sleep(WARMING).await;
    proxy.set(Mode::Cut);
    tokio::time::sleep(WARMING).await;
    let refused_from = Instant::now();
    tokio::time::sleep(ALONE).await;
    let refused_until = Instant::now();
    proxy.set(Mode::Pass);
    tokio::time::sleep(WARMING).await;
    stop.send(true).context("nobody samples")?;
    let samples = sampling.await??;

    let during = |one: &&Sample| one.at > begun && one.at < over;
    let during: Vec<_> = samples.iter().filter(during).copied().collect();
    let under_siege = |one: &&Sample| one.at > ended && one.at < ended + AFTERWARDS;
    let after: Vec<_> = samples.iter().filter(under_siege).copied().collect();
    Ok(vec![
        served(&during, own_ms, unasked),
        of_siege(&siege, certified, voided),
        refusals(&samples, refused_from, refused_until),
        slowest(&during, siege.longest_seconds),
        recovery(&after, ended, at_full_speed.rate),
        decided_all(db).await?,
    ])
}

/// From now on the proxy's connections go there, those that are open too.
async fn lead(proxy: &Proxy, url: &str) {
    proxy.lead_to(url);
    proxy.set(Mode::Cut);
    tokio::time::sleep(Duration::from_millis(20)).await;
    proxy.set(Mode::Pass);
}

/// Applies at a steady pace, whether or not the ones before are answered.
async fn sample(
    client: Client,
    mut stopped: tokio::sync::watch::Receiver<bool>,
) -> Result<Vec<Sample>> {
    let mut sending = tokio::task::JoinSet::new();
    let mut samples = Vec::new();
    let mut pace = tokio::time::interval(PACE);
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            due = pace.tick() => {
                let client = client.clone();
                sending.spawn(async move {
                    // From when it was due: waiting to be sent counts.
                    let at = due.into_std();
                    let body = Credentials::demo().application(10_000);
                    let answer = client.post("/loanRequests", "", &body).await?;
                    anyhow::Ok(Sample { at, status: answer.status, took: at.elapsed() })
                });
            }
        }
        while let Some(sent) = sending.try_join_next() {
            samples.push(sent??);
        }
    }
    while let Some(sent) = sending.join_next().await {
        samples.push(sent??);
    }
    samples.sort_by_key(|one| one.at);
    Ok(samples)
}

/// Requests that loan-auth has certified, and those that were taken back in time.
async fn decided(db: &PgPool) -> Result<(i64, i64)> {
    let row = sqlx::query(
        "SELECT count(*) FILTER (WHERE customer_id IS NOT NULL),
                count(*) FILTER (WHERE status = '요청취소')
           FROM loan_request.loan_request",
    )
    .fetch_one(db)
    .await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// Calls of loan-request to loan-auth, as its metrics count them.
struct Calls {
    seconds: f64,
    count: f64,
    /// Those that were refused without asking.
    unasked: [f64; 2],
}

impl Calls {
    async fn until_now(stack: &Stack, client: &Client) -> Result<Self> {
        let url = format!("{}/metrics", stack.service(Service::LoanRequest).admin_url());
        let text = client.http.get(url).send().await?.text().await?;
        let figure = |name: &str| -> Result<Option<f64>> {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.rsplit(' ').next());
            Ok(value.map(str::parse).transpose()?)
        };
        let of = |figure: &str, more: &str| format!("{figure}{{name=\"loan-auth certify\"{more}}}");
        let mut unasked = [0.0; 2];
        for (outcome, count) in UNASKED.iter().zip(&mut unasked) {
            let name = of("outbound_calls_total", &format!(",outcome=\"{outcome}\""));
            // What has not happened has no line.
            *count = figure(&name)?.unwrap_or_default();
        }
        Ok(Self {
            seconds: figure(&of("outbound_call_seconds_sum", ""))?.context("no seconds")?,
            count: figure(&of("outbound_call_seconds_count", ""))?.context("no count")?,
            unasked,
        })
    }

    fn unasked_since(&self, before: &Self) -> [f64; 2] {
        [self.unasked[0] - before.unasked[0], self.unasked[1] - before.unasked[1]]
    }

    fn mean_ms_since(&self, before: &Self) -> f64 {
        (self.seconds - before.seconds) * 1_000.0 / (self.count - before.count).max(1.0)
    }
}

/// What can be served is what the delay and the call's own time, without one, leave within the
/// time that loan-request waits.
#[expect(clippy::cast_precision_loss, reason = "a percentage has no last digit to lose")]
fn served(during: &[Sample], own_ms: f64, [by_breaker, by_bulkhead]: [f64; 2]) -> Figure {
    let served = during.iter().filter(|one| one.status == 201).count();
    let share = served as f64 / during.len().max(1) as f64 * 100.0;
    let possible = (WAITS_MS - DELAY_MIN_MS - own_ms) / (DELAY_MAX_MS - DELAY_MIN_MS) * 100.0;
    let of_possible = share / possible * 100.0;
    Figure {
        name: "with the delay, applications at a steady pace beside siege's: served",
        measured: format!(
            "{served} of {} ({share:.1} %), of the {possible:.1} % that delay and a call's own {own_ms:.1} ms let: {of_possible:.1} %; \
             siege's among them, the breaker refused {by_breaker:.0} and the bulkhead {by_bulkhead:.0}",
            during.len()
        ),
        goal: "≥ 99 % of what can be",
        met: of_possible >= 99.0,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a percentage has no last digit to lose")]
fn of_siege(siege: &siege::Siege, certified: i64, voided: i64) -> Figure {
    let share = certified as f64 / (certified + voided).max(1) as f64 * 100.0;
    Figure {
        name: "… siege's 100 clients, that come again at once whatever they are told",
        measured: format!(
            "{} of {} were answered 2xx ({:.2} %), {:.0}/s; of those that loan-auth was asked for {share:.1} % were certified in time; \
             the system before: 9–20 % answered 2xx, 10–16/s, and more than 309 loans a minute processed for which no 201 was given",
            siege.transactions,
            siege.transactions + siege.failed,
            siege.availability,
            siege.rate
        ),
        goal: "more than the system before",
        met: siege.availability > 20.0 && siege.rate > 16.0,
    }
}

fn refusals(samples: &[Sample], from: Instant, until: Instant) -> Figure {
    let meanwhile: Vec<_> = samples.iter().filter(|one| one.at > from && one.at < until).collect();
    let refused = meanwhile.iter().filter(|one| one.status == 503 && one.took < AT_ONCE);
    let mut refused: Vec<_> = refused.map(|one| one.took).collect();
    let (count, p50, p99) =
        (refused.len(), percentile(&mut refused, 50), percentile(&mut refused, 99));
    Figure {
        name: "refusals by the breaker, loan-auth being away, at the steady pace alone",
        measured: format!("{count} of {}; p50 {} ms, p99 {} ms", meanwhile.len(), ms(p50), ms(p99)),
        goal: "< 5 ms",
        // Those that try whether it is back take what they take.
        met: count * 10 > meanwhile.len() * 9 && p99 < Duration::from_millis(5),
    }
}

fn slowest(during: &[Sample], siege_longest: f64) -> Figure {
    let ours = during.iter().map(|one| one.took).max().unwrap_or_default().as_secs_f64();
    let by_status = |status: u16| during.iter().filter(|one| one.status == status).count();
    Figure {
        name: "the slowest request",
        measured: format!(
            "{ours:.2} s at a steady pace (201 {}, 202 {}, 503 {}), {siege_longest:.2} s of siege's",
            by_status(201),
            by_status(202),
            by_status(503)
        ),
        goal: "< 1 s",
        met: ours < 1.0 && siege_longest < 1.0,
    }
}

/// When, after the delay's end, the last one was not served at full speed.
fn recovery(after: &[Sample], ended: Instant, rate: f64) -> Figure {
    let last_bad = after
        .iter()
        .rev()
        .find(|one| one.status != 201 || one.took >= FULL_SPEED)
        .map_or(Duration::ZERO, |one| one.at + one.took - ended);
    Figure {
        name: "full speed again after the delay's end, siege going on",
        measured: format!(
            "{:.2} s ({} applications looked at; siege's {rate:.0}/s)",
            last_bad.as_secs_f64(),
            after.len()
        ),
        goal: "≤ 2 s",
        met: last_bad <= Duration::from_secs(2),
    }
}

/// Nothing is left undecided, and loan-auth says the same as loan-request.
async fn decided_all(db: &PgPool) -> Result<Figure> {
    let begun = Instant::now();
    let undecided = "SELECT count(*) FROM loan_request.loan_request WHERE status = '인증대기'";
    let contradicted = "SELECT count(*) FROM loan_request.loan_request r
         JOIN loan_auth.certification c ON c.loan_request_id = r.loan_request_id
        WHERE (r.status = '요청완료') <> (c.outcome = 'certified')";
    let mut left: i64 = sqlx::query_scalar(undecided).fetch_one(db).await?;
    while left > 0 && begun.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        left = sqlx::query_scalar(undecided).fetch_one(db).await?;
    }
    let contradicted: i64 = sqlx::query_scalar(contradicted).fetch_one(db).await?;
    Ok(Figure {
        name: "what timed out",
        measured: format!(
            "{left} undecided after {:.1} s, {contradicted} told otherwise than decided",
            begun.elapsed().as_secs_f64()
        ),
        goal: "decided, none processed in spite of a no",
        met: left == 0 && contradicted == 0,
    })
}
