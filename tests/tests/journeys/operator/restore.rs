//! A restore from a backup: the database is back at an earlier time and Kafka is not, or the
//! other way round. What must not be lost is told once more; what is gone is gone everywhere.

use std::path::Path;

use anyhow::{Result, ensure};
use journeys::client::{Client, Credentials};
use journeys::harness::{Journey, SCHEMAS, SEEN_WITHIN, on_apache_kafka};
use standalone::Service;
use tokio::process::Command;

use super::loanctl;

/// A folder as it is now, or as it was then.
async fn copy(from: &Path, to: &Path) -> Result<()> {
    let removed = Command::new("rm").arg("-rf").arg(to).status().await?;
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().await?;
    ensure!(removed.success() && copied.success(), "{} to {}", from.display(), to.display());
    Ok(())
}

/// Asks whether all agree, has what is missing told, and asks until they do.
async fn agree_after_repair(journey: &mut Journey, damaged: &str) -> Result<()> {
    let found = loanctl(journey, &["reconcile", "--older-than", "0s"]).await?;
    ensure!(found.code == 1 && found.out.contains(damaged), "not found: {found:?}");
    let until = std::time::Instant::now() + SEEN_WITHIN;
    loop {
        start_again(journey).await?;
        let repair = ["reconcile", "--older-than", "0s", "--repair"];
        let found = loanctl(journey, &repair).await?;
        if found.code == 0 {
            return Ok(());
        }
        ensure!(std::time::Instant::now() < until, "they do not agree: {found:?}");
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

/// Starts what has ended, as whoever keeps processes running does: a broker that knows less than
/// a producer was told by it is none to go on with, and so the process ends and begins anew.
async fn start_again(journey: &mut Journey) -> Result<()> {
    for service in Service::WITH_DATABASE {
        if !journey.stack.service_mut(service).is_running() {
            journey.stack.service_mut(service).start_again().await?;
        }
    }
    Ok(())
}

/// Waits until this loan is seen, all is sent, and all agree. Each service learns with what it sends
/// first that the broker knows less, and so each of them may end on the way.
async fn goes_on(journey: &mut Journey, token: &str, loan: &str) -> Result<()> {
    let until = std::time::Instant::now() + SEEN_WITHIN;
    loop {
        start_again(journey).await?;
        let mut unsent = 0;
        for schema in SCHEMAS {
            let waits = format!("SELECT count(*) FROM {schema}.outbox WHERE sent_at IS NULL");
            unsent += journey.count(&waits).await?;
        }
        let is_shown = is_in_status(journey, token, loan).await?;
        let said = loanctl(journey, &["reconcile", "--older-than", "0s"]).await?;
        if is_shown && unsent == 0 && said.code == 0 {
            return Ok(());
        }
        ensure!(
            std::time::Instant::now() < until,
            "shown {is_shown}, unsent {unsent}, {said:?}\n{}",
            journey.last_words()
        );
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// Waits until everybody has read what loan-manager has told: what is read after a restore is of a
/// time that is no more.
async fn all_is_read(journey: &Journey) -> Result<()> {
    let told = journey.count("SELECT count(*) FROM loan_manager.history").await?;
    journey.wait_count("SELECT count(*) FROM loan_status.entry", told).await?;
    journey.wait_count("SELECT count(*) FROM loan_messenger.message", told).await
}

/// Waits until the customer sees the loan.
async fn shown(client: &Client, token: &str, loan: &str) -> Result<()> {
    let path = format!("/loanStatus/loans/{loan}");
    client.wait_for(&path, token, SEEN_WITHIN, |answer| answer.status == 200).await?;
    Ok(())
}

async fn is_in_status(journey: &Journey, token: &str, loan: &str) -> Result<bool> {
    let answer = journey.client.get(&format!("/loanStatus/loans/{loan}"), token).await?;
    Ok(answer.status == 200)
}

//
#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_restored_to_a_time_and_kafka_has_gone_further() -> Result<()> {
    let mut journey = Journey::start_with(|stack| stack.own_postgres()).await?;
    let who = Credentials::demo();
    let client = journey.client.clone();
    let (token, officer) = (client.demo_customer().await?, client.officer().await?);
    let before = client.apply(&who, 10_000).await?;
    journey.waits(&officer, &before).await?;
    shown(&client, &token, &before).await?;
    // Sent before the time, and worked on by loan-status after it.
    journey.stack.service_mut(Service::LoanStatus).terminate().await?;
    let between = client.apply(&who, 20_000).await?;
    journey.waits(&officer, &between).await?;
    journey.wait_count("SELECT count(*) FROM loan_manager.outbox WHERE sent_at IS NULL", 0).await?;
    let told = "SELECT count(*) FROM loan_messenger.message";
    journey.wait_count(told, 2).await?;

    let data: String = sqlx::query_scalar("SHOW data_directory").fetch_one(&journey.db).await?;
    let (data, backup) = (Path::new(&data).to_owned(), Path::new(&data).with_extension("backup"));
    journey.stack.postgres_mut().stop().await?;
    copy(&data, &backup).await?;
    journey.stack.postgres_mut().start_again().await?;

    journey.stack.service_mut(Service::LoanStatus).start_again().await?;
    shown(&client, &token, &between).await?;
    let after = client.apply(&who, 30_000).await?;
    journey.waits(&officer, &after).await?;
    shown(&client, &token, &after).await?;
    client.step(&officer, &before, "01").await?.expect(200)?;
    journey.finish().await?;
    all_is_read(&journey).await?;

    for service in Service::WITH_DATABASE {
        journey.stack.service_mut(service).terminate().await?;
    }
    journey.stack.postgres_mut().crash().await?;
    copy(&backup, &data).await?;
    journey.stack.postgres_mut().start_again().await?;
    // The topics still tell of what is gone; so they have to forget before anybody reads it.
    // The embedded broker takes nothing from a topic: there all has been read.
    if on_apache_kafka() {
        loanctl(&journey, &["topics", "forget"]).await?.expect(2)?;
        loanctl(&journey, &["topics", "forget", "--all-events"]).await?.expect(0)?;
    }
    start_again(&mut journey).await?;
    client.wait_for("/customers/me", &token, SEEN_WITHIN, |answer| answer.status == 200).await?;
    journey.waits(&officer, &between).await?;

    // What came after the time is gone with all who knew of it; what loan-status had heard of
    // in the time that is no more is told once more.
    let gone = format!("/loanRequests/{after}");
    client.wait_for(&gone, &token, SEEN_WITHIN, |answer| answer.status == 404).await?;
    shown(&client, &token, &before).await?;
    ensure!(!is_in_status(&journey, &token, &after).await?, "a loan that nobody has");
    agree_after_repair(&mut journey, &between).await?;
    ensure!(is_in_status(&journey, &token, &between).await?, "still not shown");
    if on_apache_kafka() {
        loanctl(&journey, &["status", "rebuild", "--from-owner"]).await?.expect(0)?;
        ensure!(!is_in_status(&journey, &token, &after).await?, "a loan that nobody has");
    }
    // It goes on from there.
    start_again(&mut journey).await?;
    let officer = client.officer().await?;
    client.step(&officer, &before, "01").await?.expect(200)?;
    let new = client.apply(&who, 40_000).await?;
    goes_on(&mut journey, &token, &new).await?;
    journey.finish().await
}

//
#[tokio::test(flavor = "multi_thread")]
async fn kafka_is_restored_to_a_time_and_the_database_has_gone_further() -> Result<()> {
    if on_apache_kafka() {
        // The broker's folder is another's there.
        return Ok(());
    }
    let mut journey = Journey::start().await?;
    let who = Credentials::demo();
    let client = journey.client.clone();
    let (token, officer) = (client.demo_customer().await?, client.officer().await?);
    let before = client.apply(&who, 10_000).await?;
    journey.waits(&officer, &before).await?;
    shown(&client, &token, &before).await?;
    journey.finish().await?;

    let data = journey.stack.log_folder().join("broker");
    let backup = journey.stack.log_folder().join("broker.backup");
    journey.stack.broker_mut().stop().await?;
    copy(&data, &backup).await?;
    journey.stack.broker_mut().start_again().await?;

    journey.stack.service_mut(Service::LoanStatus).terminate().await?;
    let after = client.apply(&who, 20_000).await?;
    journey.waits(&officer, &after).await?;
    journey.wait_count("SELECT count(*) FROM loan_messenger.message", 2).await?;
    journey.finish().await?;

    journey.stack.broker_mut().kill()?;
    copy(&backup, &data).await?;
    journey.stack.broker_mut().start_again().await?;
    start_again(&mut journey).await?;

    // Whoever has heard of it has; loan-status has not, and no topic tells of it.
    agree_after_repair(&mut journey, &after).await?;
    ensure!(is_in_status(&journey, &token, &after).await?, "still not shown");
    let messages = journey.count("SELECT count(*) FROM loan_messenger.message").await?;
    ensure!(messages == 2, "{messages} messages of 2 applications");
    let new = client.apply(&who, 30_000).await?;
    goes_on(&mut journey, &token, &new).await?;
    journey.finish().await
}
