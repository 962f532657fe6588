#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::LoanStatus;
use common::event::{Event, ReceivedEvent};
use common::test_support::Operators;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::*;
use crate::events::subscriptions;
use crate::events::testing::Story;

async fn deliver<E: Event>(db: &Db, payload: &E) {
    let event = ReceivedEvent::for_test(payload);
    subscriptions("loan-status").deliver(db, &event).await.unwrap();
}

async fn executed(db: &Db) -> Story {
    let story = Story::new();
    deliver(db, &story.received()).await;
    deliver(db, &story.judged(LoanStatus::UnderReview, 2)).await;
    deliver(db, &story.judged(LoanStatus::Approved, 3)).await;
    deliver(db, &story.executed()).await;
    story
}

async fn loan(db: &Db) -> Value {
    let text: String = sqlx::query_scalar("SELECT to_jsonb(loan)::text FROM loan")
        .fetch_one(db.pool())
        .await
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_shown_is_listed_by_request(pool: PgPool) {
    let db = Db::from_pool(pool);
    let story = executed(&db).await;
    let operators = Operators::of(router(Admin { db }));
    let page = operators.get("/admin/entries").await;
    let item = &page["items"][0];
    assert_eq!(item["loanRequestId"], json!(story.loan_id));
    assert_eq!(item["eventIds"].as_array().unwrap().len(), 4);
    assert_eq!((&item["loanStatus"], &item["outstanding"]), (&json!("04"), &json!(1_000)));
    assert_eq!(item["isCancelled"], json!(false));
    let this = format!("/admin/entries?ids={}", story.loan_id);
    assert_eq!(operators.get(&this).await["items"], page["items"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_loan_is_made_anew_from_what_is_shown_of_it(pool: PgPool) {
    let db = Db::from_pool(pool);
    let story = executed(&db).await;
    let before = loan(&db).await;
    let operators = Operators::of(router(Admin { db: db.clone() }));
    for damage in [
        "UPDATE loan SET loan_status = '01', outstanding = 7",
        "UPDATE loan SET loan_version = 99, loan_status = '05'",
        "DELETE FROM loan",
    ] {
        sqlx::query(damage).execute(db.pool()).await.unwrap();
        for _ in 0..2 {
            let id = story.loan_id.as_uuid();
            let answer = operators.post_ids("/admin/loans/rederive", &[id]).await;
            assert_eq!(answer["republished"], json!([id]));
            assert_eq!(loan(&db).await, before);
        }
    }
    let nobody = uuid::Uuid::from_u128(7);
    let answer = operators.post_ids("/admin/loans/rederive", &[nobody]).await;
    assert_eq!(answer["left"], json!([nobody]));
}
