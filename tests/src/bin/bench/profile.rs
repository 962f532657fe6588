//! Where an application's processor time goes: by part and kind of code, as perf(1) samples
//! it, and by statement, as PostgreSQL counts it (pg_stat_statements).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use journeys::siege;
use sqlx::PgPool;
use standalone::Postgres;
use tokio::process::Command;

use crate::Figure;
use crate::costs;

/// Samples a second on each processor. A prime, so as not to fall in step with anything.
const SAMPLES: &str = "397";

/// Statements that are shown.
const STATEMENTS: i64 = 16;

/// Shares of a part's samples, in percent of all, by the kind of code.
#[derive(Default)]
struct Shares {
    own: f64,
    libc: f64,
    kernel: f64,
    other: f64,
}

impl Shares {
    fn sum(&self) -> f64 {
        self.own + self.libc + self.kernel + self.other
    }
}

/// Has the server count statements: before anything is connected to it.
pub(crate) async fn prepare(postgres: &mut Postgres) -> Result<()> {
    let db = PgPool::connect(&postgres.superuser_url()).await?;
    sqlx::query("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
        .execute(&db)
        .await?;
    db.close().await;
    postgres.stop().await?;
    postgres.start_again().await
}

pub(crate) async fn measure(gateway: &str, db: &PgPool, seconds: u32) -> Result<Vec<Figure>> {
    sqlx::query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").execute(db).await?;
    siege::run(gateway, 100, 5).await?;
    sqlx::query("SELECT pg_stat_statements_reset()").execute(db).await?;
    println!("siege -c100 -t{seconds}S, with perf beside it …");
    let samples = tempfile::NamedTempFile::new()?;
    let perf = Command::new("perf")
        .args(["record", "-a", "-q", "-F", SAMPLES, "-o"])
        .arg(samples.path())
        .args(["--", "sleep", &(seconds - 1).to_string()])
        .output();
    let (siege, perf) = tokio::join!(siege::run(gateway, 100, seconds), perf);
    let (siege, perf) =
        (siege?, perf.context("perf is not there; it is Debian's package `linux-perf`")?);
    ensure!(perf.status.success(), "perf: {}", String::from_utf8_lossy(&perf.stderr));
    println!("{}", parts(samples.path()).await?);
    println!("{}", statements(db, siege.transactions).await?);
    Ok(vec![Figure {
        name: "siege, 100 clients, while it is looked at",
        measured: format!("{:.0}/s", siege.rate),
        goal: "told",
        met: siege.failed == 0,
    }])
}

/// The samples as a table.
async fn parts(samples: &Path) -> Result<String> {
    let output = Command::new("perf")
        .args(["report", "--stdio", "--sort", "pid,dso", "-i"])
        .arg(samples)
        .output()
        .await?;
    let names = costs::threads()?;
    let mut parts: BTreeMap<String, Shares> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut words = line.split_whitespace();
        let (Some(share), Some(task), Some(object)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Some(Ok(share)) = share.strip_suffix('%').map(str::parse::<f64>) else { continue };
        let (pid, thread) = task.split_once(':').unwrap_or(("", task));
        let known = pid.parse().ok().and_then(|pid: u32| names.get(&pid).cloned());
        // siege and what has ended are known by their threads alone.
        let part = known.unwrap_or_else(|| thread.to_owned());
        let shares = parts.entry(part).or_default();
        match object {
            "[kernel.kallsyms]" | "[unknown]" | "[vdso]" => shares.kernel += share,
            _ if object.starts_with("libc.") => shares.libc += share,
            _ if object.contains(".so") => shares.other += share,
            _ => shares.own += share,
        }
    }
    let mut rows: Vec<_> = parts.into_iter().filter(|(_, shares)| shares.sum() >= 0.5).collect();
    rows.sort_by(|one, other| other.1.sum().total_cmp(&one.1.sum()));
    let mut table = String::from(
        "| part | of all samples | its own code | malloc, memcpy and their like | kernel | other |\n|---|---|---|---|---|---|\n",
    );
    for (part, shares) in rows {
        let Shares { own, libc, kernel, other } = &shares;
        let sum = shares.sum();
        writeln!(
            table,
            "| {part} | {sum:.1} % | {own:.1} % | {libc:.1} % | {kernel:.1} % | {other:.1} % |"
        )?;
    }
    Ok(table)
}

/// The statements that take longest, as a table.
#[expect(clippy::cast_precision_loss, reason = "counts")]
async fn statements(db: &PgPool, applications: u64) -> Result<String> {
    let rows: Vec<(String, f64, i64, i64)> = sqlx::query_as(
        "SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 70), total_exec_time, calls, rows
           FROM pg_stat_statements WHERE calls > 0 ORDER BY 2 DESC LIMIT $1",
    )
    .bind(STATEMENTS)
    .fetch_all(db)
    .await?;
    let mut table = String::from(
        "| statement | µs an application | ms a call | calls for 100 applications | rows a call |\n|---|---|---|---|---|\n",
    );
    for (query, ms, calls, rows) in rows {
        let (calls, applications) = (calls as f64, applications.max(1) as f64);
        writeln!(
            table,
            "| `{}` | {:.0} | {:.2} | {:.1} | {:.1} |",
            query.replace('|', "\\|"),
            ms * 1_000.0 / applications,
            ms / calls,
            100.0 * calls / applications,
            rows as f64 / calls,
        )?;
    }
    Ok(table)
}
