#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::clock::Clock;
use crate::db::Db;
use crate::event::{Event, NewEvent};

/// Nobody listens there.
const NO_BROKER: &str = "127.0.0.1:1";

#[derive(Serialize, Deserialize)]
struct Noted {
    text: String,
}

impl Event for Noted {
    const TYPE: &'static str = "Noted";
    const TOPIC: &'static str = "test.notes";
    const SOURCE: &'static str = "/test";

    fn key(&self) -> String {
        self.text.clone()
    }

    fn subject(&self) -> String {
        self.text.clone()
    }
}

fn noted(text: &str) -> NewEvent {
    NewEvent::of(&Noted { text: text.to_owned() }, &Clock::system())
}

async fn tables(pool: &PgPool) {
    sqlx::raw_sql(include_str!("../../migrations/plumbing.sql")).execute(pool).await.unwrap();
}

async fn unsent(pool: &PgPool) -> Vec<String> {
    let mut connection = pool.acquire().await.unwrap();
    let rows = rows::unsent(&mut connection, 100, &[], &stuck::Stuck::default()).await.unwrap();
    rows.into_iter().map(|row| row.key).collect()
}

async fn connect(pool: &PgPool) -> PgConnection {
    PgConnection::connect_with(&pool.connect_options()).await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn events_commit_with_the_state_in_their_order(pool: PgPool) {
    tables(&pool).await;
    let mut tx = pool.begin().await.unwrap();
    append(&mut tx, &[noted("lost")]).await.unwrap();
    tx.rollback().await.unwrap();

    let mut tx = pool.begin().await.unwrap();
    append(&mut tx, &[]).await.unwrap();
    let many: Vec<_> = (0..50).map(|place| noted(&format!("{place:02}"))).collect();
    append(&mut tx, &many).await.unwrap();
    let gone = NewEvent::tombstone::<Noted>("gone".to_owned(), &Clock::system());
    append(&mut tx, std::slice::from_ref(&gone)).await.unwrap();
    tx.commit().await.unwrap();

    let mut expected: Vec<_> = (0..50).map(|place| format!("{place:02}")).collect();
    expected.push("gone".to_owned());
    assert_eq!(unsent(&pool).await, expected);

    let mut connection = pool.acquire().await.unwrap();
    let rows = rows::unsent(&mut connection, 100, &[], &stuck::Stuck::default()).await.unwrap();
    let (first, last) = (&rows[0], &rows[50]);
    assert_eq!(first.payload.as_deref(), Some(r#"{"text":"00"}"#));
    assert_eq!((first.topic.as_str(), first.event_id), ("test.notes", many[0].id));
    let attributes = first.attributes();
    assert_eq!((attributes.event_type, attributes.source), ("Noted", "/test"));
    assert_eq!((attributes.subject, attributes.time), ("00", many[0].time));
    assert_eq!((last.payload.as_deref(), last.event_id), (None, gone.id));
    assert_eq!(last.attributes().event_type, "Tombstone");
}

#[sqlx::test(migrations = false)]
async fn an_event_carries_on_the_trace_it_was_made_in(pool: PgPool) {
    use tracing_subscriber::layer::SubscriberExt as _;

    use opentelemetry::trace::TracerProvider as _;

    tables(&pool).await;
    let tracer = opentelemetry_sdk::trace::SdkTracerProvider::builder().build().tracer("test");
    let layer = tracing_opentelemetry::layer().with_tracer(tracer);
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let span = tracing::info_span!("request");
    crate::trace::attach(&span, Some(given));
    let mut connection = pool.acquire().await.unwrap();
    let made = span.in_scope(|| noted("traced"));
    append(&mut connection, &[made]).await.unwrap();
    let kept: String =
        sqlx::query_scalar("SELECT traceparent FROM outbox").fetch_one(&pool).await.unwrap();
    assert_eq!(kept[..36], given[..36]);
}

// The cursor that this is not, `id > last`, would lose "late" for ever.
#[sqlx::test(migrations = false)]
async fn a_late_commit_is_not_skipped(pool: PgPool) {
    tables(&pool).await;
    let mut late = pool.begin().await.unwrap();
    append(&mut late, &[noted("late")]).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    append(&mut tx, &[noted("early")]).await.unwrap();
    tx.commit().await.unwrap();

    let mut connection = pool.acquire().await.unwrap();
    let rows = rows::unsent(&mut connection, 100, &[], &stuck::Stuck::default()).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["early"]);
    rows::mark_sent(&mut connection, &rows).await.unwrap();
    late.commit().await.unwrap();
    assert_eq!(unsent(&pool).await, ["late"]);
}

#[sqlx::test(migrations = false)]
async fn an_event_is_marked_once(pool: PgPool) {
    tables(&pool).await;
    let mut connection = pool.acquire().await.unwrap();
    append(&mut connection, &[noted("a"), noted("b")]).await.unwrap();
    let rows = rows::unsent(&mut connection, 100, &[], &stuck::Stuck::default()).await.unwrap();
    let (waiting, oldest_seconds) = rows::backlog(&mut connection, 1).await.unwrap();
    assert_eq!(waiting, 1, "counted up to the limit");
    assert!((0.0..60.0).contains(&oldest_seconds));
    rows::mark_sent(&mut connection, &rows).await.unwrap();
    rows::mark_sent(&mut connection, &rows).await.unwrap_err();
    let backlog = rows::backlog(&mut connection, 100).await.unwrap();
    assert_eq!(backlog, (0, 0.0));
}

// R-23
#[sqlx::test(migrations = false)]
async fn one_connection_of_a_schema_holds_the_lock(pool: PgPool) {
    let (mut one, mut two) = (connect(&pool).await, connect(&pool).await);
    assert!(rows::try_lock(&mut one).await.unwrap());
    assert!(!rows::try_lock(&mut two).await.unwrap());
    sqlx::raw_sql("CREATE SCHEMA another").execute(&pool).await.unwrap();
    let mut other = connect(&pool).await;
    sqlx::query("SET search_path = another").execute(&mut other).await.unwrap();
    assert!(rows::try_lock(&mut other).await.unwrap(), "another service has its own");
    one.close().await.unwrap();
    until(async || rows::try_lock(&mut two).await.unwrap()).await;
}

struct Running {
    active: Arc<AtomicBool>,
    shutdown: CancellationToken,
    ended: tokio::task::JoinHandle<Result<(), RelayError>>,
}

impl Running {
    fn start(pool: &PgPool) -> Self {
        let settings = RelaySettings { flush: Duration::from_millis(100), ..Default::default() };
        let relay =
            Relay::new(Db::from_pool(pool.clone()), NO_BROKER, "test", settings, Clock::system());
        let (active, shutdown) = (Arc::clone(&relay.active), CancellationToken::new());
        let ended = tokio::spawn(relay.run(shutdown.clone()));
        Self { active, shutdown, ended }
    }

    fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.ended.await.unwrap().unwrap();
    }
}

/// Waits until it is so; what never comes true fails the test.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(20), "it never came true");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

// R-23
#[sqlx::test(migrations = false)]
async fn one_relay_works_and_a_spare_takes_over(pool: PgPool) {
    tables(&pool).await;
    let one = Running::start(&pool);
    until(async || one.is_active()).await;
    let two = Running::start(&pool);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(one.is_active() && !two.is_active());
    one.stop().await;
    until(async || two.is_active()).await;
    two.stop().await;
}

// R-20
#[sqlx::test(migrations = false)]
async fn without_a_broker_nothing_is_marked_and_the_end_comes_in_time(pool: PgPool) {
    tables(&pool).await;
    let relay = Running::start(&pool);
    let mut connection = pool.acquire().await.unwrap();
    append(&mut connection, &[noted("waits")]).await.unwrap();
    until(async || relay.is_active()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let started = Instant::now();
    relay.stop().await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(unsent(&pool).await, ["waits"]);
}

#[sqlx::test(migrations = false)]
async fn a_lost_connection_loses_the_lock_and_is_made_anew(pool: PgPool) {
    tables(&pool).await;
    let relay = Running::start(&pool);
    let mut connection = pool.acquire().await.unwrap();
    // It waits for the broker when it happens.
    append(&mut connection, &[noted("waits")]).await.unwrap();
    until(async || relay.is_active()).await;
    let mut rival = connect(&pool).await;
    // The view shows the locks of all databases.
    let holder: i32 = sqlx::query_scalar(
        "SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database
         WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    sqlx::query("SELECT pg_terminate_backend($1)").bind(holder).execute(&pool).await.unwrap();
    until(async || rows::try_lock(&mut rival).await.unwrap()).await;
    until(async || !relay.is_active()).await;
    rival.close().await.unwrap();
    until(async || relay.is_active()).await;
    assert_eq!(unsent(&pool).await, ["waits"]);
    relay.stop().await;
}

#[sqlx::test(migrations = false)]
async fn old_rows_go_and_what_is_unsent_stays(pool: PgPool) {
    tables(&pool).await;
    let settings =
        RelaySettings { outbox_keep_hours: 72, inbox_keep_hours: 336, ..Default::default() };
    sqlx::raw_sql(
        "INSERT INTO outbox (event_id, topic, key, event_type, source, subject, occurred_at, created_at, sent_at)
         SELECT gen_random_uuid(), 't', name, 'T', '/t', 's', now(), now() - made, now() - sent
         FROM (VALUES ('old', interval '80 hours', interval '73 hours'), ('unsent', interval '90 hours', NULL),
                      ('young', interval '71 hours', interval '71 hours')) AS v(name, made, sent);
         INSERT INTO inbox (event_id, topic, received_at)
         VALUES (gen_random_uuid(), 'old', now() - interval '337 hours'), (gen_random_uuid(), 'young', now());
         INSERT INTO idempotency (scope, route, key, body_hash, resource_id, created_at)
         VALUES ('s', 'r', 'old', '', gen_random_uuid(), now() - interval '25 hours'),
                ('s', 'r', 'young', '', gen_random_uuid(), now() - interval '23 hours')",
    )
    .execute(&pool)
    .await
    .unwrap();
    assert_eq!(purge::batch(&pool, &settings).await.unwrap(), 3);
    assert_eq!(purge::batch(&pool, &settings).await.unwrap(), 0);
    let left: Vec<String> = sqlx::query_scalar(
        "SELECT key FROM outbox UNION ALL SELECT topic FROM inbox UNION ALL SELECT key FROM idempotency ORDER BY 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(left, ["unsent", "young", "young", "young"]);
}

// R-24
#[sqlx::test(migrations = false)]
async fn a_key_that_is_claimed_anew_just_then_is_kept(pool: PgPool) {
    tables(&pool).await;
    sqlx::raw_sql(
        "INSERT INTO idempotency (scope, route, key, body_hash, resource_id, created_at)
         VALUES ('s', 'r', 'old', '', gen_random_uuid(), now() - interval '25 hours')",
    )
    .execute(&pool)
    .await
    .unwrap();
    let mut claimant = pool.begin().await.unwrap();
    let claim = "UPDATE idempotency SET created_at = now()";
    sqlx::query(claim).execute(&mut *claimant).await.unwrap();
    let purging = tokio::spawn({
        let pool = pool.clone();
        async move { purge::batch(&pool, &RelaySettings::default()).await }
    });
    let waits = "SELECT count(*) FROM pg_stat_activity
                  WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&pool).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    claimant.commit().await.unwrap();
    assert_eq!(purging.await.unwrap().unwrap(), 0);
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM idempotency").fetch_one(&pool).await.unwrap();
    assert_eq!(left, 1);
}

#[sqlx::test(migrations = false)]
async fn what_waits_before_them_does_not_keep_old_rows(pool: PgPool) {
    tables(&pool).await;
    // More than one batch looks at, all of them stuck; behind them two that were sent.
    sqlx::raw_sql(
        "INSERT INTO outbox (event_id, topic, key, event_type, source, subject, occurred_at, sent_at)
         SELECT gen_random_uuid(), 't', 'stuck', 'T', '/t', 's', now(), NULL FROM generate_series(1, 1500);
         INSERT INTO outbox (event_id, topic, key, event_type, source, subject, occurred_at, sent_at)
         SELECT gen_random_uuid(), 't', 'sent', 'T', '/t', 's', now(), now() - interval '73 hours' FROM generate_series(1, 2)",
    )
    .execute(&pool)
    .await
    .unwrap();
    assert_eq!(purge::batch(&pool, &RelaySettings::default()).await.unwrap(), 2);
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&pool).await.unwrap();
    assert_eq!(left, 1_500);
}

#[test]
fn the_default_of_a_setting_is_one() {
    let settings = crate::test_support::settings("postgres://nobody@127.0.0.1/none");
    assert_eq!(RelaySettings::from(&settings), RelaySettings::default());
}

#[sqlx::test(migrations = false)]
async fn an_event_is_sent_again_under_its_id_whether_its_row_is_kept_or_not(pool: PgPool) {
    tables(&pool).await;
    let (kept, gone, waits) = (noted("kept"), noted("gone"), noted("waits"));
    let mut connection = pool.acquire().await.unwrap();
    append(&mut connection, &[kept.clone(), waits.clone()]).await.unwrap();
    sqlx::query("UPDATE outbox SET sent_at = now() WHERE key = 'kept'")
        .execute(&mut *connection)
        .await
        .unwrap();
    assert_eq!(unsent(&pool).await, ["waits"]);
    for _ in 0..2 {
        resend(&mut connection, &[kept.clone(), gone.clone(), waits.clone()]).await.unwrap();
        assert_eq!(unsent(&pool).await, ["kept", "waits", "gone"]);
    }
    let rows = rows::unsent(&mut connection, 100, &[], &stuck::Stuck::default()).await.unwrap();
    assert_eq!(rows[2].event_id, gone.id);
    assert_eq!(rows[2].payload, gone.payload);
}

// It lies in the relay's open transaction, its consumers have had it, and the repair
// that comes then must not be lost.
#[sqlx::test(migrations = false)]
async fn what_is_asked_for_again_while_it_is_on_its_way_is_sent_again(pool: PgPool) {
    tables(&pool).await;
    let (again, other) = (noted("again"), noted("other"));
    let mut connection = pool.acquire().await.unwrap();
    append(&mut connection, &[again.clone(), other]).await.unwrap();
    let rows = rows::unsent(&mut connection, 100, &[], &stuck::Stuck::default()).await.unwrap();
    resend(&mut connection, &[again]).await.unwrap();
    rows::mark_sent(&mut connection, &rows).await.unwrap();
    assert_eq!(unsent(&pool).await, ["again"]);
}

#[sqlx::test(migrations = false)]
async fn two_repairs_at_once_send_an_event_again_once(pool: PgPool) {
    tables(&pool).await;
    let gone = [noted("gone")];
    let (mut one, mut other) = (pool.begin().await.unwrap(), pool.begin().await.unwrap());
    resend(&mut one, &gone).await.unwrap();
    let waits = async {
        resend(&mut other, &gone).await.unwrap();
        other.commit().await.unwrap();
    };
    let ends = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        one.commit().await.unwrap();
    };
    tokio::join!(waits, ends);
    assert_eq!(unsent(&pool).await, ["gone"]);
}
