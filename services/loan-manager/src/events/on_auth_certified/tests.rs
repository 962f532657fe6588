#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::{AuthCertified, CustomerId, LoanId, LoanRequestId, LoanStatus};
use common::consumer::Delivered;
use common::event::ReceivedEvent;
use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::http::testing::Desk;

/// Delivers a repayment that is to be rejected; what was told of it.
async fn rejected(desk: &Desk, certified: &AuthCertified) -> Value {
    let told = desk.outbox().await.len();
    desk.deliver(certified).await;
    let mut outbox = desk.outbox().await;
    assert_eq!(outbox.len(), told + 1);
    let event = outbox.pop().unwrap();
    assert_eq!(event.event_type, "LoanRequestRejected");
    let loan = event.payload.get("loanId").unwrap_or(&event.payload["loanRequestId"]);
    assert_eq!(event.key, loan.as_str().unwrap());
    let item = desk.item(certified.loan_request_id).await;
    assert_eq!(item.status, LoanStatus::Refused);
    assert_eq!(json!(item.reason), event.payload["reason"]);
    assert_eq!(json!(item.loan_id), *event.payload.get("loanId").unwrap_or(&Value::Null));
    event.payload
}

#[sqlx::test(migrations = "./migrations")]
async fn an_application_is_put_on_the_desk_and_told(pool: PgPool) {
    //
    let desk = Desk::new(pool);
    let certified = desk.application(10_000);
    let id = desk.deliver(&certified).await;
    let item = desk.item(id).await;
    assert_eq!((item.loan_id, item.status), (Some(LoanId::from(id)), LoanStatus::Waiting));
    assert_eq!((item.version, item.loan_version, item.outstanding), (1, Some(1), None));
    assert_eq!((item.user_id.as_str(), item.user_name.as_str()), ("1@sk.com", "유은상"));
    assert_eq!(item.user_mobile.as_deref(), Some("010-000-0000"));
    assert_eq!((item.received_at, item.changed_at), (desk.clock.now(), desk.clock.now()));
    let outbox = desk.outbox().await;
    assert_eq!(
        (outbox[0].event_type.as_str(), &outbox[0].key),
        ("LoanRequestReceived", &id.to_string())
    );
    assert_eq!(
        outbox[0].payload,
        json!({
            "loanRequestId": id, "loanId": id, "requestId": "01", "requestName": "Deposit",
            "customerId": desk.customer, "amountOfMoney": 10_000, "currency": "KRW",
            "loanVersion": 1, "language": "ko", "receivedAt": "2026-11-21T09:00:00Z",
        }),
        "no name, no number, no login name"
    );
    assert_eq!(outbox.len(), 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn an_application_that_is_delivered_twice_is_one(pool: PgPool) {
    //
    let desk = Desk::new(pool);
    let certified = desk.application(10_000);
    let event = ReceivedEvent::for_test(&certified);
    let first = desk.subscriptions.deliver(&desk.db, &event).await.unwrap();
    let second = desk.subscriptions.deliver(&desk.db, &event).await.unwrap();
    assert_eq!((first, second), (Delivered::Applied, Delivered::Duplicate));
    assert_eq!(desk.published(0).await, ["LoanRequestReceived"]);

    // As another event, when the officer has gone on: it changes nothing.
    desk.set(certified.loan_request_id, "01").await;
    desk.deliver(&certified).await;
    assert_eq!(desk.published(0).await, ["LoanRequestReceived", "LoanJudged"]);
    let item = desk.item(certified.loan_request_id).await;
    assert_eq!((item.status, item.version), (LoanStatus::UnderReview, 2));
}

#[sqlx::test(migrations = "./migrations")]
async fn the_same_event_in_two_instances_at_once_is_one(pool: PgPool) {
    //
    let desk = Desk::new(pool);
    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    for certified in [desk.application(10_000), desk.repayment(Some(loan), 100)] {
        let told = desk.outbox().await.len();
        let event = ReceivedEvent::for_test(&certified);
        let tasks = (0..4).map(|_| desk.subscriptions.deliver(&desk.db, &event));
        let delivered: Vec<_> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(delivered.iter().filter(|outcome| **outcome == Delivered::Applied).count(), 1);
        assert_eq!(desk.outbox().await.len(), told + 1);
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_repayment_of_an_executed_loan_waits(pool: PgPool) {
    //
    let desk = Desk::new(pool);
    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    let id = desk.repay(loan, 4_000).await;
    let item = desk.item(id).await;
    assert_eq!((item.loan_id, item.status, item.version), (Some(loan), LoanStatus::Waiting, 1));
    let event = desk.outbox().await.pop().unwrap();
    assert_eq!((event.event_type.as_str(), &event.key), ("LoanRequestReceived", &loan.to_string()));
    assert_eq!(
        event.payload,
        json!({
            "loanRequestId": id, "loanId": loan, "requestId": "02", "requestName": "Part",
            "customerId": desk.customer, "amountOfMoney": 4_000, "currency": "KRW",
            "outstanding": 10_000, "loanVersion": 5, "language": "ko",
            "receivedAt": "2026-11-21T09:00:00Z",
        })
    );
    assert_eq!(desk.item(loan).await.loan_version, Some(5));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_repayment_that_is_delivered_twice_is_one(pool: PgPool) {
    let desk = Desk::new(pool);
    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    let nowhere = LoanId::from(desk.clock.new_id());
    for certified in [
        desk.repayment(Some(loan), 4_000),
        desk.repayment(Some(loan), 99_999),
        desk.repayment(Some(nowhere), 1),
        desk.repayment(None, 500),
    ] {
        let event = ReceivedEvent::for_test(&certified);
        let first = desk.subscriptions.deliver(&desk.db, &event).await.unwrap();
        let second = desk.subscriptions.deliver(&desk.db, &event).await.unwrap();
        assert_eq!((first, second), (Delivered::Applied, Delivered::Duplicate));
        let (told, version) = (desk.outbox().await.len(), desk.item(loan).await.loan_version);
        // The same request as another event.
        desk.deliver(&certified).await;
        assert_eq!(desk.outbox().await.len(), told);
        assert_eq!(desk.item(loan).await.loan_version, version);
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_repayment_that_can_not_be_is_rejected_with_its_reason(pool: PgPool) {
    //
    let desk = Desk::new(pool);
    for status in
        [LoanStatus::Waiting, LoanStatus::UnderReview, LoanStatus::Approved, LoanStatus::Refused]
    {
        let loan = desk.loan(10_000, status).await;
        let told = rejected(&desk, &desk.repayment(Some(loan), 1)).await;
        assert_eq!(
            (&told["reason"], &told["loanId"]),
            (&json!("not-executed"), &json!(loan)),
            "{status}"
        );
        assert_eq!(told["loanVersion"], json!(desk.item(loan).await.loan_version));
    }
    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    let told = rejected(&desk, &desk.repayment(Some(loan), 10_001)).await;
    assert_eq!((&told["reason"], &told["loanVersion"]), (&json!("exceeds-outstanding"), &json!(5)));
    let loan = desk.loan(10_000, LoanStatus::Repaid).await;
    let told = rejected(&desk, &desk.repayment(Some(loan), 1)).await;
    assert_eq!((&told["reason"], &told["loanVersion"]), (&json!("loan-repaid"), &json!(6)));
}

/// what is told of another's loan is what is told of none at all.
#[sqlx::test(migrations = "./migrations")]
async fn anothers_loan_is_no_loan(pool: PgPool) {
    let desk = Desk::new(pool);
    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    let stranger = CustomerId::from(desk.clock.new_id());
    let of_stranger = |loan_id: LoanId| AuthCertified {
        customer_id: stranger,
        ..desk.repayment(Some(loan_id), 100)
    };
    let mut of_other = rejected(&desk, &of_stranger(loan)).await;
    let mut of_none = rejected(&desk, &of_stranger(desk.clock.new_id().into())).await;
    assert_eq!(of_other["reason"], "no-such-loan");
    for told in [&mut of_other, &mut of_none] {
        told.as_object_mut().unwrap().remove("loanRequestId").unwrap();
    }
    assert_eq!(of_other, of_none);
    assert_eq!(desk.item(loan).await.loan_version, Some(4), "the loan has not been touched");
    // A repayment is no loan either.
    let repayment = desk.repay(loan, 100).await;
    let told = rejected(&desk, &desk.repayment(Some(repayment.into()), 1)).await;
    assert_eq!(told["reason"], "no-such-loan");
}

#[sqlx::test(migrations = "./migrations")]
async fn without_a_loan_the_only_executed_one_is_meant(pool: PgPool) {
    //
    let desk = Desk::new(pool);
    desk.loan(10_000, LoanStatus::Approved).await;
    desk.loan(10_000, LoanStatus::Repaid).await;
    let told = rejected(&desk, &desk.repayment(None, 1)).await;
    assert_eq!((&told["reason"], told.get("loanId")), (&json!("no-executed-loan"), None));

    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    let id = desk.deliver(&desk.repayment(None, 4_000)).await;
    assert_eq!(desk.item(id).await.loan_id, Some(loan));
    let event = desk.outbox().await.pop().unwrap();
    assert_eq!((event.event_type.as_str(), &event.key), ("LoanRequestReceived", &loan.to_string()));
    let told = rejected(&desk, &desk.repayment(None, 10_001)).await;
    assert_eq!((&told["reason"], &told["loanId"]), (&json!("exceeds-outstanding"), &json!(loan)));
    let stranger = CustomerId::from(desk.clock.new_id());
    let told =
        rejected(&desk, &AuthCertified { customer_id: stranger, ..desk.repayment(None, 1) }).await;
    assert_eq!(told["reason"], "no-executed-loan");

    desk.loan(10_000, LoanStatus::Executed).await;
    let told = rejected(&desk, &desk.repayment(None, 1)).await;
    assert_eq!((&told["reason"], told.get("loanId")), (&json!("several-executed-loans"), None));
}

/// Another partition may bring a repayment before its loan's application: it is
/// rejected, as it would have been after it, and the application goes its way.
#[sqlx::test(migrations = "./migrations")]
async fn a_repayment_before_its_application_is_rejected_and_harms_nothing(pool: PgPool) {
    let desk = Desk::new(pool);
    let application = desk.application(10_000);
    let loan = LoanId::from(application.loan_request_id);
    let told = rejected(&desk, &desk.repayment(Some(loan), 100)).await;
    assert_eq!(told["reason"], "no-such-loan");
    let id = desk.deliver(&application).await;
    for step in ["01", "02", "04"] {
        assert_eq!(desk.set(id, step).await.status, 200);
    }
    let later = desk.repay(loan, 100).await;
    assert_eq!(desk.item(later).await.status, LoanStatus::Waiting);
    assert_eq!(desk.set(later, "05").await.status, 200);
}

/// An instance that reads another partition takes a repayment in at the very
/// moment at which an officer ends the loan: it is booked on nothing.
#[sqlx::test(migrations = "./migrations")]
async fn a_repayment_that_meets_the_end_of_its_loan_is_told_so(pool: PgPool) {
    let desk = Desk::new(pool);
    for named in [true, false, true, false] {
        let loan = desk.loan(10_000, LoanStatus::Executed).await;
        let certified = desk.repayment(named.then_some(loan), 10_000);
        let id: LoanRequestId = certified.loan_request_id;
        let (_, answer) = tokio::join!(desk.deliver(&certified), desk.set(loan, "05"));
        assert_eq!(answer.status, 200);
        let item = desk.item(id).await;
        assert_eq!(item.status, LoanStatus::Refused);
        let reason = item.reason.unwrap().code();
        assert!(["loan-repaid", "no-executed-loan"].contains(&reason), "{reason}");
        let told = desk.outbox().await;
        let of_it = told.iter().filter(|event| {
            event.event_type == "LoanRequestRejected" && event.payload["loanRequestId"] == json!(id)
        });
        assert_eq!(of_it.count(), 1);
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn what_can_not_be_stored_is_set_aside(pool: PgPool) {
    let desk = Desk::new(pool);
    let certified = AuthCertified { request_name: "a\u{0}b".to_owned(), ..desk.application(1) };
    let event = ReceivedEvent::for_test(&certified);
    assert!(desk.subscriptions.deliver(&desk.db, &event).await.is_err());
    assert!(desk.outbox().await.is_empty());
}

#[sqlx::test(migrations = "./migrations")]
async fn what_comes_together_is_taken_in_as_if_one_came_after_the_other(pool: PgPool) {
    let desk = Desk::new(pool);
    let certified: Vec<_> = (1..=4).map(|amount| desk.application(amount)).collect();
    let repayment = desk.repayment(Some(certified[0].loan_request_id.into()), 1);
    let events: Vec<_> = [&certified[0], &certified[1], &repayment, &certified[2], &certified[1]]
        .into_iter()
        .map(ReceivedEvent::for_test)
        .collect();
    let applied = desk.subscriptions.deliver_together(&desk.db, &events).await.unwrap();
    assert_eq!(applied, 5);
    let told: Vec<_> = desk.outbox().await.into_iter().map(|event| event.event_type).collect();
    let (received, rejected) = ("LoanRequestReceived", "LoanRequestRejected");
    assert_eq!(told, [received, received, rejected, received]);
    let reason = desk.item(repayment.loan_request_id).await.reason.unwrap();
    assert_eq!(reason.code(), "not-executed", "its loan was there before it");
}
