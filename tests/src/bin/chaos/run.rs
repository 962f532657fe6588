//! One run: start, load, break and heal by the schedule, heal all, wait until
//! it is quiet, compare.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use sqlx::{AssertSqlSafe, PgPool, Row};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::agreement::disagreements;
use crate::customers::Bank;
use crate::held::{Held, left_to_do};
use crate::judge::judge;
use crate::plan::{Asked, Step, plan};
use crate::report::{Numbers, Recovery, Report};
use crate::system::{Shape, System};
use crate::{inject, logs, officers};

/// Requests that must go through everything after a heal: enough for every
/// partition to be tried.
const PROBES: usize = 8;
/// How often a process that has ended is looked for.
const SUPERVISE_EVERY: Duration = Duration::from_secs(2);
/// How long all may take, after the last heal, until nothing moves any more.
const QUIET_WITHIN: Duration = Duration::from_secs(180);
/// For so long nothing must move. Longer than a consumer's session (10 s unless
/// CONSUMER_SESSION_TIMEOUT_MS says otherwise, which nobody here does): what a
/// killed one held comes to another after that.
const QUIET_FOR: Duration = Duration::from_secs(12);
/// The officers' time after the customers have gone.
const CLOSING_TIME: Duration = Duration::from_secs(45);
/// How long one question to the broker may take.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

/// What a run is made from.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) shape: Shape,
    pub(crate) asked: Asked,
    pub(crate) rate: u32,
    pub(crate) left_out: Vec<String>,
    pub(crate) command: String,
    /// How long after its heal a fault may be felt.
    pub(crate) recovered_within: Duration,
    /// After so long without a movement, what is left at the end is stuck.
    pub(crate) stuck_after: Duration,
}

/// Runs it.
pub(crate) async fn run(order: &Order) -> Result<Report> {
    let schedule = plan(&order.asked);
    ensure!(!schedule.is_empty(), "the time is too short for a fault");
    println!("schedule (seed {}):", order.asked.seed);
    for step in &schedule {
        println!("{step}");
    }
    for line in &order.left_out {
        println!("left out: {line}");
    }
    let planned: BTreeSet<String> = schedule.iter().map(Step::name).collect();
    let asked = order.asked.bundles.iter().map(ToString::to_string);
    let unplanned: Vec<String> = asked.filter(|name| !planned.contains(name)).collect();
    println!("{} of {} faults are in it", planned.len(), planned.len() + unplanned.len());
    let mut report = Report {
        command: order.command.clone(),
        seed: order.asked.seed,
        schedule: schedule.iter().map(ToString::to_string).collect(),
        left_out: order.left_out.clone(),
        ..Report::default()
    };
    report.left_out.extend(unplanned.iter().map(|name| format!("{name} (no time for it)")));
    println!("starting PostgreSQL, the broker and the processes …");
    let mut system = System::start(&order.shape).await?;
    let (bank, errands) = Bank::open(&system.links.front()?).await?;
    let (stop, stopped) = watch::channel(false);
    let seed = order.asked.seed;
    let customers = tokio::spawn(Arc::clone(&bank).run(order.rate, seed));
    let officers = tokio::spawn(officers::work(Arc::clone(&bank), errands, seed, stopped));

    break_and_heal(&mut system, &bank, &schedule, order, &mut report).await;

    bank.stopping.store(true, Ordering::Relaxed);
    report.ended_by_themselves.extend(system.revive().await?);
    customers.await??;
    tokio::time::sleep(CLOSING_TIME.min(Duration::from_secs(order.asked.seconds / 4))).await;
    stop.send_replace(true);
    officers.await??;
    let quiet = quiet(&system.db, order.stuck_after).await?;
    report.quiet_after_seconds = quiet.map(|after| after.as_secs_f64());

    let account = bank.ledger.read();
    let mut held = Held::read(&system.db).await?;
    let (worked_on, twice) = logs::worked_twice(system.stack.log_folder())?;
    held.worked_twice = twice;
    let letters = dead_letters(&system.cluster.true_bootstrap())?;
    if letters > held.dead_letters.len() as i64 {
        held.dead_letters.push(format!("{letters} messages in the topics of dead letters"));
    }
    report.findings = judge(&account, &held);
    report.findings.contradicted.extend(disagreements(&system.stack).await?);
    report.numbers = Numbers::of(&account, worked_on);
    report.passed = report.is_clean();
    keep_logs(&system)?;
    Ok(report)
}

async fn break_and_heal(
    system: &mut System,
    bank: &Arc<Bank>,
    schedule: &[Step],
    order: &Order,
    report: &mut Report,
) {
    let begun = Instant::now();
    let end = begun + Duration::from_secs(order.asked.seconds);
    for step in schedule {
        let due = begun + Duration::from_millis(step.at_ms);
        tokio::time::sleep_until(due.into()).await;
        // Recoveries have taken the time that was meant for the rest.
        if Instant::now() > end {
            report.left_out.push(format!("{} (no time was left)", step.name()));
            continue;
        }
        let at_seconds = begun.elapsed().as_secs_f64();
        println!("{at_seconds:>7.1} s  {}", step.name());
        match inject::play(system, step).await {
            Ok(ended) => report.ended_by_themselves.extend(ended),
            Err(error) => {
                println!("           {error:#}");
                report.failures.push(format!("{}: {error:#}", step.name()));
                if let Err(error) = system.revive().await {
                    report.failures.push(format!("{}: {error:#}", step.name()));
                    return;
                }
            }
        }
        let recovered = recovery(system, bank, order.recovered_within, report).await;
        match recovered {
            Some(after) => println!("           recovered after {:.1} s", after.as_secs_f64()),
            None => println!("           NOT recovered"),
        }
        report.recoveries.push(Recovery {
            fault: step.name(),
            at_seconds,
            recovered_after_seconds: recovered.map(|after| after.as_secs_f64()),
        });
    }
    tokio::time::sleep_until(end.into()).await;
}

/// From now until new requests go through everything: accepted, with the
/// manager, shown and told. What ends meanwhile is started again, as a
/// supervisor would.
async fn recovery(
    system: &mut System,
    bank: &Arc<Bank>,
    within: Duration,
    report: &mut Report,
) -> Option<Duration> {
    let begun = Instant::now();
    let mut probes = JoinSet::new();
    for _ in 0..PROBES {
        probes.spawn(probe(Arc::clone(bank), system.db.clone()));
    }
    while begun.elapsed() < within {
        tokio::select! {
            done = probes.join_next() => if done.is_none() {
                return Some(begun.elapsed());
            },
            () = tokio::time::sleep(SUPERVISE_EVERY) => match system.revive().await {
                Ok(ended) => report.ended_by_themselves.extend(ended),
                Err(error) => report.failures.push(format!("{error:#}")),
            },
        }
    }
    None
}

/// One request, until it is seen everywhere.
async fn probe(bank: Arc<Bank>, db: PgPool) {
    let id = loop {
        if let Some(id) = bank.probe().await {
            break id;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    while !seen(&db, &id).await.unwrap_or(false) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether a request is received, shown and told.
async fn seen(db: &PgPool, id: &str) -> Result<bool> {
    let sql = "SELECT (SELECT count(*) FROM loan_request.loan_request WHERE loan_request_id = $1::uuid AND status = '요청완료')
                    + (SELECT count(*) FROM loan_status.entry WHERE loan_request_id = $1::uuid AND event_type = 'LoanRequestReceived')
                    + (SELECT count(*) FROM loan_messenger.message WHERE loan_request_id = $1::uuid AND kind = 'request-received')";
    let row = sqlx::query(AssertSqlSafe(sql)).bind(id).fetch_one(db).await?;
    Ok(row.try_get::<i64, _>(0)? == 3)
}

/// Waits until nothing is left to do and nothing moves; how long that took.
/// None if something is left and does not move any more.
async fn quiet(db: &PgPool, stuck_after: Duration) -> Result<Option<Duration>> {
    let begun = Instant::now();
    let mut still_since = Instant::now();
    let mut before = (0, 0);
    while begun.elapsed() < QUIET_WITHIN {
        let now = left_to_do(db).await?;
        if now != before {
            still_since = Instant::now();
        }
        before = now;
        let still = still_since.elapsed();
        if now.0 == 0 && still >= QUIET_FOR {
            return Ok(Some(begun.elapsed() - QUIET_FOR));
        }
        if still >= stuck_after {
            return Ok(None);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(None)
}

/// How many messages there are in the topics of dead letters.
fn dead_letters(bootstrap: &str) -> Result<i64> {
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
    let mut letters = 0;
    for topic in events::topics::ALL {
        for partition in 0..events::topics::PARTITIONS {
            let (low, high) = client
                .fetch_watermarks(topic.dead_letters, partition, BROKER_TIMEOUT)
                .context("the dead letters cannot be counted")?;
            letters += high - low;
        }
    }
    Ok(letters)
}

/// The logs of the last run outlast it.
fn keep_logs(system: &System) -> Result<()> {
    let kept = std::path::absolute("target/chaos-logs")?;
    if kept.exists() {
        std::fs::remove_dir_all(&kept)?;
    }
    std::fs::create_dir_all(&kept)?;
    for folder in [system.stack.log_folder(), system.folder.path()] {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log")
                && let Some(name) = path.file_name()
            {
                std::fs::copy(&path, kept.join(name))?;
            }
        }
    }
    println!("the logs are kept in {}", kept.display());
    Ok(())
}
