//! Each handler: applied, delivered twice, out of order.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::codes::RejectionReason;
use ::events::{
    Amount, Currency, CustomerId, Language, LoanExecuted, LoanId, LoanJudged, LoanRepaid,
    LoanRequestCancelled, LoanRequestId, LoanRequestRejected, LoanStatus, Outstanding, RequestKind,
};
use common::consumer::Delivered;
use common::event::{Event, ReceivedEvent};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::subscriptions;
use crate::http::testing::{App, NOW, Who};

/// A customer whose application was certified.
struct Story {
    app: App,
    who: Who,
    question: Value,
    loan_id: LoanId,
}

impl Story {
    async fn new(pool: PgPool) -> Self {
        let app = App::new(pool);
        let who = app.customer("1@sk.com").await;
        let question = app.question(&who);
        assert_eq!(app.certify(&question).await.outcome(), "certified");
        app.run("DELETE FROM outbox").await;
        let loan_id = question["loanRequestId"].as_str().unwrap().parse().unwrap();
        Self { app, who, question, loan_id }
    }

    async fn deliver(&self, event: &ReceivedEvent) -> Delivered {
        subscriptions(&self.app.clock).deliver(&self.app.db, event).await.unwrap()
    }

    /// Delivers an event twice: the second time nothing happens.
    async fn twice<E: Event>(&self, event: &E) {
        let event = ReceivedEvent::for_test(event);
        assert_eq!(self.deliver(&event).await, Delivered::Applied);
        let before = self.app.dump().await;
        assert_eq!(self.deliver(&event).await, Delivered::Duplicate);
        assert_eq!(self.app.dump().await, before);
    }

    async fn is_open(&self) -> bool {
        self.app
            .count("SELECT count(*) FROM open_loan WHERE is_open AND cancelled_at IS NULL")
            .await
            > 0
    }

    fn id(&self) -> CustomerId {
        self.who.id
    }

    fn judged(&self, loan_status: LoanStatus, loan_version: i64) -> LoanJudged {
        LoanJudged {
            loan_request_id: self.loan_id.into(),
            loan_id: self.loan_id,
            customer_id: self.id(),
            request_name: "Deposit".to_owned(),
            loan_status,
            adm_comment: None,
            amount_of_money: Amount::try_new(10_000).unwrap(),
            currency: Currency::KRW,
            loan_version,
            language: Language::Ko,
            judged_at: NOW,
        }
    }

    fn executed(&self, loan_version: i64) -> LoanExecuted {
        LoanExecuted {
            loan_request_id: self.loan_id.into(),
            loan_id: self.loan_id,
            customer_id: self.id(),
            request_name: "Deposit".to_owned(),
            amount_of_money: Amount::try_new(10_000).unwrap(),
            currency: Currency::KRW,
            outstanding: Outstanding::try_new(10_000).unwrap(),
            loan_version,
            language: Language::Ko,
            executed_at: NOW,
        }
    }

    fn repaid(&self, loan_status: LoanStatus, loan_version: i64) -> LoanRepaid {
        LoanRepaid {
            loan_request_id: self.app.new_request(),
            loan_id: self.loan_id,
            customer_id: self.id(),
            request_name: "Part".to_owned(),
            amount_of_money: Amount::try_new(4_000).unwrap(),
            currency: Currency::KRW,
            outstanding: Outstanding::try_new(if loan_status == LoanStatus::Repaid {
                0
            } else {
                6_000
            })
            .unwrap(),
            loan_status,
            loan_version,
            language: Language::Ko,
            repaid_at: NOW,
        }
    }

    fn rejected(
        &self,
        request_id: RequestKind,
        loan_request_id: LoanRequestId,
    ) -> LoanRequestRejected {
        LoanRequestRejected {
            loan_request_id,
            loan_id: Some(self.loan_id),
            request_id,
            request_name: "Part".to_owned(),
            customer_id: self.id(),
            amount_of_money: Amount::try_new(4_000).unwrap(),
            currency: Currency::KRW,
            reason: RejectionReason::ExceedsOutstanding,
            comment: None,
            loan_version: Some(9),
            language: Language::Ko,
            rejected_at: NOW,
        }
    }

    fn cancelled(
        &self,
        request_id: RequestKind,
        loan_request_id: LoanRequestId,
    ) -> LoanRequestCancelled {
        LoanRequestCancelled {
            loan_request_id,
            loan_id: Some(self.loan_id),
            request_id,
            customer_id: self.id(),
            reason: RejectionReason::NoSuchLoan,
            cancelled_at: NOW,
        }
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_loan_is_open_until_it_is_repaid_in_full(pool: PgPool) {
    let story = Story::new(pool).await;
    story.twice(&story.judged(LoanStatus::UnderReview, 2)).await;
    story.twice(&story.judged(LoanStatus::Approved, 3)).await;
    story.twice(&story.executed(4)).await;
    story.twice(&story.repaid(LoanStatus::Executed, 5)).await;
    assert!(story.is_open().await);
    story.twice(&story.repaid(LoanStatus::Repaid, 6)).await;
    assert!(!story.is_open().await);
    // Late ones open nothing again.
    for late in [
        ReceivedEvent::for_test(&story.executed(4)),
        ReceivedEvent::for_test(&story.judged(LoanStatus::Approved, 3)),
        ReceivedEvent::for_test(&story.repaid(LoanStatus::Executed, 5)),
    ] {
        assert_eq!(story.deliver(&late).await, Delivered::Applied);
        assert!(!story.is_open().await);
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_refused_loan_is_not_open_whatever_comes_late(pool: PgPool) {
    let story = Story::new(pool).await;
    story.twice(&story.judged(LoanStatus::Refused, 3)).await;
    assert!(!story.is_open().await);
    story.twice(&story.judged(LoanStatus::UnderReview, 2)).await;
    assert!(!story.is_open().await);
}

// After a restore from a backup the events may know more than the table.
#[sqlx::test(migrations = "./migrations")]
async fn a_loan_that_is_not_known_is_learnt_from_its_events(pool: PgPool) {
    let story = Story::new(pool).await;
    story.app.run("DELETE FROM open_loan").await;
    story.twice(&story.executed(4)).await;
    assert!(story.is_open().await);
    story.app.run("DELETE FROM open_loan").await;
    story.twice(&story.repaid(LoanStatus::Repaid, 6)).await;
    assert!(!story.is_open().await);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_rejected_application_is_no_loan_and_a_rejected_repayment_is_no_matter(pool: PgPool) {
    let story = Story::new(pool).await;
    story.twice(&story.rejected(RequestKind::Repay, story.app.new_request())).await;
    assert!(story.is_open().await);
    story.twice(&story.rejected(RequestKind::Apply, story.loan_id.into())).await;
    assert!(!story.is_open().await);
    story.twice(&story.executed(99)).await;
    assert!(!story.is_open().await, "it never opens again");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_cancelled_application_is_not_certified_any_more(pool: PgPool) {
    let story = Story::new(pool).await;
    story.twice(&story.cancelled(RequestKind::Apply, story.loan_id.into())).await;
    assert!(!story.is_open().await);
    let outbox = story.app.outbox().await;
    assert_eq!(
        (outbox.len(), outbox[0].0.as_str(), &outbox[0].1),
        (1, "AuthCancelled", &story.loan_id.to_string())
    );
    assert_eq!(
        outbox[0].2,
        json!({
            "loanRequestId": story.loan_id, "loanId": story.loan_id, "customerId": story.id(),
            "reason": "request-cancelled", "cancelledAt": "2026-11-21T08:00:00Z",
        })
    );
    let shown = story.app.get("/loanAuths", &story.who).send().await;
    assert_eq!(shown.body["_embedded"]["loanAuths"][0]["authStatus"], "cancelled");
    // Told by another event once more: nothing.
    story.twice(&story.cancelled(RequestKind::Apply, story.loan_id.into())).await;
    assert_eq!(story.app.outbox().await.len(), 1);
    // A replay still proves its caller, and a void comes too late.
    assert_eq!(story.app.certify(&story.question).await.outcome(), "certified");
    assert_eq!(story.app.void(&story.question["loanRequestId"]).await.outcome(), "certified");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_cancelled_repayment_leaves_its_loan_open(pool: PgPool) {
    let story = Story::new(pool).await;
    let mut repayment = story.app.question(&story.who);
    repayment["requestId"] = json!("02");
    repayment["loanId"] = json!(story.loan_id);
    assert_eq!(story.app.certify(&repayment).await.outcome(), "certified");
    let id = repayment["loanRequestId"].as_str().unwrap().parse().unwrap();
    story.twice(&story.cancelled(RequestKind::Repay, id)).await;
    assert!(story.is_open().await);
    assert_eq!(
        story.app.count("SELECT count(*) FROM certification WHERE outcome = 'cancelled'").await,
        1
    );
}

// Out of order: the cancellation of what is not certified yet. It never will be.
#[sqlx::test(migrations = "./migrations")]
async fn what_is_cancelled_before_it_is_certified_is_voided(pool: PgPool) {
    let story = Story::new(pool).await;
    let question = story.app.question(&story.who);
    let id = question["loanRequestId"].as_str().unwrap().parse().unwrap();
    story.twice(&story.cancelled(RequestKind::Apply, id)).await;
    assert_eq!(story.app.outbox().await[0].2.get("customerId"), None);
    assert_eq!(story.app.certify(&question).await.outcome(), "voided");
    // What was refused or voided stays so.
    story.twice(&story.cancelled(RequestKind::Apply, id)).await;
    assert_eq!(story.app.outbox().await.len(), 1);
}
