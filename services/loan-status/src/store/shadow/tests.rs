#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod claim;
mod older;

use std::collections::BTreeSet;

use ::events::{LoanRequestId, LoanStatus};
use common::consumer::Delivered;
use common::event::{Event, ReceivedEvent};
use sqlx::PgPool;
use tokio::time::timeout;

use super::*;
use crate::domain::feed_id::FeedId;
use crate::events::subscriptions;
use crate::events::testing::{Story, new_id};
use crate::store;
use crate::usecases::order_rebuild::Plan;
use crate::usecases::swap_read_model::{SwapError, swap_read_model};

/// The served model and the one that is made anew.
struct Models {
    live: Db,
    made: Db,
}

impl Models {
    async fn new(pool: PgPool) -> Self {
        let made = open(&pool.connect_options()).await.unwrap();
        Self { live: Db::from_pool(pool), made }
    }

    async fn serve(&self, event: &ReceivedEvent) -> Delivered {
        subscriptions("loan-status").deliver(&self.live, event).await.unwrap()
    }

    async fn make(&self, event: &ReceivedEvent) {
        subscriptions("loan-status").deliver(&self.made, event).await.unwrap();
    }

    async fn both(&self, payload: &impl Event) {
        let event = ReceivedEvent::for_test(payload);
        self.serve(&event).await;
        self.make(&event).await;
    }

    /// A loan that was executed, with a repayment that was rejected, in both.
    async fn loan(&self) -> (Story, LoanRequestId) {
        let (story, wrong) = (Story::new(), LoanRequestId::from(new_id()));
        self.both(&story.received()).await;
        self.both(&story.judged(LoanStatus::UnderReview, 2)).await;
        self.both(&story.executed()).await;
        self.both(&story.rejected(wrong, None)).await;
        self.both(&story.cancelled(wrong)).await;
        (story, wrong)
    }

    async fn begin_late(&self) -> i64 {
        self.made.in_tx("begin_late", async |tx| begin_late(tx).await).await.unwrap()
    }

    async fn swap(&self, on_time: i64, verify_only: bool) -> Difference {
        self.follow(on_time, Plan { verify_only, drop_surplus: true, ..Plan::default() }).await
    }

    async fn follow(&self, on_time: i64, plan: Plan) -> Difference {
        self.try_to_follow(on_time, plan, 0).await.unwrap()
    }

    async fn try_to_follow(
        &self,
        on_time: i64,
        plan: Plan,
        left_out: i64,
    ) -> Result<Difference, SwapError> {
        let mut tx = self.made.pool().begin().await.unwrap();
        lock_live(&mut tx).await.unwrap();
        let difference = swap_read_model(&mut tx, on_time, plan, left_out).await?;
        tx.commit().await.unwrap();
        Ok(difference)
    }

    async fn position(&self) -> FeedId {
        store::feed_counter::position(self.live.pool()).await.unwrap()
    }

    /// Everything that is served, with its numbers in the feed.
    async fn served(&self) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT to_jsonb(entry)::text FROM entry UNION ALL SELECT to_jsonb(loan)::text FROM loan
             UNION ALL SELECT to_jsonb(cancellation)::text FROM cancellation
             UNION ALL SELECT to_jsonb(feed_counter)::text FROM feed_counter ORDER BY 1",
        )
        .fetch_all(self.live.pool())
        .await
        .unwrap()
    }

    async fn damage(&self, statement: &'static str, id: impl Into<uuid::Uuid>) {
        let done = sqlx::query(statement).bind(id.into()).execute(self.live.pool()).await.unwrap();
        assert!(done.rows_affected() > 0, "{statement}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_the_same_stays_as_it_is(pool: PgPool) {
    //
    let models = Models::new(pool).await;
    models.loan().await;
    models.loan().await;
    let before = models.served().await;
    let on_time = models.begin_late().await;
    assert_eq!(on_time, 8);
    assert_eq!(models.swap(on_time, false).await, Difference::default());
    assert_eq!(models.served().await, before);
}

#[sqlx::test(migrations = "./migrations")]
async fn every_damage_is_found_and_mended(pool: PgPool) {
    //
    let models = Models::new(pool).await;
    let (one, cancelled) = models.loan().await;
    let (two, other) = models.loan().await;
    let (three, _) = models.loan().await;
    let whole = models.served().await.len();
    let id = |story: Story| story.loan_id.as_uuid();
    for (statement, id) in [
        ("DELETE FROM entry WHERE loan_id = $1 AND loan_status = '01'", id(one)),
        ("UPDATE entry SET amount_of_money = 7 WHERE loan_id = $1 AND loan_status = '04'", id(two)),
        ("UPDATE entry SET adm_comment = NULL WHERE loan_id = $1 AND loan_status = '01'", id(two)),
        ("INSERT INTO entry SELECT 99, gen_random_uuid(), event_type, loan_request_id, loan_id, customer_id,
            request_id, request_name, amount_of_money, currency, outstanding, loan_status, reason, adm_comment,
            loan_version, occurred_at FROM entry WHERE loan_id = $1 LIMIT 1", id(three)),
        ("DELETE FROM loan WHERE loan_id = $1", id(one)),
        ("UPDATE loan SET outstanding = 1, loan_version = 9 WHERE loan_id = $1", id(two)),
        ("INSERT INTO loan SELECT gen_random_uuid(), customer_id, request_name, amount_of_money, currency,
            loan_status, outstanding, loan_version, changed_at FROM loan WHERE loan_id = $1", id(three)),
        ("DELETE FROM cancellation WHERE loan_request_id = $1", cancelled.as_uuid()),
        ("UPDATE cancellation SET cancelled_at = now() WHERE loan_request_id = $1", other.as_uuid()),
        ("INSERT INTO cancellation SELECT gen_random_uuid(), now() WHERE $1 IS NOT NULL", id(three)),
    ] {
        models.damage(statement, id).await;
    }
    sqlx::query("UPDATE feed_counter SET last_id = 99").execute(models.live.pool()).await.unwrap();
    let (before, damaged) = (models.position().await, models.served().await);
    let on_time = models.begin_late().await;
    let found = Difference {
        entries: Rows { missing: 1, changed: 2, surplus: 1 },
        loans: Rows { missing: 1, changed: 1, surplus: 1 },
        cancellations: Rows { missing: 1, changed: 1, surplus: 1 },
    };
    assert_eq!(models.swap(on_time, true).await, found);
    assert_eq!(models.served().await, damaged, "verifying changes nothing");
    assert_eq!(models.swap(on_time, false).await, found);
    assert_eq!(models.swap(on_time, true).await, Difference::default());
    assert_eq!(models.served().await.len(), whole);
    // Whoever has seen what was false forgets it; what was there keeps its number,
    // and what was missing comes last.
    let after = models.position().await;
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.number, 100);
    let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM entry ORDER BY id")
        .fetch_all(models.live.pool())
        .await
        .unwrap();
    assert_eq!(ids, [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 100]);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_was_only_lost_makes_nobody_forget(pool: PgPool) {
    let models = Models::new(pool).await;
    let (story, _) = models.loan().await;
    let before = models.position().await;
    models.damage("DELETE FROM entry WHERE loan_id = $1", story.loan_id.as_uuid()).await;
    models.damage("DELETE FROM loan WHERE loan_id = $1", story.loan_id.as_uuid()).await;
    let on_time = models.begin_late().await;
    let difference = models.swap(on_time, false).await;
    assert_eq!((difference.entries.missing, difference.loans.missing), (3, 1));
    assert_eq!(models.position().await, before.epoch.at(7));
}

#[sqlx::test(migrations = "./migrations")]
async fn what_the_consumer_has_not_come_to_is_no_difference(pool: PgPool) {
    let models = Models::new(pool).await;
    let (story, _) = models.loan().await;
    let on_time = models.begin_late().await;
    let wrong = LoanRequestId::from(new_id());
    let late = [
        ReceivedEvent::for_test(&story.repaid(story.loan_id.into(), 0, 5)),
        ReceivedEvent::for_test(&Story::new().received()),
        ReceivedEvent::for_test(&story.rejected(wrong, None)),
        ReceivedEvent::for_test(&story.cancelled(wrong)),
    ];
    for event in &late {
        models.make(event).await;
    }
    assert_eq!(models.swap(on_time, false).await, Difference::default());
    // It comes to the first of them, and something else is amiss.
    models.serve(&late[0]).await;
    models
        .damage(
            "DELETE FROM entry WHERE loan_id = $1 AND loan_status = '01'",
            story.loan_id.as_uuid(),
        )
        .await;
    let difference = models.swap(on_time, false).await;
    assert_eq!((difference.total(), difference.entries.missing), (1, 1));
    // The others are there before their time. When it comes, nothing happens.
    let served = models.served().await;
    for event in &late[1..] {
        assert_eq!(models.serve(event).await, Delivered::Applied);
    }
    assert_eq!(models.served().await, served);
}

#[sqlx::test(migrations = "./migrations")]
async fn where_not_all_is_known_nothing_is_taken_away(pool: PgPool) {
    let models = Models::new(pool).await;
    let (old, old_wrong) = (Story::new(), LoanRequestId::from(new_id()));
    // Older than what is kept anywhere but here.
    models.serve(&ReceivedEvent::for_test(&old.received())).await;
    models.serve(&ReceivedEvent::for_test(&old.rejected(old_wrong, None))).await;
    models.serve(&ReceivedEvent::for_test(&old.cancelled(old_wrong))).await;
    let (story, wrong) = models.loan().await;
    // Its compensation is not kept, nor is the one of another that was never shown.
    let unshown = ReceivedEvent::for_test(&story.rejected(new_id().into(), None));
    models.make(&unshown).await;
    sqlx::query("DELETE FROM cancellation").execute(models.made.pool()).await.unwrap();
    models.damage("DELETE FROM loan WHERE loan_id = $1", story.loan_id.as_uuid()).await;
    models
        .made
        .in_tx("assume_cancellations", async |tx| assume_cancellations(tx).await)
        .await
        .unwrap();
    let on_time = models.begin_late().await;
    let before = models.position().await;
    let found = Difference {
        entries: Rows { missing: 1, changed: 0, surplus: 2 },
        loans: Rows { missing: 1, changed: 0, surplus: 1 },
        cancellations: Rows { missing: 1, changed: 0, surplus: 1 },
    };
    let plan = Plan { from_owner: true, ..Plan::default() };
    assert_eq!(models.follow(on_time, plan).await, found);
    assert_eq!(models.follow(on_time, plan).await.without_surplus(), Difference::default());
    assert_eq!(models.position().await, before.epoch.at(before.number + 1));
    assert!(store::loan::find(models.live.pool(), old.loan_id).await.unwrap().is_some());
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM cancellation WHERE loan_request_id = ANY($1)")
            .bind(vec![old_wrong.as_uuid(), wrong.as_uuid()])
            .fetch_one(models.live.pool())
            .await
            .unwrap();
    assert_eq!(kept, 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn nothing_goes_unasked(pool: PgPool) {
    //
    let models = Models::new(pool).await;
    models.loan().await;
    let stranger = "INSERT INTO cancellation SELECT $1, now()";
    models.damage(stranger, new_id()).await;
    models.damage("DELETE FROM loan WHERE loan_id <> $1", new_id()).await;
    let (on_time, served) = (models.begin_late().await, models.served().await);
    let (ask, drop) = (Plan::default(), Plan { drop_surplus: true, ..Plan::default() });
    let unasked = models.try_to_follow(on_time, ask, 0).await;
    assert!(matches!(unasked, Err(SwapError::WouldGo(1))), "{unasked:?}");
    let left_out = models.try_to_follow(on_time, drop, 2).await;
    assert!(
        matches!(left_out, Err(SwapError::LeftOut { rows: 1, events: 2 })),
        "it may be of what could not be worked on: {left_out:?}"
    );
    let verify = Plan { verify_only: true, ..ask };
    assert_eq!(models.try_to_follow(on_time, verify, 2).await.unwrap().total(), 2);
    assert_eq!(models.served().await, served);
    assert_eq!(models.follow(on_time, drop).await.surplus(), 1);
    assert_eq!(models.follow(on_time, ask).await, Difference::default());
}

#[sqlx::test(migrations = "./migrations")]
async fn topics_that_were_made_anew_empty_nothing(pool: PgPool) {
    // the consumer has worked on events, and there is none any more.
    let models = Models::new(pool).await;
    models.serve(&ReceivedEvent::for_test(&Story::new().received())).await;
    let (on_time, served) = (models.begin_late().await, models.served().await);
    let drop = Plan { drop_surplus: true, ..Plan::default() };
    let emptied = models.try_to_follow(on_time, drop, 0).await;
    assert!(matches!(emptied, Err(SwapError::NotTheSame { rows: 2, events: 1 })), "{emptied:?}");
    assert_eq!(models.served().await, served);
    // Nothing is shown of one that went to the dead letters.
    let dead = "UPDATE inbox SET dead_lettered_at = now() WHERE event_id <> $1";
    models.damage(dead, new_id()).await;
    assert_eq!(models.follow(on_time, drop).await.surplus(), 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_lock_is_neither_waited_for_nor_held_without_end(pool: PgPool) {
    let models = Models::new(pool).await;
    let mut tx = models.made.pool().begin().await.unwrap();
    lock_live(&mut tx).await.unwrap();
    let limits =
        "SELECT current_setting('lock_timeout') || ' ' || current_setting('statement_timeout')
        || ' ' || current_setting('idle_in_transaction_session_timeout')";
    let within: String = sqlx::query_scalar(limits).fetch_one(&mut *tx).await.unwrap();
    assert_eq!(within, "30s 1min 1min");
    tx.rollback().await.unwrap();
    let after: String = sqlx::query_scalar(limits).fetch_one(models.made.pool()).await.unwrap();
    assert!(after.ends_with("0 0"), "making it takes its time: {after}");
}

#[sqlx::test(migrations = "./migrations")]
async fn nobody_writes_while_they_are_compared_and_everybody_reads(pool: PgPool) {
    let models = Models::new(pool).await;
    let (story, _) = models.loan().await;
    let mut tx = models.made.pool().begin().await.unwrap();
    lock_live(&mut tx).await.unwrap();
    let wait = Duration::from_millis(200);
    let executed = ReceivedEvent::for_test(&story.repaid(story.loan_id.into(), 0, 5));
    let cancelled = ReceivedEvent::for_test(&story.cancelled(new_id().into()));
    for event in [&executed, &cancelled] {
        assert!(timeout(wait, models.serve(event)).await.is_err(), "{}", event.event_type);
    }
    assert_eq!(models.position().await.number, 4);
    assert!(store::loan::find(models.live.pool(), story.loan_id).await.unwrap().is_some());
    tx.rollback().await.unwrap();
    for event in [&executed, &cancelled] {
        assert_eq!(models.serve(event).await, Delivered::Applied);
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn every_column_is_compared(pool: PgPool) {
    for (table, columns, others) in
        [("entry", ENTRY, &["id"][..]), ("loan", LOAN, &[]), ("cancellation", CANCELLATION, &[])]
    {
        let there: Vec<String> = sqlx::query_scalar(
            "SELECT column_name::text FROM information_schema.columns
              WHERE table_schema = current_schema() AND table_name = $1",
        )
        .bind(table)
        .fetch_all(&pool)
        .await
        .unwrap();
        let compared: BTreeSet<&str> =
            columns.split(", ").map(str::trim).chain(others.iter().copied()).collect();
        assert_eq!(there.iter().map(String::as_str).collect::<BTreeSet<_>>(), compared, "{table}");
    }
}
