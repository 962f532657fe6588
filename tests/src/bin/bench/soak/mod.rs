//! Whether what is purged stays as large as it is under constant load, and what
//! purging costs those who use the system meanwhile.

mod tables;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use common::clock::Clock;
use journeys::client::{Client, Credentials};
use journeys::harness::SEEN_WITHIN;
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

pub(crate) use self::tables::settings;
use self::tables::{Purged, Size, WINDOW, gone, left, let_all_go, pile_up};
use super::Figure;
use super::latency::{Load, Times, load, ms, percentile};

/// How often sizes are looked at, and how often they are printed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const PRINTED_LOOKS: usize = 6;

/// How long the relay's purge rests when it has found nothing more to delete, and
/// something for its work.
const ROUND: Duration = Duration::from_secs(70);

/// For how long applications come before the next look at the rest.
const STRETCH_SECONDS: u32 = 30;

/// How long one interval of a comparison is: with steady load, so that a round of the
/// purge lies in it; with a backlog it is at work all the time.
const STEADY_SECONDS: u32 = 65;
const BACKLOG_SECONDS: u32 = 20;

/// What counts as flat: in the second half of the time at most so much more than in
/// the first, the beginning (a window and a round) left out.
const GROWTH_MAX: f64 = 1.2;
/// And so much that is no growth: a batch; pages that a vacuum has not come to yet.
const SLACK: Size = Size { rows: 1_000, bytes: 4 << 20 };

/// What purging may cost: the slowest hundredth takes so many times as long at most,
/// or so much longer where it takes next to nothing.
const COST_MAX: f64 = 1.5;
const COST_FREE: Duration = Duration::from_millis(5);

/// What is to be measured.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Measures nothing but growth and purging, with so many minutes of load.
    #[arg(long, value_name = "MINUTES", num_args = 0..=1, default_missing_value = "30")]
    pub(super) soak: Option<u32>,
    /// With --soak: old rows that are purged while the load goes on, in an outbox and in
    /// an inbox each.
    #[arg(long, value_name = "ROWS", default_value_t = 1_000_000)]
    backlog: i64,
    /// With --soak: how often an interval with purging is compared with one without.
    #[arg(long, value_name = "TIMES", default_value_t = 3)]
    pairs: u32,
    /// With --soak: nothing is purged, and the check has to say that it grows.
    #[arg(long)]
    hold_back: bool,
}

pub(super) async fn measure(
    client: &Client,
    db: &PgPool,
    rate: u32,
    options: &Options,
) -> Result<Vec<Figure>> {
    let minutes = options.soak.unwrap_or_default();
    // Between two rounds of the purge sizes rise and fall: a half has some of them, so
    // that both have seen the highest.
    let shortest = (WINDOW + ROUND) + ROUND * 6;
    let lasts = Duration::from_secs(60) * minutes;
    ensure!(lasts >= shortest, "not less than {} minutes", shortest.as_secs().div_ceil(60));
    for table in tables::all() {
        table.prepare(db).await?;
    }
    let_all_go(db, !options.hold_back).await?;
    let mut figures = flat(client, db, rate, lasts).await?;
    if options.hold_back {
        return Ok(figures);
    }
    println!("with purging and without, {} times …", options.pairs);
    figures
        .push(compare(client, db, rate, options.pairs, STEADY_SECONDS, Purge::OfEveryDay).await?);
    println!("{} old rows in loan-manager's outbox and in its inbox …", options.backlog);
    let_all_go(db, false).await?;
    pile_up(db, options.backlog).await?;
    let before = left(db).await?;
    figures
        .push(compare(client, db, rate, options.pairs, BACKLOG_SECONDS, Purge::OfABacklog).await?);
    println!("{} of {before} rows of the backlog are left", left(db).await?);
    Ok(figures)
}

/// The sizes under load, from the beginning to the end.
async fn flat(client: &Client, db: &PgPool, rate: u32, lasts: Duration) -> Result<Vec<Figure>> {
    let begun = Instant::now();
    let watching = tokio::spawn(watch(db.clone(), begun, lasts));
    let bystanders = tokio::spawn(others(client.clone(), begun, lasts));
    while begun.elapsed() < lasts {
        load(client, keyed(rate, STRETCH_SECONDS)).await?;
    }
    bystanders.await??;
    let watched = watching.await??;
    let mut worst = BTreeMap::new();
    let mut is_flat = true;
    for (name, (table, [first, second])) in &watched {
        let rows = grows(first.rows, second.rows, SLACK.rows);
        let bytes = table.is_all && grows(first.bytes, second.bytes, SLACK.bytes);
        ensure!(second.rows > 0, "the load wrote nothing into {name}");
        if rows || bytes {
            is_flat = false;
            println!("{name} grows: {first:?}, then {second:?}");
        }
        worst.insert(second.rows, (name, first, second));
    }
    let largest = worst.last_key_value().map(|(_, (name, first, second))| {
        format!(
            "the largest, {name}: at most {} rows and {} KiB in the first half, {} rows and {} KiB in the second",
            first.rows,
            first.bytes >> 10,
            second.rows,
            second.bytes >> 10
        )
    });
    Ok(vec![Figure {
        name: "what is purged, under load",
        measured: format!(
            "{} tables, {} s with a window of {} s; {}",
            watched.len(),
            lasts.as_secs(),
            WINDOW.as_secs(),
            largest.unwrap_or_default()
        ),
        goal: "flat after the window",
        met: is_flat,
    }])
}

fn grows(first: i64, second: i64, slack: i64) -> bool {
    let as_f64 = |number: i64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    second > first + slack && as_f64(second) > as_f64(first) * GROWTH_MAX
}

/// The largest size of each table in the first and in the second half.
type Watched = BTreeMap<String, (Purged, [Size; 2])>;

async fn watch(db: PgPool, begun: Instant, lasts: Duration) -> Result<Watched> {
    let warm = WINDOW + ROUND;
    let middle = warm + (lasts - warm) / 2;
    let mut watched: Watched = tables::all()
        .into_iter()
        .map(|table| (table.name.clone(), (table, [Size::default(); 2])))
        .collect();
    let mut looks = 0;
    while begun.elapsed() < lasts {
        let at = begun.elapsed();
        let mut line = String::new();
        for (name, (table, halves)) in &mut watched {
            let size = table.size(&db).await?;
            line.push_str(&format!("  {name} {} rows, {} KiB\n", size.rows, size.bytes >> 10));
            if at >= warm {
                let half = &mut halves[usize::from(at >= middle)];
                *half = half.max(size);
            }
        }
        if looks % PRINTED_LOOKS == 0 {
            println!("after {} s:\n{line}", at.as_secs());
        }
        looks += 1;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(watched)
}

/// What comes beside the applications, once a second, so that something comes into every
/// table.
async fn others(client: Client, begun: Instant, lasts: Duration) -> Result<()> {
    let mut number = 0_u32;
    while begun.elapsed() < lasts {
        number += 1;
        one_of_the_others(&client, number).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// Somebody registers, logs in, applies and is refused, wants to repay a loan that there
/// is not, and mistypes the password.
async fn one_of_the_others(client: &Client, number: u32) -> Result<()> {
    let who = Credentials {
        user_id: format!("soak-{number}@example.com"),
        user_name: format!("Soak {number}"),
        password: format!("s3cret-soak-{number}!"),
    };
    let body = json!({
        "userId": who.user_id, "userName": who.user_name, "userPassword": who.password,
        "userMobile": "010-2345-6789", "language": "en"
    });
    let request = client.request(Method::POST, "/customers").json(&body);
    let request = request.header("Idempotency-Key", format!("soak-{number}"));
    client.send(request).await?.expect(201)?;
    client.token(&who.user_id, &who.password).await?;
    let (officer, loan) = (client.officer().await?, client.apply(&who, 1_000).await?);
    let path = format!("/loanManagers/{loan}");
    client.wait_for(&path, &officer, SEEN_WITHIN, |answer| answer.status == 200).await?;
    for step in ["01", "03"] {
        client.step(&officer, &loan, step).await?.expect(200)?;
    }
    let never_was = Clock::system().new_id().to_string();
    let repayment = who.repayment(Some(&never_was), 1_000);
    client.post("/loanRequests", "", &repayment).await?.expect(201)?;
    let wrong = Credentials { password: "not it".into(), ..who };
    client.post("/loanRequests", "", &wrong.application(1_000)).await?.expect(403)?;
    Ok(())
}

/// Intervals with purging and without, in turns, so that what else changes meanwhile
/// changes both.
async fn compare(
    client: &Client,
    db: &PgPool,
    rate: u32,
    pairs: u32,
    seconds: u32,
    what: Purge,
) -> Result<Figure> {
    let (mut with, mut without) = (Times::default(), Times::default());
    let mut purged = 0;
    for _ in 0..pairs {
        let_all_go(db, false).await?;
        let times = load(client, keyed(rate, seconds)).await?;
        report("without", &times, 0);
        add(&mut without, times);
        // So that something is there to be purged, and it has begun.
        let idle = what.gone(db).await?;
        let_all_go(db, true).await?;
        let until = Instant::now() + ROUND * 2;
        while what.gone(db).await? == idle {
            ensure!(Instant::now() < until, "nothing is purged");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let before = what.gone(db).await?;
        let times = load(client, keyed(rate, seconds)).await?;
        let rows = what.gone(db).await? - before;
        ensure!(rows > 0, "nothing was purged meanwhile");
        report("with", &times, rows);
        purged += rows;
        add(&mut with, times);
    }
    let ([p50, p99], [without_p50, without_p99]) = (points(&mut with), points(&mut without));
    let ratio = p99.as_secs_f64() / without_p99.as_secs_f64().max(f64::MIN_POSITIVE);
    Ok(Figure {
        name: what.name(),
        measured: format!(
            "p50 {} ms, p99 {} ms; without p50 {} ms, p99 {} ms; p99 is {ratio:.2} times as long; \
             {purged} rows purged meanwhile",
            ms(p50),
            ms(p99),
            ms(without_p50),
            ms(without_p99),
        ),
        goal: "p99 at most 1.5 times as long",
        met: ratio <= COST_MAX || p99 <= without_p99 + COST_FREE,
    })
}

/// What is purged while the journey is measured.
#[derive(Clone, Copy)]
enum Purge {
    /// What the load itself leaves behind.
    OfEveryDay,
    /// That, and so much that the purge is at work all the time.
    OfABacklog,
}

impl Purge {
    fn name(self) -> &'static str {
        match self {
            Self::OfEveryDay => "the journey with purging",
            Self::OfABacklog => "the same, with a backlog",
        }
    }

    /// A number that grows with each row that goes.
    async fn gone(self, db: &PgPool) -> Result<i64> {
        match self {
            Self::OfEveryDay => gone(db).await,
            Self::OfABacklog => Ok(-left(db).await?),
        }
    }
}

fn keyed(rate: u32, seconds: u32) -> Load {
    Load { rate, seconds, is_keyed: true }
}

fn report(what: &str, times: &Times, rows: i64) {
    let mut times = times.clone();
    let [p50, p99] = points(&mut times);
    println!("{what}: p50 {} ms, p99 {} ms, {rows} rows purged", ms(p50), ms(p99));
}

fn points(times: &mut Times) -> [Duration; 2] {
    [50, 99].map(|percent| percentile(&mut times.seen, percent))
}

fn add(all: &mut Times, more: Times) {
    all.seen.extend(more.seen);
    all.answered.extend(more.answered);
}
