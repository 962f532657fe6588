//! How long it takes to compare the five services, and in how much memory.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sqlx::PgPool;
use standalone::Stack;
use tokio::process::Command;

use super::Figure;

/// Executed loans that all five agree about, as if they had come yesterday. `$n` is
/// how many; each has four events.
const LOANS: &str = "
CREATE TEMPORARY TABLE made AS
    SELECT n, lpad(to_hex(n), 32, '0')::uuid AS id, md5('customer ' || n % 1000)::uuid AS customer_id,
           now() - interval '1 day' AS at
    FROM generate_series(1, $n) AS n;
CREATE TEMPORARY TABLE told AS
    SELECT made.*, place, md5(n || ' event ' || place)::uuid AS event_id,
           (ARRAY['LoanRequestReceived', 'LoanJudged', 'LoanJudged', 'LoanExecuted'])[place] AS event_type,
           (ARRAY['request-received', 'under-review', 'approved', 'executed'])[place] AS message,
           (ARRAY['00', '01', '02', '04'])[place] AS status
    FROM made CROSS JOIN generate_series(1, 4) AS place;
INSERT INTO loan_request.loan_request (loan_request_id, request_id, loan_id, request_name, amount, currency,
        status, customer_id, submitted_at, certified_at, received_at)
    SELECT id, '01', id, 'Deposit', 1000, 'KRW', '요청완료', customer_id, at, at, at FROM made;
INSERT INTO loan_auth.certification (loan_request_id, outcome, customer_id, request_id, loan_id, request_name,
        amount_of_money, currency, decided_at, event_id)
    SELECT id, 'certified', customer_id, '01', id, 'Deposit', 1000, 'KRW', at, md5('certified ' || n)::uuid FROM made;
INSERT INTO loan_manager.item (loan_request_id, kind, loan_id, status, amount, currency, outstanding, loan_version,
        customer_id, user_id, user_name, request_name, language, received_at, changed_at)
    SELECT id, '01', id, '04', 1000, 'KRW', 1000, 4, customer_id, 'user', 'name', 'Deposit', 'ko', at, at FROM made;
INSERT INTO loan_manager.history (event_id, loan_request_id, event_type, key, occurred_at, payload)
    SELECT event_id, id, event_type, id::text, at, '{}' FROM told;
INSERT INTO loan_messenger.mailbox (customer_id, last_seq) SELECT DISTINCT customer_id, 1000000 FROM made;
INSERT INTO loan_messenger.message (id, event_id, loan_request_id, loan_id, customer_id, seq, kind, language,
        subject, body, channel, created_at, sent_at)
    SELECT md5(n || ' message ' || place)::uuid, event_id, id, id, customer_id, n * 4 + place, message, 'ko',
           'subject', 'body', 'mailbox', at, at FROM told;
INSERT INTO loan_status.entry (id, event_id, event_type, loan_request_id, loan_id, customer_id, request_id,
        request_name, amount_of_money, currency, loan_status, loan_version, occurred_at)
    SELECT n * 4 + place, event_id, event_type, id, id, customer_id, '01', 'Deposit', 1000, 'KRW', status, place, at
    FROM told;
INSERT INTO loan_status.loan (loan_id, customer_id, request_name, amount_of_money, currency, loan_status,
        outstanding, loan_version, changed_at)
    SELECT id, customer_id, 'Deposit', 1000, 'KRW', '04', 1000, 4, at FROM made;
DROP TABLE told, made";

/// Makes so many loans and has them compared: once all agree, once every hundredth
/// lacks its messages.
pub(super) async fn measure(
    stack: &Stack,
    db: &PgPool,
    bin_dir: &Path,
    loans: u32,
) -> Result<Vec<Figure>> {
    println!("making {loans} loans in each service …");
    let fill = LOANS.replace("$n", &loans.to_string());
    sqlx::raw_sql(sqlx::AssertSqlSafe(fill)).execute(db).await?;
    sqlx::raw_sql("ANALYZE").execute(db).await?;
    let agreeing = reconcile(stack, bin_dir).await?;
    ensure!(agreeing.code == 0, "they do not agree: {}", agreeing.summary);
    sqlx::query("DELETE FROM loan_messenger.message WHERE loan_request_id IN (
            SELECT loan_request_id FROM loan_manager.item WHERE right(loan_request_id::text, 2) = '00')")
        .execute(db)
        .await?;
    let damaged = reconcile(stack, bin_dir).await?;
    ensure!(damaged.code == 1, "the damage was not found: {}", damaged.summary);
    Ok(vec![
        figure("loanctl reconcile, all agree", &agreeing),
        figure("loanctl reconcile, one in 256 lacks its messages", &damaged),
    ])
}

struct Run {
    code: i32,
    took: Duration,
    resident_max_kib: u64,
    summary: Value,
}

fn figure(name: &'static str, run: &Run) -> Figure {
    Figure {
        name,
        measured: format!(
            "{} requests in {:.1} s, {:.1} MiB at most, {} disagreeing",
            run.summary["checked"],
            run.took.as_secs_f64(),
            crate::everyday::kib_as_mib(run.resident_max_kib),
            run.summary["disagreeing"],
        ),
        goal: "≤ 60 s, ≤ 64 MiB",
        met: run.took <= Duration::from_secs(60) && run.resident_max_kib <= 64 * 1024,
    }
}

async fn reconcile(stack: &Stack, bin_dir: &Path) -> Result<Run> {
    let started = Instant::now();
    let child = Command::new(bin_dir.join("loanctl"))
        .args(["reconcile", "--json"])
        .envs(stack.operator_environment())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("loanctl")?;
    let status = format!("/proc/{}/status", child.id().context("it has ended already")?);
    let watching = tokio::spawn(async move {
        let mut max = 0;
        // The system keeps the maximum itself; the last look counts.
        while let Some(kib) = resident_max_kib(&status) {
            max = kib;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        max
    });
    let output = child.wait_with_output().await?;
    let took = started.elapsed();
    let text = String::from_utf8(output.stdout)?;
    let last: Value = serde_json::from_str(text.lines().last().context("no summary")?)?;
    Ok(Run {
        code: output.status.code().context("loanctl was killed")?,
        took,
        resident_max_kib: watching.await?,
        summary: last["summary"].clone(),
    })
}

fn resident_max_kib(status: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
