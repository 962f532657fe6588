//! A statement that is cut off: the event's fault, or the database's.

use super::*;
use crate::clock::Clock;
use crate::consumer::suspicion::TIMES_MAX_BY_OTHERS;

/// Slow by itself where the text says so, and slow altogether while the brake is on.
async fn on_noted_slowly(
    tx: &mut PgConnection,
    event: &ReceivedEvent,
    body: Noted,
) -> Result<(), HandlerError> {
    let is_braked: bool = sqlx::query_scalar("SELECT count(*) > 0 FROM brake WHERE is_on")
        .fetch_one(&mut *tx)
        .await?;
    if is_braked || body.text.starts_with("slow") {
        sqlx::query("SELECT pg_sleep(5)").execute(&mut *tx).await?;
    }
    if body.text == "locks" {
        sqlx::query("SELECT 1 FROM brake FOR UPDATE").execute(&mut *tx).await?;
    }
    on_noted(tx, event, body).await
}

/// What needs no table.
#[derive(Clone, Serialize, Deserialize)]
struct Ticked {}

impl Event for Ticked {
    const TYPE: &'static str = "Ticked";
    const TOPIC: &'static str = "test.notes";
    const SOURCE: &'static str = "/test";

    fn key(&self) -> String {
        "tick".to_owned()
    }

    fn subject(&self) -> String {
        "tick".to_owned()
    }
}

/// As a service's: a statement has its time, and a lock half of it.
async fn impatient(pool: PgPool) -> Db {
    let settled = db(pool).await;
    let brake = "CREATE TABLE brake (is_on boolean NOT NULL); INSERT INTO brake VALUES (false)";
    sqlx::raw_sql(brake).execute(settled.pool()).await.unwrap();
    let options = settled.pool().connect_options().as_ref().clone();
    let options = options.options([("statement_timeout", "200"), ("lock_timeout", "100")]);
    Db::from_pool(PgPool::connect_with(options).await.unwrap())
}

async fn brake(db: &Db, is_on: bool) {
    sqlx::query("UPDATE brake SET is_on = $1").bind(is_on).execute(db.pool()).await.unwrap();
}

struct Consumer {
    db: Db,
    suspicion: Suspicion,
}

impl Consumer {
    async fn new(pool: PgPool) -> Self {
        Self { db: impatient(pool).await, suspicion: Suspicion::default() }
    }

    async fn work(&mut self, batch: &[Incoming]) -> Result<Vec<Rejected>, batch::Outage> {
        let subscriptions = Subscriptions::new(GROUP)
            .on::<Noted>(|tx, event, body| Box::pin(on_noted_slowly(tx, event, body)))
            .on::<Ticked>(|_, _, _| Box::pin(async { Ok(()) }));
        batch::work(&self.db, &subscriptions, batch, &mut self.suspicion, &Clock::system()).await
    }

    /// So many times it has to wait.
    async fn waits(&mut self, batch: &[Incoming], times: u32, code: &str) {
        for _ in 0..times {
            let outage = self.work(batch).await.unwrap_err();
            assert_eq!(outage.error.as_database_error().unwrap().code().unwrap(), code);
        }
    }
}

const CUT_OFF: &str = "57014";

#[sqlx::test(migrations = false)]
async fn an_event_that_is_too_slow_while_others_pass_is_set_aside(pool: PgPool) {
    let mut consumer = Consumer::new(pool).await;
    let batch = incoming(&["a", "slow", "b"]);
    consumer.waits(&batch, 2, CUT_OFF).await;
    let rejected = consumer.work(&batch).await.unwrap();
    let reason = "a statement takes too long, while other events pass".to_owned();
    assert_eq!(rejected, [Rejected { index: 1, reason, attempts: 3 }]);
    assert_eq!(notes(&consumer.db).await, ["a", "b"]);
}

#[sqlx::test(migrations = false)]
async fn a_slow_database_makes_no_dead_letter(pool: PgPool) {
    let mut consumer = Consumer::new(pool).await;
    let batch = incoming(&["a", "b", "c"]);
    brake(&consumer.db, true).await;
    consumer.waits(&batch, 5, CUT_OFF).await;
    brake(&consumer.db, false).await;
    assert!(consumer.work(&batch).await.unwrap().is_empty());
    assert_eq!(notes(&consumer.db).await, ["a", "b", "c"]);
}

#[sqlx::test(migrations = false)]
async fn what_is_held_against_an_event_is_forgotten_when_the_database_is_slow(pool: PgPool) {
    let mut consumer = Consumer::new(pool).await;
    let batch = incoming(&["slow", "a"]);
    consumer.waits(&batch, 2, CUT_OFF).await;
    brake(&consumer.db, true).await;
    consumer.waits(&batch, 1, CUT_OFF).await;
    brake(&consumer.db, false).await;
    consumer.waits(&batch, 2, CUT_OFF).await;
    assert_eq!(consumer.work(&batch).await.unwrap().len(), 1);
}

#[sqlx::test(migrations = false)]
async fn a_wait_for_a_lock_is_not_held_against_an_event(pool: PgPool) {
    let mut consumer = Consumer::new(pool).await;
    let batch = incoming(&["a", "locks"]);
    let mut rival = consumer.db.pool().begin().await.unwrap();
    sqlx::query("SELECT 1 FROM brake FOR UPDATE").execute(&mut *rival).await.unwrap();
    consumer.waits(&batch, 5, "55P03").await;
    rival.rollback().await.unwrap();
    assert!(consumer.work(&batch).await.unwrap().is_empty());
    assert_eq!(notes(&consumer.db).await, ["a", "locks"]);
}

#[sqlx::test(migrations = false)]
async fn without_another_event_nothing_can_be_said(pool: PgPool) {
    let mut consumer = Consumer::new(pool).await;
    let mut batch = incoming(&["slow"]);
    for _ in 0..5 {
        assert!(consumer.work(&batch).await.unwrap_err().wants_more);
    }
    // One that was worked on already will do.
    batch.extend(incoming(&["a"]));
    consumer.waits(&batch, 2, CUT_OFF).await;
    assert_eq!(consumer.work(&batch).await.unwrap().len(), 1);
    assert_eq!(notes(&consumer.db).await, ["a"]);
}

#[sqlx::test(migrations = false)]
async fn events_that_are_too_slow_do_not_hide_behind_each_other(pool: PgPool) {
    let mut consumer = Consumer::new(pool).await;
    let batch = incoming(&["slow 1", "slow 2", "slow 3", "slow 4", "slow 5", "a"]);
    let mut rounds = 0;
    let rejected = loop {
        rounds += 1;
        assert!(rounds < 30, "they wait without end");
        if let Ok(rejected) = consumer.work(&batch).await {
            break rejected;
        }
    };
    assert_eq!(rejected.iter().map(|one| one.index).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(notes(&consumer.db).await, ["a"]);
}

#[sqlx::test(migrations = false)]
async fn an_event_that_only_others_of_other_types_pass_is_set_aside_late(pool: PgPool) {
    let mut consumer = Consumer::new(pool).await;
    let mut batch = incoming(&["slow 1"]);
    batch.push(Incoming::new(message(&ReceivedEvent::for_test(&Ticked {}))));
    for _ in 1..TIMES_MAX_BY_OTHERS {
        assert!(consumer.work(&batch).await.unwrap_err().wants_more, "one of its type says more");
    }
    let rejected = consumer.work(&batch).await.unwrap();
    assert_eq!((rejected.len(), rejected[0].attempts), (1, TIMES_MAX_BY_OTHERS));
}
