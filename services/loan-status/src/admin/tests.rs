#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::LoanStatus;
use common::event::{Event, ReceivedEvent};
use common::test_support::Operators;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::*;
use crate::events::subscriptions;
use crate::events::testing::Story;
use crate::usecases::order_rebuild::{Refused, orders};

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
    let operators = Operators::of(router(Admin { db, orders: orders().0 }));
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
    let operators = Operators::of(router(Admin { db: db.clone(), orders: orders().0 }));
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

#[sqlx::test(migrations = "./migrations")]
async fn a_rebuild_is_ordered_and_looked_at(pool: PgPool) {
    //
    let db = Db::from_pool(pool);
    let (orders, mut placed) = orders();
    let operators = Operators::of(router(Admin { db: db.clone(), orders }));
    let post =
        async |path: &str, body: Value| operators.call(axum::http::Method::POST, path, body).await;
    let (status, _) = operators.call(axum::http::Method::GET, "/admin/rebuild", Value::Null).await;
    assert_eq!(status, 404, "there never was one");

    let id = uuid::Uuid::from_u128(7);
    for (answer, expected) in [
        (Ok(id), (202, "")),
        (Err(Refused::UnderWay), (409, "rebuild-under-way")),
        (Err(Refused::Ending), (503, "unavailable")),
    ] {
        let work = async {
            let order = placed.orders.recv().await.unwrap();
            assert!(order.plan.verify_only && !order.plan.from_owner);
            assert!(order.plan.drop_surplus);
            order.answer.send(answer).unwrap();
        };
        let ordered = post("/admin/rebuild", json!({"verifyOnly": true, "dropSurplus": true}));
        let ((status, body), ()) = tokio::join!(ordered, work);
        let code = body["code"].as_str().unwrap_or_default();
        assert_eq!((status, code), expected);
    }

    crate::store::rebuild::begin(db.pool(), id, true, false, time::OffsetDateTime::UNIX_EPOCH)
        .await
        .unwrap();
    let standing = operators.get("/admin/rebuild").await;
    assert_eq!(standing["rebuildId"], json!(id));
    assert_eq!((&standing["phase"], &standing["verifyOnly"]), (&json!("reading"), &json!(true)));

    let event = ReceivedEvent::for_test(&Story::new().received());
    let page = json!({"rebuildId": id, "isLast": true, "events": [{
        "eventId": event.id, "loanRequestId": event.subject, "eventType": event.event_type,
        "key": event.key, "occurredAt": "2026-11-21T08:00:00Z",
        "payload": String::from_utf8(event.payload.clone().unwrap()).unwrap(),
    }]});
    // One that nobody waits for, and one that is of another rebuild.
    for awaited in [None, Some(uuid::Uuid::from_u128(8))] {
        placed.history.expect(awaited);
        let (status, body) = post("/admin/rebuild/history", page.clone()).await;
        assert_eq!((status, body["code"].as_str()), (409, Some("history-not-wanted")));
    }
    placed.history.expect(Some(id));
    let work = async {
        let history = placed.history.next().await.unwrap();
        assert!(history.is_last && history.rebuild_id == id);
        let taken = &history.events[0];
        assert_eq!(
            (taken.id, &taken.payload, &taken.topic),
            (event.id, &event.payload, &event.topic)
        );
        history.taken.send(()).unwrap();
    };
    let ((status, _), ()) = tokio::join!(post("/admin/rebuild/history", page.clone()), work);
    assert_eq!(status, 204);
    // One that was under way when the rebuild ended does not stay for the next.
    let ((status, body), ()) = tokio::join!(post("/admin/rebuild/history", page), async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        placed.history.expect(None);
    });
    assert_eq!((status, body["code"].as_str()), (409, Some("history-not-wanted")));
    let nobodys = tokio::time::timeout(std::time::Duration::ZERO, placed.history.next()).await;
    assert!(nobodys.is_err(), "{nobodys:?}");
}
