//! Officers: the first one of a system, another password, the end.

use std::time::Duration;

use anyhow::{Context as _, Result};
use common::token::CLOCK_SKEW_SECONDS;
use journeys::harness::{Journey, OFFICER_ACCESS_TOKEN_SECONDS};
use serde_json::{Value, json};
use standalone::Service;

use super::{loanctl, loanctl_with};

const USER: &str = "first@bank.example";
const PASSWORD: &str = "s3cret-First-Zebra!";

/// How long an officer's token is good here.
const TOKEN_SECONDS: u64 = 10;

async fn log_in(journey: &Journey, password: &str) -> Result<(u16, Value)> {
    let body = json!({ "grant_type": "password", "username": USER, "password": password });
    let answer = journey.client.post("/auth/token", "", &body).await?;
    Ok((answer.status, answer.json()))
}

async fn refresh(journey: &Journey, tokens: &Value) -> Result<u16> {
    let body = json!({ "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"] });
    Ok(journey.client.post("/auth/token", "", &body).await?.status)
}

// a system without demo data has no officer until an operator makes one.
#[tokio::test]
async fn the_first_officer_of_a_system_is_made_by_the_operator() -> Result<()> {
    let journey = Journey::start_with(|stack| {
        let seconds = TOKEN_SECONDS.to_string();
        stack.env(Service::LoanAuth, "DEMO_DATA", "false").env(
            Service::LoanAuth,
            OFFICER_ACCESS_TOKEN_SECONDS,
            &seconds,
        )
    })
    .await?;
    assert_eq!(loanctl(&journey, &["officers", "list"]).await?.expect(0)?.out, "");

    let add = ["officers", "add", USER, "--user-name", "First Officer", "--password-stdin"];
    // The rules are those of customers; nothing of the password comes back.
    let said = loanctl_with(&journey, &add, &[], "password\n").await?.expect(2)?;
    assert!(said.err.contains("userPassword") && said.out.is_empty(), "{said:?}");
    let said = loanctl_with(&journey, &add, &[], &format!("{PASSWORD}\n")).await?.expect(0)?;
    assert!(said.out.starts_with("added ") && !said.out.contains(PASSWORD), "{said:?}");
    let again = loanctl_with(&journey, &add, &[], &format!("{PASSWORD}\n")).await?.expect(2)?;
    assert!(again.err.contains("taken"), "{again:?}");
    let listed = loanctl(&journey, &["officers", "list", "--json"]).await?.expect(0)?.json()?;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0]["userId"], &listed[0]["userName"]),
        (&json!(USER), &json!("First Officer"))
    );

    let (status, before) = log_in(&journey, PASSWORD).await?;
    assert_eq!(status, 200, "{before}");
    let token = before["access_token"].as_str().context("a token")?;
    journey.client.get("/loanManagers", token).await?.expect(200)?;

    let reset = ["officers", "reset-password", "FIRST@bank.example", "--generate"];
    let said = loanctl(&journey, &reset).await?.expect(0)?;
    let made = said.out.lines().find_map(|line| line.strip_prefix("password: "));
    let made = made.context("it is printed once")?;
    assert_eq!(log_in(&journey, PASSWORD).await?.0, 400);
    assert_eq!(refresh(&journey, &before).await?, 400, "the login of before has ended");
    let (status, after) = log_in(&journey, made).await?;
    assert_eq!(status, 200);

    loanctl(&journey, &["officers", "remove", USER]).await?.expect(0)?;
    assert_eq!(refresh(&journey, &after).await?, 400, "ended at once");
    assert_eq!(log_in(&journey, made).await?.0, 400);
    // Who asks on with what they have is refused when that has expired, and before then
    // nothing new is given out.
    let token = after["access_token"].as_str().context("a token")?;
    let bound = Duration::from_secs(TOKEN_SECONDS + CLOCK_SKEW_SECONDS.unsigned_abs());
    journey.client.wait_for("/loanManagers", token, bound, |answer| answer.status == 401).await?;
    assert_eq!(loanctl(&journey, &["officers", "list"]).await?.expect(0)?.out, "");
    let said = loanctl(&journey, &["officers", "remove", USER]).await?.expect(2)?;
    assert!(said.err.contains("no officer"), "{said:?}");

    // Who did what is in the log; a password and a name are not.
    let log = journey.stack.service(Service::LoanAuth).log();
    let audit: Vec<&str> = log.lines().filter(|line| line.contains("an operator's call")).collect();
    assert!(audit.iter().filter(|line| line.contains("\"local\"")).count() >= 4, "{audit:?}");
    for secret in [PASSWORD, made, USER, "First Officer"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    Ok(())
}
