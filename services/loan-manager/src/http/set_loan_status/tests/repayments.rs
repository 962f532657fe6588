//! Bookings: what is owed, and what is told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::{LoanStatus, Outstanding};
use serde_json::json;
use sqlx::PgPool;

use crate::http::testing::Desk;

#[sqlx::test(migrations = "./migrations")]
async fn a_booking_lowers_what_is_owed(pool: PgPool) {
    //
    let desk = Desk::new(pool);
    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    let repayment = desk.repay(loan, 4_000).await;
    let told = desk.outbox().await.len();
    let answer =
        desk.patch(repayment, json!({"loanStatus": "05", "admComment": "received"}), &[]).await;
    assert_eq!((answer.status, &answer.body["loanStatus"]), (200, &json!("05")));
    // the loan's event, although the item is the repayment.
    assert_eq!((answer.header("etag"), answer.version()), ("\"2\"", (loan.into(), 6, 6)));
    let after = desk.item(loan).await;
    assert_eq!(
        (after.status, after.outstanding.map(Outstanding::get)),
        (LoanStatus::Executed, Some(6_000))
    );
    assert_eq!(after.adm_comment, None, "what is said to a repayment is not said to the loan");
    assert_eq!(desk.bookings(loan).await, [(repayment, 4_000)]);
    let outbox = desk.outbox().await;
    assert_eq!(outbox.len(), told + 1);
    let event = outbox.last().unwrap();
    assert_eq!((event.event_type.as_str(), &event.key), ("LoanRepaid", &loan.to_string()));
    assert_eq!(
        event.payload,
        json!({
            "loanRequestId": repayment, "loanId": loan, "customerId": desk.customer,
            "requestName": "Part", "amountOfMoney": 4_000, "currency": "KRW", "outstanding": 6_000,
            "loanStatus": "04", "loanVersion": 6, "language": "ko", "repaidAt": "2026-11-21T09:00:00Z",
        })
    );
    // never twice.
    let answer = desk.set(repayment, "05").await;
    assert_eq!(answer.problem(), (409, "step-not-allowed"));
    assert_eq!((&answer.body["state"], &answer.body["allowed"]), (&json!("05"), &json!([])));
    assert_eq!(desk.bookings(loan).await.len(), 1);
    assert_eq!(desk.outbox().await.len(), told + 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_last_booking_ends_the_loan_and_rejects_what_waits(pool: PgPool) {
    //
    let desk = Desk::new(pool);
    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    let first = desk.repay(loan, 4_000).await;
    let mut waiting = [desk.repay(loan, 1).await, desk.repay(loan, 10_000).await];
    let last = desk.repay(loan, 6_000).await;
    waiting.sort();
    let other = desk.loan(500, LoanStatus::Executed).await;
    let others = desk.repay(other, 500).await;
    assert_eq!(desk.set(first, "05").await.status, 200);
    let told = desk.outbox().await.len();
    let answer = desk.set(last, "05").await;
    // Four events until executed, four received, two bookings, two rejections.
    assert_eq!((answer.status, answer.version()), (200, (loan.into(), 10, 12)));
    let after = desk.item(loan).await;
    assert_eq!((after.status, after.outstanding), (LoanStatus::Repaid, Some(Outstanding::ZERO)));
    assert_eq!(after.loan_version, Some(12));
    let outbox = desk.outbox().await;
    assert_eq!(outbox[told].event_type, "LoanRepaid");
    assert_eq!(outbox[told].payload["loanStatus"], "05");
    for (place, id) in waiting.iter().enumerate() {
        let event = &outbox[told + 1 + place];
        assert_eq!(
            (event.event_type.as_str(), &event.key),
            ("LoanRequestRejected", &loan.to_string())
        );
        assert_eq!(event.payload["loanRequestId"], json!(id), "in the order of their ids");
        assert_eq!(event.payload["reason"], "loan-repaid");
        assert_eq!(event.payload["loanVersion"], 11 + place);
        let item = desk.item(*id).await;
        assert_eq!((item.status, item.version), (LoanStatus::Refused, 2));
        assert_eq!(item.proc_id, None, "no officer did it");
        let answer = desk.set(*id, "05").await;
        assert_eq!((answer.status, &answer.body["allowed"]), (409, &json!([])));
    }
    assert_eq!(outbox.len(), told + 3);
    assert_eq!(desk.item(others).await.status, LoanStatus::Waiting, "another loan's waits on");
}

#[sqlx::test(migrations = "./migrations")]
async fn setting_the_loan_itself_to_repaid_books_the_rest(pool: PgPool) {
    //
    let desk = Desk::new(pool);
    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    let first = desk.repay(loan, 4_000).await;
    desk.set(first, "05").await;
    let waiting = desk.repay(loan, 6_000).await;
    let told = desk.outbox().await.len();
    let answer = desk.set(loan, "05").await;
    assert_eq!((answer.status, &answer.body["outstanding"]), (200, &json!(0)));
    assert_eq!(desk.bookings(loan).await.iter().map(|(_, amount)| amount).sum::<i64>(), 10_000);
    assert!(desk.bookings(loan).await.contains(&(loan.into(), 6_000)));
    let outbox = desk.outbox().await;
    assert_eq!(outbox[told].payload["loanRequestId"], json!(loan));
    assert_eq!(outbox[told].payload["amountOfMoney"], 6_000);
    assert_eq!(outbox[told + 1].payload["loanRequestId"], json!(waiting));
    assert_eq!(outbox[told + 1].payload["reason"], "loan-repaid");
    assert_eq!(desk.set(loan, "05").await.problem(), (409, "step-not-allowed"));
    assert_eq!(desk.outbox().await.len(), told + 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn more_than_is_owed_can_not_be_booked(pool: PgPool) {
    // checked again when it is booked.
    let desk = Desk::new(pool);
    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    let (first, second) = (desk.repay(loan, 6_000).await, desk.repay(loan, 6_000).await);
    assert_eq!(desk.set(first, "05").await.status, 200);
    let told = desk.outbox().await.len();
    let answer = desk.set(second, "05").await;
    assert_eq!(answer.problem(), (409, "exceeds-outstanding"));
    assert_eq!(
        (&answer.body["outstanding"], &answer.body["amountOfMoney"]),
        (&json!(4_000), &json!(6_000))
    );
    assert_eq!((&answer.body["state"], &answer.body["allowed"]), (&json!("00"), &json!(["03"])));
    assert_eq!(desk.item(loan).await.outstanding.map(Outstanding::get), Some(4_000));
    assert_eq!(desk.item(second).await.status, LoanStatus::Waiting);
    assert_eq!(desk.outbox().await.len(), told);
}

#[sqlx::test(migrations = "./migrations")]
async fn an_officer_may_refuse_a_repayment(pool: PgPool) {
    let desk = Desk::new(pool);
    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    let repayment = desk.repay(loan, 4_000).await;
    let before = desk.item(loan).await;
    let body = json!({"loanStatus": "03", "admComment": "계좌를 확인해 주세요"});
    let answer = desk.patch(repayment, body, &[]).await;
    assert_eq!((answer.status, &answer.body["reason"]), (200, &json!("refused-by-officer")));
    let event = desk.outbox().await.pop().unwrap();
    assert_eq!((event.event_type.as_str(), &event.key), ("LoanRequestRejected", &loan.to_string()));
    assert_eq!(
        event.payload,
        json!({
            "loanRequestId": repayment, "loanId": loan, "requestId": "02", "requestName": "Part",
            "customerId": desk.customer, "amountOfMoney": 4_000, "currency": "KRW",
            "reason": "refused-by-officer", "comment": "계좌를 확인해 주세요", "loanVersion": 6,
            "language": "ko", "rejectedAt": "2026-11-21T09:00:00Z",
        })
    );
    let after = desk.item(loan).await;
    assert_eq!((after.version, after.outstanding), (before.version, before.outstanding));
    assert_eq!(after.loan_version, Some(6));
    assert!(desk.bookings(loan).await.is_empty());
    for to in ["03", "05"] {
        assert_eq!(desk.set(repayment, to).await.problem(), (409, "step-not-allowed"), "{to}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_repayment_knows_only_its_own_steps(pool: PgPool) {
    let desk = Desk::new(pool);
    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    let repayment = desk.repay(loan, 4_000).await;
    for to in ["00", "01", "02", "04"] {
        let answer = desk.set(repayment, to).await;
        assert_eq!(answer.problem(), (409, "step-not-allowed"), "{to}");
        assert_eq!(answer.body["allowed"], json!(["03", "05"]));
    }
    // One that was rejected before it came to a loan is done as well.
    let rejected = desk.deliver(&desk.repayment(Some(desk.clock.new_id().into()), 1)).await;
    for to in ["03", "05"] {
        let answer = desk.set(rejected, to).await;
        assert_eq!(answer.problem(), (409, "step-not-allowed"), "{to}");
        assert_eq!((&answer.body["state"], &answer.body["allowed"]), (&json!("03"), &json!([])));
    }
}

/// More repayments wait than one statement rejects at once.
#[sqlx::test(migrations = "./migrations")]
async fn however_many_wait_all_are_rejected(pool: PgPool) {
    let desk = Desk::new(pool);
    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    let one = desk.repay(loan, 1).await;
    sqlx::query(
        "INSERT INTO item
         SELECT (jsonb_populate_record(item, jsonb_build_object('loan_request_id', gen_random_uuid()))).*
           FROM item, generate_series(1, 1000) WHERE loan_request_id = $1",
    )
    .bind(one)
    .execute(desk.db.pool())
    .await
    .unwrap();
    let told = desk.outbox().await.len();
    let answer = desk.set(loan, "05").await;
    assert_eq!((answer.status, answer.version()), (200, (loan.into(), 6, 1_007)));
    let versions: Vec<i64> = desk.outbox().await[told..]
        .iter()
        .map(|event| event.payload["loanVersion"].as_i64().unwrap())
        .collect();
    assert_eq!(versions, (6..=1007).collect::<Vec<i64>>());
    let waiting: i64 =
        sqlx::query_scalar("SELECT count(*) FROM item WHERE kind = '02' AND status = '00'")
            .fetch_one(desk.db.pool())
            .await
            .unwrap();
    assert_eq!(waiting, 0);
}
