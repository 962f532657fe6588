//! wrk with an application: connections that are kept, each with one request under way, and its
//! own clock. A closed loop: who waits for an answer sends nothing meanwhile.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use journeys::client::Credentials;
use tempfile::NamedTempFile;
use tokio::process::Command;

use crate::costs::Costs;

pub(crate) struct Wrk {
    script: NamedTempFile,
}

/// What came of it.
pub(crate) struct Seen {
    /// A second.
    pub(crate) rate: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) requests: u64,
    /// Processor time meanwhile, of each part.
    pub(crate) costs: Costs,
}

impl Wrk {
    pub(crate) fn new() -> Result<Self> {
        let body = Credentials::demo().application(10_000).to_string();
        let mut script = NamedTempFile::with_suffix(".lua")?;
        write!(
            script,
            "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = [[{body}]]\n"
        )?;
        Ok(Self { script })
    }

    /// Applies over so many connections.
    ///
    /// # Errors
    /// If wrk is not installed, or anything was not answered well.
    pub(crate) async fn run(
        &self,
        what: &str,
        url: &str,
        connections: u32,
        seconds: u32,
    ) -> Result<Seen> {
        println!("{what}: wrk -c{connections} -d{seconds}s {url} …");
        let before = Costs::now()?;
        let output = Command::new("wrk")
            .args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "--latency", "-s"])
            .arg(self.script.path())
            .arg(format!("{url}/loanRequests"))
            .output()
            .await
            .context("wrk is not installed; it is Debian's package `wrk`")?;
        let costs = Costs::now()?.since(&before);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(!text.contains("Non-2xx"), "not all were answered well: {text}");
        let word = |label: &str| -> Result<String> {
            let line = text.lines().find(|line| line.trim_start().starts_with(label));
            let line = line.with_context(|| format!("wrk says no {label}: {text}"))?;
            Ok(line.split_whitespace().nth(1).unwrap_or_default().to_owned())
        };
        let count = text.lines().find(|line| line.contains(" requests in "));
        let count = count.and_then(|line| line.split_whitespace().next());
        Ok(Seen {
            rate: word("Requests/sec:")?.parse()?,
            p50: time(&word("50%")?)?,
            p99: time(&word("99%")?)?,
            requests: count.context("wrk does not say how many")?.parse()?,
            costs,
        })
    }
}

impl Seen {
    /// Processor time of one request in milliseconds, of one part.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    pub(crate) fn ms_of(&self, part: &str) -> f64 {
        self.costs.of(part).as_secs_f64() * 1_000.0 / self.requests.max(1) as f64
    }
}

/// A time as wrk writes it: `350.00us`, `1.20ms`, `2.00s`.
fn time(text: &str) -> Result<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: f64 = digits.parse().with_context(|| format!("no time: {text}"))?;
    let seconds = match &text[digits.len()..] {
        "us" => number / 1_000_000.0,
        "ms" => number / 1_000.0,
        _ => number,
    };
    Ok(Duration::from_secs_f64(seconds))
}
