//! what is down does not keep the rest from working, and catches up.

use anyhow::Result;
use journeys::client::Credentials;
use journeys::harness::{Journey, SEEN_WITHIN, on_apache_kafka};
use standalone::Service;

use crate::plumbing::until;

//
#[tokio::test]
async fn manager_messenger_and_status_are_down_and_catch_up() -> Result<()> {
    let mut journey = Journey::start().await?;
    let down = [Service::LoanManager, Service::LoanMessenger, Service::LoanStatus];
    for service in down {
        journey.stack.service_mut(service).kill()?;
    }
    for _ in 0..10 {
        journey.client.apply(&Credentials::demo(), 10_000).await?;
    }
    for service in down {
        journey.stack.service_mut(service).start_again().await?;
    }
    journey.finish().await?;
    journey.agree_on_applications(10).await
}

// without Kafka, applying still works; nothing is marked as sent.
#[tokio::test]
async fn the_broker_is_down_and_nothing_is_lost() -> Result<()> {
    if on_apache_kafka() {
        return Ok(()); // It is the stack's own broker that is killed here.
    }
    let mut journey = Journey::start().await?;
    journey.client.apply(&Credentials::demo(), 10_000).await?;
    journey.agree_on_applications(1).await?;
    let unsent = "SELECT count(*) FROM loan_auth.outbox WHERE sent_at IS NULL";
    // What is in an open transaction is with the broker, and does not count as sent yet.
    until("all is sent", async || Ok(journey.count(unsent).await? == 0)).await?;
    journey.stack.broker_mut().kill()?;
    for _ in 0..10 {
        journey.client.apply(&Credentials::demo(), 10_000).await?;
    }
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(journey.count(unsent).await?, 10);
    let customer = journey.client.demo_customer().await?;
    let shown = journey.client.get("/loanStatus?size=200", &customer).await?.expect(200)?;
    assert_eq!(shown.json()["page"]["totalElements"], 1, "reading goes on");
    journey.stack.broker_mut().start_again().await?;
    journey.finish().await?;
    journey.agree_on_applications(11).await
}

// the status is shown whatever else is down.
#[tokio::test]
async fn the_status_is_shown_with_all_else_down() -> Result<()> {
    let mut journey = Journey::start().await?;
    let loan = journey.client.apply(&Credentials::demo(), 10_000).await?;
    let customer = journey.client.demo_customer().await?;
    let path = format!("/loanStatus/loans/{loan}");
    journey.client.wait_for(&path, &customer, SEEN_WITHIN, |answer| answer.status == 200).await?;
    for service in
        [Service::LoanAuth, Service::LoanRequest, Service::LoanManager, Service::LoanMessenger]
    {
        journey.stack.service_mut(service).kill()?;
    }
    // Also after a restart, which has only the kept keys to verify tokens with.
    journey.stack.service_mut(Service::LoanStatus).kill()?;
    journey.stack.service_mut(Service::LoanStatus).start_again().await?;
    let shown = journey.client.get(&path, &customer).await?.expect(200)?;
    assert_eq!(shown.json()["loanStatusCode"], "00");
    Ok(())
}

// two of every service do everything once.
#[tokio::test]
async fn two_of_every_service_do_everything_once() -> Result<()> {
    let mut journey = Journey::start().await?;
    let mut seconds = Vec::new();
    for service in Service::WITH_DATABASE {
        seconds.push(journey.stack.another(service).await?);
    }
    let sending = (0..40).map(|_| {
        let client = journey.client.clone();
        async move { client.apply(&Credentials::demo(), 10_000).await }
    });
    for loan in futures::future::join_all(sending).await {
        loan?;
    }
    // The first ones go; the second ones take over where they were.
    for service in [Service::LoanManager, Service::LoanMessenger, Service::LoanStatus] {
        journey.stack.service_mut(service).kill()?;
    }
    for _ in 0..10 {
        journey.client.apply(&Credentials::demo(), 10_000).await?;
    }
    journey.finish().await?;
    journey.agree_on_applications(50).await
}
