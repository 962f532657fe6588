//! The read model is made anew beside the one that is served: every event is read
//! from offset 0 and applied by the same code, to tables that only this session
//! sees. Then, for a moment in which nothing can be written to the served one, the
//! two are compared, and the served one becomes the other in one transaction.
//!
//! An entry that is in both keeps its number, so streams and pages go on where
//! they were. Whatever ends this before its time leaves nothing behind.

use std::time::Duration;

use common::clock::Clock;
use common::consumer::Subscriptions;
use common::consumer::replay::{self, Places, Replay, ReplayError};
use common::db::{Db, Retryable};
use common::kafka::Broker;
use sqlx::types::Json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::domain::rebuild::Difference;
use crate::store;
use crate::store::rebuild::Rebuild;
use crate::usecases::order_rebuild::{History, Order, Placed, Plan, Refused};
use crate::usecases::swap_read_model::{SwapError, swap_read_model};

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

/// How long the served model may be locked; reading it goes on.
const LOCKED_MAX: Duration = Duration::from_secs(120);

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

/// Why a rebuild failed. Its text is for the operator.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(
        "the beginning is not kept any more: {0}; nothing was changed. loan-manager keeps what it has told: begin with that"
    )]
    BeginningCut(String),
    #[error(
        "the consumer is {0} messages behind and does not come: nothing can be compared, nothing was changed"
    )]
    ConsumerBehind(u64),
    #[error("what loan-manager has kept was not handed in; nothing was changed")]
    NoHistory,
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("the database failed; nothing was changed")]
    Database(#[from] sqlx::Error),
    #[error("{0} rows would still differ; nothing was changed")]
    StillDiffer(i64),
    #[error("what was served was locked for too long; nothing was changed")]
    TooLong,
}

impl From<SwapError> for Failed {
    fn from(error: SwapError) -> Self {
        match error {
            SwapError::StillDiffer(rows) => Self::StillDiffer(rows),
            SwapError::Database(error) => Self::Database(error),
        }
    }
}

impl Retryable for Failed {
    /// What was read from Kafka is not read again by running it once more.
    fn is_retryable(&self) -> bool {
        false
    }
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
        let (shadow, rebuild) = match begun {
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
        let _ = order.answer.send(Ok(rebuild.rebuild_id));
        tokio::select! {
            () = rebuilder.run(shadow, rebuild, &mut history) => {}
            () = refuse(&mut orders) => return,
            () = shutdown.cancelled() => return,
        }
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
        let Plan { verify_only, from_owner } = plan;
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

    async fn run(&self, shadow: Db, mut rebuild: Rebuild, history: &mut mpsc::Receiver<History>) {
        tracing::info!(verify_only = rebuild.verify_only, "the read model is made anew");
        let began = Instant::now();
        match self.work(&shadow, &mut rebuild, history).await {
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
                let error = match &failed {
                    Failed::Database(error) | Failed::Replay(ReplayError::Database(error)) => {
                        common::db::described(error)
                    }
                    other => other.to_string(),
                };
                tracing::error!(error, "the read model was not made anew");
            }
        }
        if let Err(error) = self.report(&mut rebuild).await {
            tracing::error!(error = common::db::described(&error), "nobody can be told of it");
        }
        shadow.pool().close().await;
    }

    async fn report(&self, rebuild: &mut Rebuild) -> Result<(), sqlx::Error> {
        rebuild.seen_at = self.clock.now();
        store::rebuild::update(self.db.pool(), rebuild).await
    }

    async fn work(
        &self,
        shadow: &Db,
        rebuild: &mut Rebuild,
        history: &mut mpsc::Receiver<History>,
    ) -> Result<Difference, Failed> {
        let replay = Replay::open(&self.broker, self.subscriptions.clone(), BATCH_MAX).await?;
        let outcome = self.read_and_compare(shadow, rebuild, &replay, history).await;
        replay.close().await;
        outcome
    }

    async fn read_and_compare(
        &self,
        shadow: &Db,
        rebuild: &mut Rebuild,
        replay: &Replay,
        history: &mut mpsc::Receiver<History>,
    ) -> Result<Difference, Failed> {
        let plan = Plan { verify_only: rebuild.verify_only, from_owner: rebuild.from_owner };
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
            shadow
                .in_tx("assume_cancellations", async |tx| {
                    store::shadow::assume_cancellations(tx).await
                })
                .await?;
        }
        self.wait_for_consumer(rebuild, &ends).await?;
        rebuild.phase = "comparing".to_owned();
        self.report(rebuild).await?;
        let on_time =
            shadow.in_tx("begin_late", async |tx| store::shadow::begin_late(tx).await).await?;
        for _ in 0..CATCH_UPS {
            let ends = replay.ends().await?;
            rebuild.events_total = taken + signed(replay.count_up_to(&ends));
            self.read(shadow, rebuild, replay, &ends).await?;
        }
        let swapping = shadow.in_tx("swap_read_model", async |tx| {
            store::shadow::lock_live(tx).await?;
            // What was ever written to the served model was in Kafka before.
            let ends = replay.ends().await?;
            loop {
                let batch = replay.next(&ends).await?;
                if batch.is_empty() {
                    break;
                }
                replay.work(tx, &batch).await?;
            }
            Ok::<_, Failed>(swap_read_model(tx, on_time, plan).await?)
        });
        let locked = Instant::now();
        let outcome = timeout(LOCKED_MAX, swapping).await.map_err(|_| Failed::TooLong)?;
        let locked_ms = locked.elapsed().as_millis();
        tracing::info!(locked_ms, "the read model can be written to again");
        outcome
    }

    /// Applies what loan-manager has kept, as it is handed in.
    async fn take_history(
        &self,
        shadow: &Db,
        rebuild: &mut Rebuild,
        history: &mut mpsc::Receiver<History>,
    ) -> Result<(), Failed> {
        loop {
            let page = timeout(HISTORY_WITHIN, history.recv()).await;
            let Ok(Some(page)) = page else { return Err(Failed::NoHistory) };
            if page.rebuild_id != rebuild.rebuild_id {
                // Of an earlier one; not to answer says so.
                continue;
            }
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

    /// Until the consumer has come to where this one has read.
    async fn wait_for_consumer(&self, rebuild: &mut Rebuild, ends: &Places) -> Result<(), Failed> {
        rebuild.phase = "waiting".to_owned();
        let until = Instant::now() + CONSUMER_WITHIN;
        loop {
            self.report(rebuild).await?;
            let group = self.subscriptions.group();
            let behind =
                replay::distance(&replay::committed(&self.broker, group, ends).await?, ends);
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

/// Where topics are not kept from their beginning.
fn cut(beginnings: &Places) -> Vec<String> {
    beginnings
        .iter()
        .filter(|(_, place)| **place > 0)
        .map(|((topic, partition), place)| format!("{topic}/{partition} begins at {place}"))
        .collect()
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_without_its_beginning_is_not_taken_for_a_whole_one() {
        let places = |second| {
            Places::from([(("topic".to_owned(), 0), 0), (("topic".to_owned(), 1), second)])
        };
        assert_eq!(cut(&places(0)), Vec::<String>::new());
        assert_eq!(cut(&places(17)), ["topic/1 begins at 17"]);
    }
}
