//! From the first byte of an application to its entry in the live status.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::StreamExt;
use journeys::client::{Client, Credentials, id_of};
use serde_json::Value;
use tokio::sync::mpsc;

use super::Figure;

/// How long an entry may take before it counts as missing.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

pub(super) async fn measure(client: &Client, rate: u32, seconds: u32) -> Result<Figure> {
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
    for number in 0..total {
        let due = begun + Duration::from_secs(1) * number / rate;
        tokio::time::sleep_until(due.into()).await;
        let client = client.clone();
        sending.push(tokio::spawn(async move {
            let body = Credentials::demo().application(10_000);
            let answer = client.post("/loanRequests", "", &body).await?.expect(201)?;
            anyhow::Ok((id_of(answer.header("location"))?, due, answer.took))
        }));
    }
    let mut due_at = HashMap::new();
    let mut answered = Vec::new();
    for sent in sending {
        let (id, due, took) = sent.await??;
        due_at.insert(id, due);
        answered.push(took);
    }
    let mut seen_after = Vec::new();
    let until = Instant::now() + SEEN_WITHIN;
    while seen_after.len() < due_at.len() {
        let Ok(Some((id, at))) = tokio::time::timeout_at(until.into(), entries.recv()).await else {
            break;
        };
        if let Some(due) = due_at.get(&id) {
            seen_after.push(at.duration_since(*due));
        }
    }
    reading.abort();
    ensure!(seen_after.len() == due_at.len(), "{} of {} were seen", seen_after.len(), due_at.len());
    let (p50, p99) = (percentile(&mut seen_after, 50), percentile(&mut seen_after, 99));
    Ok(Figure {
        name: "POST /loanRequests → entry in /loanStatus",
        measured: format!(
            "p50 {} ms, p99 {} ms at {rate}/s ({total} requests; the answer itself p50 {} ms, p99 {} ms)",
            ms(p50),
            ms(p99),
            ms(percentile(&mut answered, 50)),
            ms(percentile(&mut answered, 99)),
        ),
        goal: "p50 ≤ 10 ms, p99 ≤ 30 ms",
        met: p50 <= Duration::from_millis(10) && p99 <= Duration::from_millis(30),
    })
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

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(index).copied().unwrap_or_default()
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1_000.0)
}
