//! From the first byte of an application to its entry in the live status.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use common::clock::Clock;
use futures::StreamExt;
use journeys::client::{Client, Credentials, id_of};
use reqwest::Method;
use serde_json::Value;
use tokio::sync::mpsc;

use super::Figure;

/// How long an entry may take before it counts as missing.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

/// How long applications took.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    /// Until their entry was read.
    pub(super) seen: Vec<Duration>,
    /// Until they were answered.
    pub(super) answered: Vec<Duration>,
}

/// Applications that come whether or not earlier ones are answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// So many each second.
    pub(super) rate: u32,
    /// For so long.
    pub(super) seconds: u32,
    /// Each with an `Idempotency-Key`, as clients send it that would repeat it.
    pub(super) is_keyed: bool,
}

pub(super) async fn measure(client: &Client, rate: u32, seconds: u32) -> Result<Figure> {
    let before = stolen()?;
    let Times { mut seen, mut answered } =
        load(client, Load { rate, seconds, is_keyed: false }).await?;
    let stolen = stolen()?.saturating_sub(before);
    let (p50, p99) = (percentile(&mut seen, 50), percentile(&mut seen, 99));
    Ok(Figure {
        name: "POST /loanRequests → entry in /loanStatus",
        measured: format!(
            "p50 {} ms, p99 {} ms at {rate}/s ({} requests; the answer itself p50 {} ms, p99 {} ms; \
             the hypervisor kept {} ms of processor time)",
            ms(p50),
            ms(p99),
            seen.len(),
            ms(percentile(&mut answered, 50)),
            ms(percentile(&mut answered, 99)),
            stolen.as_millis(),
        ),
        goal: "p50 ≤ 10 ms, p99 ≤ 30 ms",
        met: p50 <= Duration::from_millis(10) && p99 <= Duration::from_millis(30),
    })
}

/// Sends them, and waits until all of them are shown.
pub(super) async fn load(client: &Client, load: Load) -> Result<Times> {
    let Load { rate, seconds, is_keyed } = load;
    let token = client.demo_customer().await?;
    let (seen, mut entries) = mpsc::unbounded_channel();
    let stream = client
        .http
        .get(format!("{}/loanStatus/stream", client.base))
        .timeout(Duration::from_secs(3_600))
        .bearer_auth(&token)
        .send()
        .await?;
    ensure!(stream.status() == 200, "no stream: {}", stream.status());
    let reading = tokio::spawn(read(stream, seen));

    let total = rate * seconds;
    println!("{total} applications, {rate} each second …");
    let begun = Instant::now();
    let mut sending = Vec::new();
    let mut dues = pace(begun, rate, total);
    while let Some(due) = dues.recv().await {
        let client = client.clone();
        sending.push(tokio::spawn(async move {
            let request = client.request(Method::POST, "/loanRequests");
            let mut request = request.json(&Credentials::demo().application(10_000));
            if is_keyed {
                let key = Clock::system().new_id().to_string();
                request = request.header("Idempotency-Key", key);
            }
            let answer = client.send(request).await?.expect(201)?;
            anyhow::Ok((id_of(answer.header("location"))?, due, answer.took))
        }));
    }
    let mut due_at = HashMap::new();
    let mut times = Times::default();
    for sent in sending {
        let (id, due, took) = sent.await??;
        due_at.insert(id, due);
        times.answered.push(took);
    }
    let until = Instant::now() + SEEN_WITHIN;
    while times.seen.len() < due_at.len() {
        let Ok(Some((id, at))) = tokio::time::timeout_at(until.into(), entries.recv()).await else {
            break;
        };
        if let Some(due) = due_at.get(&id) {
            times.seen.push(at.duration_since(*due));
        }
    }
    reading.abort();
    let (seen, sent) = (times.seen.len(), due_at.len());
    ensure!(seen == sent, "{seen} of {sent} were seen");
    Ok(times)
}

/// Says when each is due, and that it is. A thread of its own: the runtime's timers know
/// whole milliseconds, and what they add would count as the system's.
pub(super) fn pace(begun: Instant, rate: u32, total: u32) -> mpsc::UnboundedReceiver<Instant> {
    let (due, dues) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for number in 0..total {
            let at = begun + Duration::from_secs(1) * number / rate;
            #[expect(clippy::disallowed_methods, reason = "it is no thread of the runtime's")]
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            if due.send(at).is_err() {
                return;
            }
        }
    });
    dues
}

/// How long, since it started, this machine's processors were ready and the hypervisor
/// ran something else: the eighth figure of `/proc/stat`, in hundredths of a second.
fn stolen() -> Result<Duration> {
    let all = std::fs::read_to_string("/proc/stat")?;
    let steal = all.split_whitespace().nth(8).context("no steal in /proc/stat")?;
    Ok(Duration::from_millis(steal.parse::<u64>()? * 10))
}

/// Passes on each loan's id the moment its first entry is read.
async fn read(stream: reqwest::Response, seen: mpsc::UnboundedSender<(String, Instant)>) {
    let mut chunks = stream.bytes_stream();
    let mut text = String::new();
    while let Some(Ok(chunk)) = chunks.next().await {
        let now = Instant::now();
        text.push_str(&String::from_utf8_lossy(&chunk));
        while let Some(end) = text.find('\n') {
            let line: String = text.drain(..=end).collect();
            let Some(data) = line.trim_end().strip_prefix("data:") else { continue };
            let entry: Value = serde_json::from_str(data.trim()).unwrap_or_default();
            if entry["loanStatusCode"] == "00"
                && let Some(id) = entry["loanRequestId"].as_str()
                && seen.send((id.to_owned(), now)).is_err()
            {
                return;
            }
        }
    }
}

pub(super) fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(index).copied().unwrap_or_default()
}

pub(super) fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1_000.0)
}
