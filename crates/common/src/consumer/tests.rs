#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rdkafka::message::{Headers as _, Message as _, OwnedHeaders, OwnedMessage, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, PgConnection, PgPool};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use super::batch::{self, Incoming, Rejected};
use super::suspicion::Suspicion;
use super::*;
use crate::clock::Clock;
use crate::db::Db;
use crate::event::{Attributes, Event, ReceivedEvent};

mod compressed;
mod long_outage;
mod rebalance;
mod runs;
mod slowness;
mod too_large;

const GROUP: &str = "notes";

const AT: OffsetDateTime = datetime!(2026-11-21 08:00 UTC);

#[derive(Clone, Serialize, Deserialize)]
struct Noted {
    text: String,
}

impl Event for Noted {
    const TYPE: &'static str = "Noted";
    const TOPIC: &'static str = "test.notes";
    const SOURCE: &'static str = "/test";

    fn key(&self) -> String {
        "key".to_owned()
    }

    fn subject(&self) -> String {
        self.text.clone()
    }
}

/// Writes the text down; some texts are trouble.
async fn on_noted(
    tx: &mut PgConnection,
    _event: &ReceivedEvent,
    body: Noted,
) -> Result<(), HandlerError> {
    sqlx::query("INSERT INTO note (text) VALUES ($1)").bind(&body.text).execute(tx).await?;
    match body.text.as_str() {
        "impossible" => Err(HandlerError::Impossible("it can't be".to_owned())),
        "panic" => panic!("this note is too much"),
        _ => Ok(()),
    }
}

fn subscriptions() -> Subscriptions {
    Subscriptions::new(GROUP).on::<Noted>(|tx, event, body| Box::pin(on_noted(tx, event, body)))
}

async fn db(pool: PgPool) -> Db {
    sqlx::raw_sql(include_str!("../../migrations/plumbing.sql")).execute(&pool).await.unwrap();
    let notes = "CREATE TABLE note (id int GENERATED ALWAYS AS IDENTITY, text text);
                 CREATE UNIQUE INDEX note_text_key ON note (text) WHERE text <> 'often'";
    sqlx::raw_sql(notes).execute(&pool).await.unwrap();
    Db::from_pool(pool)
}

async fn notes(db: &Db) -> Vec<String> {
    sqlx::query_scalar("SELECT text FROM note ORDER BY id").fetch_all(db.pool()).await.unwrap()
}

async fn claims(db: &Db) -> (i64, i64) {
    sqlx::query_as("SELECT count(*), count(dead_lettered_at) FROM inbox")
        .fetch_one(db.pool())
        .await
        .unwrap()
}

fn noted(text: &str) -> ReceivedEvent {
    ReceivedEvent::for_test(&Noted { text: text.to_owned() })
}

/// The event as a message in Kafka.
fn message(event: &ReceivedEvent) -> OwnedMessage {
    raw(event, Some(headers(event)))
}

fn headers(event: &ReceivedEvent) -> OwnedHeaders {
    let attributes = Attributes {
        id: event.id,
        event_type: &event.event_type,
        source: &event.source,
        subject: &event.subject,
        time: event.time,
        traceparent: event.traceparent.as_deref(),
    };
    attributes.headers()
}

fn raw(event: &ReceivedEvent, headers: Option<OwnedHeaders>) -> OwnedMessage {
    OwnedMessage::new(
        event.payload.clone(),
        event.key.clone().map(String::into_bytes),
        event.topic.clone(),
        Timestamp::NotAvailable,
        event.partition,
        event.offset,
        headers,
    )
}

fn incoming(texts: &[&str]) -> Vec<Incoming> {
    texts.iter().map(|text| Incoming::new(message(&noted(text)))).collect()
}

async fn work(db: &Db, batch: &[Incoming]) -> Vec<Rejected> {
    try_work(db, batch).await.unwrap()
}

async fn try_work(db: &Db, batch: &[Incoming]) -> Result<Vec<Rejected>, batch::Outage> {
    batch::work(db, &subscriptions(), batch, &mut Suspicion::default(), &Clock::system()).await
}

#[sqlx::test(migrations = false)]
async fn delivered_twice_is_applied_once(pool: PgPool) {
    let db = db(pool).await;
    let event = noted("a");
    let subscriptions = subscriptions();
    assert_eq!(subscriptions.deliver(&db, &event).await.unwrap(), Delivered::Applied);
    assert_eq!(subscriptions.deliver(&db, &event).await.unwrap(), Delivered::Duplicate);
    assert_eq!(notes(&db).await, ["a"]);
}

#[sqlx::test(migrations = false)]
async fn what_nobody_handles_is_ignored(pool: PgPool) {
    let db = db(pool).await;
    let unknown = ReceivedEvent { event_type: "Unheard".to_owned(), ..noted("a") };
    // A type is believed on its own topic only.
    let elsewhere = ReceivedEvent { topic: "test.other".to_owned(), ..noted("a") };
    let tombstone =
        ReceivedEvent { event_type: "Tombstone".to_owned(), payload: None, ..noted("a") };
    for event in [unknown, elsewhere, tombstone] {
        assert_eq!(subscriptions().deliver(&db, &event).await.unwrap(), Delivered::Ignored);
        assert!(work(&db, &[Incoming::new(message(&event))]).await.is_empty());
    }
    assert_eq!((notes(&db).await.len(), claims(&db).await), (0, (0, 0)));
}

#[sqlx::test(migrations = false)]
async fn a_failed_handler_leaves_nothing_behind(pool: PgPool) {
    let db = db(pool).await;
    for text in ["impossible", "panic"] {
        let failed = subscriptions().deliver(&db, &noted(text)).await.unwrap_err();
        assert!(matches!(failed, HandlerError::Impossible(_)));
    }
    assert_eq!((notes(&db).await.len(), claims(&db).await), (0, (0, 0)));
}

#[sqlx::test(migrations = false)]
async fn a_payload_that_is_none_of_its_type_is_impossible_and_not_repeated(pool: PgPool) {
    let db = db(pool).await;
    for payload in [None, Some(&b"not json"[..]), Some(br#"{"text":5550001234}"#)] {
        let event = ReceivedEvent { payload: payload.map(<[u8]>::to_vec), ..noted("a") };
        match subscriptions().deliver(&db, &event).await.unwrap_err() {
            HandlerError::Impossible(reason) => {
                assert!(reason.contains("Noted") && !reason.contains("555"), "{reason}");
            }
            HandlerError::Database(error) => panic!("{error}"),
        }
    }
}

#[sqlx::test(migrations = false)]
async fn a_batch_is_applied_in_order_and_once(pool: PgPool) {
    let db = db(pool).await;
    let mut batch = incoming(&["often", "b", "c"]);
    // The same event twice in one batch; nothing but the claim tells it apart.
    batch.push(Incoming::new(message(batch[0].event.as_ref().unwrap())));
    assert!(work(&db, &batch).await.is_empty());
    assert!(work(&db, &batch).await.is_empty());
    assert_eq!(notes(&db).await, ["often", "b", "c"]);
}

#[sqlx::test(migrations = false)]
async fn only_the_bad_ones_of_a_batch_are_set_aside(pool: PgPool) {
    let db = db(pool).await;
    sqlx::query("INSERT INTO note (text) VALUES ('taken')").execute(db.pool()).await.unwrap();
    let mut batch = incoming(&["a", "impossible", "b", "taken", "panic", "c"]);
    batch.insert(1, Incoming::new(raw(&noted("no headers"), None)));
    let rejected = work(&db, &batch).await;
    assert_eq!(notes(&db).await, ["taken", "a", "b", "c"]);
    let told: Vec<_> =
        rejected.iter().map(|one| (one.index, one.reason.as_str(), one.attempts)).collect();
    assert_eq!(
        told,
        [
            (1, "header ce_specversion is missing", 1),
            (2, "it can't be", 1),
            (4, "database error 23505 at note_text_key", 3),
            (5, "the handler of Noted panicked", 1),
        ]
    );

    // Once they are among the dead letters they are claimed like the others,
    // and a second delivery does nothing.
    batch::claim_rejected(&db, &batch, &rejected).await.unwrap();
    assert_eq!(claims(&db).await, (6, 3));
    let again: Vec<_> = work(&db, &batch).await.iter().map(|one| one.index).collect();
    assert_eq!(again, [1], "what has no id can't be recognised");
    assert_eq!(notes(&db).await, ["taken", "a", "b", "c"]);
}

#[sqlx::test(migrations = false)]
async fn a_redriven_letter_is_worked_on_by_the_group_that_had_set_it_aside(pool: PgPool) {
    let db = db(pool).await;
    sqlx::query("INSERT INTO note (text) VALUES ('a')").execute(db.pool()).await.unwrap();
    let batch = incoming(&["a", "b"]);
    let rejected = work(&db, &batch).await;
    batch::claim_rejected(&db, &batch, &rejected).await.unwrap();
    assert_eq!((notes(&db).await, claims(&db).await), (vec!["a".into(), "b".into()], (2, 1)));

    // The obstacle is gone, and an operator puts both back on their topic.
    sqlx::query("DELETE FROM note").execute(db.pool()).await.unwrap();
    let letters = |group: &str| -> Vec<Incoming> {
        let redriven = batch.iter().map(|incoming| {
            let letter = dead_letter::letter_headers(group, &incoming.message, &rejected[0], AT);
            let headers = dead_letter::redrive_headers(&letter).unwrap();
            Incoming::new(raw(incoming.event.as_ref().unwrap(), Some(headers)))
        });
        redriven.collect()
    };
    assert!(work(&db, &letters("others")).await.is_empty());
    assert!(notes(&db).await.is_empty());
    assert!(work(&db, &letters(GROUP)).await.is_empty());
    assert_eq!(notes(&db).await, ["a"], "b was worked on and stays so");
    assert!(work(&db, &letters(GROUP)).await.is_empty());
    assert_eq!((notes(&db).await, claims(&db).await), (vec!["a".to_owned()], (2, 0)));
}

#[sqlx::test(migrations = false)]
async fn a_dead_letter_is_let_go_of_by_its_operator_alone(pool: PgPool) {
    let db = db(pool).await;
    let batch = incoming(&["impossible", "impossible", "a"]);
    let rejected = work(&db, &batch).await;
    batch::claim_rejected(&db, &batch, &rejected).await.unwrap();
    let ids: Vec<Uuid> = batch.iter().map(|one| one.event.as_ref().unwrap().id).collect();
    assert_eq!(inbox::settle(db.pool(), &ids[..1]).await.unwrap(), 1);
    assert_eq!(inbox::dead_letters(db.pool()).await.unwrap(), 1);
    let these = crate::admin::Selection::These(ids.clone());
    let mut told = inbox::set_aside(db.pool(), &these).await.unwrap();
    told.sort_by_key(|one| !one.is_discarded);
    let expected = [(ids[0], true), (ids[1], false)];
    assert_eq!(
        told.iter().map(|one| (one.event_id, one.is_discarded)).collect::<Vec<_>>(),
        expected
    );
    assert_eq!(inbox::release(db.pool(), &ids).await.unwrap(), 1, "what was worked on");
    assert_eq!(inbox::set_aside(db.pool(), &these).await.unwrap().len(), 2);
}

#[sqlx::test(migrations = false)]
async fn what_is_no_event_is_set_aside_by_the_group_alone_that_it_was_redriven_for(pool: PgPool) {
    let db = db(pool).await;
    let redriven = |group: &str| {
        let rejected = Rejected { index: 0, reason: "no event".to_owned(), attempts: 1 };
        let broken = raw(&noted("a"), None);
        let letter = dead_letter::letter_headers(group, &broken, &rejected, AT);
        let headers = dead_letter::redrive_headers(&letter).unwrap();
        [Incoming::new(raw(&noted("a"), Some(headers)))]
    };
    assert!(redriven("others")[0].event.is_err());
    assert!(work(&db, &redriven("others")).await.is_empty());
    assert_eq!(work(&db, &redriven(GROUP)).await.len(), 1);
}

#[test]
fn a_letter_says_what_it_is_and_holds_what_it_was() {
    let event = ReceivedEvent { partition: 2, offset: 77, ..noted("a") };
    let rejected = Rejected { index: 0, reason: "it can't be".to_owned(), attempts: 3 };
    let letter = dead_letter::letter_headers(GROUP, &message(&event), &rejected, AT);
    let value = |name: &str| {
        let found = letter.iter().find(|found| found.key == name).and_then(|found| found.value);
        String::from_utf8(found.unwrap().to_vec()).unwrap()
    };
    assert_eq!(value("ce_id"), event.id.to_string());
    assert_eq!(value("dlq_reason"), "it can't be");
    assert_eq!((value("dlq_group"), value("dlq_topic")), (GROUP.into(), "test.notes".into()));
    assert_eq!((value("dlq_partition"), value("dlq_offset")), ("2".into(), "77".into()));
    assert_eq!(value("dlq_attempts"), "3");
    assert_eq!(value("dlq_at"), "2026-11-21T08:00:00Z");
    assert_eq!(dead_letter::topic_of("test.notes"), "test.notes.dlq");
    // What goes back is what came, and for whom.
    let back = dead_letter::redrive_headers(&letter).unwrap();
    let again = Incoming::new(raw(&event, Some(back.clone())));
    assert_eq!(again.event.unwrap(), event);
    assert_eq!(again.redriven_for.as_deref(), Some(GROUP));
    assert_eq!(back.count(), message(&event).headers().unwrap().count() + 1);
    assert!(dead_letter::redrive_headers(&OwnedHeaders::new()).is_none());
}

#[sqlx::test(migrations = false)]
async fn two_consumers_with_the_same_batch_apply_it_once(pool: PgPool) {
    let db = db(pool).await;
    let texts: Vec<String> = (0..50).map(|number| format!("{number:02}")).collect();
    let batch = incoming(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    // As after a rebalance: one has the batch, the other its second half first.
    let (one, two, three) =
        tokio::join!(try_work(&db, &batch), try_work(&db, &batch[25..]), try_work(&db, &batch));
    assert!(one.unwrap().is_empty() && two.unwrap().is_empty() && three.unwrap().is_empty());
    let mut written = notes(&db).await;
    written.sort();
    assert_eq!(written, texts);
}

#[sqlx::test(migrations = false)]
async fn a_database_that_is_away_costs_no_event(pool: PgPool) {
    let db = db(pool).await;
    let batch = incoming(&["a", "b"]);
    // A table that is not there (yet) is nobody's fault among the events.
    sqlx::raw_sql("ALTER TABLE note RENAME TO hidden").execute(db.pool()).await.unwrap();
    try_work(&db, &batch).await.unwrap_err();
    sqlx::raw_sql("ALTER TABLE hidden RENAME TO note").execute(db.pool()).await.unwrap();
    assert!(work(&db, &batch).await.is_empty());
    assert_eq!(notes(&db).await, ["a", "b"]);

    // Whatever it says when it lets nobody in, it is not said of an event.
    let name: String =
        sqlx::query_scalar("SELECT current_database()").fetch_one(db.pool()).await.unwrap();
    let shut = format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false");
    let options = db.pool().connect_options().as_ref().clone();
    let elsewhere = options.clone().database("postgres");
    let mut elsewhere = PgConnection::connect_with(&elsewhere).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(shut)).execute(&mut elsewhere).await.unwrap();
    let outside = Db::from_pool(PgPool::connect_lazy_with(options));
    let outage = try_work(&outside, &incoming(&["c"])).await.unwrap_err();
    let code = outage.error.as_database_error().unwrap().code().unwrap();
    assert_eq!(code, "55000");
    assert!(!crate::db::is_infrastructure(&outage.error), "else this proves nothing");
}

#[sqlx::test(migrations = false)]
async fn what_is_broken_around_an_event_is_not_held_against_it(pool: PgPool) {
    let db = db(pool).await;
    // Damaged data, a damaged index, PostgreSQL itself; its files; a plan of before a
    // migration; what a pooler has lost; a session that was ended in between.
    for code in
        ["XX001", "XX002", "XX000", "58030", "58P01", "53100", "0A000", "26000", "42P05", "25P03"]
    {
        let broken = format!(
            "CREATE OR REPLACE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'broken' USING ERRCODE = '{code}'; END $$;
             CREATE OR REPLACE TRIGGER broken BEFORE INSERT ON note
             FOR EACH ROW EXECUTE FUNCTION broken()"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(broken)).execute(db.pool()).await.unwrap();
        let outage = try_work(&db, &incoming(&["a"])).await.unwrap_err();
        assert_eq!(outage.error.as_database_error().unwrap().code().unwrap(), code);
    }
    sqlx::raw_sql("DROP TRIGGER broken ON note").execute(db.pool()).await.unwrap();
    assert!(work(&db, &incoming(&["a"])).await.is_empty());
    assert_eq!((notes(&db).await, claims(&db).await), (vec!["a".to_owned()], (1, 0)));
}

#[test]
fn topics_are_listed_once() {
    assert_eq!(subscriptions().topics(), ["test.notes"]);
    assert_eq!(subscriptions().group(), GROUP);
    assert!(Subscriptions::new("none").topics().is_empty());
}

#[test]
#[should_panic(expected = "Noted has two handlers")]
fn an_event_has_one_handler() {
    let _ = subscriptions().on::<Noted>(|tx, event, body| Box::pin(on_noted(tx, event, body)));
}

#[test]
fn ids_of_test_events_differ() {
    assert_ne!(noted("a").id, noted("a").id);
    assert_ne!(noted("a").id, Uuid::nil());
}
