//! Tokens and passwords: what is forged opens nothing, what has ended has ended,
//! and guessing is bounded without locking the owner out.

use std::time::Duration;

use anyhow::{Context, Result};
use journeys::client::{Answer, Client};
use journeys::harness::Journey;
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use standalone::Service;

use crate::contract::Findings;
use crate::scene::{Person, doors, never_was};

mod endings;
pub(crate) mod forger;
mod guesses;
mod inner;

use forger::Forger;

/// A route of each service that wants a token, and the ways that it is not
/// asked for by a plain `GET`.
const ROUTES: &[(Service, &str, &str)] = &[
    (Service::LoanRequest, "GET", "/loanRequests"),
    (Service::LoanRequest, "POST", "/loanRequests"),
    (Service::LoanAuth, "GET", "/loanAuths"),
    (Service::LoanAuth, "GET", "/customers/me"),
    (Service::LoanAuth, "DELETE", "/customers/me"),
    (Service::LoanManager, "GET", "/loanManagers"),
    (Service::LoanManager, "PATCH", "/loanManagers/0199f000-0000-7000-8000-0000000000ff"),
    (Service::LoanMessenger, "GET", "/loanMessengers"),
    (Service::LoanStatus, "GET", "/loanStatus"),
    (Service::LoanStatus, "GET", "/loanStatus/stream"),
];

// R-30
#[tokio::test]
async fn forged_tokens_open_nothing() -> Result<()> {
    let key = forger::Key::generate();
    let journey =
        Journey::start_with(|stack| stack.env(Service::LoanAuth, "TOKEN_SIGNING_KEYS", &key.pem()))
            .await?;
    let customer = Person::customer(&journey, "genuine").await?;
    let officer = journey.client.officer().await?;
    let mut findings = Findings::default();
    let forger = Forger::new(key, &journey, &customer.token, &officer).await?;

    forgeries(&journey, &forger, &customer, &mut findings).await?;
    headers(&journey, &customer, &mut findings).await?;
    roles(&journey, &forger, &mut findings).await?;
    officers_do_not_apply(&journey, &officer, &mut findings).await?;
    only_customers_apply(&journey, &forger, &mut findings).await?;
    the_officers_desk_is_closed(&journey, &customer, &mut findings).await?;
    inner::is_closed(&journey, &customer, &officer, &mut findings).await?;
    // Still there, with nothing that was not asked for: DELETE was among the routes.
    journey.client.get("/customers/me", &customer.token).await?.expect(200)?;
    let loans = journey.count("SELECT count(*) FROM loan_manager.item").await?;
    findings.check(loans == 0, || format!("{loans} loans came of forged tokens"));
    findings.conclude();
    journey.finish().await
}

// R-09, R-32: a change of the password and a removal end what was before.
#[tokio::test]
async fn what_has_ended_has_ended_at_once() -> Result<()> {
    let mut journey = Journey::start().await?;
    let second = journey.stack.another(Service::LoanAuth).await?;
    let second = Client::try_new(second.url()).map(|client| (second, client))?;
    let mut findings = Findings::default();
    endings::of_a_password(&journey, &second.1, &mut findings).await?;
    endings::of_a_customer(&journey, &second.1, &mut findings).await?;
    endings::of_a_login(&journey, &second.1, &mut findings).await?;
    findings.conclude();
    journey.finish().await
}

// R-33
#[tokio::test]
async fn guessing_is_bounded_and_the_owner_is_not_locked_out() -> Result<()> {
    let journey = Journey::start().await?;
    let mut findings = Findings::default();
    guesses::from_one_address(&journey, &mut findings).await?;
    guesses::at_the_requests(&journey, &mut findings).await?;
    guesses::at_the_same_moment(&journey, &mut findings).await?;
    guesses::with_made_up_addresses(&journey, &mut findings).await?;
    guesses::of_the_old_password(&journey, &mut findings).await?;
    guesses::at_many_accounts(&journey, &mut findings).await?;
    guesses::from_everywhere(&journey, &mut findings).await?;
    findings.conclude();
    journey.finish().await
}

async fn forgeries(
    journey: &Journey,
    forger: &Forger,
    customer: &Person,
    findings: &mut Findings,
) -> Result<()> {
    // The same hand makes good ones: what is refused below is refused for its flaw.
    for (door, client) in doors(journey, Service::LoanRequest)? {
        let answer = client.get("/loanRequests", &forger.genuine()).await?;
        findings.check(answer.status == 200, || format!("a good token at {door}: {}", answer.text));
    }
    let credential = journey.stack.service_credential();
    let mut forged = forger.forgeries();
    forged.push(("the service credential".to_owned(), credential.to_owned()));
    for (service, method, path) in ROUTES {
        for (door, client) in doors(journey, *service)? {
            let asked = forged.iter().map(|(_, token)| {
                let (client, method) = (client.clone(), method.parse::<Method>());
                async move {
                    let request = client.request(method?, path).bearer_auth(token);
                    // Right in all but the token.
                    client.send(request.json(&customer.who.application(1_000))).await
                }
            });
            let answers = futures::future::join_all(asked).await;
            for ((flaw, token), answer) in forged.iter().zip(answers) {
                let answer = answer.with_context(|| format!("{flaw} at {door}"))?;
                findings.check(is_unauthenticated(&answer, token), || {
                    format!("{flaw}: {method} {path} at {door}: {} {}", answer.status, answer.text)
                });
            }
        }
    }
    Ok(())
}

/// 401 as a problem, with a challenge, and without the token.
fn is_unauthenticated(answer: &Answer, token: &str) -> bool {
    answer.status == 401
        && answer.json()["code"] == "unauthenticated"
        && answer.json()["detail"].as_str().is_some_and(|detail| !detail.is_empty())
        && answer.header("content-type").starts_with("application/problem+json")
        && answer.header("www-authenticate").starts_with("Bearer")
        && (token.len() < 8 || !answer.text.contains(token))
}

/// A token counts in one place only, and once.
async fn headers(journey: &Journey, customer: &Person, findings: &mut Findings) -> Result<()> {
    let token = &customer.token;
    for (service, method, path) in ROUTES.iter().filter(|(_, method, _)| *method == "GET") {
        for (door, client) in doors(journey, *service)? {
            let request = || client.request(method.parse().unwrap_or(Method::GET), path);
            let twice =
                request().bearer_auth(token).header(AUTHORIZATION, format!("Bearer {token}"));
            let basic = request().basic_auth(&customer.who.user_id, Some(&customer.who.password));
            let tried = [
                ("twice", twice, if door == "the gateway" { 400 } else { 401 }),
                ("as Basic", basic, 401),
                ("without a scheme", request().header(AUTHORIZATION, token), 401),
                ("in the query", request().query(&[("access_token", token)]), 401),
                ("in a cookie", request().header("Cookie", format!("access_token={token}")), 401),
                ("in another header", request().header("X-Access-Token", token), 401),
                ("nowhere", request(), 401),
            ];
            for (how, request, wanted) in tried {
                let answer = client.send(request).await?;
                findings.check(answer.status == wanted, || {
                    format!("a token {how}: {path} at {door}: {} {}", answer.status, answer.text)
                });
            }
            if !path.ends_with("stream") && *service != Service::LoanManager {
                let lower = request().header(AUTHORIZATION, format!("bearer {token}"));
                let answer = client.send(lower).await?;
                findings
                    .check(answer.status == 200, || format!("{path} at {door}: {}", answer.text));
            }
        }
    }
    Ok(())
}

/// A role that is none opens nothing, however it is written.
async fn roles(journey: &Journey, forger: &Forger, findings: &mut Findings) -> Result<()> {
    let odd = [
        json!([]),
        json!(["admin"]),
        json!(["Officer"]),
        json!(["CUSTOMER"]),
        json!(["customer "]),
    ];
    for (service, method, path) in ROUTES {
        if *method != "GET" || *path == "/customers/me" {
            continue;
        }
        for (door, client) in doors(journey, *service)? {
            for roles in &odd {
                let token = forger.with_claim("roles", roles.clone());
                let answer = client.get(path, &token).await?;
                let is_refused = answer.status == 403 && answer.json()["code"].is_string();
                findings.check(is_refused, || {
                    format!("{roles}: {path} at {door}: {} {}", answer.status, answer.text)
                });
            }
        }
    }
    Ok(())
}

async fn officers_do_not_apply(
    journey: &Journey,
    officer: &str,
    findings: &mut Findings,
) -> Result<()> {
    use journeys::client::{OFFICER_PASSWORD, OFFICER_USER};

    let bearers = json!({ "requestId": "01", "requestName": "Deposit", "amountOfMoney": 1_000 });
    let mut with_all = bearers.clone();
    with_all["userId"] = json!(OFFICER_USER);
    with_all["userName"] = json!("Officer");
    with_all["userPassword"] = json!(OFFICER_PASSWORD);
    for (door, client) in doors(journey, Service::LoanRequest)? {
        for (token, body) in [(officer, &bearers), ("", &with_all), (officer, &with_all)] {
            for key in [None, Some(never_was())] {
                let mut request = client.request(Method::POST, "/loanRequests").json(body);
                if !token.is_empty() {
                    request = request.bearer_auth(token);
                }
                if let Some(key) = &key {
                    request = request.header("Idempotency-Key", key);
                }
                let answer = client.send(request).await?;
                findings.check(answer.status == 403, || {
                    format!("an officer applies at {door}: {} {}", answer.status, answer.text)
                });
            }
        }
    }
    Ok(())
}

/// A token that is good, is a customer's own and does not say `customer` is no proof.
async fn only_customers_apply(
    journey: &Journey,
    forger: &Forger,
    findings: &mut Findings,
) -> Result<()> {
    let body = bearers_application();
    let certified = "SELECT count(*) FROM loan_auth.certification WHERE outcome = 'certified'";
    let before = journey.count(certified).await?;
    for (door, client) in doors(journey, Service::LoanRequest)? {
        for roles in [json!([]), json!(["officer"]), json!(["Customer"]), json!(["auditor"])] {
            let token = forger.with_claim("roles", roles.clone());
            let answer = apply(&client, &token, &body).await?;
            findings.check(answer.status == 403, || {
                format!("{roles} applies at {door}: {} {}", answer.status, answer.text)
            });
        }
    }
    let after = journey.count(certified).await?;
    findings.check(before == after, || format!("{before} certifications became {after}"));
    Ok(())
}

/// 403 comes before anything is looked at: whatever is asked for, and however
/// wrong it is, the answer is the same.
async fn the_officers_desk_is_closed(
    journey: &Journey,
    customer: &Person,
    findings: &mut Findings,
) -> Result<()> {
    let never = format!("/loanManagers/{}", never_was());
    for (door, client) in doors(journey, Service::LoanManager)? {
        for path in [
            "/loanManagers",
            "/loanManagers?size=0",
            "/loanManagers?loanStatus=99",
            &never,
            "/loanManagers/no-id",
        ] {
            let answer = client.get(path, &customer.token).await?;
            findings
                .check(is_for_officers(&answer), || format!("{path} at {door}: {}", answer.text));
        }
        for path in [never.as_str(), "/loanManagers/no-id"] {
            for body in ["", "nonsense", r#"{"loanStatus":"04"}"#, r#"{"loanStatus":"99"}"#] {
                let request = client.request(Method::PATCH, path).bearer_auth(&customer.token);
                let request = request.header("If-Match", "\"77\"").body(body.to_owned());
                let answer = client.send(request).await?;
                findings.check(is_for_officers(&answer), || {
                    format!("PATCH {path} {body} at {door}: {} {}", answer.status, answer.text)
                });
            }
        }
    }
    Ok(())
}

fn is_for_officers(answer: &Answer) -> bool {
    answer.status == 403 && answer.json()["code"] == "officers-only"
}

/// Sends again while the answer is that too much is going on, which says nothing
/// of what was asked.
async fn when_not_busy(client: &Client, request: RequestBuilder) -> Result<Answer> {
    for _ in 0..100 {
        let answer = client.send(request.try_clone().context("it can be sent again")?).await?;
        if answer.status != 503 {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("always busy")
}

/// A login's answer.
async fn log_in(client: &Client, user: &str, password: &str) -> Result<Answer> {
    let body = json!({ "grant_type": "password", "username": user, "password": password });
    when_not_busy(client, client.request(Method::POST, "/auth/token").json(&body)).await
}

/// The answer to an application, by token (none if empty) and body.
async fn apply(client: &Client, token: &str, body: &Value) -> Result<Answer> {
    let request = client.request(Method::POST, "/loanRequests").json(body);
    let request = if token.is_empty() { request } else { request.bearer_auth(token) };
    when_not_busy(client, request).await
}

/// A renewal's answer.
async fn renew(client: &Client, refresh_token: &str) -> Result<Answer> {
    let body = json!({ "grant_type": "refresh_token", "refresh_token": refresh_token });
    client.post("/auth/token", "", &body).await
}

/// Whether a login or a renewal was refused in OAuth's shape.
fn is_invalid_grant(answer: &Answer) -> bool {
    answer.status == 400 && answer.json()["error"] == "invalid_grant"
}

/// An application by token alone.
fn bearers_application() -> Value {
    json!({ "requestId": "01", "requestName": "Deposit", "amountOfMoney": 1_000 })
}
