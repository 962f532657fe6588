//! Streams: one's own, wherever one says that one was.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use journeys::client::Client;
use journeys::harness::Journey;
use reqwest::Method;
use standalone::Service;
use tokio::time::{Instant, timeout, timeout_at};

use crate::contract::Findings;
use crate::scene::{Scene, doors, listed, never_was};

/// A stream shows one's own, wherever one says that one was.
pub(super) async fn streams(
    journey: &Journey,
    scene: &Scene,
    findings: &mut Findings,
) -> Result<()> {
    let (owner, stranger) = (&scene.owner, &scene.stranger);
    let theirs = journey.client.get("/loanStatus?size=200", &stranger.token).await?.expect(200)?;
    let theirs = listed(&theirs).len();
    let epoch = scene.entry.split('-').next().context("an epoch")?;
    for (door, client) in doors(journey, Service::LoanStatus)? {
        let from_start = stream(&client, "", &stranger.token, None, theirs).await?;
        findings
            .check(count(&from_start) == theirs && !from_start.contains("event: reset"), || {
                format!("a stream at {door}: {from_start}")
            });
        let places = [
            scene.entry.clone(),
            format!("{epoch}-999999999"),
            "0123456789ab-1".to_owned(),
            "nonsense".to_owned(),
        ];
        let mut seen = Vec::new();
        for place in &places {
            let text = stream(&client, "", &stranger.token, Some(place), theirs).await?;
            let is_closed = text.contains("event: reset")
                && count(&text) == theirs
                && !text.contains(&owner.id)
                && !text.contains(&scene.loan);
            findings.check(is_closed, || format!("behind {place} at {door}: {text}"));
            seen.push(text);
        }
        findings
            .check(seen.windows(2).all(|two| two[0] == two[1]), || format!("at {door}: {seen:#?}"));
        // The owner was there, and goes on from there.
        let owners = stream(&client, "", &owner.token, Some(&scene.entry), 1).await?;
        findings
            .check(!owners.contains("event: reset"), || format!("the owner at {door}: {owners}"));

        let filters = [
            format!("?loanId={}", scene.loan),
            format!("?customerId={}", owner.id),
            format!("?loanId={}&customerId={}", scene.loan, stranger.id),
        ];
        let never = format!("?loanId={}", never_was());
        let asked = filters.iter().chain([&never]);
        let texts = asked.map(|filter| stream(&client, filter, &stranger.token, None, 1));
        let texts = futures::future::try_join_all(texts).await?;
        findings.check(texts.windows(2).all(|two| two[0] == two[1]), || {
            format!("{filters:?} at {door}: {texts:#?}")
        });
        for filter in &filters[..2] {
            let all = stream(&client, filter, &scene.officer, None, 1).await?;
            findings.check(count(&all) > 0, || format!("{filter} for an officer at {door}: {all}"));
        }
    }
    Ok(())
}

fn count(stream: &str) -> usize {
    stream.lines().filter(|line| line.starts_with("event: loanStatus")).count()
}

/// A stream until so many entries have come, and what comes in the moment after.
async fn stream(
    client: &Client,
    query: &str,
    token: &str,
    behind: Option<&str>,
    entries: usize,
) -> Result<String> {
    let mut request = client.request(Method::GET, &format!("/loanStatus/stream{query}"));
    request = request.bearer_auth(token);
    if let Some(place) = behind {
        request = request.header("Last-Event-ID", place);
    }
    let mut response = request.send().await?;
    if response.status() != 200 {
        bail!("a stream: {} {}", response.status(), response.text().await?);
    }
    let (mut text, until) = (String::new(), Instant::now() + Duration::from_millis(900));
    while count(&text) < entries {
        match timeout_at(until, response.chunk()).await {
            Ok(chunk) => {
                text.push_str(&String::from_utf8_lossy(&chunk?.context("the stream ended")?))
            }
            Err(_) => return Ok(text),
        }
    }
    while let Ok(Ok(Some(chunk))) = timeout(Duration::from_millis(80), response.chunk()).await {
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    Ok(text)
}
