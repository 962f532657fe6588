#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod concurrent;
mod guards;
mod repayments;

use ::events::LoanStatus;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;

use crate::http::testing::Desk;

#[sqlx::test(migrations = "./migrations")]
async fn a_loan_goes_its_way_step_by_step(pool: PgPool) {
    //
    let desk = Desk::new(pool);
    let id = desk.apply(10_000).await;
    let mut version = 1;
    for (to, comment, outstanding) in [
        ("01", None, Value::Null),
        ("02", Some("소득을 확인했습니다"), Value::Null),
        ("04", None, json!(10_000)),
        ("05", None, json!(0)),
    ] {
        desk.clock.advance(Duration::seconds(1));
        version += 1;
        let answer = desk.patch(id, json!({"loanStatus": to, "admComment": comment}), &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("etag"), format!("\"{version}\""));
        //
        assert_eq!(answer.version(), (id, version, version));
        assert_eq!(answer.body["loanStatus"], to);
        assert_eq!(answer.body["outstanding"], outstanding);
        assert_eq!(answer.body["procId"], json!(desk.officer_id));
        assert_eq!(answer.body["procName"], "김대리");
    }
    let item = desk.item(id).await;
    assert_eq!((item.status, item.version, item.loan_version), (LoanStatus::Repaid, 5, Some(5)));
    assert_eq!(item.outstanding.unwrap().get(), 0);
    assert_eq!(item.adm_comment.as_deref(), Some("소득을 확인했습니다"), "the last word stays");
    assert_eq!((item.proc_id, item.changed_at), (Some(desk.officer_id), desk.clock.now()));
    assert_eq!(desk.bookings(id.into()).await, [(id, 10_000)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn each_step_is_published_in_order(pool: PgPool) {
    let desk = Desk::new(pool);
    let id = desk.apply(10_000).await;
    for (to, comment) in [("01", None), ("02", Some("ok")), ("04", Some("not told")), ("05", None)]
    {
        desk.patch(id, json!({"loanStatus": to, "admComment": comment}), &[]).await;
    }
    let now = "2026-11-21T09:00:00Z";
    let same = json!({
        "loanRequestId": id, "loanId": id, "customerId": desk.customer, "requestName": "Deposit",
        "amountOfMoney": 10_000, "currency": "KRW", "language": "ko",
    });
    let with = |more: Value| {
        let mut all = same.as_object().unwrap().clone();
        all.extend(more.as_object().unwrap().clone());
        Value::Object(all)
    };
    let expected = [
        (
            "LoanRequestReceived",
            with(json!({"requestId": "01", "loanVersion": 1, "receivedAt": now})),
        ),
        ("LoanJudged", with(json!({"loanStatus": "01", "loanVersion": 2, "judgedAt": now}))),
        (
            "LoanJudged",
            with(
                json!({"loanStatus": "02", "admComment": "ok", "loanVersion": 3, "judgedAt": now}),
            ),
        ),
        ("LoanExecuted", with(json!({"outstanding": 10_000, "loanVersion": 4, "executedAt": now}))),
        (
            "LoanRepaid",
            with(json!({"outstanding": 0, "loanStatus": "05", "loanVersion": 5, "repaidAt": now})),
        ),
    ];
    let outbox = desk.outbox().await;
    assert_eq!(outbox.len(), expected.len());
    for (event, (event_type, payload)) in outbox.iter().zip(expected) {
        assert_eq!((event.event_type.as_str(), &event.key), (event_type, &id.to_string()));
        assert_eq!(event.payload, payload, "{event_type}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_refused_loan_is_told_with_its_comment_and_stays(pool: PgPool) {
    let desk = Desk::new(pool);
    let id = desk.loan(10_000, LoanStatus::UnderReview).await;
    let body = json!({"loanStatus": "03", "admComment": "  소득이 부족합니다 "});
    let answer = desk.patch(id, body, &[]).await;
    assert_eq!((answer.status, &answer.body["allowed"]), (200, &json!([])));
    let told = desk.outbox().await.pop().unwrap();
    assert_eq!(told.event_type, "LoanJudged");
    assert_eq!(told.payload["loanStatus"], "03");
    assert_eq!(told.payload["admComment"], "소득이 부족합니다");
    assert!(desk.bookings(id).await.is_empty());
}

/// from every state, every step that is not listed, the repeated one
/// among them; and nothing is written.
#[sqlx::test(migrations = "./migrations")]
async fn a_step_that_is_not_listed_is_refused(pool: PgPool) {
    let desk = Desk::new(pool);
    let listed: [(LoanStatus, &[&str]); 6] = [
        (LoanStatus::Waiting, &["01"]),
        (LoanStatus::UnderReview, &["02", "03"]),
        (LoanStatus::Approved, &["04"]),
        (LoanStatus::Refused, &[]),
        (LoanStatus::Executed, &["05"]),
        (LoanStatus::Repaid, &[]),
    ];
    for (state, allowed) in listed {
        let id = desk.loan(10_000, state).await;
        let (version, told) = (desk.item(id).await.version, desk.outbox().await.len());
        for to in LoanStatus::ALL.iter().filter(|to| !allowed.contains(&to.code())) {
            let answer = desk.set(id, to.code()).await;
            assert_eq!(answer.problem(), (409, "step-not-allowed"), "{state} → {to}");
            assert_eq!(answer.body["state"], state.code());
            assert_eq!(answer.body["allowed"], json!(allowed));
        }
        let item = desk.item(id).await;
        assert_eq!((item.status, item.version), (state, version));
        assert_eq!(desk.outbox().await.len(), told, "nothing is told");
    }
}
