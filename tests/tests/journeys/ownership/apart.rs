//! The places that take more than one question to try.

use std::time::Duration;

use anyhow::{Context, Result};
use journeys::client::{Answer, Client, Credentials, id_of};
use journeys::harness::{Journey, SEEN_WITHIN};
use reqwest::Method;
use serde_json::{Value, json};
use standalone::Service;
use tokio::time::Instant;

use super::streams::streams;
use super::{essence, shape};
use crate::contract::Findings;
use crate::scene::{Scene, doors, elements, listed, never_was};

pub(super) async fn everything(
    journey: &Journey,
    scene: &Scene,
    findings: &mut Findings,
) -> Result<()> {
    names(journey, scene, findings).await?;
    keys(journey, scene, findings).await?;
    cursors(journey, scene, findings).await?;
    versions(journey, scene, findings).await?;
    repayments(journey, scene, findings).await?;
    streams(journey, scene, findings).await?;
    an_heir_inherits_nothing(journey, scene, findings).await
}

/// Another's login name with one's own password is as wrong as one that never was.
async fn names(journey: &Journey, scene: &Scene, findings: &mut Findings) -> Result<()> {
    let (owner, stranger) = (&scene.owner.who, &scene.stranger);
    for (door, client) in doors(journey, Service::LoanRequest)? {
        for token in ["", stranger.token.as_str()] {
            let mut essences = Vec::new();
            for user_id in [owner.user_id.as_str(), "never-was@example.com"] {
                let mut body = stranger.who.application(10_000);
                body["userId"] = json!(user_id);
                body["userName"] = json!(owner.user_name);
                let answer = client.post("/loanRequests", token, &body).await?;
                findings.check(answer.status == 403, || {
                    format!("{user_id} at {door}: {}", answer.text)
                });
                essences.push(essence(&answer, "", ""));
            }
            findings.check(essences[0] == essences[1], || format!("at {door}: {essences:#?}"));
        }
        // Two people at once are nobody, even if both are right.
        let answer = client.post("/loanRequests", &stranger.token, &owner.application(1)).await?;
        findings.check(answer.status == 403, || format!("two people at {door}: {}", answer.text));
    }
    for (door, client) in doors(journey, Service::LoanAuth)? {
        let mut said = [Vec::new(), Vec::new(), Vec::new()];
        for user_id in [owner.user_id.as_str(), "never-was@example.com"] {
            let body = json!({ "userId": user_id });
            let answer = client.patch("/customers/me", &stranger.token, &body).await?;
            findings.check(answer.status == 422, || format!("renaming at {door}: {}", answer.text));
            said[0].push(essence(&answer, "", ""));
            let body = json!({ "grant_type": "password", "username": user_id, "password": stranger.who.password });
            let answer = client.post("/auth/token", "", &body).await?;
            findings.check(answer.status == 400, || format!("a login at {door}: {}", answer.text));
            said[1].push(essence(&answer, "", ""));
        }
        // A refresh token is known to its owner alone; one that is not right tells nothing.
        for shown in [scene.owner.id.clone(), never_was(), scene.owner.token.clone()] {
            let body = json!({ "grant_type": "refresh_token", "refresh_token": shown });
            let answer = client.post("/auth/token", &stranger.token, &body).await?;
            findings
                .check(answer.status == 400, || format!("a renewal at {door}: {}", answer.text));
            said[2].push(essence(&answer, "", ""));
        }
        for said in said {
            findings.check(said.windows(2).all(|two| two[0] == two[1]), || {
                format!("at {door}: {said:#?}")
            });
        }
    }
    Ok(())
}

async fn keyed(
    client: &Client,
    path: &str,
    token: &str,
    key: &str,
    body: &Value,
) -> Result<Answer> {
    let mut request = client.request(Method::POST, path).header("Idempotency-Key", key);
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    client.send(request.json(body)).await
}

/// Another's key is a key that nobody has used.
async fn keys(journey: &Journey, scene: &Scene, findings: &mut Findings) -> Result<()> {
    let bearers = json!({ "requestId": "01", "requestName": "Deposit", "amountOfMoney": 3_000 });
    for (door, client) in doors(journey, Service::LoanRequest)? {
        let key = never_was();
        let owners = keyed(&client, "/loanRequests", &scene.owner.token, &key, &bearers).await?;
        let owners = id_of(owners.expect(201)?.header("location"))?;
        let theirs = keyed(&client, "/loanRequests", &scene.stranger.token, &key, &bearers).await?;
        let is_fresh = theirs.status == 201
            && theirs.header("idempotency-replayed").is_empty()
            && !theirs.text.contains(&owners);
        findings.check(is_fresh, || {
            format!("the owner's key at {door}: {} {}", theirs.status, theirs.text)
        });

        // The owner's very body, with a password that is not theirs: as with any key.
        let key = never_was();
        let body = scene.owner.who.application(3_000);
        keyed(&client, "/loanRequests", "", &key, &body).await?.expect(201)?;
        let mut guess = body.clone();
        guess["userPassword"] = json!("not-the-owners-1");
        let mut other = guess.clone();
        other["amountOfMoney"] = json!(3_001);
        let with_used = keyed(&client, "/loanRequests", "", &key, &guess).await?;
        let with_fresh = keyed(&client, "/loanRequests", "", &never_was(), &guess).await?;
        findings
            .check(with_used.status == 403, || format!("a guess at {door}: {}", with_used.text));
        findings.check(essence(&with_used, "", "") == essence(&with_fresh, "", ""), || {
            format!("at {door}: {} but {}", with_used.text, with_fresh.text)
        });
    }
    for (door, client) in doors(journey, Service::LoanAuth)? {
        let key = never_was();
        let register = |user_id: &str, password: &str| json!({ "userId": user_id, "userName": "Key Holder", "userPassword": password, "userMobile": "010-1111-2222" });
        let first = register(&format!("first-{key}@example.com"), "Zebra-Crossing-1");
        let registered = keyed(&client, "/customers", "", &key, &first).await?.expect(201)?;
        let id = registered.text_at("/customerId")?;
        let second = register(&format!("second-{key}@example.com"), "Zebra-Crossing-2");
        let theirs = keyed(&client, "/customers", "", &key, &second).await?;
        let is_fresh = theirs.status == 201 && !theirs.text.contains(&id);
        findings.check(is_fresh, || format!("a registration's key at {door}: {}", theirs.text));
        let guess = register(&format!("first-{key}@example.com"), "Zebra-Crossing-3");
        let guessed = keyed(&client, "/customers", "", &key, &guess).await?;
        findings.check(guessed.status == 403 && !guessed.text.contains(&id), || {
            format!("a registration's key with a guess at {door}: {}", guessed.text)
        });
    }
    Ok(())
}

/// A cursor from another's list goes on in one's own.
async fn cursors(journey: &Journey, scene: &Scene, findings: &mut Findings) -> Result<()> {
    let lists = [
        ("/loanRequests", Service::LoanRequest),
        ("/loanAuths", Service::LoanAuth),
        ("/loanMessengers", Service::LoanMessenger),
        ("/loanStatus", Service::LoanStatus),
        ("/loanManagers", Service::LoanManager),
    ];
    for (path, service) in lists {
        for (door, client) in doors(journey, service)? {
            let whose =
                if service == Service::LoanManager { &scene.officer } else { &scene.owner.token };
            let page = client.get(&format!("{path}?size=1"), whose).await?.expect(200)?;
            let next = page.text_at("/_links/next/href")?;
            let query = next.split_once('?').context("a query")?.1;
            let query = query.replace("size=1", "size=200");
            let theirs = client.get(&format!("{path}?{query}"), &scene.stranger.token).await?;
            if service == Service::LoanManager {
                findings
                    .check(theirs.status == 403, || format!("{path} at {door}: {}", theirs.text));
                continue;
            }
            let is_own = |item: &Value| item["customerId"] == json!(scene.stranger.id);
            let is_closed = theirs.status == 200 && listed(&theirs).iter().all(is_own);
            findings.check(is_closed, || {
                format!("{path} at {door}: {} {}", theirs.status, theirs.text)
            });
        }
    }
    Ok(())
}

/// Whoever knows the version of what they may not see is not told that it is so.
async fn versions(journey: &Journey, scene: &Scene, findings: &mut Findings) -> Result<()> {
    for (door, client) in doors(journey, Service::LoanStatus)? {
        let path = format!("/loanStatus/loans/{}", scene.loan);
        let tag =
            client.get(&path, &scene.owner.token).await?.expect(200)?.header("etag").to_owned();
        for (token, wanted) in [(&scene.owner.token, 304), (&scene.stranger.token, 404)] {
            for shown in [tag.as_str(), "*"] {
                let request = client.request(Method::GET, &path).bearer_auth(token);
                let answer = client.send(request.header("If-None-Match", shown)).await?;
                findings.check(answer.status == wanted, || {
                    format!("{path} with {shown} at {door}: {} instead of {wanted}", answer.status)
                });
            }
        }
    }
    Ok(())
}

/// A repayment of another's loan goes the way of one of a loan that never was.
async fn repayments(journey: &Journey, scene: &Scene, findings: &mut Findings) -> Result<()> {
    let never = never_was();
    for (door, client) in doors(journey, Service::LoanRequest)? {
        for field in ["loanId", "loanRequestId"] {
            let mut outcomes = Vec::new();
            for loan in [scene.loan.as_str(), &never] {
                let mut body =
                    json!({ "requestId": "02", "requestName": "Repay", "amountOfMoney": 500 });
                body[field] = json!(loan);
                let answer = client
                    .post("/loanRequests", &scene.stranger.token, &body)
                    .await?
                    .expect(201)?;
                let item = id_of(answer.header("location"))?;
                outcomes.push(outcome(journey, scene, &answer, (&item, loan)).await?);
            }
            findings.check(outcomes[0] == outcomes[1], || {
                format!(
                    "{field} at {door}: {}\nbut one that never was: {}",
                    outcomes[0], outcomes[1]
                )
            });
            findings.check(outcomes[0].contains("no-such-loan"), || outcomes[0].to_string());
        }
    }
    Ok(())
}

/// All that a customer can see of a request that was rejected.
async fn outcome(
    journey: &Journey,
    scene: &Scene,
    answer: &Answer,
    (item, loan): (&str, &str),
) -> Result<String> {
    let (client, token) = (&journey.client, &scene.stranger.token);
    let path = format!("/loanRequests/{item}");
    let gone = client.wait_for(&path, token, SEEN_WITHIN, |answer| answer.status == 404).await?;
    let of_item = |answer: &Answer| -> Vec<Value> {
        listed(answer).into_iter().filter(|one| one["loanRequestId"] == json!(item)).collect()
    };
    let told = |answer: &Answer| !of_item(answer).is_empty();
    let messages = client.wait_for("/loanMessengers?size=200", token, SEEN_WITHIN, told).await?;
    let cancelled =
        |answer: &Answer| of_item(answer).iter().any(|entry| entry["requestStatus"] == "요청취소");
    let entries = client.wait_for("/loanStatus?size=200", token, SEEN_WITHIN, cancelled).await?;
    let is_cancelled = |answer: &Answer| answer.json()["authStatus"] == "cancelled";
    let proof =
        client.wait_for(&format!("/loanAuths/{item}"), token, SEEN_WITHIN, is_cancelled).await?;
    let loan_now = client.get(&format!("/loanStatus/loans/{loan}"), token).await?;
    let seen = json!([
        answer.json(),
        gone.json(),
        of_item(&messages),
        of_item(&entries),
        proof.json(),
        loan_now.json()
    ]);
    Ok(shape(&timeless(seen), &[item, loan]))
}

/// Without times, and without numbers and ids that are counted on.
fn timeless(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            members.retain(|name, value| {
                let is_counted = ["id", "seq", "_links"].contains(&name.as_str());
                !(name.ends_with("At") || is_counted && !value.to_string().contains("loan"))
            });
            if let Some(links) = members.get_mut("_links") {
                // Of a message it is named after the message.
                links.as_object_mut().map(|links| links.remove("self"));
            }
            members.values_mut().for_each(|value| *value = timeless(value.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| *value = timeless(value.take())),
        _ => {}
    }
    value
}

/// A login name changes hands, and brings nothing with it.
async fn an_heir_inherits_nothing(
    journey: &Journey,
    scene: &Scene,
    findings: &mut Findings,
) -> Result<()> {
    let client = &journey.client;
    let (first, token) = journey.customer("changing-hands").await?;
    let key = never_was();
    let body = first.application(4_000);
    let answer = keyed(client, "/loanRequests", "", &key, &body).await?.expect(201)?;
    let loan = id_of(answer.header("location"))?;
    journey.waits(&scene.officer, &loan).await?;
    for step in ["01", "03"] {
        client.step(&scene.officer, &loan, step).await?.expect(200)?;
    }
    let message = elements(client, "/loanMessengers", &token, 3).await?[0]["id"].clone();
    elements(client, "/loanStatus", &token, 3).await?;
    let first_id = client.get("/customers/me", &token).await?.text_at("/customerId")?;
    let until = Instant::now() + SEEN_WITHIN;
    while client.delete("/customers/me", &token).await?.status != 204 {
        anyhow::ensure!(Instant::now() < until, "the customer can't leave");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let heir = Credentials { password: "another-Heron-2!".into(), ..first.clone() };
    let id = client.register(&heir, "ko").await?;
    findings.check(id != first_id, || "a customer's id was given twice".to_owned());
    let token = client.token(&heir.user_id, &heir.password).await?;
    let message = message.as_str().context("a message's id")?;
    for path in [
        format!("/loanRequests/{loan}"),
        format!("/loanAuths/{loan}"),
        format!("/loanMessengers/{message}"),
        format!("/loanStatus/loans/{loan}"),
        format!("/customers/{first_id}"),
    ] {
        let answer = client.get(&path, &token).await?;
        findings.check(answer.status == 404, || format!("an heir reads {path}: {}", answer.text));
    }
    for path in ["/loanRequests", "/loanAuths", "/loanMessengers", "/loanStatus"] {
        let answer = client.get(path, &token).await?.expect(200)?;
        findings
            .check(listed(&answer).is_empty(), || format!("an heir lists {path}: {}", answer.text));
    }
    // The key is kept by login name for its 24 hours: it may be refused to an heir
    // who hits upon it, and shows nothing.
    let body = heir.application(4_000);
    let answer = keyed(client, "/loanRequests", "", &key, &body).await?;
    let is_silent = !answer.text.contains(&loan) && !answer.text.contains(&first_id);
    findings.check(is_silent && matches!(answer.status, 201 | 403), || {
        format!("an heir uses a key: {} {}", answer.status, answer.text)
    });
    Ok(())
}
