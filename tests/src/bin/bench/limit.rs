//! How much of what the database could do is made use of: applications by the whole system,
//! beside pgbench that only writes what applications write, on the same server.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use journeys::siege;
use sqlx::PgPool;
use tokio::process::Command;

use crate::Figure;
use crate::costs::Costs;

/// The statements of so many applications.
const SCRIPT: &str = include_str!("limit.sql");

/// Ids in the order of time, as the services make them (UUID version 7).
const BENCH_ID: &str = "
    CREATE OR REPLACE FUNCTION bench_id(ms bigint, run bigint, n bigint) RETURNS uuid IMMUTABLE PARALLEL SAFE LANGUAGE sql
    RETURN (lpad(to_hex(ms), 12, '0') || '7' || substr(md5(run || '.' || n), 1, 19))::uuid";

/// Sessions that write, as there are services that do.
const SESSIONS: u32 = 6;

pub(crate) async fn measure(
    gateway: &str,
    superuser: &str,
    db: &PgPool,
    seconds: u32,
) -> Result<Vec<Figure>> {
    // Not what comes first: plans and caches are made then.
    siege::run(gateway, 100, 5).await?;
    println!("siege -c100 -t{seconds}S …");
    let commits = commits(db).await?;
    let costs = Costs::now()?;
    let ours = siege::run(gateway, 100, seconds).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let commits = self::commits(db).await? - commits;
    let costs = Costs::now()?.since(&costs);
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let (each, applications) =
        (commits as f64 / ours.transactions as f64, ours.transactions as f64);
    sqlx::query(BENCH_ID).execute(db).await?;
    // As many applications share a commit in the script as in the system; both are counted
    // as the server counts them, reads included.
    let before = self::commits(db).await?;
    let tried = pgbench(superuser, 1, 3).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let of_script = (self::commits(db).await? - before) as f64 / tried.transactions;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let batch = (of_script / each).round().max(1.0) as u32;
    println!("pgbench with {batch} applications in each transaction …");
    let alone = pgbench(superuser, batch, seconds).await?.each_second * f64::from(batch);
    let share = ours.rate / alone;
    let database = costs.of("PostgreSQL").as_secs_f64() * 1_000.0 / applications;
    Ok(vec![Figure {
        name: "applications a second beside pgbench with what they write",
        measured: format!(
            "siege's 100 clients {:.0}/s; pgbench alone {alone:.0}/s with {batch} of them in each transaction, \
             as in the system ({each:.2} commits an application): {share:.2} of it. \
             The system's PostgreSQL took {database:.2} ms of processor an application",
            ours.rate
        ),
        goal: "≥ 0.5",
        met: share >= 0.5,
    }])
}

async fn commits(db: &PgPool) -> Result<i64> {
    let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    Ok(sqlx::query_scalar(sql).fetch_one(db).await?)
}

/// What pgbench has done.
struct Done {
    transactions: f64,
    each_second: f64,
}

/// Runs the script with so many applications in each transaction.
async fn pgbench(superuser: &str, batch: u32, seconds: u32) -> Result<Done> {
    let script = tempfile::NamedTempFile::new()?;
    std::fs::write(script.path(), SCRIPT)?;
    let planning = common::db::PLANNING.map(|(name, value)| format!("-c {name}={value}"));
    let output = Command::new("pgbench")
        .args(["-n", "-M", "prepared", "-D", &format!("batch={batch}"), "-f"])
        .arg(script.path())
        .args(["-c", &SESSIONS.to_string(), "-j", "2", "-T", &seconds.to_string()])
        .arg(superuser)
        .env("PGOPTIONS", planning.join(" "))
        .output()
        .await
        .context("pgbench is not there; it comes with PostgreSQL")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pgbench: {errors}");
    let figure = |label: &str| -> Result<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(label));
        let word = line.and_then(|rest| rest.split_whitespace().next());
        Ok(word.with_context(|| format!("pgbench says no {label} {text} {errors}"))?.parse()?)
    };
    Ok(Done {
        transactions: figure("number of transactions actually processed:")?,
        each_second: figure("tps =")?,
    })
}
