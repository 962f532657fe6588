//! To customers' own systems: signed, only where it may go, and at the receiver's pace.

use std::time::Duration;

use anyhow::{Context as _, Result};
use journeys::harness::Journey;
use journeys::hook_receiver::{HookReceiver, Manner, Told};
use serde_json::json;
use standalone::Service;

use super::{Reader, apply, impatient, is_signed, register, until, written};

const PATH: &str = "/loanMessengers/delivery";

/// Without mail, so that the web-hook is the only way.
async fn start() -> Result<Journey> {
    Journey::start_with(impatient).await
}

fn messages(receiver: &HookReceiver) -> Vec<Told> {
    receiver.told().into_iter().filter(|told| told.json()["type"] == "loan.message").collect()
}

/// Sets, verifies and chooses the web-hook; its secret.
async fn hooked(journey: &Journey, reader: &Reader, receiver: &HookReceiver) -> Result<String> {
    let client = &journey.client;
    let set = json!({ "url": receiver.url() });
    let answer = client.post(&format!("{PATH}/webhook"), &reader.token, &set).await?.expect(201)?;
    let secret = answer.text_at("/secret")?;
    client.patch(PATH, &reader.token, &json!({ "channel": "webhook" })).await?.expect(200)?;
    let ask = json!({ "channel": "webhook" });
    client.post(&format!("{PATH}/verifications"), &reader.token, &ask).await?.expect(202)?;
    until("a code", || !receiver.told().is_empty()).await?;
    let told = receiver.told().pop().context("nothing")?;
    assert_eq!(told.json()["type"], "address.verification");
    assert!(is_signed(&told, &secret), "{told:?}");
    let code = json!({ "channel": "webhook", "code": told.json()["data"]["code"] });
    client.post(&format!("{PATH}/confirmations"), &reader.token, &code).await?.expect(204)?;
    Ok(secret)
}

#[tokio::test]
async fn a_web_hook_is_signed_also_while_its_secret_changes() -> Result<()> {
    let (journey, receiver) = (start().await?, HookReceiver::start().await?);
    let kim = register(&journey, "kim", "en").await?;
    let old = hooked(&journey, &kim, &receiver).await?;
    apply(&journey, &kim, 1).await?;
    until("one message", || messages(&receiver).len() == 1).await?;
    let first = messages(&receiver).pop().context("none")?;
    assert!(is_signed(&first, &old) && first.path == "/hook", "{first:?}");
    let told = first.json();
    assert_eq!(told["data"]["kind"], "request-received");
    let written = journey.client.get("/loanMessengers", &kim.token).await?.expect(200)?.json();
    let written = written["_embedded"]["loanMessengers"][0]["createdAt"].clone();
    assert_eq!(told["timestamp"], written, "when it happened, whenever it is sent");
    assert_eq!(first.header("webhook-id"), told["data"]["messageId"].as_str().unwrap_or_default());
    let path = format!("{PATH}/webhook/secret");
    let new = journey.client.post(&path, &kim.token, &json!({})).await?.expect(201)?;
    let new = new.text_at("/secret")?;
    apply(&journey, &kim, 1).await?;
    until("two messages", || messages(&receiver).len() == 2).await?;
    let second = messages(&receiver).pop().context("none")?;
    assert!(is_signed(&second, &old) && is_signed(&second, &new), "both sign for a while");
    let shown = journey.client.get(PATH, &kim.token).await?.expect(200)?;
    assert!(!shown.text.contains("whsec_"), "a secret is shown once: {}", shown.text);
    assert!(shown.json()["webhook"]["previousSecretUntil"].is_string(), "{}", shown.text);
    journey.finish().await
}

#[tokio::test]
async fn a_receiver_that_misbehaves_gets_every_message_in_order() -> Result<()> {
    let (journey, receiver) = (start().await?, HookReceiver::start().await?);
    let kim = register(&journey, "kim", "en").await?;
    hooked(&journey, &kim, &receiver).await?;
    let elsewhere = HookReceiver::start().await?;
    for manner in [
        Manner::Answer(500),
        Manner::Answer(404),
        Manner::Answer(401),
        Manner::Redirect(elsewhere.url()),
        Manner::Slow(Duration::from_secs(5)),
    ] {
        receiver.set(manner.clone());
        apply(&journey, &kim, 2).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        receiver.set(Manner::Take);
        let last = written(&journey, &kim).await?.pop().unwrap_or_default();
        until(&format!("all, after {manner:?}"), || {
            messages(&receiver).iter().any(|told| told.header("webhook-id") == last)
        })
        .await?;
    }
    receiver.set(Manner::Long(10_000_000));
    apply(&journey, &kim, 1).await?;
    let mut keys: Vec<String> =
        messages(&receiver).iter().map(|told| told.header("webhook-id").to_owned()).collect();
    keys.dedup();
    let all = written(&journey, &kim).await?;
    assert_eq!(keys, all[..keys.len()]);
    assert!(elsewhere.told().is_empty(), "a redirect was followed");
    until("the last", || {
        messages(&receiver).iter().any(|told| told.header("webhook-id") == all[all.len() - 1])
    })
    .await?;
    journey.finish().await
}

#[tokio::test]
async fn a_receivers_wish_is_heeded_and_one_that_is_gone_is_left_alone() -> Result<()> {
    let (journey, receiver) = (start().await?, HookReceiver::start().await?);
    let kim = register(&journey, "kim", "en").await?;
    hooked(&journey, &kim, &receiver).await?;
    receiver.set(Manner::Later(4));
    apply(&journey, &kim, 1).await?;
    until("the first try", || messages(&receiver).len() == 1).await?;
    receiver.set(Manner::Take);
    until("the second", || messages(&receiver).len() == 2).await?;
    let tries = messages(&receiver);
    let pause = tries[1].at - tries[0].at;
    assert!(pause >= Duration::from_secs(4), "{pause:?}");
    // Whoever goes elsewhere waits no longer for what is broken.
    receiver.set(Manner::Later(3_600));
    apply(&journey, &kim, 1).await?;
    until("a try", || messages(&receiver).len() == 3).await?;
    let waits = "SELECT count(*) FROM loan_messenger.turn WHERE due_at > now() + interval '30 minutes' AND leased_until IS NULL";
    journey.wait_count(waits, 1).await?;
    let mended = HookReceiver::start().await?;
    hooked(&journey, &kim, &mended).await?;
    until("it goes there", || messages(&mended).len() == 1).await?;
    let receiver = mended;
    receiver.set(Manner::Answer(410));
    apply(&journey, &kim, 2).await?;
    until("a third", || messages(&receiver).len() == 2).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(messages(&receiver).len(), 2, "whoever is gone is left alone");
    let shown = journey.client.get(PATH, &kim.token).await?.expect(200)?.json();
    assert_eq!(shown["webhook"]["isGone"], true);
    receiver.set(Manner::Take);
    let code = json!({ "channel": "mailbox" });
    journey.client.patch(PATH, &kim.token, &code).await?.expect(200)?;
    let dropped = "SELECT count(*) FROM loan_messenger.delivery WHERE state = 'dropped' AND reason = 'mailbox-only'";
    journey.wait_count(dropped, 2).await?;
    journey.finish().await
}

// No web-hook leads inside: neither by its address, nor by the name that it has.
#[tokio::test]
async fn a_web_hook_does_not_lead_inside() -> Result<()> {
    let receiver = HookReceiver::start().await?;
    let journey = Journey::start_with(|stack| {
        impatient(stack).env(Service::LoanMessenger, "WEBHOOK_TARGETS", "public")
    })
    .await?;
    let kim = register(&journey, "kim", "en").await?;
    let (client, path) = (&journey.client, format!("{PATH}/webhook"));
    for inside in [
        receiver.url(),
        receiver.url().replace("http://", "https://"),
        "https://127.0.0.1/".to_owned(),
        "https://[::1]/".to_owned(),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://2130706433/".to_owned(),
        "https://user:word@example.com/".to_owned(),
        "ftp://example.com/".to_owned(),
        "javascript:alert(1)".to_owned(),
    ] {
        let set = json!({ "url": inside });
        client.post(&path, &kim.token, &set).await?.expect(422)?;
    }
    // A name is looked up when something is sent: this one leads to ourselves.
    let set = json!({ "url": "https://localhost/hook" });
    client.post(&path, &kim.token, &set).await?.expect(201)?;
    client.patch(PATH, &kim.token, &json!({ "channel": "webhook" })).await?.expect(200)?;
    let ask = json!({ "channel": "webhook" });
    client.post(&format!("{PATH}/verifications"), &kim.token, &ask).await?.expect(202)?;
    let tried = "SELECT count(*) FROM loan_messenger.verification WHERE attempts > 0 AND sent_at IS NULL AND channel = 'webhook'";
    journey.wait_count(tried, 1).await?;
    assert!(receiver.told().is_empty());
    journey.finish().await
}
