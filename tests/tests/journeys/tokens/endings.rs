//! What ends a token: a new password, a removal, and a refresh token used twice.

use std::time::Duration;

use anyhow::{Context, Result};
use journeys::client::{Answer, Client};
use journeys::harness::Journey;
use reqwest::Method;
use serde_json::json;
use standalone::Service;

use super::{apply, bearers_application, is_invalid_grant, log_in, renew, when_not_busy};
use crate::contract::Findings;
use crate::scene::{doors, never_was};

/// The tokens of a login.
struct Login {
    access: String,
    refresh: String,
}

impl Login {
    fn of(answer: Answer) -> Result<Self> {
        let answer = answer.expect(200)?;
        Ok(Self {
            access: answer.text_at("/access_token")?,
            refresh: answer.text_at("/refresh_token")?,
        })
    }
}

/// A new password ends renewing and applying at once, at every instance; reading
/// goes on until the token expires.
pub(super) async fn of_a_password(
    journey: &Journey,
    second: &Client,
    findings: &mut Findings,
) -> Result<()> {
    let (old, _) = journey.customer("changes-password").await?;
    let client = &journey.client;
    let here = Login::of(log_in(client, &old.user_id, &old.password).await?)?;
    // The second instance remembers the old password from here on.
    let there = Login::of(log_in(second, &old.user_id, &old.password).await?)?;
    let new = "a-new-Ostrich-9!";

    let change = |old: &str| json!({ "oldPassword": old, "userPassword": new });
    for (body, wanted) in [
        (json!({ "userPassword": new }), 422),
        (change("not-the-old-one"), 403),
        (change(&old.password), 200),
    ] {
        let request = client.request(Method::PATCH, "/customers/me").bearer_auth(&here.access);
        let answer = when_not_busy(client, request.json(&body)).await?;
        findings.check(answer.status == wanted, || format!("{wanted} for {body}: {}", answer.text));
        let is_silent = !answer.text.contains(new) && !answer.text.contains(&old.password);
        findings.check(is_silent, || format!("a password comes back: {}", answer.text));
    }

    for (door, auth) in [("the first", client), ("the second", second)] {
        for login in [&here, &there] {
            let answer = renew(auth, &login.refresh).await?;
            findings.check(is_invalid_grant(&answer), || {
                format!("a renewal at {door}: {}", answer.text)
            });
            let language = json!({ "language": "ko" });
            let answer = auth.patch("/customers/me", &login.access, &language).await?;
            findings.check(answer.status == 401, || format!("a change at {door}: {}", answer.text));
        }
        let answer = log_in(auth, &old.user_id, &old.password).await?;
        findings
            .check(is_invalid_grant(&answer), || format!("the old one at {door}: {}", answer.text));
        Login::of(log_in(auth, &old.user_id, new).await?)?;
    }
    for (door, requests) in doors(journey, Service::LoanRequest)? {
        for login in [&here, &there] {
            let answer = apply(&requests, &login.access, &bearers_application()).await?;
            findings.check(answer.status == 403, || format!("applying at {door}: {}", answer.text));
            requests
                .get("/loanRequests", &login.access)
                .await?
                .expect(200)
                .context("reading goes on")?;
        }
        let answer = apply(&requests, "", &old.application(1_000)).await?;
        findings
            .check(answer.status == 403, || format!("the old password at {door}: {}", answer.text));
        // The old token with the new password is still two that do not fit.
        let mut body = old.application(1_000);
        body["userPassword"] = json!(new);
        let answer = apply(&requests, &here.access, &body).await?;
        findings.check(answer.status == 403, || format!("old and new at {door}: {}", answer.text));
        apply(&requests, "", &body).await?.expect(201)?;
    }
    Ok(())
}

/// A removal ends everything but reading, and what is read is nobody's name.
pub(super) async fn of_a_customer(
    journey: &Journey,
    second: &Client,
    findings: &mut Findings,
) -> Result<()> {
    let (who, _) = journey.customer("goes-away").await?;
    let client = &journey.client;
    let here = Login::of(log_in(client, &who.user_id, &who.password).await?)?;
    let there = Login::of(log_in(second, &who.user_id, &who.password).await?)?;
    client.delete("/customers/me", &here.access).await?.expect(204)?;

    for (door, auth) in [("the first", client), ("the second", second)] {
        for login in [&here, &there] {
            let answer = renew(auth, &login.refresh).await?;
            findings.check(is_invalid_grant(&answer), || {
                format!("a renewal at {door}: {}", answer.text)
            });
            for method in [Method::GET, Method::PATCH, Method::DELETE] {
                let request =
                    auth.request(method.clone(), "/customers/me").bearer_auth(&login.access);
                let answer = auth.send(request.json(&json!({ "language": "ko" }))).await?;
                findings.check(matches!(answer.status, 401 | 404), || {
                    format!(
                        "{method} of one who has gone at {door}: {} {}",
                        answer.status, answer.text
                    )
                });
            }
        }
        let answer = log_in(auth, &who.user_id, &who.password).await?;
        findings.check(is_invalid_grant(&answer), || format!("a login at {door}: {}", answer.text));
    }
    for (door, requests) in doors(journey, Service::LoanRequest)? {
        for login in [&here, &there] {
            let request =
                requests.request(Method::POST, "/loanRequests").bearer_auth(&login.access);
            let request = request.header("Idempotency-Key", never_was());
            let answer = requests.send(request.json(&bearers_application())).await?;
            findings.check(answer.status == 403, || format!("applying at {door}: {}", answer.text));
        }
        let answer = apply(&requests, "", &who.application(1_000)).await?;
        findings.check(answer.status == 403, || format!("applying at {door}: {}", answer.text));
    }
    Ok(())
}

/// A refresh token is good once. Used again it has been copied, and its login
/// ends; the others of the same person go on.
pub(super) async fn of_a_login(
    journey: &Journey,
    second: &Client,
    findings: &mut Findings,
) -> Result<()> {
    let (who, _) = journey.customer("logs-in").await?;
    let client = &journey.client;
    let other = Login::of(log_in(client, &who.user_id, &who.password).await?)?;
    let first = Login::of(log_in(client, &who.user_id, &who.password).await?)?;
    let next = Login::of(renew(client, &first.refresh).await?)?;
    findings.check(next.refresh != first.refresh, || "a refresh token did not change".to_owned());
    client.get("/customers/me", &next.access).await?.expect(200)?;
    // Shown twice, at another instance even: both are over.
    for (auth, shown) in
        [(second, &first.refresh), (client, &next.refresh), (client, &first.refresh)]
    {
        let answer = renew(auth, shown).await?;
        findings.check(is_invalid_grant(&answer), || format!("a reuse: {}", answer.text));
    }
    let other = Login::of(renew(second, &other.refresh).await?)?;

    // An access token is no refresh token, nor the other way round.
    let answer = renew(client, &other.access).await?;
    findings
        .check(is_invalid_grant(&answer), || format!("an access token renews: {}", answer.text));
    let answer = client.get("/customers/me", &other.refresh).await?;
    findings.check(answer.status == 401, || format!("a refresh token reads: {}", answer.text));
    // The token's first half, the login's name, with a secret of one's own.
    let mut guess = other.refresh.clone();
    guess.replace_range(guess.len() - 20.., "AAAAAAAAAAAAAAAAAAAA");
    let login = Login::of(log_in(client, &who.user_id, &who.password).await?)?;
    let answer = renew(client, &guess).await?;
    findings.check(is_invalid_grant(&answer), || format!("a guess: {}", answer.text));

    // Thirty at the same moment: at most one gets a pair, and then it is over.
    let at_once =
        (0..30).map(|number| renew(if number % 2 == 0 { client } else { second }, &login.refresh));
    let answers = futures::future::join_all(at_once).await;
    let mut good = Vec::new();
    for answer in answers {
        let answer = answer?;
        match answer.status {
            200 => good.push(Login::of(answer)?),
            _ => findings.check(is_invalid_grant(&answer), || format!("at once: {}", answer.text)),
        }
    }
    findings.check(good.len() <= 1, || format!("{} pairs for one refresh token", good.len()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    for login in good {
        let answer = renew(client, &login.refresh).await?;
        findings.check(is_invalid_grant(&answer), || format!("after a reuse: {}", answer.text));
    }
    Ok(())
}
