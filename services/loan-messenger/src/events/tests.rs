#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::codes::{MessageKind, RejectionReason};
use ::events::{CustomerId, Language, LoanStatus, MessageSent};
use common::consumer::{Decoded, Delivered, HandlerError};
use common::db::Db;
use common::event::{Event, NewEvent, ReceivedEvent};
use sqlx::PgPool;
use time::OffsetDateTime;

use super::testing::{Story, at};
use super::*;
use crate::domain::viewer::Viewer;
use crate::store;
use crate::store::message::{Message, Start};
use crate::usecases::Rules;

async fn deliver<E: Event>(pool: &PgPool, payload: &E) -> Delivered {
    deliver_event(pool, &ReceivedEvent::for_test(payload)).await.unwrap()
}

async fn deliver_event(pool: &PgPool, event: &ReceivedEvent) -> Result<Delivered, HandlerError> {
    subscriptions(&Clock::system(), &Rules::default())
        .deliver(&Db::from_pool(pool.clone()), event)
        .await
}

/// A customer's mailbox, in the order of writing.
async fn mailbox(pool: &PgPool, customer_id: CustomerId) -> Vec<Message> {
    let scope = Viewer::Customer(customer_id).scope(None, None);
    store::message::list(pool, scope, false, Start::Offset(0), 1_000).await.unwrap()
}

/// What waits to be published.
async fn published(pool: &PgPool) -> Vec<MessageSent> {
    let payloads: Vec<String> = sqlx::query_scalar(
        "SELECT payload FROM outbox WHERE event_type = 'MessageSent' ORDER BY id",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    payloads.iter().map(|payload| serde_json::from_str(payload).unwrap()).collect()
}

type RecipientRow =
    (Option<String>, Option<String>, Option<String>, Option<String>, Option<OffsetDateTime>);

async fn recipient(pool: &PgPool, customer_id: CustomerId) -> Option<RecipientRow> {
    sqlx::query_as(
        "SELECT language, user_name, user_mobile, user_email, removed_at FROM recipient WHERE customer_id = $1",
    )
    .bind(customer_id)
    .fetch_optional(pool)
    .await
    .unwrap()
}

async fn name_of(pool: &PgPool, customer_id: CustomerId) -> Option<String> {
    recipient(pool, customer_id).await.and_then(|row| row.1)
}

async fn twice<E: Event>(pool: &PgPool, customer_id: CustomerId, payload: &E) {
    let event = ReceivedEvent::for_test(payload);
    let before = mailbox(pool, customer_id).await.len();
    assert!(matches!(deliver_event(pool, &event).await.unwrap(), Delivered::Applied));
    assert!(matches!(deliver_event(pool, &event).await.unwrap(), Delivered::Duplicate));
    // Long after: the inbox row is purged, the message still says that it was worked.
    sqlx::query("DELETE FROM inbox").execute(pool).await.unwrap();
    deliver_event(pool, &event).await.unwrap();
    let messages = mailbox(pool, customer_id).await;
    assert_eq!(messages.len(), before + 1);
    assert_eq!(published(pool).await.len(), before + 1);
    let seqs: Vec<_> = messages.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, (1..=messages.len() as i64).collect::<Vec<_>>(), "no number is left out");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_message_for_every_change_in_order(pool: PgPool) {
    //
    let story = Story::new();
    deliver(&pool, &story.registered(Language::Ko)).await;
    deliver(&pool, &story.received()).await;
    deliver(&pool, &story.judged(LoanStatus::UnderReview, None)).await;
    deliver(&pool, &story.judged(LoanStatus::Approved, None)).await;
    deliver(&pool, &story.executed()).await;
    deliver(&pool, &story.repaid(6_000)).await;
    deliver(&pool, &story.rejected(RejectionReason::ExceedsOutstanding, Some(story.loan_id))).await;
    deliver(&pool, &story.repaid(0)).await;
    let messages = mailbox(&pool, story.customer_id).await;
    let kinds: Vec<_> = messages.iter().map(|message| message.kind).collect();
    assert_eq!(
        kinds,
        [
            MessageKind::RequestReceived,
            MessageKind::UnderReview,
            MessageKind::Approved,
            MessageKind::Executed,
            MessageKind::RepaymentBooked,
            MessageKind::RequestRejected,
            MessageKind::RepaymentBooked,
        ]
    );
    assert_eq!(
        messages.iter().map(|message| message.seq).collect::<Vec<_>>(),
        (1..=7).collect::<Vec<_>>()
    );
    assert!(
        messages
            .iter()
            .all(|message| message.language == Language::Ko && message.sent_at.is_some())
    );
    assert!(messages[3].body.contains("10,000원"), "{}", messages[3].body);
    assert!(messages[4].body.contains("6,000원"), "{}", messages[4].body);
    assert!(messages[6].body.contains("모두 상환"), "{}", messages[6].body);
    let sent = published(&pool).await;
    assert_eq!(
        sent.iter().map(|event| event.message_id).collect::<Vec<_>>(),
        messages.iter().map(|m| m.id).collect::<Vec<_>>()
    );
    assert!(
        sent.iter()
            .all(|event| event.channel == "mailbox" && event.customer_id == story.customer_id)
    );
}

#[sqlx::test(migrations = "./migrations")]
async fn each_event_delivered_twice_is_one_message(pool: PgPool) {
    //
    let story = Story::new();
    let customer = story.customer_id;
    twice(&pool, customer, &story.received()).await;
    twice(&pool, customer, &story.judged(LoanStatus::UnderReview, None)).await;
    twice(&pool, customer, &story.judged(LoanStatus::Approved, None)).await;
    twice(&pool, customer, &story.judged(LoanStatus::Refused, Some("no"))).await;
    twice(&pool, customer, &story.executed()).await;
    twice(&pool, customer, &story.repaid(0)).await;
    twice(&pool, customer, &story.rejected(RejectionReason::NoSuchLoan, None)).await;
}

#[sqlx::test(migrations = "./migrations")]
async fn out_of_order_each_is_still_told_once(pool: PgPool) {
    // What was redriven from the dead letters comes late; it is told all the same.
    let story = Story::new();
    deliver(&pool, &story.repaid(6_000)).await;
    deliver(&pool, &story.executed()).await;
    deliver(&pool, &story.judged(LoanStatus::Approved, None)).await;
    deliver(&pool, &story.received()).await;
    deliver(&pool, &story.rejected(RejectionReason::NoSuchLoan, None)).await;
    let messages = mailbox(&pool, story.customer_id).await;
    assert_eq!(messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(published(&pool).await.len(), 5);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_language_is_the_customers_else_the_events(pool: PgPool) {
    //
    let (known, unknown) = (Story::new(), Story::new());
    deliver(&pool, &known.registered(Language::Ko)).await;
    for story in [known, unknown] {
        deliver(&pool, &story.received()).await;
    }
    assert_eq!(mailbox(&pool, known.customer_id).await[0].language, Language::Ko);
    assert_eq!(mailbox(&pool, unknown.customer_id).await[0].language, Language::En);
    deliver(&pool, &known.changed(Language::En, 2)).await;
    deliver(&pool, &known.executed()).await;
    let messages = mailbox(&pool, known.customer_id).await;
    assert_eq!(messages[1].language, Language::En);
    assert_eq!(messages[1].subject, "Your loan has been executed");
    assert_eq!(messages[0].language, Language::Ko, "what was written stays as it was");
}

#[sqlx::test(migrations = "./migrations")]
async fn an_officers_comment_reaches_the_customer(pool: PgPool) {
    let story = Story::new();
    deliver(&pool, &story.judged(LoanStatus::Refused, Some("income too low"))).await;
    let mut refused = story.rejected(RejectionReason::RefusedByOfficer, Some(story.loan_id));
    refused.comment = Some("wrong account".to_owned());
    deliver(&pool, &refused).await;
    let messages = mailbox(&pool, story.customer_id).await;
    assert!(messages[0].body.contains("comment: income too low\n"), "{}", messages[0].body);
    assert!(messages[1].body.contains("comment: wrong account\n"), "{}", messages[1].body);
}

#[sqlx::test(migrations = "./migrations")]
async fn no_message_names_its_recipient(pool: PgPool) {
    let story = Story::new();
    deliver(&pool, &story.registered(Language::En)).await;
    deliver(&pool, &story.received()).await;
    deliver(&pool, &story.repaid(1)).await;
    let rows: Vec<String> =
        sqlx::query_scalar("SELECT message::text FROM message").fetch_all(&pool).await.unwrap();
    let events: Vec<String> =
        sqlx::query_scalar("SELECT payload FROM outbox").fetch_all(&pool).await.unwrap();
    for text in rows.iter().chain(&events) {
        assert!(
            !text.contains("Someone") && !text.contains("010-") && !text.contains('@'),
            "{text}"
        );
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_judgement_that_is_none_is_a_dead_letter(pool: PgPool) {
    let story = Story::new();
    let event = ReceivedEvent::for_test(&story.judged(LoanStatus::Repaid, None));
    assert!(matches!(deliver_event(&pool, &event).await, Err(HandlerError::Impossible(_))));
    assert!(mailbox(&pool, story.customer_id).await.is_empty());
    assert!(published(&pool).await.is_empty());
}

#[sqlx::test(migrations = "./migrations")]
async fn an_older_word_on_a_customer_never_overwrites_a_newer(pool: PgPool) {
    let story = Story::new();
    let customer = story.customer_id;
    deliver(&pool, &story.changed(Language::En, 5)).await;
    deliver(&pool, &story.changed(Language::Ko, 3)).await;
    deliver(&pool, &story.registered(Language::Ko)).await;
    assert_eq!(name_of(&pool, customer).await.as_deref(), Some("Someone since 5"));
    deliver(&pool, &story.changed(Language::Ko, 6)).await;
    assert_eq!(name_of(&pool, customer).await.as_deref(), Some("Someone since 6"));
}

#[sqlx::test(migrations = "./migrations")]
async fn the_customers_events_delivered_twice_change_nothing_more(pool: PgPool) {
    let story = Story::new();
    let customer = story.customer_id;
    let registered = ReceivedEvent::for_test(&story.registered(Language::Ko));
    let changed = ReceivedEvent::for_test(&story.changed(Language::En, 2));
    let removed = ReceivedEvent::for_test(&story.removed(3));
    for event in [&registered, &changed, &removed] {
        deliver_event(&pool, event).await.unwrap();
        let once = recipient(&pool, customer).await;
        assert!(matches!(deliver_event(&pool, event).await.unwrap(), Delivered::Duplicate));
        sqlx::query("DELETE FROM inbox").execute(&pool).await.unwrap();
        deliver_event(&pool, event).await.unwrap();
        assert_eq!(recipient(&pool, customer).await, once);
    }
    // And the first one once more, after all of them.
    sqlx::query("DELETE FROM inbox").execute(&pool).await.unwrap();
    deliver_event(&pool, &registered).await.unwrap();
    assert_eq!(name_of(&pool, customer).await, None);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_removed_customer_leaves_nothing_personal_behind(pool: PgPool) {
    let (early, late) = (Story::new(), Story::new());
    deliver(&pool, &early.registered(Language::Ko)).await;
    deliver(&pool, &early.received()).await;
    deliver(&pool, &early.removed(7)).await;
    // The removal of another arrives before the registration.
    deliver(&pool, &late.removed(7)).await;
    for story in [early, late] {
        deliver(&pool, &story.registered(Language::Ko)).await;
        deliver(&pool, &story.changed(Language::Ko, 9)).await;
        assert_eq!(
            recipient(&pool, story.customer_id).await,
            Some((None, None, None, None, Some(at(7))))
        );
    }
    // What was told stays, and what is still to be told is told.
    deliver(&pool, &early.repaid(0)).await;
    assert_eq!(mailbox(&pool, early.customer_id).await.len(), 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_tombstone_alone_forgets_the_customer(pool: PgPool) {
    // The removal itself was compacted away before it was read.
    let story = Story::new();
    deliver(&pool, &story.registered(Language::Ko)).await;
    let tombstone: ReceivedEvent =
        NewEvent::tombstone::<CustomerRemoved>(story.customer_id.to_string(), &Clock::system())
            .into();
    for delivered in [Delivered::Applied, Delivered::Duplicate] {
        assert_eq!(deliver_event(&pool, &tombstone).await.unwrap(), delivered);
        let (language, name, mobile, email, removed_at) =
            recipient(&pool, story.customer_id).await.unwrap();
        assert_eq!((language, name, mobile, email), (None, None, None, None));
        assert!(removed_at.is_some());
    }
    // After the removal it changes nothing; before the registration nothing comes back.
    deliver(&pool, &story.removed(7)).await;
    deliver(&pool, &story.registered(Language::Ko)).await;
    assert_eq!(name_of(&pool, story.customer_id).await, None);
    let nobody: ReceivedEvent =
        NewEvent::tombstone::<CustomerRemoved>("someone@example.com".to_owned(), &Clock::system())
            .into();
    assert!(matches!(deliver_event(&pool, &nobody).await, Err(HandlerError::Impossible(_))));
}

#[sqlx::test(migrations = "./migrations")]
async fn writers_that_meet_the_same_customers_in_different_order_do_not_block_each_other(
    pool: PgPool,
) {
    // two instances, each with a batch in one transaction.
    let (one, two) = (Story::new(), Story::new());
    let desk = Desk { clock: Clock::system(), rules: Rules::default() };
    let batch = |first: Story, second: Story| {
        let (pool, desk) = (pool.clone(), desk.clone());
        async move {
            let mut tx = pool.begin().await.unwrap();
            for story in [first, second] {
                let event = ReceivedEvent::for_test(&story.received());
                let (body, span) = (story.received(), tracing::Span::none());
                let decoded = vec![Decoded { event: &event, body, span }];
                on_loan_request_received(&mut tx, &desk, decoded).await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            tx.commit().await.unwrap();
        }
    };
    tokio::join!(batch(one, two), batch(two, one));
    for story in [one, two] {
        let seqs: Vec<_> = mailbox(&pool, story.customer_id).await.iter().map(|m| m.seq).collect();
        assert_eq!(seqs, [1, 2]);
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn messages_that_are_written_together_are_as_if_written_one_after_the_other(pool: PgPool) {
    let (one, two) = (Story::new(), Story::new());
    let before = ReceivedEvent::for_test(&one.received());
    deliver_event(&pool, &before).await.unwrap();
    // Known by its inbox no more, as after a purge: the message itself says that it is there.
    sqlx::query("DELETE FROM inbox").execute(&pool).await.unwrap();
    let stories = [one, two, Story::of(one.customer_id), two, Story::of(one.customer_id)];
    let mut events: Vec<_> =
        stories.iter().map(|story| ReceivedEvent::for_test(&story.received())).collect();
    events.insert(2, before);
    let db = Db::from_pool(pool.clone());
    let together = subscriptions(&Clock::system(), &Rules::default());
    assert_eq!(together.deliver_together(&db, &events).await.unwrap(), 6);
    for (story, loans) in [
        (one, vec![one.loan_id, one.loan_id, stories[2].loan_id, stories[4].loan_id]),
        (two, vec![two.loan_id, two.loan_id]),
    ] {
        let mailbox = mailbox(&pool, story.customer_id).await;
        let numbers: Vec<_> = mailbox.iter().map(|message| message.seq).collect();
        let last = i64::try_from(loans.len()).unwrap();
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
        assert!(mailbox.iter().map(|message| message.loan_id.unwrap()).eq(loans));
    }
    let told = published(&pool).await;
    assert_eq!(told.len(), 6);
}
