//! How much processor time each part takes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::Figure;

/// One tick of the times in `/proc/PID/stat`: `USER_HZ` is 100 on every Linux (proc(5)).
const TICK: Duration = Duration::from_millis(10);

/// Processor time since their start, by the name of the part.
#[derive(Clone, Debug, Default)]
pub(crate) struct Costs(BTreeMap<String, Duration>);

/// What is needed of `/proc/PID/stat`.
struct Process {
    name: String,
    parent: u32,
    /// User and system time of it, and of its children that have ended.
    took: Duration,
}

impl Costs {
    /// Of this process and all that it has started, until now.
    pub(crate) fn now() -> Result<Self> {
        let mut costs = Self::default();
        for (_, part, took) in parts()? {
            *costs.0.entry(part).or_default() += took;
        }
        Ok(costs)
    }

    /// What of it came since then.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let grown = self.0.iter().map(|(part, now)| {
            let then = before.0.get(part).copied().unwrap_or_default();
            (part.clone(), now.saturating_sub(then))
        });
        Self(grown.collect())
    }

    /// Of one part.
    pub(crate) fn of(&self, part: &str) -> Duration {
        self.0.get(part).copied().unwrap_or_default()
    }

    /// For one of so many requests, in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    pub(crate) fn ms_of_one(&self, requests: u64) -> f64 {
        let sum: f64 = self.0.values().map(Duration::as_secs_f64).sum();
        sum * 1_000.0 / requests.max(1) as f64
    }

    /// For one of so many requests, and how many a second that allows.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    pub(crate) fn of_one(&self, requests: u64) -> Figure {
        let each = |took: &Duration| took.as_secs_f64() * 1_000.0 / requests.max(1) as f64;
        let sum = self.ms_of_one(requests);
        let mut parts: Vec<_> = self.0.iter().map(|(part, took)| (each(took), part)).collect();
        parts.sort_by(|one, other| other.0.total_cmp(&one.0));
        let told: Vec<_> = parts.iter().map(|(ms, part)| format!("{part} {ms:.2}")).collect();
        let processors =
            std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
        Figure {
            name: "processor time of one application, all parts",
            measured: format!(
                "{sum:.2} ms ({}); {processors} processors allow {:.0}/s",
                told.join(", "),
                processors * 1_000.0 / sum
            ),
            goal: "told",
            met: sum > 0.0,
        }
    }
}

/// Which part each thread is of, of this process and all that it has started.
pub(crate) fn threads() -> Result<BTreeMap<u32, String>> {
    let mut threads = BTreeMap::new();
    for (pid, part, _) in parts()? {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for task in tasks {
            if let Some(id) = task.file_name().to_str().and_then(|name| name.parse().ok()) {
                threads.insert(id, part.clone());
            }
        }
    }
    Ok(threads)
}

/// The same, with the processor time of each.
fn parts() -> Result<Vec<(u32, String, Duration)>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").context("no /proc")?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // One that ends meanwhile is its parent's from then on.
        if let Some(process) = process(pid) {
            all.insert(pid, process);
        }
    }
    let me = std::process::id();
    let mut parts = Vec::new();
    for (pid, process) in &all {
        let mut ancestor = *pid;
        while ancestor != me
            && let Some(parent) = all.get(&ancestor).map(|process| process.parent)
        {
            ancestor = parent;
        }
        if ancestor == me {
            // The embedded broker is a part of the program that starts everything.
            let part = match process.name.as_str() {
                _ if *pid == me => "load generator",
                "standalone" => "broker",
                "postgres" => "PostgreSQL",
                name => name,
            };
            parts.push((*pid, part.to_owned(), process.took));
        }
    }
    Ok(parts)
}

fn process(pid: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything; what follows is counted from the
    // last of them: state, parent, …
    let (head, tail) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u32>().ok();
    let ticks = (11..=14).map(|index| number(index).unwrap_or(0)).sum::<u32>();
    Some(Process {
        name: head.split_once('(')?.1.to_owned(),
        parent: number(1)?,
        took: TICK * ticks,
    })
}
