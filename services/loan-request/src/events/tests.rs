//! Each event: what it does, delivered twice, out of order, and impossible.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::codes::{AuthCancelReason, RejectionReason};
use ::events::{Amount, Currency, CustomerId, Language, LoanId, LoanRequestId, RequestKind};
use common::consumer::Delivered;
use common::event::{Event, ReceivedEvent};
use serde_json::json;
use sqlx::PgPool;

use super::*;
use crate::clients::loan_auth::testing::{USER_ID, USER_NAME};
use crate::domain::standing::Standing;
use crate::http::testing::World;

/// What is said of one request.
#[derive(Clone, Copy)]
struct Story<'a> {
    world: &'a World,
    id: LoanRequestId,
    customer: CustomerId,
    loan: Option<LoanId>,
}

impl<'a> Story<'a> {
    /// Of a request that nobody has decided yet.
    async fn undecided(world: &'a World) -> Self {
        let id = world.left_undecided(world.clock.now()).await;
        Self { world, id, customer: world.customer(), loan: Some(id.into()) }
    }

    /// Of a repayment that named a loan.
    async fn repayment(world: &'a World) -> Self {
        let mut body = World::application_with("requestId", "02");
        body["loanId"] = json!(world.clock.new_id());
        let id = world.submit(&body).await.id();
        Self { world, id, customer: world.customer(), loan: None }
    }

    fn certified(&self) -> AuthCertified {
        AuthCertified {
            loan_request_id: self.id,
            loan_id: self.loan,
            request_id: RequestKind::Apply,
            request_name: "Deposit".to_owned(),
            customer_id: self.customer,
            user_id: USER_ID.to_owned(),
            user_name: USER_NAME.to_owned(),
            user_mobile: None,
            account_no: None,
            amount_of_money: Amount::try_new(10_000).unwrap(),
            currency: Currency::KRW,
            language: Language::Ko,
            certified_at: self.world.clock.now(),
        }
    }

    fn cancelled(&self, reason: AuthCancelReason) -> AuthCancelled {
        AuthCancelled {
            loan_request_id: self.id,
            loan_id: None,
            customer_id: None,
            reason,
            cancelled_at: self.world.clock.now(),
        }
    }

    fn received(&self, loan: LoanId) -> LoanRequestReceived {
        LoanRequestReceived {
            loan_request_id: self.id,
            loan_id: loan,
            request_id: RequestKind::Apply,
            request_name: "Deposit".to_owned(),
            customer_id: self.customer,
            amount_of_money: Amount::try_new(10_000).unwrap(),
            currency: Currency::KRW,
            outstanding: None,
            loan_version: 1,
            language: Language::Ko,
            received_at: self.world.clock.now(),
        }
    }

    fn rejected(&self, reason: RejectionReason) -> LoanRequestRejected {
        LoanRequestRejected {
            loan_request_id: self.id,
            loan_id: self.loan,
            request_id: RequestKind::Repay,
            request_name: "Deposit".to_owned(),
            customer_id: self.customer,
            amount_of_money: Amount::try_new(10_000).unwrap(),
            currency: Currency::KRW,
            reason,
            comment: Some("서류가 없습니다".to_owned()),
            loan_version: None,
            language: Language::Ko,
            rejected_at: self.world.clock.now(),
        }
    }

    async fn standing(&self) -> Standing {
        self.world.row(self.id).await.standing
    }

    /// Delivers an event twice: by its id it is a duplicate; long after, when
    /// the inbox has forgotten it, the request itself knows.
    async fn twice<E: Event>(&self, payload: &E) {
        let before = self.world.row(self.id).await;
        let event = ReceivedEvent::for_test(payload);
        assert_eq!(self.world.deliver_event(&event).await.unwrap(), Delivered::Applied);
        let once = (self.world.row(self.id).await, self.world.outbox().await.len());
        assert_ne!(before, once.0, "the first delivery has to be seen");
        assert_eq!(self.world.deliver_event(&event).await.unwrap(), Delivered::Duplicate);
        assert_eq!(self.world.deliver(payload).await, Delivered::Applied);
        assert_eq!((self.world.row(self.id).await, self.world.outbox().await.len()), once);
    }

    async fn impossible<E: Event>(&self, payload: &E) {
        let before = self.world.row(self.id).await;
        let event = ReceivedEvent::for_test(payload);
        let error = self.world.deliver_event(&event).await.unwrap_err();
        assert!(matches!(error, HandlerError::Impossible(_)), "{error}");
        assert_eq!(self.world.row(self.id).await, before);
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_certification_whose_answer_was_lost_is_learnt(pool: PgPool) {
    let world = World::new(pool).await;
    let story = Story::undecided(&world).await;
    story.twice(&story.certified()).await;
    assert_eq!(story.standing().await, Standing::Certified(story.customer));
    assert_eq!(world.row(story.id).await.certified_at, Some(world.clock.now()));
    assert!(world.outbox().await.is_empty());
}

#[sqlx::test(migrations = "./migrations")]
async fn a_void_whose_answer_was_lost_is_learnt_and_frees_the_key(pool: PgPool) {
    let world = World::new(pool).await;
    let story = Story::undecided(&world).await;
    sqlx::query("INSERT INTO idempotency VALUES ('s', 'r', 'k', '', $1, now())")
        .bind(story.id)
        .execute(&world.pool)
        .await
        .unwrap();
    story.twice(&story.cancelled(AuthCancelReason::Voided)).await;
    assert_eq!(story.standing().await, Standing::Withdrawn);
    assert_eq!(world.keys().await, 0);
    // Nobody was proven, so nobody hears of it.
    assert!(world.outbox().await.is_empty());
}

#[sqlx::test(migrations = "./migrations")]
async fn what_the_manager_receives_is_received(pool: PgPool) {
    //
    let world = World::new(pool).await;
    let id = world.submit(&World::application()).await.id();
    let story = Story { world: &world, id, customer: world.customer(), loan: Some(id.into()) };
    story.twice(&story.received(id.into())).await;
    let row = world.row(id).await;
    assert_eq!(row.standing, Standing::Received(story.customer));
    assert_eq!(
        (row.certified_at, row.received_at),
        (Some(world.clock.now()), Some(world.clock.now()))
    );
}

#[sqlx::test(migrations = "./migrations")]
async fn a_repayment_learns_its_loan(pool: PgPool) {
    //
    let world = World::new(pool).await;
    let story = Story::repayment(&world).await;
    let loan = LoanId::from(world.clock.new_id());
    story.twice(&story.received(loan)).await;
    assert_eq!(world.row(story.id).await.loan_id, Some(loan));
}

#[sqlx::test(migrations = "./migrations")]
async fn what_the_manager_rejects_is_compensated(pool: PgPool) {
    //
    let world = World::new(pool).await;
    let story = Story::repayment(&world).await;
    story.twice(&story.rejected(RejectionReason::NoSuchLoan)).await;
    let row = world.row(story.id).await;
    assert_eq!(row.standing, Standing::Compensated(story.customer));
    assert_eq!(row.reason.as_deref(), Some("no-such-loan"));
    assert_eq!(row.comment.as_deref(), Some("서류가 없습니다"));
    // The loan that it named is not known to be the customer's: its partition
    // hears nothing of this.
    let published = world.outbox().await;
    assert_eq!(published.len(), 1);
    let (event_type, key, payload) = &published[0];
    assert_eq!((event_type.as_str(), key), ("LoanRequestCancelled", &story.id.to_string()));
    assert_eq!(payload["reason"], "no-such-loan");
    assert_eq!(payload["requestId"], "02");
    assert_eq!(payload["customerId"], json!(story.customer));
    assert_eq!(payload.get("loanId"), None);

    let address = format!("/loanRequests/{}", story.id);
    assert_eq!(world.get(&address, &world.token()).await.status, 404);
    assert_eq!(world.get(&address, &world.officer_token()).await.status, 404);
    // loan-auth confirms it.
    world.deliver(&story.cancelled(AuthCancelReason::RequestCancelled)).await;
    assert_eq!(world.row(story.id).await, row);
}

#[sqlx::test(migrations = "./migrations")]
async fn an_officers_refusal_is_keyed_by_the_loan(pool: PgPool) {
    //
    let world = World::new(pool).await;
    let mut story = Story::repayment(&world).await;
    let loan = LoanId::from(world.clock.new_id());
    story.loan = Some(loan);
    world.deliver(&story.received(loan)).await;
    story.twice(&story.rejected(RejectionReason::RefusedByOfficer)).await;
    let published = world.outbox().await;
    assert_eq!(published[0].1, loan.to_string());
    assert_eq!(published[0].2["loanId"], json!(loan));
    assert_eq!(story.standing().await, Standing::Compensated(story.customer));
}

#[sqlx::test(migrations = "./migrations")]
async fn events_come_in_any_order(pool: PgPool) {
    // two topics, and an answer that was lost.
    let world = World::new(pool).await;
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let story = Story::undecided(&world).await;
        for event in order {
            match event {
                0 => world.deliver(&story.certified()).await,
                1 => world.deliver(&story.received(story.id.into())).await,
                _ => world.deliver(&story.rejected(RejectionReason::LoanRepaid)).await,
            };
        }
        assert_eq!(story.standing().await, Standing::Compensated(story.customer), "{order:?}");
    }
    assert_eq!(world.outbox().await.len(), 6);
    let story = Story::undecided(&world).await;
    world.deliver(&story.received(story.id.into())).await;
    world.deliver(&story.certified()).await;
    assert_eq!(story.standing().await, Standing::Received(story.customer));
}

#[sqlx::test(migrations = "./migrations")]
async fn what_cannot_be_true_is_set_aside(pool: PgPool) {
    let world = World::new(pool).await;
    // Voided, and certified all the same.
    let voided = Story::undecided(&world).await;
    world.deliver(&voided.cancelled(AuthCancelReason::Voided)).await;
    voided.impossible(&voided.certified()).await;
    voided.impossible(&voided.received(voided.id.into())).await;
    voided.impossible(&voided.rejected(RejectionReason::NoSuchLoan)).await;
    voided.impossible(&voided.cancelled(AuthCancelReason::RequestCancelled)).await;
    // Certified, and voided all the same; or another's.
    let mut certified = Story::undecided(&world).await;
    world.deliver(&certified.certified()).await;
    certified.impossible(&certified.cancelled(AuthCancelReason::Voided)).await;
    certified.impossible(&certified.cancelled(AuthCancelReason::RequestCancelled)).await;
    certified.customer = world.clock.new_id().into();
    certified.impossible(&certified.certified()).await;
    certified.impossible(&certified.received(certified.id.into())).await;
    certified.impossible(&certified.rejected(RejectionReason::NoSuchLoan)).await;
    assert!(world.outbox().await.is_empty());
}

#[sqlx::test(migrations = "./migrations")]
async fn of_a_request_that_never_was_nothing_is_believed(pool: PgPool) {
    let world = World::new(pool).await;
    let id = LoanRequestId::from(world.clock.new_id());
    let story = Story { world: &world, id, customer: world.customer(), loan: None };
    for event in [
        ReceivedEvent::for_test(&story.certified()),
        ReceivedEvent::for_test(&story.received(id.into())),
        ReceivedEvent::for_test(&story.rejected(RejectionReason::NoSuchLoan)),
    ] {
        let error = world.deliver_event(&event).await.unwrap_err();
        assert!(matches!(error, HandlerError::Impossible(_)), "{error}");
    }
    // A refused one may have been purged before its void is heard of.
    world.deliver(&story.cancelled(AuthCancelReason::Voided)).await;
    assert!(world.outbox().await.is_empty());
}

#[test]
fn every_event_of_ours_is_listened_to() {
    let subscriptions = subscriptions(Clock::system());
    assert_eq!(subscriptions.group(), "loan-request");
    assert_eq!(subscriptions.topics(), ["loan.auth", "loan.manager"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_comes_together_is_as_if_one_came_after_the_other(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let (one, two) = (Story::undecided(&world).await, Story::undecided(&world).await);
    let db = common::db::Db::from_pool(pool);
    let together = subscriptions(world.clock.clone());
    let received = |story: &Story<'_>| ReceivedEvent::for_test(&story.received(story.id.into()));
    let certified = |story: &Story<'_>| ReceivedEvent::for_test(&story.certified());
    let events = [certified(&one), certified(&two), received(&one), received(&two), received(&one)];
    assert_eq!(together.deliver_together(&db, &events).await.unwrap(), 5);
    for story in [&one, &two] {
        let row = world.row(story.id).await;
        assert_eq!((row.standing, row.version), (Standing::Received(story.customer), 3));
    }

    // Two say of one request that it is of two customers: one of them is wrong.
    let (three, four) = (Story::undecided(&world).await, Story::undecided(&world).await);
    let stranger = Story { customer: world.clock.new_id().into(), ..four };
    let events = [received(&three), received(&four), received(&stranger)];
    let refused = together.deliver_together(&db, &events).await;
    assert!(matches!(refused, Err(HandlerError::Impossible(_))));
    assert_eq!(three.standing().await, Standing::Undecided, "none, or all");
    assert_eq!(four.standing().await, Standing::Undecided);
}
