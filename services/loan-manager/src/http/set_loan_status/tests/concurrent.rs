//! Several officers at the same moment, on a real database; and the walls that
//! the database itself puts up.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;

use ::events::{LoanId, LoanRequestId, LoanStatus};
use futures::future::join_all;
use serde_json::json;
use sqlx::PgPool;

use crate::http::testing::Desk;

/// What must be true of a loan at any time, whoever did what.
async fn check(desk: &Desk, loan: LoanId) {
    let item = desk.item(loan).await;
    let bookings = desk.bookings(loan).await;
    let booked: i64 = bookings.iter().map(|(_, amount)| amount).sum();
    let outstanding = item.outstanding.unwrap().get();
    assert!(outstanding >= 0);
    assert_eq!(booked, item.amount.get() - outstanding, "what is booked is what is no longer owed");
    let once: HashSet<LoanRequestId> = bookings.iter().map(|(id, _)| *id).collect();
    assert_eq!(once.len(), bookings.len());
    assert_eq!(outstanding == 0, item.status == LoanStatus::Repaid);

    let mut versions = Vec::new();
    let (mut told, mut ended) = (Vec::new(), HashSet::new());
    for event in desk.outbox().await.into_iter().filter(|event| event.key == loan.to_string()) {
        versions.push(event.payload["loanVersion"].as_i64().unwrap());
        let id: LoanRequestId = event.payload["loanRequestId"].as_str().unwrap().parse().unwrap();
        match event.event_type.as_str() {
            "LoanRepaid" => told.push((id, event.payload["amountOfMoney"].as_i64().unwrap())),
            "LoanRequestRejected" => assert!(ended.insert(id), "{id} was rejected twice"),
            _ => {}
        }
    }
    let expected: Vec<i64> = (1..=item.loan_version.unwrap()).collect();
    assert_eq!(versions, expected, "a loan's events are inserted in their order, none left out");
    told.sort();
    assert_eq!(told, bookings, "each booking is told once");
    assert!(ended.is_disjoint(&once), "nothing is both booked and rejected");
    if item.status == LoanStatus::Repaid {
        let open: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM item WHERE loan_id = $1 AND kind = '02' AND status = '00'",
        )
        .bind(loan)
        .fetch_one(desk.db.pool())
        .await
        .unwrap();
        assert_eq!(open, 0, "nothing waits for a repaid loan");
    }
}

/// partial bookings, each by several officers at once, while more
/// repayments come in and somebody sets the loan itself to repaid.
#[sqlx::test(migrations = "./migrations")]
async fn bookings_at_the_same_moment_never_book_twice(pool: PgPool) {
    let desk = Desk::new(pool);
    for round in 0..6 {
        let loan = desk.loan(10_000, LoanStatus::Executed).await;
        let mut repayments = Vec::new();
        for _ in 0..8 {
            repayments.push(desk.repay(loan, 1_500 + 100 * round).await);
        }
        let mut tasks = Vec::new();
        for id in repayments.iter().flat_map(|id| [*id; 3]) {
            let desk = desk.clone();
            tasks.push(tokio::spawn(async move { desk.set(id, "05").await.status }));
        }
        for place in 0..4 {
            let desk = desk.clone();
            tasks.push(tokio::spawn(async move {
                desk.repay(loan, 200).await;
                if round % 2 == 0 && place % 2 == 0 {
                    desk.set(loan, "05").await.status
                } else {
                    409
                }
            }));
        }
        let refused = repayments[0];
        let officer = desk.clone();
        tasks.push(tokio::spawn(async move { officer.set(refused, "03").await.status }));
        let mut statuses = Vec::new();
        for status in join_all(tasks).await {
            statuses.push(status.unwrap());
        }
        assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
        check(&desk, loan).await;
        let done = statuses.iter().filter(|status| **status == 200).count();
        let refusals = usize::from(
            desk.item(refused).await.reason.map(|reason| reason.code())
                == Some("refused-by-officer"),
        );
        assert_eq!(done, desk.bookings(loan).await.len() + refusals, "200 means that it was done");
        assert!(done >= 1);
        desk.set(loan, "05").await;
        check(&desk, loan).await;
        assert_eq!(desk.item(loan).await.status, LoanStatus::Repaid);
    }
}

/// two officers with the same version in hand: one of them decides.
#[sqlx::test(migrations = "./migrations")]
async fn two_officers_at_once_are_one_decision(pool: PgPool) {
    let desk = Desk::new(pool);
    for _ in 0..5 {
        let id = desk.loan(10_000, LoanStatus::UnderReview).await;
        let tag = format!("\"{}\"", desk.item(id).await.version);
        let told = desk.outbox().await.len();
        let tasks =
            ["02", "03", "02", "03"].map(|to| {
                let (desk, tag) = (desk.clone(), tag.clone());
                async move {
                    desk.patch(id, json!({"loanStatus": to}), &[("if-match", &tag)]).await.status
                }
            });
        let mut statuses = join_all(tasks).await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412, 412, 412]);
        assert_eq!(desk.outbox().await.len(), told + 1);
    }
}

/// What the rules forbid, the tables forbid as well.
#[sqlx::test(migrations = "./migrations")]
async fn the_tables_hold_what_the_rules_say(pool: PgPool) {
    let desk = Desk::new(pool.clone());
    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    let repayment = desk.repay(loan, 4_000).await;
    assert_eq!(desk.set(repayment, "05").await.status, 200);
    for wrong in [
        "UPDATE item SET outstanding = -1 WHERE kind = '01'",
        "UPDATE item SET outstanding = 10001 WHERE kind = '01'",
        "UPDATE item SET outstanding = NULL WHERE kind = '01'",
        "UPDATE item SET outstanding = 0 WHERE kind = '01'",
        "UPDATE item SET status = '05' WHERE kind = '01'",
        "UPDATE item SET status = '02' WHERE kind = '01'",
        "UPDATE item SET status = '06'",
        "UPDATE item SET status = '04' WHERE kind = '02'",
        "UPDATE item SET status = '03' WHERE kind = '02'",
        "UPDATE item SET outstanding = 1 WHERE kind = '02'",
        "UPDATE item SET loan_id = NULL",
        "UPDATE item SET loan_id = gen_random_uuid() WHERE kind = '01'",
        "UPDATE item SET loan_version = NULL WHERE kind = '01'",
        "UPDATE item SET reason = 'loan-repaid' WHERE kind = '01'",
        "UPDATE item SET amount = 0",
        "UPDATE item SET currency = 'USD'",
        "UPDATE booking SET amount = 0",
        "UPDATE booking SET loan_id = gen_random_uuid()",
        "INSERT INTO booking SELECT * FROM booking",
    ] {
        let error = sqlx::query(wrong).execute(&pool).await.unwrap_err();
        let code = error.as_database_error().and_then(|error| error.code()).unwrap();
        assert!(["23514", "23505", "23503", "23502"].contains(&code.as_ref()), "{wrong}: {error}");
    }
}
