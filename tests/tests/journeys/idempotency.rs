//! `Idempotency-Key`, through the gateway.

use anyhow::Result;
use journeys::client::{Answer, Client, Credentials};
use journeys::harness::{Journey, SEEN_WITHIN};
use reqwest::Method;
use serde_json::Value;
use standalone::Service;

const ROWS: &str = "SELECT count(*) FROM loan_request.loan_request";

async fn post(client: &Client, key: &str, body: &Value) -> Result<Answer> {
    let request = client.request(Method::POST, "/loanRequests").header("Idempotency-Key", key);
    client.send(request.json(body)).await
}

//
#[tokio::test]
async fn fifty_equal_posts_are_one_request() -> Result<()> {
    let mut journey = Journey::start().await?;
    let body = Credentials::demo().application(10_000);
    let sending = (0..50).map(|_| {
        let (client, body) = (journey.client.clone(), body.clone());
        async move { post(&client, "fifty-at-once", &body).await }
    });
    let mut locations = Vec::new();
    for answer in futures::future::join_all(sending).await {
        let answer = answer?;
        match answer.status {
            201 => locations.push(answer.header("location").to_owned()),
            409 => assert!(!answer.header("retry-after").is_empty(), "{}", answer.text),
            other => panic!("{other}: {}", answer.text),
        }
    }
    assert!(!locations.is_empty());
    assert!(locations.iter().all(|location| *location == locations[0]), "{locations:?}");
    assert_eq!(journey.count(ROWS).await?, 1);

    // Another body under the same key.
    let other = Credentials::demo().application(10_001);
    assert_eq!(post(&journey.client, "fifty-at-once", &other).await?.status, 422);

    // A replay proves the caller before it shows anything.
    let mut stranger = body.clone();
    stranger["userPassword"] = "not-the-one".into();
    let refused = post(&journey.client, "fifty-at-once", &stranger).await?;
    assert_eq!(refused.status, 403, "{}", refused.text);

    // It survives a restart.
    journey.stack.service_mut(Service::LoanRequest).kill()?;
    journey.stack.service_mut(Service::LoanRequest).start_again().await?;
    let replayed = post(&journey.client, "fifty-at-once", &body).await?.expect(201)?;
    assert_eq!(replayed.header("location"), locations[0]);
    assert_eq!(replayed.header("idempotency-replayed"), "true");
    assert_eq!(journey.count(ROWS).await?, 1);
    journey.finish().await?;
    journey.agree_on_applications(1).await
}

#[tokio::test]
async fn a_refusal_frees_the_key_and_a_compensated_request_is_gone() -> Result<()> {
    let journey = Journey::start().await?;
    let client = &journey.client;
    let mut wrong = Credentials::demo().application(10_000);
    wrong["userPassword"] = "not-the-one".into();
    assert_eq!(post(client, "second-try", &wrong).await?.status, 403);
    let body = Credentials::demo().application(10_000);
    post(client, "second-try", &body).await?.expect(201)?;

    let repayment = Credentials::demo().repayment(None, 100);
    let accepted = post(client, "no-loan", &repayment).await?.expect(201)?;
    let customer = client.demo_customer().await?;
    let location = accepted.header("location").to_owned();
    client.wait_for(&location, &customer, SEEN_WITHIN, |answer| answer.status == 404).await?;
    let gone = post(client, "no-loan", &repayment).await?.expect(404)?;
    assert_eq!(gone.json()["code"], "request-cancelled");
    journey.finish().await
}

#[tokio::test]
async fn a_bad_key_is_said_to_be_one() -> Result<()> {
    let journey = Journey::start().await?;
    let body = Credentials::demo().application(10_000);
    for key in ["", "with space", &"k".repeat(256)] {
        assert_eq!(post(&journey.client, key, &body).await?.status, 400, "{key:?}");
    }
    assert_eq!(journey.count(ROWS).await?, 0);
    Ok(())
}
