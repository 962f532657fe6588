#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::{LoanRequestId, LoanStatus};
use common::consumer::{Decoded, Delivered};
use common::db::Db;
use common::event::Event;
use sqlx::PgPool;

use super::testing::{Story, new_id};
use super::*;
use crate::domain::viewer::{Scope, Viewer};
use crate::store;
use crate::store::entry::{Entry, Start};
use crate::store::loan::Loan;

async fn deliver<E: Event>(pool: &PgPool, payload: &E) -> Delivered {
    deliver_event(pool, &ReceivedEvent::for_test(payload)).await.unwrap()
}

async fn deliver_event(pool: &PgPool, event: &ReceivedEvent) -> Result<Delivered, HandlerError> {
    subscriptions("loan-status").deliver(&Db::from_pool(pool.clone()), event).await
}

async fn twice<E: Event>(pool: &PgPool, payload: &E) {
    let event = ReceivedEvent::for_test(payload);
    let before = all(pool).await;
    assert!(matches!(deliver_event(pool, &event).await.unwrap(), Delivered::Applied));
    let once = all(pool).await;
    assert_ne!(before, once, "the first delivery has to be seen");
    assert!(matches!(deliver_event(pool, &event).await.unwrap(), Delivered::Duplicate));
    assert_eq!(all(pool).await, once);
    // Long after: the inbox row is purged, the entry still says that it was worked.
    sqlx::query("DELETE FROM inbox").execute(pool).await.unwrap();
    deliver_event(pool, &event).await.unwrap();
    assert_eq!(all(pool).await, once);
}

/// Everything that is shown.
async fn all(pool: &PgPool) -> (Vec<Entry>, Vec<String>, i64, i64) {
    let officer = Viewer::Officer.scope(None, None);
    let entries = store::entry::list(pool, officer, false, Start::Offset(0), 1_000).await.unwrap();
    let loans = sqlx::query_scalar("SELECT loan::text FROM loan ORDER BY loan_id")
        .fetch_all(pool)
        .await
        .unwrap();
    let cancelled =
        sqlx::query_scalar("SELECT count(*) FROM cancellation").fetch_one(pool).await.unwrap();
    (entries, loans, cancelled, store::feed_counter::position(pool).await.unwrap().number)
}

async fn loan(pool: &PgPool, story: Story) -> Loan {
    store::loan::find(pool, story.loan_id).await.unwrap().unwrap()
}

async fn timeline(pool: &PgPool, story: Story) -> Vec<(String, String)> {
    store::entry::timeline(pool, story.loan_id, Some(story.customer_id), 100)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| (entry.event_type, entry.loan_status.code().to_owned()))
        .collect()
}

fn steps(steps: &[(&str, &str)]) -> Vec<(String, String)> {
    steps.iter().map(|(event, status)| ((*event).to_owned(), (*status).to_owned())).collect()
}

fn request() -> LoanRequestId {
    new_id().into()
}

#[sqlx::test(migrations = "./migrations")]
async fn a_loans_life_is_shown_step_by_step(pool: PgPool) {
    //
    let story = Story::new();
    let part = request();
    deliver(&pool, &story.received()).await;
    assert_eq!(loan(&pool, story).await.loan_status, LoanStatus::Waiting);
    deliver(&pool, &story.judged(LoanStatus::UnderReview, 2)).await;
    deliver(&pool, &story.judged(LoanStatus::Approved, 3)).await;
    assert_eq!(loan(&pool, story).await.outstanding, None);
    deliver(&pool, &story.executed()).await;
    deliver(&pool, &story.repayment_received(part, 5)).await;
    assert_eq!(loan(&pool, story).await.outstanding, Some(1_000));
    deliver(&pool, &story.repaid(part, 600, 6)).await;
    let now = loan(&pool, story).await;
    assert_eq!((now.loan_status, now.outstanding), (LoanStatus::Executed, Some(600)));
    deliver(&pool, &story.repaid(story.loan_id.into(), 0, 7)).await;
    let now = loan(&pool, story).await;
    assert_eq!((now.loan_status, now.outstanding), (LoanStatus::Repaid, Some(0)));
    assert_eq!((now.amount_of_money, now.request_name.as_deref()), (Some(1_000), Some("Deposit")));
    let shown = steps(&[
        ("LoanRequestReceived", "00"),
        ("LoanJudged", "01"),
        ("LoanJudged", "02"),
        ("LoanExecuted", "04"),
        ("LoanRequestReceived", "00"),
        ("LoanRepaid", "04"),
        ("LoanRepaid", "05"),
    ]);
    assert_eq!(timeline(&pool, story).await, shown);
    let (entries, _, _, last) = all(&pool).await;
    assert_eq!(
        entries.iter().map(|entry| entry.id).collect::<Vec<_>>(),
        (1..=7).collect::<Vec<_>>()
    );
    assert_eq!(last, 7);
    let kinds: Vec<_> = entries.iter().map(|entry| entry.request_id.code()).collect();
    assert_eq!(kinds, ["01", "01", "01", "01", "02", "02", "01"]);
    let unsent: i64 =
        sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&pool).await.unwrap();
    assert_eq!(unsent, 0, "the read model publishes nothing");
}

#[sqlx::test(migrations = "./migrations")]
async fn each_event_delivered_twice_is_shown_once(pool: PgPool) {
    //
    let story = Story::new();
    let (part, wrong) = (request(), request());
    twice(&pool, &story.received()).await;
    twice(&pool, &story.judged(LoanStatus::UnderReview, 2)).await;
    twice(&pool, &story.judged(LoanStatus::Approved, 3)).await;
    twice(&pool, &story.executed()).await;
    twice(&pool, &story.repayment_received(part, 5)).await;
    twice(&pool, &story.repaid(part, 600, 6)).await;
    twice(&pool, &story.rejected(wrong, None)).await;
    twice(&pool, &story.cancelled(wrong)).await;
}

#[sqlx::test(migrations = "./migrations")]
async fn out_of_order_the_newest_state_wins(pool: PgPool) {
    // every event of the loan, the other way round.
    let story = Story::new();
    let part = request();
    deliver(&pool, &story.repaid(part, 600, 6)).await;
    let alone = loan(&pool, story).await;
    assert_eq!((alone.request_name, alone.amount_of_money), (None, None));
    deliver(&pool, &story.repayment_received(part, 5)).await;
    deliver(&pool, &story.executed()).await;
    deliver(&pool, &story.judged(LoanStatus::Approved, 3)).await;
    deliver(&pool, &story.judged(LoanStatus::UnderReview, 2)).await;
    deliver(&pool, &story.received()).await;
    let now = loan(&pool, story).await;
    assert_eq!((now.loan_status, now.outstanding), (LoanStatus::Executed, Some(600)));
    assert_eq!((now.loan_version, now.changed_at), (6, story.repaid(part, 600, 6).repaid_at));
    assert_eq!((now.amount_of_money, now.request_name.as_deref()), (Some(1_000), Some("Deposit")));
    let shown = steps(&[
        ("LoanRequestReceived", "00"),
        ("LoanJudged", "01"),
        ("LoanJudged", "02"),
        ("LoanExecuted", "04"),
        ("LoanRequestReceived", "00"),
        ("LoanRepaid", "04"),
    ]);
    assert_eq!(timeline(&pool, story).await, shown);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_waiting_repayment_hides_no_later_word_on_the_loan(pool: PgPool) {
    // The repayment's number is higher than the execution's, but it says
    // nothing about the loan's state.
    let story = Story::new();
    deliver(&pool, &story.received()).await;
    deliver(&pool, &story.repayment_received(request(), 5)).await;
    deliver(&pool, &story.executed()).await;
    assert_eq!(loan(&pool, story).await.loan_status, LoanStatus::Executed);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_rejection_and_its_cancellation_in_either_order(pool: PgPool) {
    //
    let story = Story::new();
    for cancelled_first in [false, true] {
        let wrong = request();
        if cancelled_first {
            deliver(&pool, &story.cancelled(wrong)).await;
            deliver(&pool, &story.rejected(wrong, None)).await;
        } else {
            deliver(&pool, &story.rejected(wrong, None)).await;
            deliver(&pool, &story.cancelled(wrong)).await;
        }
        let (entries, loans, _, _) = all(&pool).await;
        let entry = entries.iter().find(|entry| entry.loan_request_id == wrong).unwrap();
        assert_eq!((entry.loan_status, entry.loan_id), (LoanStatus::Refused, None));
        assert!(entry.cancelled_at.is_some());
        assert!(loans.is_empty(), "no loan comes of a rejection");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_rejected_repayment_leaves_the_loan_where_it_stood(pool: PgPool) {
    let story = Story::new();
    deliver(&pool, &story.received()).await;
    deliver(&pool, &story.executed()).await;
    let before = loan(&pool, story).await;
    deliver(&pool, &story.rejected(request(), Some(story.loan_id))).await;
    assert_eq!(loan(&pool, story).await, before);
    let last = timeline(&pool, story).await.pop().unwrap();
    assert_eq!(last, ("LoanRequestRejected".to_owned(), "03".to_owned()));
}

#[sqlx::test(migrations = "./migrations")]
async fn anothers_loan_is_not_touched_and_shows_nothing_of_the_stranger(pool: PgPool) {
    //
    let (owner, stranger) = (Story::new(), Story::new());
    deliver(&pool, &owner.received()).await;
    let before = loan(&pool, owner).await;
    // A stranger asked to repay the owner's loan.
    deliver(&pool, &stranger.rejected(request(), Some(owner.loan_id))).await;
    assert_eq!(loan(&pool, owner).await, before);
    assert_eq!(timeline(&pool, owner).await.len(), 1);
    // An event that gives the loan to someone else cannot be.
    let theft = Story { customer_id: stranger.customer_id, loan_id: owner.loan_id };
    let event = ReceivedEvent::for_test(&theft.executed());
    assert!(matches!(deliver_event(&pool, &event).await, Err(HandlerError::Impossible(_))));
    assert_eq!(loan(&pool, owner).await, before);
    let seen = Viewer::Customer(stranger.customer_id).scope(None, None);
    assert_eq!(store::entry::count(&pool, seen).await.unwrap(), 1, "rolled back with its entry");
}

#[sqlx::test(migrations = "./migrations")]
async fn numbers_become_visible_in_their_own_order(pool: PgPool) {
    // whoever commits later has the higher number, whoever began first.
    let (first, second) = (Story::new(), Story::new());
    let mut slow = pool.begin().await.unwrap();
    let event = ReceivedEvent::for_test(&first.received());
    let (body, span) = (first.received(), tracing::Span::none());
    let decoded = vec![Decoded { event: &event, body, span }];
    on_loan_request_received(&mut slow, decoded).await.unwrap();
    let fast = tokio::spawn({
        let pool = pool.clone();
        async move { deliver(&pool, &second.received()).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let seen = store::entry::between(&pool, Viewer::Officer.scope(None, None), 0, i64::MAX, 10)
        .await
        .unwrap();
    assert!(seen.is_empty(), "the second waits, so that nobody can pass by the first");
    slow.commit().await.unwrap();
    fast.await.unwrap();
    let (entries, ..) = all(&pool).await;
    let order: Vec<_> = entries.iter().map(|entry| entry.customer_id).collect();
    assert_eq!(order, [first.customer_id, second.customer_id]);
}

#[sqlx::test(migrations = "./migrations")]
async fn nothing_here_knows_a_name_or_a_mobile_number(pool: PgPool) {
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT table_name || '.' || column_name FROM information_schema.columns
          WHERE table_schema = current_schema() AND (column_name ~ 'mobile|email|password|account|user')",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(columns, Vec::<String>::new());
    assert!(!matches!(Viewer::Officer.scope(None, None), Scope::Nothing));
}

#[test]
fn each_generation_has_a_group_of_its_own() {
    //
    assert_eq!(group_of(1), "loan-status");
    assert_eq!(group_of(2), "loan-status-2");
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_shown_together_is_as_if_shown_one_after_the_other(pool: PgPool) {
    let (one, two, three) = (Story::new(), Story::new(), Story::new());
    let before = ReceivedEvent::for_test(&one.received());
    deliver_event(&pool, &before).await.unwrap();
    // Known by its inbox no more, as after a purge: the entry itself says that it is shown.
    sqlx::query("DELETE FROM inbox").execute(&pool).await.unwrap();
    let again = ReceivedEvent::for_test(&two.received());
    let events = [
        ReceivedEvent::for_test(&two.received()),
        before,
        ReceivedEvent::for_test(&three.received()),
        // The same is told by two events: two entries, one loan.
        again,
    ];
    let db = Db::from_pool(pool.clone());
    let applied = subscriptions("loan-status").deliver_together(&db, &events).await.unwrap();
    assert_eq!(applied, 4);
    let (entries, loans, _, last) = all(&pool).await;
    let shown: Vec<_> = entries.iter().map(|entry| (entry.id, entry.loan_id.unwrap())).collect();
    let loan_ids = [one.loan_id, two.loan_id, three.loan_id, two.loan_id];
    assert_eq!(shown, (1..).zip(loan_ids).collect::<Vec<_>>());
    assert_eq!((loans.len(), last), (3, 4));
    // One of them is another's loan: none is shown, so that each can be looked at by itself.
    let mut stranger = three.received();
    stranger.customer_id = new_id().into();
    let events = [Story::new().received(), stranger].map(|one| ReceivedEvent::for_test(&one));
    let refused = subscriptions("loan-status").deliver_together(&db, &events).await;
    assert!(matches!(refused, Err(HandlerError::Impossible(_))));
    assert_eq!(all(&pool).await.0.len(), 4);
}
