//! By a provider of short messages, who is spoken to as a web-hook is, and is ours.

use std::time::Duration;

use anyhow::{Context as _, Result};
use journeys::harness::Journey;
use journeys::hook_receiver::{HookReceiver, Manner, Told};
use serde_json::json;
use standalone::Service;

use super::{Reader, all_written, apply, impatient, is_signed, register, until, written};

const PATH: &str = "/loanMessengers/delivery";
/// What the provider knows us by.
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

async fn with_provider(provider: &HookReceiver) -> Result<Journey> {
    let url = provider.url();
    Journey::start_with(|stack| {
        impatient(stack).env(Service::LoanMessenger, "SMS_URL", &url).env(
            Service::LoanMessenger,
            "SMS_SECRET",
            SECRET,
        )
    })
    .await
}

/// The short messages that the provider was told of, without the codes.
fn messages(provider: &HookReceiver) -> Vec<Told> {
    let told = provider.told().into_iter();
    told.filter(|told| !told.header("webhook-id").starts_with("verification.")).collect()
}

fn ids(provider: &HookReceiver) -> Vec<String> {
    messages(provider).iter().map(|told| told.header("webhook-id").to_owned()).collect()
}

/// Registers one, who chooses short messages and proves the number.
async fn texted(journey: &Journey, provider: &HookReceiver) -> Result<Reader> {
    let reader = register(journey, "kim", "en").await?;
    // The number comes by an event.
    let known = "SELECT count(*) FROM loan_messenger.recipient WHERE user_name = 'Reader kim'";
    journey.wait_count(known, 1).await?;
    let client = &journey.client;
    let ask = json!({ "channel": "sms" });
    client.patch(PATH, &reader.token, &ask).await?.expect(200)?;
    client.post(&format!("{PATH}/verifications"), &reader.token, &ask).await?.expect(202)?;
    until("a code", || !provider.told().is_empty()).await?;
    let told = provider.told().pop().context("nothing")?;
    assert!(is_signed(&told, SECRET), "{told:?}");
    let text = told.json()["data"]["text"].as_str().unwrap_or_default().to_owned();
    let code: String = text.chars().filter(char::is_ascii_digit).take(8).collect();
    let confirm = json!({ "channel": "sms", "code": code });
    let path = format!("{PATH}/confirmations");
    client.post(&path, &reader.token, &confirm).await?.expect(204).context(text)?;
    Ok(reader)
}

#[tokio::test]
async fn a_short_message_is_one_line_and_says_nothing_that_is_private() -> Result<()> {
    let provider = HookReceiver::start().await?;
    let journey = with_provider(&provider).await?;
    let kim = texted(&journey, &provider).await?;
    let shown = journey.client.get(PATH, &kim.token).await?.expect(200)?;
    assert_eq!(shown.json()["sms"]["isVerified"], true, "{}", shown.text);
    assert!(!shown.text.contains("010-111-1111"), "{}", shown.text);
    apply(&journey, &kim, 1).await?;
    until("one message", || messages(&provider).len() == 1).await?;
    let told = messages(&provider).pop().context("none")?;
    assert!(is_signed(&told, SECRET), "{told:?}");
    assert_eq!(told.json()["type"], "sms");
    assert_eq!(told.json()["data"]["to"], "010-111-1111");
    let text = told.json()["data"]["text"].as_str().context("no text")?.to_owned();
    assert!(text.contains("1,000") && !text.contains('\n'), "{text}");
    // It stands on a screen that is locked: neither who, nor what for.
    assert!(!text.contains(&kim.who.user_name) && !text.contains("Deposit"), "{text}");
    assert_eq!(ids(&provider), written(&journey, &kim).await?);
    journey.finish().await
}

#[tokio::test]
async fn a_provider_that_misbehaves_is_told_all_in_order() -> Result<()> {
    let provider = HookReceiver::start().await?;
    let journey = with_provider(&provider).await?;
    let kim = texted(&journey, &provider).await?;
    // A provider is ours to set right, also one that says that it is gone for good.
    let mut count = 0;
    for manner in [
        Manner::Answer(500),
        Manner::Answer(401),
        Manner::Answer(410),
        Manner::Later(1),
        Manner::Slow(Duration::from_secs(5)),
    ] {
        provider.set(manner.clone());
        journey.client.apply(&kim.who, 1_000).await?;
        journey.client.apply(&kim.who, 1_000).await?;
        count += 2;
        let last = all_written(&journey, &kim, count).await?.pop().unwrap_or_default();
        until("a try", || ids(&provider).len() >= count - 1).await?;
        provider.set(Manner::Take);
        until(&format!("all, after {manner:?}"), || ids(&provider).contains(&last)).await?;
    }
    let mut came = ids(&provider);
    came.dedup();
    assert_eq!(came, written(&journey, &kim).await?, "every one, in order");
    // What it will not send is left, and is for people; the next one goes.
    provider.set(Manner::Answer(422));
    apply(&journey, &kim, 1).await?;
    let failed =
        "SELECT count(*) FROM loan_messenger.delivery WHERE state = 'failed' AND reason = '422'";
    journey.wait_count(failed, 1).await?;
    provider.set(Manner::Take);
    apply(&journey, &kim, 1).await?;
    let sent = "SELECT count(*) FROM loan_messenger.delivery WHERE state = 'sent'";
    journey.wait_count(sent, i64::try_from(count)? + 1).await?;
    journey.finish().await
}
