//! what is guessed is counted, by account and by address, and nothing else
//! is. The addresses are played by `X-Forwarded-For`, straight at the services,
//! which believe their own gateway's address.

use anyhow::Result;
use journeys::client::{Answer, Client, Credentials};
use journeys::harness::Journey;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use standalone::Service;

use super::{is_invalid_grant, when_not_busy};
use crate::contract::Findings;

const WRONG: &str = "a-wrong-Guess-0";

/// The contract's bounds.
const OF_AN_ACCOUNT_FROM_AN_ADDRESS: usize = 10;
const OF_AN_ACCOUNT: usize = 100;
const OF_AN_ADDRESS: usize = 60;

/// Sends as from an address. Busy counts for nothing.
async fn from(client: &Client, address: &str, request: RequestBuilder) -> Result<Answer> {
    when_not_busy(client, request.header("X-Forwarded-For", address)).await
}

async fn log_in(client: &Client, address: &str, user: &str, password: &str) -> Result<Answer> {
    let body = json!({ "grant_type": "password", "username": user, "password": password });
    from(client, address, client.request(Method::POST, "/auth/token").json(&body)).await
}

async fn apply(client: &Client, address: &str, body: &Value) -> Result<Answer> {
    from(client, address, client.request(Method::POST, "/loanRequests").json(body)).await
}

/// 429 with a `Retry-After` of 1 to 60 seconds, which it gives.
fn told_to_wait(answer: &Answer) -> Option<u64> {
    let after: u64 = answer.header("retry-after").parse().ok()?;
    (answer.status == 429 && (1..=60).contains(&after)).then_some(after)
}

fn slows_down(answer: &Answer) -> bool {
    let json = answer.json();
    told_to_wait(answer).is_some()
        && json["error"] == "slow_down"
        && json["error_description"].is_string()
        && answer.header("cache-control").contains("no-store")
}

fn is_throttled(answer: &Answer) -> bool {
    told_to_wait(answer).is_some()
        && answer.json()["code"] == "too-many-failures"
        && answer.header("content-type").starts_with("application/problem+json")
}

/// Ten from one address, for an account that is there and for one that is not:
/// the same answers. Right ones are not counted, and other addresses are open.
pub(super) async fn from_one_address(journey: &Journey, findings: &mut Findings) -> Result<()> {
    let auth = journey.direct(Service::LoanAuth)?;
    let (who, _) = journey.customer("guessed").await?;
    for _ in 0..OF_AN_ACCOUNT_FROM_AN_ADDRESS * 2 {
        log_in(&auth, "203.0.113.1", &who.user_id, &who.password).await?.expect(200)?;
    }
    let mut shapes = Vec::new();
    for (account, address) in
        [(who.user_id.as_str(), "203.0.113.1"), ("nobody@example.com", "203.0.113.2")]
    {
        let mut seen = Vec::new();
        let mut waits = Vec::new();
        for number in 0..OF_AN_ACCOUNT_FROM_AN_ADDRESS + 4 {
            let answer = log_in(&auth, address, account, WRONG).await?;
            let is_right = if number < OF_AN_ACCOUNT_FROM_AN_ADDRESS {
                is_invalid_grant(&answer)
            } else {
                slows_down(&answer)
            };
            findings.check(is_right, || {
                format!("guess {number} at {account}: {} {}", answer.status, answer.text)
            });
            waits.extend(told_to_wait(&answer));
            seen.push((answer.status, answer.text));
        }
        let grows = waits.windows(2).all(|two| two[0] <= two[1]) && waits.first() < waits.last();
        findings.check(grows, || format!("Retry-After does not grow: {waits:?}"));
        shapes.push(seen);
    }
    findings
        .check(shapes[0] == shapes[1], || format!("accounts that are there differ: {shapes:#?}"));

    // From there nothing is looked at any more, however the login name is spelled…
    for name in [who.user_id.clone(), who.user_id.to_uppercase()] {
        let answer = log_in(&auth, "203.0.113.1", &name, &who.password).await?;
        findings.check(slows_down(&answer), || format!("{name} is let in: {}", answer.text));
    }
    // … and everywhere else the owner is.
    log_in(&auth, "203.0.113.3", &who.user_id, &who.password).await?.expect(200)?;

    // A line has 2^64 IPv6 addresses.
    for number in 0..=OF_AN_ACCOUNT_FROM_AN_ADDRESS {
        let address = format!("2001:db8:0:1::{number:x}");
        let answer = log_in(&auth, &address, &who.user_id, WRONG).await?;
        let is_right =
            if number < OF_AN_ACCOUNT_FROM_AN_ADDRESS { is_invalid_grant } else { slows_down };
        findings.check(is_right(&answer), || {
            format!("from {address}: {} {}", answer.status, answer.text)
        });
    }
    log_in(&auth, "2001:db8:0:2::1", &who.user_id, &who.password).await?.expect(200)?;
    Ok(())
}

/// `POST /loanRequests` counts with the logins.
pub(super) async fn at_the_requests(journey: &Journey, findings: &mut Findings) -> Result<()> {
    let (auth, requests) =
        (journey.direct(Service::LoanAuth)?, journey.direct(Service::LoanRequest)?);
    let (who, token) = journey.customer("guessed-at-requests").await?;
    let wrong = Credentials { password: WRONG.into(), ..who.clone() }.application(1_000);
    let mut misnamed = who.application(1_000);
    misnamed["userName"] = json!("Somebody Else");
    let here = "203.0.113.11";
    for number in 0..OF_AN_ACCOUNT_FROM_AN_ADDRESS + 3 {
        let body = if number % 2 == 0 { &wrong } else { &misnamed };
        let answer = apply(&requests, here, body).await?;
        let is_right = if number < OF_AN_ACCOUNT_FROM_AN_ADDRESS {
            answer.status == 403 && answer.json()["code"] == "not-certified"
        } else {
            is_throttled(&answer)
        };
        findings.check(is_right, || {
            format!("guess {number} at the requests: {} {}", answer.status, answer.text)
        });
    }
    let answer = apply(&requests, here, &who.application(1_000)).await?;
    findings.check(is_throttled(&answer), || format!("the right one from there: {}", answer.text));
    let answer = log_in(&auth, here, &who.user_id, &who.password).await?;
    findings.check(slows_down(&answer), || format!("a login from there: {}", answer.text));
    // A token is no guess, and the owner elsewhere has guessed nothing.
    let request = requests.request(Method::POST, "/loanRequests").bearer_auth(token);
    from(&requests, here, request.json(&super::bearers_application())).await?.expect(201)?;
    apply(&requests, "203.0.113.12", &who.application(1_000)).await?.expect(201)?;
    Ok(())
}

/// Forty guesses at the same moment are no more than ten.
pub(super) async fn at_the_same_moment(journey: &Journey, findings: &mut Findings) -> Result<()> {
    let auth = journey.direct(Service::LoanAuth)?;
    let (who, _) = journey.customer("guessed-at-once").await?;
    let body = json!({ "grant_type": "password", "username": who.user_id, "password": WRONG });
    let guesses = (0..40).map(|_| {
        let request =
            auth.request(Method::POST, "/auth/token").header("X-Forwarded-For", "203.0.113.21");
        auth.send(request.json(&body))
    });
    let mut looked_at = 0;
    for answer in futures::future::join_all(guesses).await {
        let answer = answer?;
        looked_at += usize::from(is_invalid_grant(&answer));
        let is_right = is_invalid_grant(&answer) || slows_down(&answer) || answer.status == 503;
        findings.check(is_right, || format!("at once: {} {}", answer.status, answer.text));
    }
    findings.check((1..=OF_AN_ACCOUNT_FROM_AN_ADDRESS).contains(&looked_at), || {
        format!("{looked_at} guesses were looked at")
    });
    Ok(())
}

/// The gateway believes no address that a client makes up.
pub(super) async fn with_made_up_addresses(
    journey: &Journey,
    findings: &mut Findings,
) -> Result<()> {
    let (who, _) = journey.customer("guessed-under-names").await?;
    let client = &journey.client;
    let mut looked_at = 0;
    for number in 0..OF_AN_ACCOUNT_FROM_AN_ADDRESS + 3 {
        let address = format!("198.51.100.{number}");
        let body = json!({ "grant_type": "password", "username": who.user_id, "password": WRONG });
        let mut request = client.request(Method::POST, "/auth/token").json(&body);
        for name in
            ["X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X_Forwarded_For"]
        {
            request = request.header(name, &address);
        }
        let request = request.header("Forwarded", format!("for={address}"));
        looked_at += usize::from(is_invalid_grant(&from(client, &address, request).await?));
    }
    findings.check(looked_at == OF_AN_ACCOUNT_FROM_AN_ADDRESS, || {
        format!("{looked_at} guesses behind made-up addresses were looked at")
    });
    Ok(())
}

/// Whoever has a token and guesses the password, to change it, is counted as well.
pub(super) async fn of_the_old_password(journey: &Journey, findings: &mut Findings) -> Result<()> {
    let auth = journey.direct(Service::LoanAuth)?;
    let (who, token) = journey.customer("guessed-for-a-change").await?;
    let change = |old: &str| {
        let body = json!({ "oldPassword": old, "userPassword": "a-new-Flamingo-7" });
        auth.request(Method::PATCH, "/customers/me").bearer_auth(&token).json(&body)
    };
    for number in 0..=OF_AN_ACCOUNT_FROM_AN_ADDRESS {
        let answer = from(&auth, "203.0.113.31", change(WRONG)).await?;
        let is_right = if number < OF_AN_ACCOUNT_FROM_AN_ADDRESS {
            answer.status == 403 && answer.json()["code"] == "wrong-credentials"
        } else {
            is_throttled(&answer)
        };
        findings.check(is_right, || format!("change {number}: {} {}", answer.status, answer.text));
    }
    let answer = from(&auth, "203.0.113.31", change(&who.password)).await?;
    findings.check(is_throttled(&answer), || format!("the right one from there: {}", answer.text));
    log_in(&auth, "203.0.113.32", &who.user_id, &who.password).await?.expect(200)?;
    Ok(())
}

/// One address and many accounts: sixty in a minute.
pub(super) async fn at_many_accounts(journey: &Journey, findings: &mut Findings) -> Result<()> {
    let auth = journey.direct(Service::LoanAuth)?;
    let (who, _) = journey.customer("sprayed").await?;
    let here = "203.0.113.41";
    for number in 0..OF_AN_ADDRESS {
        let answer = log_in(&auth, here, &format!("user-{number}@example.com"), WRONG).await?;
        findings.check(is_invalid_grant(&answer), || {
            format!("account {number}: {} {}", answer.status, answer.text)
        });
    }
    for user in ["another@example.com", &who.user_id] {
        let answer = log_in(&auth, here, user, &who.password).await?;
        findings.check(slows_down(&answer), || {
            format!("{user} from there: {} {}", answer.status, answer.text)
        });
    }
    log_in(&auth, "203.0.113.42", &who.user_id, &who.password).await?.expect(200)?;
    Ok(())
}

/// Many addresses and one account: a hundred in an hour, and then only addresses
/// that the owner is known from.
pub(super) async fn from_everywhere(journey: &Journey, findings: &mut Findings) -> Result<()> {
    let (auth, requests) =
        (journey.direct(Service::LoanAuth)?, journey.direct(Service::LoanRequest)?);
    let (who, _) = journey.customer("besieged").await?;
    let (known, by_request) = ("203.0.113.51", "203.0.113.52");
    log_in(&auth, known, &who.user_id, &who.password).await?.expect(200)?;
    apply(&requests, by_request, &who.application(1_000)).await?.expect(201)?;
    let mut counted = 0;
    for network in 0..OF_AN_ACCOUNT / OF_AN_ACCOUNT_FROM_AN_ADDRESS {
        for _ in 0..OF_AN_ACCOUNT_FROM_AN_ADDRESS {
            let answer = log_in(&auth, &format!("192.0.2.{network}"), &who.user_id, WRONG).await?;
            counted += usize::from(is_invalid_grant(&answer));
        }
    }
    // What failed behind the gateway's back counts too: registering came from there.
    findings.check(counted == OF_AN_ACCOUNT, || format!("{counted} guesses were looked at"));
    let answer = log_in(&auth, "192.0.2.200", &who.user_id, WRONG).await?;
    findings.check(slows_down(&answer), || format!("one more: {} {}", answer.status, answer.text));
    let answer = apply(&requests, "192.0.2.201", &who.application(1_000)).await?;
    findings.check(is_throttled(&answer), || format!("from an unknown address: {}", answer.text));
    for address in [known, by_request] {
        let answer = log_in(&auth, address, &who.user_id, &who.password).await?;
        findings.check(answer.status == 200, || format!("the owner at {address}: {}", answer.text));
        let answer = apply(&requests, address, &who.application(1_000)).await?;
        findings.check(answer.status == 201, || format!("the owner at {address}: {}", answer.text));
    }
    Ok(())
}
