//! Messages that leave the mailbox, by real servers that misbehave.

mod kills;
mod mail;
mod mail_tls;
mod operators;
mod short_messages;
mod webhooks;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use journeys::client::Credentials;
use journeys::harness::Journey;
use journeys::hook_receiver::Told;
use journeys::mail_server::{Mail, MailServer};
use serde_json::json;
use standalone::{Service, StackBuilder};

/// How long a message may take, circuits and pauses included.
const ARRIVES_WITHIN: Duration = Duration::from_secs(40);

/// Short pauses, so that a journey ends.
fn impatient(stack: StackBuilder) -> StackBuilder {
    [
        ("DELIVERY_PAUSE_MS", "50"),
        ("DELIVERY_PAUSE_MAX_SECONDS", "1"),
        ("DELIVERY_OPEN_MAX_SECONDS", "1"),
        ("DELIVERY_TIMEOUT_SECONDS", "2"),
        ("DELIVERY_BODY_SECONDS", "2"),
        ("DELIVERY_POLL_MS", "50"),
    ]
    .into_iter()
    .fold(stack, |stack, (name, value)| stack.env(Service::LoanMessenger, name, value))
}

async fn with_mail(server: &MailServer) -> Result<Journey> {
    let url = server.url();
    Journey::start_with(|stack| impatient(stack).env(Service::LoanMessenger, "MAIL_URL", &url))
        .await
}

/// What a receiver does with a request before it believes it (Standard Webhooks).
fn is_signed(told: &Told, secret: &str) -> bool {
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let (id, at) = (told.header("webhook-id"), told.header("webhook-timestamp"));
    let signed = format!("{id}.{at}.{}", told.body);
    told.header("webhook-signature").split(' ').any(|signature| {
        let tag = signature.strip_prefix("v1,").and_then(|tag| STANDARD.decode(tag).ok());
        tag.is_some_and(|tag| hmac::verify(&key, signed.as_bytes(), &tag).is_ok())
    })
}

/// Waits until it is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + ARRIVES_WITHIN;
    while !is_so() {
        ensure!(Instant::now() < deadline, "not within {ARRIVES_WITHIN:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// A customer who is written to by mail.
struct Reader {
    who: Credentials,
    token: String,
    address: String,
}

/// Registers one, without verifying the address.
async fn register(journey: &Journey, name: &str, language: &str) -> Result<Reader> {
    let address = format!("{name}@mail.example");
    let who = Credentials {
        user_id: address.clone(),
        user_name: format!("Reader {name}"),
        password: format!("s3cret-{name}-Zebra!"),
    };
    let body = json!({
        "userId": who.user_id, "userName": who.user_name, "userPassword": who.password,
        "userMobile": "010-111-1111", "userEmail": address, "language": language,
    });
    journey.client.post("/customers", "", &body).await?.expect(201)?;
    let token = journey.client.token(&who.user_id, &who.password).await?;
    Ok(Reader { who, token, address })
}

/// Registers one whose address is verified by the code that came.
async fn reader(journey: &Journey, server: &MailServer, name: &str) -> Result<Reader> {
    let reader = register(journey, name, "en").await?;
    confirm(journey, server, &reader, &reader.address).await?;
    Ok(reader)
}

/// Says the code that came to this address.
async fn confirm(
    journey: &Journey,
    server: &MailServer,
    reader: &Reader,
    address: &str,
) -> Result<()> {
    until("a code", || !codes(server, address).is_empty()).await?;
    let code = codes(server, address).pop().unwrap_or_default();
    let body = json!({ "channel": "mail", "code": code });
    let path = "/loanMessengers/delivery/confirmations";
    journey.client.post(path, &reader.token, &body).await?.expect(204)?;
    Ok(())
}

/// The codes that came to an address.
fn codes(server: &MailServer, address: &str) -> Vec<String> {
    let mails = server.mails_to(address).into_iter();
    mails
        .filter_map(|mail| mail.text.split("Your code: ").nth(1).map(|rest| rest[..8].to_owned()))
        .collect()
}

/// The messages that came to an address, without the codes.
fn messages(server: &MailServer, address: &str) -> Vec<Mail> {
    let mails = server.mails_to(address).into_iter();
    mails.filter(|mail| !mail.key().starts_with("verification.")).collect()
}

/// The keys of a customer's messages, in the order in which they were written.
async fn written(journey: &Journey, reader: &Reader) -> Result<Vec<String>> {
    let mut next = Some("/loanMessengers?size=200&sort=createdAt,asc".to_owned());
    let mut ids = Vec::new();
    while let Some(path) = next {
        let page = journey.client.get(&path, &reader.token).await?.expect(200)?.json();
        let messages = page["_embedded"]["loanMessengers"].as_array().cloned().unwrap_or_default();
        ids.extend(messages.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)));
        next = page["_links"]["next"]["href"].as_str().map(str::to_owned);
    }
    Ok(ids)
}

/// Applies so often, and waits until so many messages more are written.
async fn apply(journey: &Journey, reader: &Reader, times: usize) -> Result<()> {
    let before = written(journey, reader).await?.len();
    for _ in 0..times {
        journey.client.apply(&reader.who, 1_000).await?;
    }
    all_written(journey, reader, before + times).await?;
    Ok(())
}

/// Waits until so many messages are written, and tells them.
async fn all_written(journey: &Journey, reader: &Reader, count: usize) -> Result<Vec<String>> {
    let deadline = Instant::now() + ARRIVES_WITHIN;
    loop {
        let ids = written(journey, reader).await?;
        if ids.len() >= count {
            return Ok(ids);
        }
        ensure!(Instant::now() < deadline, "{} of {count} messages are written", ids.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What came is what was written, in order; a message that came twice did so because
/// nobody could know that it had come, and under the same key.
fn arrived_in_order(mails: &[Mail], written: &[String]) {
    let mut keys: Vec<String> = mails.iter().map(Mail::key).collect();
    keys.dedup();
    assert_eq!(keys, written);
    for pair in mails.windows(2) {
        if pair[0].key() == pair[1].key() {
            assert!(!pair[0].is_told, "sent twice although it was answered: {}", pair[0].key());
        }
    }
}
