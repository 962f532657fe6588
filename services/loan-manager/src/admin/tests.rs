#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::LoanStatus;
use common::test_support::Operators;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::*;
use crate::http::testing::Desk;

fn operators(desk: &Desk) -> Operators {
    Operators::of(router(Admin { db: desk.db.clone() }))
}

async fn sent_ids(desk: &Desk) -> Vec<Uuid> {
    sqlx::query_scalar("SELECT event_id FROM outbox WHERE sent_at IS NULL ORDER BY event_id")
        .fetch_all(desk.db.pool())
        .await
        .unwrap()
}

#[sqlx::test(migrations = "./migrations")]
async fn every_item_is_listed_with_what_was_booked_and_what_was_told(pool: PgPool) {
    let desk = Desk::new(pool);
    let loan = desk.loan(1_000, LoanStatus::Executed).await;
    let repayment = desk.repay(loan, 400).await;
    assert_eq!(desk.set(repayment, "05").await.status, 200);
    let rejected = desk.repay(loan, 10_000).await;
    let told = desk.published(0).await.len();

    let listed = operators(&desk).get("/admin/items").await;
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    let of = |id: Uuid| items.iter().find(|item| item["loanRequestId"] == json!(id)).unwrap();
    let item = of(loan.as_uuid());
    assert_eq!((&item["status"], &item["amount"]), (&json!("04"), &json!(1_000)));
    assert_eq!((&item["outstanding"], &item["booked"]), (&json!(600), &json!(400)));
    let mut types: Vec<_> = item["eventTypes"].as_array().unwrap().iter().collect();
    types.sort_by_key(|name| name.to_string());
    assert_eq!(types, ["LoanExecuted", "LoanJudged", "LoanJudged", "LoanRequestReceived"]);
    // Where the loan stands was said last by the event of the repayment.
    let of_repayment = &of(repayment.as_uuid())["eventIds"];
    let standing = &item["standingEventId"];
    assert!(of_repayment.as_array().unwrap().contains(standing), "{item}");
    let booked = desk.outbox().await.into_iter().find(|event| event.event_type == "LoanRepaid");
    assert_eq!(item["standingVersion"], booked.unwrap().payload["loanVersion"]);
    assert_eq!(of(repayment.as_uuid())["standingEventId"], json!(null));
    assert_eq!(of(repayment.as_uuid())["eventTypes"].as_array().unwrap().len(), 2);
    assert_eq!(of(rejected.as_uuid())["eventTypes"], json!(["LoanRequestRejected"]));
    assert_eq!(of(rejected.as_uuid())["reason"], "exceeds-outstanding");
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM history").fetch_one(desk.db.pool()).await.unwrap();
    assert_eq!(kept, i64::try_from(told).unwrap(), "all that was told is kept");
    assert!(!listed.to_string().contains("유은상") && !listed.to_string().contains("010-"));
}

#[sqlx::test(migrations = "./migrations")]
async fn events_are_told_again_under_their_ids_and_in_their_words(pool: PgPool) {
    let desk = Desk::new(pool);
    let operators = operators(&desk);
    desk.loan(1_000, LoanStatus::Executed).await;
    let told = desk.outbox().await;
    let mut ids = sent_ids(&desk).await;
    for forget in ["UPDATE outbox SET sent_at = now()", "DELETE FROM outbox"] {
        sqlx::query(forget).execute(desk.db.pool()).await.unwrap();
        let stranger = Uuid::from_u128(7);
        let asked: Vec<Uuid> = ids.iter().copied().chain([stranger]).collect();
        let answer = operators.post_ids("/admin/events/republish", &asked).await;
        assert_eq!(answer["left"], json!([stranger]));
        assert_eq!(answer["republished"], json!(ids));
        assert_eq!(sent_ids(&desk).await, ids);
        for event in desk.outbox().await {
            assert!(told.contains(&event), "{event:?}");
        }
    }
    // And one of them alone.
    sqlx::query("DELETE FROM outbox").execute(desk.db.pool()).await.unwrap();
    ids.truncate(1);
    operators.post_ids("/admin/events/republish", &ids).await;
    assert_eq!(sent_ids(&desk).await, ids);
}

#[sqlx::test(migrations = "./migrations")]
async fn all_that_was_told_is_given_page_by_page(pool: PgPool) {
    //
    let desk = Desk::new(pool);
    let operators = operators(&desk);
    desk.loan(1_000, LoanStatus::Executed).await;
    let told = desk.outbox().await;
    let (mut given, mut after) = (Vec::new(), String::new());
    loop {
        let page = operators.get(&format!("/admin/events?size=3{after}")).await;
        given.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(given.len(), told.len());
    for event in &given {
        let payload: serde_json::Value =
            serde_json::from_str(event["payload"].as_str().unwrap()).unwrap();
        let same = told.iter().any(|told| {
            told.payload == payload
                && json!(told.event_type) == event["eventType"]
                && json!(told.key) == event["key"]
        });
        assert!(same, "{event}");
    }
}
