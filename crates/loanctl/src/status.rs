//! `loanctl status rebuild`: the read model is made anew beside the one that is
//! served.

mod forgotten;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::{Args, Subcommand};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use self::forgotten::forgotten;
use crate::api::Services;

/// How often it is asked how far it is.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Bytes of events in one call, well below what a service takes as a body.
const HISTORY_BYTES_MAX: usize = 40 * 1024;

/// After so long without a sign of life it is not waited for any more. The service gives
/// one every few seconds, and holds what it serves for three minutes at the most.
const SILENCE_MAX: Duration = Duration::from_secs(240);

/// What it can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the read model anew from the events, beside the one that is served, and
    /// put it in its place; nobody who reads notices. Says how the two differed.
    Rebuild(Rebuild),
}

#[derive(Args)]
struct Rebuild {
    /// Compare only, and change nothing; 1 if they differ.
    #[arg(long)]
    verify: bool,
    /// Begin with the history that loan-manager keeps. Done by itself where the topics
    /// are not kept from their beginning any more.
    #[arg(long)]
    from_owner: bool,
    /// What is served and no event tells of may go. Without this nothing is changed where
    /// there is such a thing.
    #[arg(long, conflicts_with_all = ["verify", "from_owner"])]
    drop_surplus: bool,
    /// JSON, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Begun {
    rebuild_id: Uuid,
}

/// A rebuild as it stands.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Standing {
    rebuild_id: Uuid,
    verify_only: bool,
    from_owner: bool,
    phase: String,
    events_total: u64,
    events_read: u64,
    left_out: u64,
    begun_at: String,
    seen_at: String,
    difference: Option<Value>,
    reason: Option<String>,
    is_cut: bool,
}

/// An event as loan-manager keeps it, passed on as it is.
#[derive(Deserialize)]
struct Kept(Value);

/// Does as it is told.
pub(crate) async fn status(services: &Services, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Command::Rebuild(wanted) = arguments.command;
    let plan = json!({
        "verifyOnly": wanted.verify,
        "fromOwner": wanted.from_owner,
        "dropSurplus": wanted.drop_surplus,
    });
    let mut last = run(services, &plan, wanted.from_owner).await?;
    if last.is_cut {
        say(&last.reason.clone().unwrap_or_default());
        say("it begins again with what loan-manager keeps");
        let plan = json!({"verifyOnly": wanted.verify, "fromOwner": true});
        last = run(services, &plan, true).await?;
    }
    if let Some(reason) = &last.reason {
        bail!("{reason}");
    }
    let differing = differing(last.difference.as_ref());
    let mut out = std::io::stdout().lock();
    if wanted.json {
        writeln!(out, "{}", serde_json::to_string(&last)?)?;
    } else {
        tell(&mut out, &last, differing)?;
    }
    let mut is_wrong = wanted.verify && differing > 0;
    if last.from_owner {
        let forgotten = forgotten(services).await?;
        if let Some(text) = forgotten.told() {
            say(&text);
            is_wrong = true;
        }
    }
    Ok(if is_wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One rebuild, from its beginning to its end.
async fn run(services: &Services, plan: &Value, from_owner: bool) -> anyhow::Result<Standing> {
    let begun: Begun = services.status.post("/admin/rebuild", plan).await?;
    if from_owner {
        hand_in_history(services, begun.rebuild_id).await?;
    }
    let started = Instant::now();
    let (mut seen_at, mut seen) = (String::new(), Instant::now());
    loop {
        let standing: Standing = services.status.get("/admin/rebuild", &[]).await?;
        if standing.rebuild_id != begun.rebuild_id {
            bail!("another rebuild has taken its place");
        }
        if ["done", "failed"].contains(&standing.phase.as_str()) {
            return Ok(standing);
        }
        if standing.seen_at != seen_at {
            (seen_at, seen) = (standing.seen_at.clone(), Instant::now());
        }
        if seen.elapsed() > SILENCE_MAX {
            bail!(
                "no sign of life for {} s: what has become of it is not known; begin again with --verify",
                SILENCE_MAX.as_secs()
            );
        }
        let rate = standing.events_read as f64 / started.elapsed().as_secs_f64().max(0.001);
        say(&format!(
            "{}: {} of {} events, {rate:.0}/s",
            standing.phase, standing.events_read, standing.events_total
        ));
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// What loan-manager keeps, page by page; one page is in memory at a time.
async fn hand_in_history(services: &Services, rebuild_id: Uuid) -> anyhow::Result<()> {
    let (mut after, mut given) = (None, 0);
    loop {
        let page = services.manager.page::<Kept>("/admin/events", after).await?;
        after = page.next;
        for events in in_parts(page.items) {
            given += events.len();
            let part = json!({"rebuildId": rebuild_id, "events": events});
            let _: IgnoredAny = services.status.post("/admin/rebuild/history", &part).await?;
        }
        say(&format!("history: {given} events"));
        if after.is_none() {
            break;
        }
    }
    let end = json!({"rebuildId": rebuild_id, "events": [], "isLast": true});
    let _: IgnoredAny = services.status.post("/admin/rebuild/history", &end).await?;
    Ok(())
}

/// As much of a page as fits into one call, and so on.
fn in_parts(events: Vec<Kept>) -> Vec<Vec<Value>> {
    let (mut parts, mut bytes) = (Vec::<Vec<Value>>::new(), HISTORY_BYTES_MAX);
    for Kept(event) in events {
        let length = event.to_string().len();
        if bytes + length > HISTORY_BYTES_MAX {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += length;
        if let Some(part) = parts.last_mut() {
            part.push(event);
        }
    }
    parts
}

/// Rows of all tables and kinds.
fn differing(difference: Option<&Value>) -> i64 {
    let tables = difference.and_then(Value::as_object).into_iter().flatten();
    tables
        .flat_map(|(_, rows)| rows.as_object().into_iter().flatten())
        .filter_map(|(_, n)| n.as_i64())
        .sum()
}

fn tell(out: &mut impl std::io::Write, last: &Standing, differing: i64) -> std::io::Result<()> {
    writeln!(out, "{} events read, {} of them left out", last.events_read, last.left_out)?;
    let count = |table: &str, kind: &str| {
        last.difference
            .as_ref()
            .map(|all| all[table][kind].as_i64().unwrap_or_default())
            .unwrap_or_default()
    };
    writeln!(out, "{:<14} {:>8} {:>8} {:>8}", "", "missing", "changed", "surplus")?;
    for table in ["entries", "loans", "cancellations"] {
        let [missing, changed, surplus] =
            ["missing", "changed", "surplus"].map(|kind| count(table, kind));
        writeln!(out, "{table:<14} {missing:>8} {changed:>8} {surplus:>8}")?;
    }
    match (differing, last.verify_only, last.from_owner) {
        (0, ..) => writeln!(out, "nothing differs"),
        (_, true, _) => writeln!(out, "{differing} rows differ; nothing was changed"),
        (_, false, false) => writeln!(out, "{differing} rows differed; none does now"),
        (_, false, true) => {
            writeln!(out, "{differing} rows differed; what only the served model knows was kept")
        }
    }
}

fn say(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_handed_in_in_parts_that_fit() {
        let event = |bytes: usize| Kept(json!("x".repeat(bytes - 2)));
        let parts = in_parts((0..90).map(|_| event(1_000)).collect());
        let sizes: Vec<usize> = parts.iter().map(Vec::len).collect();
        assert_eq!(sizes, [40, 40, 10]);
        let parts = in_parts(vec![event(60_000), event(10), event(60_000)]);
        assert_eq!(parts.len(), 3, "one that is too large goes by itself");
        assert!(in_parts(Vec::new()).is_empty());
    }

    #[test]
    fn all_rows_are_counted() {
        let rows = json!({"missing": 1, "changed": 2, "surplus": 4});
        assert_eq!(differing(Some(&json!({"entries": rows, "loans": rows}))), 14);
        assert_eq!(differing(None), 0);
    }
}
