//! The topics tell everything, from offset 0 on, to whoever comes; and one trace
//! runs through all of it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use journeys::client::Credentials;
use journeys::harness::{Journey, SEEN_WITHIN};
use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Row as _;
use standalone::Service;

use crate::by_hand::{Seen, read};
use crate::plumbing::until;

/// Loans in every state, with repayments booked, refused and rejected.
pub(crate) async fn busy_journey() -> Result<Journey> {
    let journey = Journey::start().await?;
    let client = &journey.client;
    let officer = client.officer().await?;
    let who = Credentials::demo();
    for steps in [&[][..], &["01"], &["01", "02"], &["01", "03"]] {
        let loan = client.apply(&who, 10_000).await?;
        journey.waits(&officer, &loan).await?;
        for step in steps {
            client.step(&officer, &loan, step).await?.expect(200)?;
        }
    }
    let (part, whole) = (
        journey.executed_loan(&who, &officer, 50_000).await?,
        journey.executed_loan(&who, &officer, 70_000).await?,
    );
    for (loan, amount, step) in
        [(&part, 20_000, "05"), (&part, 1_000, "03"), (&part, 99_000, ""), (&whole, 30_000, "05")]
    {
        let body = who.repayment(Some(loan), amount);
        let answer = client.post("/loanRequests", "", &body).await?.expect(201)?;
        let item = journeys::client::id_of(answer.header("location"))?;
        journey.waits(&officer, &item).await?;
        if !step.is_empty() {
            client.step(&officer, &item, step).await?.expect(200)?;
        }
    }
    client.step(&officer, &whole, "05").await?.expect(200)?;
    journey.finish().await?;
    Ok(journey)
}

/// What a newcomer knows of a loan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Known {
    customer: String,
    status: String,
    amount: i64,
    outstanding: Option<i64>,
    version: i64,
}

/// Every message of loan-manager's topic, as a group that was never there before
/// gets them: nothing but Kafka's own client.
async fn newcomer(bootstrap: &str, count: usize) -> Result<Vec<Seen>> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "newcomer")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()?;
    consumer.subscribe(&["loan.manager"])?;
    let mut messages = Vec::new();
    while messages.len() < count {
        let next = tokio::time::timeout(SEEN_WITHIN, consumer.recv()).await?;
        messages.push(Seen::from(&next?));
    }
    // Leaving the group waits for the broker.
    tokio::task::spawn_blocking(move || drop(consumer)).await?;
    Ok(messages)
}

/// Folds the events into the loans, by what the contract says and nothing else.
fn fold(messages: &[Seen]) -> BTreeMap<String, Known> {
    let mut loans: BTreeMap<String, Known> = BTreeMap::new();
    for message in messages {
        let event = message.json();
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let (Some(version), false) = (event["loanVersion"].as_i64(), event["loanId"].is_null())
        else {
            continue; // A request that came to no loan.
        };
        let loan = loans.entry(text("loanId")).or_default();
        assert_eq!(version, loan.version + 1, "the events of a loan are in order: {message:?}");
        loan.version = version;
        loan.customer = text("customerId");
        match (message.header("ce_type"), event["requestId"].as_str()) {
            ("LoanRequestReceived", Some("01")) => {
                loan.status = "00".to_owned();
                loan.amount = event["amountOfMoney"].as_i64().unwrap_or_default();
            }
            ("LoanJudged", _) => loan.status = text("loanStatus"),
            ("LoanExecuted", _) => {
                loan.status = "04".to_owned();
                loan.outstanding = event["outstanding"].as_i64();
            }
            ("LoanRepaid", _) => {
                loan.status = text("loanStatus");
                loan.outstanding = event["outstanding"].as_i64();
            }
            ("LoanRequestReceived" | "LoanRequestRejected", _) => {}
            other => panic!("what is {other:?}?"),
        }
    }
    loans
}

//
#[tokio::test]
async fn a_newcomer_rebuilds_every_loan_from_the_topics_alone() -> Result<()> {
    let journey = busy_journey().await?;
    let count = journey.count("SELECT count(*) FROM loan_manager.outbox").await?;
    let messages = newcomer(journey.stack.bootstrap(), usize::try_from(count)?).await?;
    let rebuilt = fold(&messages);
    let rows = sqlx::query(
        "SELECT loan_id::text, customer_id::text, status, amount, outstanding, loan_version
         FROM loan_manager.item WHERE kind = '01'",
    )
    .fetch_all(&journey.db)
    .await?;
    let mut held = BTreeMap::new();
    for row in rows {
        let known = Known {
            customer: row.try_get(1)?,
            status: row.try_get(2)?,
            amount: row.try_get(3)?,
            outstanding: row.try_get(4)?,
            version: row.try_get(5)?,
        };
        held.insert(row.try_get::<String, _>(0)?, known);
    }
    assert_eq!(rebuilt, held);
    let states: BTreeSet<_> = rebuilt.values().map(|loan| loan.status.as_str()).collect();
    assert_eq!(states, BTreeSet::from(["00", "01", "02", "03", "04", "05"]));
    Ok(())
}

//
#[tokio::test]
async fn the_status_rebuilds_itself_from_the_topics_alone() -> Result<()> {
    const SHOWN: &str = "SELECT coalesce(string_agg(line, E'\\n' ORDER BY line), '') FROM (
        SELECT to_jsonb(loan)::text FROM loan_status.loan
        UNION ALL SELECT (to_jsonb(entry) - 'id')::text FROM loan_status.entry
        UNION ALL SELECT to_jsonb(cancellation)::text FROM loan_status.cancellation) AS shown(line)";
    let mut journey = busy_journey().await?;
    let sent = journey.count("SELECT count(*) FROM loan_manager.outbox").await?;
    journey.wait_count("SELECT count(*) FROM loan_status.entry", sent).await?;
    journey.wait_count("SELECT count(*) FROM loan_status.cancellation", 2).await?;
    let shown = async |journey: &Journey| -> Result<String> {
        Ok(sqlx::query_scalar(SHOWN).fetch_one(&journey.db).await?)
    };
    let before = shown(&journey).await?;
    let status = journey.stack.service_mut(Service::LoanStatus);
    status.terminate().await?;
    status.set_env("READ_MODEL_GENERATION", "2");
    // What is shown after this can't be what was there.
    sqlx::query("UPDATE loan_status.entry SET request_name = 'left over'")
        .execute(&journey.db)
        .await?;
    journey.stack.service_mut(Service::LoanStatus).start_again().await?;
    until("all is shown again", async || Ok(shown(&journey).await? == before)).await
}

/// The lines of a log that belong to the trace, with what they say.
fn lines_of(log: &str, trace: &str) -> Vec<Value> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["trace_id"] == trace)
        .collect()
}

//
#[tokio::test]
async fn one_trace_runs_from_the_request_to_the_last_consumer() -> Result<()> {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";
    let journey = Journey::start().await?;
    let client = &journey.client;
    // Another one, whose trace is not to be seen.
    client.apply(&Credentials::demo(), 5_000).await?;
    let request = client
        .request(Method::POST, "/loanRequests")
        .header("traceparent", format!("00-{TRACE}-{SPAN}-01"))
        .json(&Credentials::demo().application(10_000));
    let answer = client.send(request).await?.expect(201)?;
    let loan = journeys::client::id_of(answer.header("location"))?;
    journey.agree_on_applications(2).await?;
    journey.finish().await?;

    for (topic, event_type) in [
        ("loan.auth", "AuthCertified"),
        ("loan.manager", "LoanRequestReceived"),
        ("loan.messenger", "MessageSent"),
    ] {
        let messages = read(journey.stack.bootstrap(), topic).await?;
        assert_eq!(messages.len(), 2, "{topic}");
        for message in messages {
            let parts: Vec<_> = message.header("traceparent").split('-').collect();
            assert_eq!(parts.len(), 4, "{message:?}");
            let is_its = message.json()["loanRequestId"] == json!(loan);
            assert_eq!(parts[1] == TRACE, is_its, "{message:?}");
            assert_ne!(parts[2], SPAN, "each part of the way has a span of its own");
            assert_eq!(message.header("ce_type"), event_type);
        }
    }
    let worked = [
        (Service::LoanRequest, "AuthCertified"),
        (Service::LoanRequest, "LoanRequestReceived"),
        (Service::LoanManager, "AuthCertified"),
        (Service::LoanMessenger, "LoanRequestReceived"),
        (Service::LoanStatus, "LoanRequestReceived"),
    ];
    for (service, event_type) in worked {
        let said = || {
            let lines = lines_of(&journey.stack.service(service).log(), TRACE);
            lines.iter().any(|line| line["event_type"] == event_type)
        };
        until(event_type, async || Ok(said())).await?;
    }
    for (service, path) in
        [(Service::LoanRequest, "/loanRequests"), (Service::LoanAuth, "/loanAuths")]
    {
        let lines = lines_of(&journey.stack.service(service).log(), TRACE);
        let answered: Vec<_> = lines.iter().filter(|line| line["message"] == "answered").collect();
        assert_eq!(answered.len(), 1, "{lines:?}");
        assert_eq!(answered[0]["path"], path);
    }
    Ok(())
}
