//! A journey on which every event happens.

use anyhow::Result;
use journeys::client::id_of;
use journeys::harness::{Journey, SEEN_WITHIN};
use serde_json::json;
use standalone::Service;

use crate::scene::{Person, elements, never_was};

pub(super) async fn every_event(journey: &Journey) -> Result<()> {
    let client = &journey.client;
    let officer = client.officer().await?;
    let customer = Person::customer(journey, "of-all-events").await?;
    let changes = json!({ "userMobile": "010-4444-5555", "userEmail": "all@events.example", "language": "ko" });
    client.patch("/customers/me", &customer.token, &changes).await?.expect(200)?;

    // Reviewed, approved with a comment, executed; a repayment booked, one refused,
    // one more than is owed, and one that waits while the rest is paid.
    let loan = client.apply(&customer.who, 10_000).await?;
    journey.waits(&officer, &loan).await?;
    let path = format!("/loanManagers/{loan}");
    for step in ["01", "02", "04"] {
        let body = json!({ "loanStatus": step, "admComment": "소득을 확인했습니다" });
        client.patch(&path, &officer, &body).await?.expect(200)?;
    }
    let mut waiting = Vec::new();
    for amount in [4_000, 1_000, 2_000] {
        let body = customer.who.repayment(Some(&loan), amount);
        let answer = client.post("/loanRequests", "", &body).await?.expect(201)?;
        let item = id_of(answer.header("location"))?;
        journey.waits(&officer, &item).await?;
        waiting.push(item);
    }
    client.step(&officer, &waiting[0], "05").await?.expect(200)?;
    let refusal = json!({ "loanStatus": "03", "admComment": "계좌를 확인해 주세요" });
    client
        .patch(&format!("/loanManagers/{}", waiting[1]), &officer, &refusal)
        .await?
        .expect(200)?;
    let body = customer.who.repayment(Some(&loan), 90_000);
    client.post("/loanRequests", "", &body).await?.expect(201)?;
    client
        .post("/loanRequests", "", &customer.who.repayment(Some(&never_was()), 5))
        .await?
        .expect(201)?;
    // Without naming it: the only executed one.
    let answer =
        client.post("/loanRequests", "", &customer.who.repayment(None, 500)).await?.expect(201)?;
    let item = id_of(answer.header("location"))?;
    journey.waits(&officer, &item).await?;
    client.step(&officer, &item, "05").await?.expect(200)?;
    client.step(&officer, &loan, "05").await?.expect(200)?;

    // Voided: nobody was proven.
    let void = format!("/loanAuths/{}/void", never_was());
    let credential = journey.stack.service_credential();
    journey.direct(Service::LoanAuth)?.post(&void, credential, &json!({})).await?.expect(200)?;

    // Received ×6, rejected ×4, reviewed, approved, executed, booked ×3.
    elements(client, "/loanMessengers?size=200", &customer.token, 15).await?;
    let until = std::time::Instant::now() + SEEN_WITHIN;
    while client.delete("/customers/me", &customer.token).await?.status != 204 {
        anyhow::ensure!(std::time::Instant::now() < until, "the customer can't leave");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(())
}
