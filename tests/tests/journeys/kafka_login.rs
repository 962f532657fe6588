//! A Kafka that wants a login. The embedded broker has none, so this is played on
//! a real Apache Kafka, and only in the run that has one.

use std::process::Stdio;

use anyhow::{Result, ensure};
use journeys::apache_kafka::ApacheKafka;
use journeys::client::{Client, Credentials};
use journeys::harness::{SEEN_WITHIN, on_apache_kafka};
use standalone::{Service, Stack};

use crate::plumbing::until;

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_services_log_in_where_kafka_wants_it() -> Result<()> {
    if !on_apache_kafka() {
        return Ok(());
    }
    let kafka = ApacheKafka::start_with_login(("loans", "s3cret-of-kafka")).await?;
    let stack = Stack::builder()
        .bootstrap(&kafka.bootstrap())
        .env_for_all("KAFKA_SECURITY_PROTOCOL", "sasl_plaintext")
        .env_for_all("KAFKA_SASL_MECHANISM", "PLAIN")
        .env_for_all("KAFKA_SASL_USERNAME", "loans")
        .env_for_all("KAFKA_SASL_PASSWORD", "s3cret-of-kafka")
        .start()
        .await?;
    let client = Client::try_new(stack.gateway_url())?;
    let (who, officer) = (Credentials::demo(), client.officer().await?);
    // A machine that is busy starting all this may be too slow to certify at first.
    let mut loan = None;
    until("it is accepted", async || {
        loan = client.apply(&who, 10_000).await.ok();
        Ok(loan.is_some())
    })
    .await?;
    let loan = loan.unwrap();
    // By way of an outbox, Kafka and an inbox.
    let path = format!("/loanManagers/{loan}");
    client.wait_for(&path, &officer, SEEN_WITHIN, |answer| answer.status == 200).await?;
    for (process, log) in stack.logs() {
        ensure!(!log.contains("s3cret-of-kafka"), "{process} tells the password");
    }
    Ok(())
}

//
#[test]
fn a_login_that_is_half_set_stops_the_start_with_one_line() -> Result<()> {
    let folder = standalone::binaries::folder().unwrap();
    for (settings, expected) in [
        (vec![("KAFKA_SECURITY_PROTOCOL", "sasl_plaintext")], "KAFKA_SASL_MECHANISM is not set"),
        (vec![("KAFKA_SASL_PASSWORD", "p4ss")], "KAFKA_SASL_PASSWORD is set, and"),
        (vec![("KAFKA_SECURITY_PROTOCOL", "ssl")], "--features common/kafka-tls"),
    ] {
        let output = std::process::Command::new(folder.join(Service::LoanManager.name()))
            .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
            .env("HTTP_ADDR", "127.0.0.1:0")
            .env("ADMIN_ADDR", "127.0.0.1:0")
            .envs(settings)
            .stdin(Stdio::null())
            .output()?;
        let said = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected) && said.lines().count() == 1, "{said}");
        assert!(!said.contains("p4ss"));
    }
    Ok(())
}
