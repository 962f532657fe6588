//! The scenario, from the application to the last repayment.

use anyhow::Result;
use journeys::client::{Credentials, DEMO_PASSWORD, DEMO_USER, id_of};
use journeys::harness::{Journey, SEEN_WITHIN};
use serde_json::{Value, json};

async fn told(journey: &Journey, token: &str, kinds: &[&str]) -> Result<Vec<Value>> {
    let count = kinds.len();
    let answer = journey
        .client
        .wait_for("/loanMessengers?size=200", token, SEEN_WITHIN, |answer| {
            // A page and its total are two looks; a message may come between them.
            let page = answer.json();
            let shown = page["_embedded"]["loanMessengers"].as_array().map(Vec::len);
            shown == Some(count) && page["page"]["totalElements"] == count
        })
        .await?;
    let mut messages = answer.json()["_embedded"]["loanMessengers"].as_array().unwrap().clone();
    messages.sort_by_key(|message| message["seq"].as_i64());
    let got: Vec<_> = messages.iter().map(|message| message["kind"].as_str().unwrap()).collect();
    assert_eq!(got, kinds);
    Ok(messages)
}

//
#[tokio::test]
async fn a_loan_from_the_application_to_its_last_repayment() -> Result<()> {
    let journey = Journey::start().await?;
    let client = &journey.client;
    let officer = client.officer().await?;
    let (who, customer) = journey.customer("kim").await?;

    let answer = client.post("/loanRequests", "", &who.application(10_000)).await?.expect(201)?;
    let loan = id_of(answer.header("location"))?;
    let path = format!("/loanRequests/{loan}");
    client
        .wait_for(&path, &customer, SEEN_WITHIN, |answer| {
            answer.json()["requestStatus"] == "요청완료"
        })
        .await?;

    let queue = client.get("/loanManagers?loanStatus=00", &officer).await?.expect(200)?;
    let waiting = queue.json()["_embedded"]["loanManagers"].as_array().unwrap().clone();
    assert!(waiting.iter().any(|item| item["loanRequestId"] == loan.as_str()), "{waiting:?}");

    for (code, name) in [("01", "심사진행"), ("02", "대출가능"), ("04", "대출실행")] {
        let stepped = client.step(&officer, &loan, code).await?.expect(200)?;
        assert_eq!(stepped.json()["loanStatus"], code);
        let status = format!("/loanStatus/loans/{loan}");
        let shown = client
            .wait_for(&status, &customer, SEEN_WITHIN, |answer| {
                answer.json()["loanStatusCode"] == code
            })
            .await?;
        assert_eq!(shown.json()["loanStatus"], name);
        assert!(!shown.text.contains("010-"), "no mobile number in the status: {}", shown.text);
    }

    // A repayment whose loan is not named is the only executed one's.
    let answer =
        client.post("/loanRequests", &customer, &bearer_repayment(4_000)).await?.expect(201)?;
    let item = id_of(answer.header("location"))?;
    journey.waits(&officer, &item).await?;
    let booked = client.step(&officer, &item, "05").await?.expect(200)?;
    assert_eq!(booked.json()["loanStatus"], "05");
    let status = format!("/loanStatus/loans/{loan}");
    client
        .wait_for(&status, &customer, SEEN_WITHIN, |answer| answer.json()["outstanding"] == 6_000)
        .await?;

    client.step(&officer, &loan, "05").await?.expect(200)?;
    let repaid = client
        .wait_for(&status, &customer, SEEN_WITHIN, |answer| answer.json()["loanStatusCode"] == "05")
        .await?;
    assert_eq!(repaid.json()["outstanding"], 0);
    let problem = client.step(&officer, &loan, "04").await?.expect(409)?.json();
    assert_eq!((&problem["state"], &problem["allowed"]), (&json!("05"), &json!([])));

    let messages = told(
        &journey,
        &customer,
        &[
            "request-received",
            "under-review",
            "approved",
            "executed",
            "request-received",
            "repayment-booked",
            "repayment-booked",
        ],
    )
    .await?;
    assert!(messages.iter().all(|message| message["language"] == "en"), "{messages:?}");
    journey.finish().await
}

fn bearer_repayment(amount: i64) -> Value {
    json!({ "requestId": "02", "requestName": "Repay", "amountOfMoney": amount })
}

// what cannot be processed is compensated, and the customer told why.
#[tokio::test]
async fn a_repayment_that_cannot_be_is_compensated() -> Result<()> {
    let journey = Journey::start().await?;
    let client = &journey.client;
    let officer = client.officer().await?;
    let (who, customer) = journey.customer("lee").await?;
    let (other, _) = journey.customer("park").await?;
    let others_loan = journey.executed_loan(&other, &officer, 50_000).await?;

    let nowhere = "0199f000-0000-7000-8000-0000000000ff";
    let waiting = client.apply(&who, 9_000).await?;
    journey.waits(&officer, &waiting).await?;
    // Order is kept for each loan, not between loans: the first message is waited for.
    told(&journey, &customer, &["request-received"]).await?;
    let wrong = [
        (Some(nowhere), 100, "no-such-loan"),
        (Some(others_loan.as_str()), 100, "no-such-loan"),
        (Some(waiting.as_str()), 100, "not-executed"),
        (None, 100, "no-executed-loan"),
    ];
    for (loan, amount, reason) in wrong {
        let answer =
            client.post("/loanRequests", "", &who.repayment(loan, amount)).await?.expect(201)?;
        let item = id_of(answer.header("location"))?;
        let path = format!("/loanRequests/{item}");
        client.wait_for(&path, &customer, SEEN_WITHIN, |answer| answer.status == 404).await?;
        let kept = format!(
            "SELECT count(*) FROM loan_request.loan_request WHERE loan_request_id = '{item}' AND status = '요청취소' AND reason = '{reason}'"
        );
        journey.wait_count(&kept, 1).await?;
    }
    let list = client.get("/loanRequests?size=200", &customer).await?.expect(200)?;
    assert_eq!(list.json()["page"]["totalElements"], 1, "only the application is left");
    let kinds = [
        "request-received",
        "request-rejected",
        "request-rejected",
        "request-rejected",
        "request-rejected",
    ];
    told(&journey, &customer, &kinds).await?;
    // what was tried on another's loan did nothing to it.
    assert_eq!(journey.count("SELECT count(*) FROM loan_manager.booking").await?, 0);
    journey.finish().await
}

// refused, and nothing comes of it that the customer could see.
#[tokio::test]
async fn a_refused_application_leaves_only_an_audit_row() -> Result<()> {
    let journey = Journey::start().await?;
    let client = &journey.client;
    let customer = client.demo_customer().await?;
    for (field, value) in
        [("userPassword", "wrong-one"), ("userName", "다른이름"), ("userId", "nobody@sk.com")]
    {
        let mut body = Credentials::demo().application(10_000);
        body[field] = json!(value);
        let problem = client.post("/loanRequests", "", &body).await?.expect(403)?;
        assert!(problem.header("content-type").starts_with("application/problem+json"));
        assert!(
            !problem.text.contains(value),
            "the problem repeats what was sent: {}",
            problem.text
        );
    }
    let refused = "SELECT count(*) FROM loan_request.loan_request WHERE status = '인증실패'";
    assert_eq!(journey.count(refused).await?, 3);
    let list = client.get("/loanRequests", &customer).await?.expect(200)?;
    assert_eq!(list.json()["page"]["totalElements"], 0);
    let officer = client.officer().await?;
    let seen = client.get("/loanRequests", &officer).await?.expect(200)?;
    assert_eq!(seen.json()["page"]["totalElements"], 3, "officers see them: {}", seen.text);
    for sql in [
        "SELECT count(*) FROM loan_request.outbox",
        "SELECT count(*) FROM loan_auth.outbox WHERE topic = 'loan.auth'",
        "SELECT count(*) FROM loan_manager.item",
        "SELECT count(*) FROM loan_messenger.message",
        "SELECT count(*) FROM loan_status.entry",
    ] {
        assert_eq!(journey.count(sql).await?, 0, "{sql}");
    }
    journey.finish().await
}

//
#[tokio::test]
async fn a_customer_registers_changes_and_goes() -> Result<()> {
    let journey = Journey::start().await?;
    let client = &journey.client;
    let officer = client.officer().await?;
    let (who, customer) = journey.customer("choi").await?;
    let me = client.get("/customers/me", &customer).await?.expect(200)?;
    assert!(!me.text.contains("assword"), "{}", me.text);
    client
        .patch(
            "/customers/me",
            &customer,
            &json!({ "language": "ko", "userMobile": "010-9876-5432" }),
        )
        .await?
        .expect(200)?;

    let loan = client.apply(&who, 1_000).await?;
    journey.waits(&officer, &loan).await?;
    client.delete("/customers/me", &customer).await?.expect(409)?;
    client.step(&officer, &loan, "01").await?.expect(200)?;
    client.step(&officer, &loan, "03").await?.expect(200)?;
    told(&journey, &customer, &["request-received", "under-review", "refused"]).await?;
    let until = std::time::Instant::now() + SEEN_WITHIN;
    loop {
        let answer = client.delete("/customers/me", &customer).await?;
        if answer.status == 204 {
            break;
        }
        assert!(std::time::Instant::now() < until, "{} {}", answer.status, answer.text);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let answer = client.post("/loanRequests", "", &who.application(1_000)).await?;
    assert_eq!(answer.status, 403, "a removed customer applies: {}", answer.text);
    let answer = client.post("/loanRequests", &customer, &bearer_application()).await?;
    assert_eq!(answer.status, 403, "a removed customer's token applies: {}", answer.text);
    let kept = "SELECT count(*) FROM loan_messenger.recipient WHERE user_name IS NOT NULL AND user_mobile = '010-9876-5432'";
    journey.wait_count(kept, 0).await?;
    journey.finish().await
}

fn bearer_application() -> Value {
    json!({ "requestId": "01", "requestName": "Deposit", "amountOfMoney": 1_000 })
}

// the load tests send one customer's requests at the same moment.
#[tokio::test]
async fn many_requests_of_one_customer_at_once_are_all_accepted() -> Result<()> {
    let journey = Journey::start().await?;
    let sending = (0..50).map(|_| {
        let client = journey.client.clone();
        async move { client.apply(&Credentials::demo(), 10_000).await }
    });
    for loan in futures::future::join_all(sending).await {
        loan?;
    }
    journey.finish().await?;
    journey.agree_on_applications(50).await?;
    assert!(journey.client.token(DEMO_USER, DEMO_PASSWORD).await.is_ok());
    Ok(())
}
