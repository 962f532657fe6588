#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::codes::RejectionReason;
use ::events::{Amount, Currency, Language, LoanRequestRejected, RequestKind};
use common::test_support::Operators;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::*;
use crate::http::testing::World;

#[sqlx::test(migrations = "./migrations")]
async fn a_compensation_is_told_of_again_under_the_same_id(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let id = world.submit(&World::application_with("requestId", "02")).await.id();
    let admin = Admin { db: Db::from_pool(pool), clock: world.clock.clone() };
    let operators = Operators::of(router(admin));
    let listed = operators.get("/admin/requests").await;
    assert_eq!(listed["items"][0]["status"], "인증대기");
    assert_eq!(listed["items"][0]["customerId"], json!(world.customer()));
    let path = "/admin/cancellations/republish";
    assert_eq!(operators.post_ids(path, &[id.as_uuid()]).await["left"], json!([id]));
    assert!(world.outbox().await.is_empty(), "what was not compensated is not told of");

    world
        .deliver(&LoanRequestRejected {
            loan_request_id: id,
            loan_id: None,
            request_id: RequestKind::Repay,
            request_name: "Repay".to_owned(),
            customer_id: world.customer(),
            amount_of_money: Amount::try_new(10_000).unwrap(),
            currency: Currency::KRW,
            reason: RejectionReason::NoSuchLoan,
            comment: None,
            loan_version: None,
            language: Language::Ko,
            rejected_at: world.clock.now(),
        })
        .await;
    let told = world.outbox().await;
    let first = first_id(&world).await;
    let listed = operators.get("/admin/requests").await;
    assert_eq!(listed["items"][0]["cancelledEventId"], json!(first));
    for forget in ["UPDATE outbox SET sent_at = now()", "DELETE FROM outbox"] {
        sqlx::query(forget).execute(&world.pool).await.unwrap();
        let answer = operators.post_ids(path, &[id.as_uuid()]).await;
        assert_eq!(answer["republished"], json!([id]));
        assert_eq!((world.outbox().await, first_id(&world).await), (told.clone(), first));
    }
}

async fn first_id(world: &World) -> Uuid {
    sqlx::query_scalar("SELECT event_id FROM outbox WHERE sent_at IS NULL")
        .fetch_one(&world.pool)
        .await
        .unwrap()
}
