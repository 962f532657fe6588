//! Two customers and an officer: one owns something of everything, the other
//! asks for it.

use anyhow::{Context, Result};
use journeys::client::{Answer, Client, Credentials, id_of};
use journeys::harness::{Journey, SEEN_WITHIN};
use serde_json::{Value, json};
use standalone::Service;

/// Somebody with a token.
pub(crate) struct Person {
    pub(crate) who: Credentials,
    pub(crate) id: String,
    pub(crate) token: String,
}

impl Person {
    /// A fresh customer.
    pub(crate) async fn customer(journey: &Journey, name: &str) -> Result<Self> {
        let (who, token) = journey.customer(name).await?;
        let me = journey.client.get("/customers/me", &token).await?.expect(200)?;
        Ok(Self { who, id: me.text_at("/customerId")?, token })
    }
}

/// The people, and what the owner has.
pub(crate) struct Scene {
    pub(crate) owner: Person,
    pub(crate) stranger: Person,
    pub(crate) officer: String,
    /// Executed, with 50,000 won outstanding.
    pub(crate) loan: String,
    /// A repayment of it that waits.
    pub(crate) repayment: String,
    /// A message about it.
    pub(crate) message: String,
    /// The place of an entry in the feed.
    pub(crate) entry: String,
    /// The stranger's own loan, which waits.
    pub(crate) strangers_loan: String,
}

impl Scene {
    pub(crate) async fn set(journey: &Journey) -> Result<Self> {
        let client = &journey.client;
        let officer = client.officer().await?;
        let owner = Person::customer(journey, "owner").await?;
        let stranger = Person::customer(journey, "stranger").await?;
        let loan = journey.executed_loan(&owner.who, &officer, 50_000).await?;
        let body = owner.who.repayment(Some(&loan), 1_000);
        let answer = client.post("/loanRequests", "", &body).await?.expect(201)?;
        let repayment = id_of(answer.header("location"))?;
        journey.waits(&officer, &repayment).await?;
        let strangers_loan = client.apply(&stranger.who, 7_000).await?;
        journey.waits(&officer, &strangers_loan).await?;
        // Received, reviewed, approved, executed, and the repayment received.
        let messages = elements(client, "/loanMessengers", &owner.token, 5).await?;
        let entries = elements(client, "/loanStatus", &owner.token, 5).await?;
        elements(client, "/loanStatus", &stranger.token, 1).await?;
        elements(client, "/loanMessengers", &stranger.token, 1).await?;
        let id =
            |items: &[Value]| items.first().and_then(|item| item["id"].as_str()).map(str::to_owned);
        Ok(Self {
            message: id(&messages).context("the owner has a message")?,
            entry: id(&entries).context("the owner has an entry")?,
            owner,
            stranger,
            officer,
            loan,
            repayment,
            strangers_loan,
        })
    }
}

/// Waits until a list has so many elements, and gives them.
pub(crate) async fn elements(
    client: &Client,
    path: &str,
    token: &str,
    count: usize,
) -> Result<Vec<Value>> {
    let answer = client
        .wait_for(path, token, SEEN_WITHIN, |answer| {
            answer.json()["page"]["totalElements"] == json!(count)
        })
        .await?;
    Ok(listed(&answer))
}

/// What a page holds.
pub(crate) fn listed(answer: &Answer) -> Vec<Value> {
    let json = answer.json();
    let lists = json["_embedded"].as_object().into_iter().flatten();
    lists.flat_map(|(_, list)| list.as_array().cloned().unwrap_or_default()).collect()
}

/// An id that nothing has ever had.
pub(crate) fn never_was() -> String {
    common::clock::Clock::system().new_id().to_string()
}

/// The gateway, and the service that a path belongs to: each must hold by itself.
pub(crate) fn doors(journey: &Journey, service: Service) -> Result<[(String, Client); 2]> {
    Ok([
        ("the gateway".to_owned(), journey.client.clone()),
        (service.to_string(), journey.direct(service)?),
    ])
}
