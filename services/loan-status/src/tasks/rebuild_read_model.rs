//! The read model is made anew beside the one that is served: every event is read
//! from offset 0 and applied by the same code, to tables that only this session
//! sees. Then, for a moment in which nothing can be written to the served one, the
//! two are compared, and the served one becomes the other in one transaction.
//!
//! An entry that is in both keeps its number, so streams and pages go on where
//! they were. Whatever ends this before its time leaves nothing behind.

mod failed;
mod places;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::clock::Clock;
use common::consumer::Subscriptions;
use common::consumer::replay::{self, Places, Replay};
use common::db::Db;
use common::kafka::Broker;
use sqlx::PgConnection;
use sqlx::types::Json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::failed::Failed;
use self::places::{beyond, cut};
use crate::domain::rebuild::Difference;
use crate::store;
use crate::store::rebuild::Rebuild;
use crate::usecases::order_rebuild::{Handed, Order, Placed, Plan, Refused};
use crate::usecases::swap_read_model::swap_read_model;

/// How many messages are applied in one transaction.
const BATCH_MAX: usize = 500;

/// How often it is said how far it is.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// How long the consumer may take to come to where this one has read: they can
/// only be compared then.
const CONSUMER_WITHIN: Duration = Duration::from_secs(60);

/// How long the next page of what loan-manager has kept may take.
const HISTORY_WITHIN: Duration = Duration::from_secs(60);

/// How often the consumer is asked where it is.
const CONSUMER_ASKED_EVERY: Duration = Duration::from_millis(500);

/// How often what came meanwhile is read before the served model is locked, so
/// that little is left to be read while it is.
const CATCH_UPS: usize = 3;

/// How long the served model may be locked; reading it goes on. What its last statement
/// still takes comes on top ([`store::shadow::STATEMENT_MAX`]).
const LOCKED_MAX: Duration = Duration::from_secs(120);

/// How often there is a sign of life while a statement takes its time.
const SIGN_EVERY: Duration = Duration::from_secs(2);

/// How long its session may take to end, before its end is told all the same.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// What a rebuild needs.
pub struct Rebuilder {
    /// The database of the served model.
    pub db: Db,
    /// The time, and ids.
    pub clock: Clock,
    /// Where the events are.
    pub broker: Broker,
    /// What is done with them, and the group of those who serve.
    pub subscriptions: Subscriptions,
}

/// Works on orders until the shutdown, one at a time.
pub async fn rebuild_read_model(rebuilder: Rebuilder, placed: Placed, shutdown: CancellationToken) {
    let Placed { mut orders, mut history } = placed;
    loop {
        let order = tokio::select! {
            () = shutdown.cancelled() => return,
            order = orders.recv() => order,
        };
        let Some(order) = order else { return };
        let begun = rebuilder.begin(order.plan).await;
        let (shadow, mut rebuild) = match begun {
            Ok(begun) => begun,
            Err(refused) => {
                if let Refused::Database(error) = &refused {
                    let error = common::db::described(error);
                    tracing::error!(error, "the read model cannot be rebuilt");
                }
                // Whoever asked may have gone.
                let _ = order.answer.send(Err(refused));
                continue;
            }
        };
        history.expect(rebuild.from_owner.then_some(rebuild.rebuild_id));
        let _ = order.answer.send(Ok(rebuild.rebuild_id));
        tokio::select! {
            () = rebuilder.run(&shadow, &mut rebuild, order.plan, &mut history) => {}
            () = refuse(&mut orders) => return,
            () = shutdown.cancelled() => return,
        }
        history.expect(None);
        // Whoever sees the end may order the next one: from here on nobody is refused.
        rebuilder.tell_end(shadow, &mut rebuild).await;
    }
}

/// Says to everybody that one is under way.
async fn refuse(orders: &mut mpsc::Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        let _ = order.answer.send(Err(Refused::UnderWay));
    }
}

impl Rebuilder {
    /// Opens the session, if no other instance has one.
    async fn begin(&self, plan: Plan) -> Result<(Db, Rebuild), Refused> {
        let Plan { verify_only, from_owner, .. } = plan;
        let pool = self.db.pool();
        let begin = async {
            let shadow = store::shadow::open(&pool.connect_options()).await?;
            if !store::shadow::be_the_only_one(&shadow).await? {
                return Ok(None);
            }
            let now = self.clock.now();
            store::rebuild::begin(pool, self.clock.new_id(), verify_only, from_owner, now).await?;
            Ok(store::rebuild::find(pool).await?.map(|rebuild| (shadow, rebuild)))
        };
        begin.await.map_err(Refused::Database)?.ok_or(Refused::UnderWay)
    }

    async fn run(&self, shadow: &Db, rebuild: &mut Rebuild, plan: Plan, history: &mut Handed) {
        tracing::info!(verify_only = rebuild.verify_only, "the read model is made anew");
        let began = Instant::now();
        match self.work(shadow, rebuild, plan, history).await {
            Ok(difference) => {
                rebuild.phase = "done".to_owned();
                rebuild.difference = Some(Json(difference));
                tracing::info!(
                    events = rebuild.events_read,
                    seconds = began.elapsed().as_secs(),
                    differing = difference.total(),
                    "the read model was made anew"
                );
            }
            Err(failed) => {
                rebuild.phase = "failed".to_owned();
                rebuild.reason = Some(failed.to_string());
                rebuild.is_cut = matches!(failed, Failed::BeginningCut(_));
                tracing::error!(error = failed.described(), "the read model was not made anew");
            }
        }
    }

    /// Tells the end, and ends the session.
    async fn tell_end(&self, shadow: Db, rebuild: &mut Rebuild) {
        rebuild.seen_at = self.clock.now();
        let told = timeout(CLOSE_WITHIN, store::rebuild::end(shadow.pool(), rebuild)).await;
        // A session that is lost has lost its claim too.
        if !matches!(told, Ok(Ok(())))
            && let Err(error) = self.report(rebuild).await
        {
            tracing::error!(error = common::db::described(&error), "nobody can be told of it");
        }
        if timeout(CLOSE_WITHIN, shadow.pool().close()).await.is_err() {
            tracing::warn!("the session of the rebuild does not end");
        }
    }

    async fn report(&self, rebuild: &mut Rebuild) -> Result<(), sqlx::Error> {
        rebuild.seen_at = self.clock.now();
        store::rebuild::update(self.db.pool(), rebuild).await
    }

    async fn work(
        &self,
        shadow: &Db,
        rebuild: &mut Rebuild,
        plan: Plan,
        history: &mut Handed,
    ) -> Result<Difference, Failed> {
        let replay = Replay::open(&self.broker, self.subscriptions.clone(), BATCH_MAX).await?;
        let outcome = self.read_and_compare(shadow, rebuild, plan, &replay, history).await;
        replay.close().await;
        outcome
    }

    async fn read_and_compare(
        &self,
        shadow: &Db,
        rebuild: &mut Rebuild,
        plan: Plan,
        replay: &Replay,
        history: &mut Handed,
    ) -> Result<Difference, Failed> {
        let cut = cut(replay.beginnings());
        if plan.from_owner {
            self.take_history(shadow, rebuild, history).await?;
        } else if !cut.is_empty() {
            return Err(Failed::BeginningCut(cut.join(", ")));
        }
        let taken = rebuild.events_read;
        let ends = replay.ends().await?;
        rebuild.events_total = taken + signed(replay.count_up_to(&ends));
        self.read(shadow, rebuild, replay, &ends).await?;
        if !cut.is_empty() {
            let assuming = shadow.in_tx("assume_cancellations", async |tx| {
                store::shadow::assume_cancellations(tx).await
            });
            self.with_signs(rebuild, assuming).await?;
        }
        // What is to be dropped is not to be taken over from what is served.
        if plan.from_owner && !plan.drop_surplus {
            let assuming =
                shadow.in_tx("assume_loans", async |tx| store::shadow::assume_loans(tx).await);
            self.with_signs(rebuild, assuming).await?;
        }
        self.wait_for_consumer(rebuild, replay, plan).await?;
        rebuild.phase = "comparing".to_owned();
        self.report(rebuild).await?;
        let beginning = shadow.in_tx("begin_late", async |tx| store::shadow::begin_late(tx).await);
        let on_time = self.with_signs(rebuild, beginning).await?;
        for _ in 0..CATCH_UPS {
            let ends = replay.ends().await?;
            rebuild.events_total = taken + signed(replay.count_up_to(&ends));
            self.read(shadow, rebuild, replay, &ends).await?;
        }
        let locked = Instant::now();
        let swapping = swap(shadow, replay, on_time, plan, rebuild.left_out);
        let outcome = self.with_signs(rebuild, swapping).await;
        let locked_ms = locked.elapsed().as_millis();
        tracing::info!(locked_ms, "the read model can be written to again");
        outcome
    }

    /// Does the work, and gives signs of life meanwhile.
    async fn with_signs<T>(&self, rebuild: &mut Rebuild, work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            never = self.give_signs(rebuild) => match never {},
        }
    }

    async fn give_signs(&self, rebuild: &mut Rebuild) -> Infallible {
        loop {
            tokio::time::sleep(SIGN_EVERY).await;
            if let Err(error) = self.report(rebuild).await {
                // The work may go on all the same, and will say itself if it cannot.
                tracing::debug!(error = common::db::described(&error), "no sign of life");
            }
        }
    }

    /// Applies what loan-manager has kept, as it is handed in.
    async fn take_history(
        &self,
        shadow: &Db,
        rebuild: &mut Rebuild,
        history: &mut Handed,
    ) -> Result<(), Failed> {
        loop {
            let page = timeout(HISTORY_WITHIN, history.next()).await;
            let Ok(Some(page)) = page else { return Err(Failed::NoHistory) };
            let left_out = shadow
                .in_tx("take_history", async |tx| {
                    let events = &page.events;
                    Ok::<_, Failed>(replay::work_on_kept(tx, &self.subscriptions, events).await?)
                })
                .await?;
            rebuild.events_read += signed(page.events.len() as u64);
            rebuild.left_out += signed(left_out as u64);
            if page.is_last {
                rebuild.phase = "reading".to_owned();
                history.expect(None);
            }
            self.report(rebuild).await?;
            // Whoever handed it in may have gone.
            let _ = page.taken.send(());
            if page.is_last {
                return Ok(());
            }
        }
    }

    /// Applies everything up to `ends`, and says how far it is.
    async fn read(
        &self,
        shadow: &Db,
        rebuild: &mut Rebuild,
        replay: &Replay,
        ends: &Places,
    ) -> Result<(), Failed> {
        let mut reported = Instant::now();
        loop {
            let batch = replay.next(ends).await?;
            if batch.is_empty() {
                // Not every place was a message's.
                rebuild.events_total = rebuild.events_read;
                return Ok(());
            }
            let left_out = shadow
                .in_tx("rebuild_read_model", async |tx| {
                    Ok::<_, Failed>(replay.work(tx, &batch).await?)
                })
                .await?;
            rebuild.events_read += signed(batch.len() as u64);
            rebuild.left_out += signed(left_out as u64);
            if reported.elapsed() >= REPORT_EVERY {
                self.report(rebuild).await?;
                reported = Instant::now();
            }
        }
    }

    /// Until the consumer has come to the last message that was read here. That it has
    /// come further than the topics reach means that they are not what they were.
    async fn wait_for_consumer(
        &self,
        rebuild: &mut Rebuild,
        replay: &Replay,
        plan: Plan,
    ) -> Result<(), Failed> {
        rebuild.phase = "waiting".to_owned();
        let (read_to, until) = (replay.read_to(), Instant::now() + CONSUMER_WITHIN);
        loop {
            self.report(rebuild).await?;
            let (group, all) = (self.subscriptions.group(), replay.beginnings());
            let committed = replay::committed(&self.broker, group, all).await?;
            // Asked for after the consumer's places, which lie before it therefore.
            let beyond = beyond(&committed, &replay.ends().await?);
            if !plan.from_owner && !beyond.is_empty() {
                return Err(Failed::EndsBefore(beyond.join(", ")));
            }
            let behind = replay::distance(&committed, &read_to);
            if behind == 0 {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(Failed::ConsumerBehind(behind));
            }
            tokio::time::sleep(CONSUMER_ASKED_EVERY).await;
        }
    }
}

/// In one transaction and in a limited time.
async fn swap(
    shadow: &Db,
    replay: &Replay,
    on_time: i64,
    plan: Plan,
    left_out: i64,
) -> Result<Difference, Failed> {
    let is_committing = AtomicBool::new(false);
    let outcome = shadow
        .in_tx("swap_read_model", async |tx| {
            let work = read_the_rest_and_swap(tx, replay, on_time, plan, left_out);
            // The time runs out within the transaction, which is rolled back then.
            let difference = timeout(LOCKED_MAX, work).await.map_err(|_| Failed::TooLong)??;
            is_committing.store(true, Ordering::Relaxed);
            Ok::<_, Failed>(difference)
        })
        .await;
    match outcome {
        Err(Failed::Database(error)) if is_committing.load(Ordering::Relaxed) => {
            Err(Failed::NotKnown(error))
        }
        outcome => outcome,
    }
}

/// Locks the served model, reads the rest and compares, and has the served one become
/// the other.
async fn read_the_rest_and_swap(
    tx: &mut PgConnection,
    replay: &Replay,
    on_time: i64,
    plan: Plan,
    mut left_out: i64,
) -> Result<Difference, Failed> {
    store::shadow::lock_live(tx).await?;
    // What was ever written to the served model was in Kafka before.
    let ends = replay.ends().await?;
    loop {
        let batch = replay.next(&ends).await?;
        if batch.is_empty() {
            return Ok(swap_read_model(tx, on_time, plan, left_out).await?);
        }
        left_out += signed(replay.work(tx, &batch).await? as u64);
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
