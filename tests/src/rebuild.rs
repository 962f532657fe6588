//! The read model of a running system is made anew, beside the processes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use common::clock::Clock;
use common::db::Db;
use common::kafka::Broker;
use loan_status::events::{group_of, subscriptions};
use loan_status::store::rebuild::{Rebuild, find};
use loan_status::tasks::rebuild_read_model::{Rebuilder, rebuild_read_model};
use loan_status::usecases::order_rebuild::{Orders, Plan, Refused, order_rebuild, orders};
use sqlx::postgres::PgPoolOptions;
use standalone::{Service, Stack};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// An instance that does nothing but rebuild. Dropping it kills it.
#[derive(Debug)]
pub struct Builder {
    db: Db,
    orders: Orders,
    work: JoinHandle<()>,
}

impl Builder {
    /// With the rights of loan-status and no others.
    ///
    /// # Errors
    /// If the database is not to be had.
    pub async fn start(stack: &Stack) -> Result<Self> {
        let url = stack.database().url(Service::LoanStatus).context("its database")?;
        let pool = PgPoolOptions::new().max_connections(4).connect(&url).await?;
        let db = Db::from_pool(pool);
        let rebuilder = Rebuilder {
            db: db.clone(),
            clock: Clock::system(),
            broker: Broker::from(stack.bootstrap()),
            subscriptions: subscriptions(group_of(1)),
        };
        let (orders, placed) = orders();
        let work = tokio::spawn(rebuild_read_model(rebuilder, placed, CancellationToken::new()));
        Ok(Self { db, orders, work })
    }

    /// Has it begin.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn begin(&self, verify_only: bool) -> Result<Uuid, Refused> {
        order_rebuild(&self.orders, Plan { verify_only, ..Plan::default() }).await
    }

    /// How it stands.
    ///
    /// # Errors
    /// If the database is not to be had.
    pub async fn standing(&self) -> Result<Rebuild> {
        find(self.db.pool()).await?.context("there was none")
    }

    /// Waits for its end, and gives it if it was done.
    ///
    /// # Errors
    /// If it failed, or does not end.
    pub async fn done(&self, id: Uuid, within: Duration) -> Result<Rebuild> {
        let until = Instant::now() + within;
        loop {
            let standing = self.standing().await?;
            ensure!(standing.rebuild_id == id, "another one has taken its place");
            match standing.phase.as_str() {
                "done" => return Ok(standing),
                "failed" => bail!("{}", standing.reason.unwrap_or_default()),
                _ => ensure!(Instant::now() < until, "it does not end: {standing:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Has it begin once no other is under way.
    ///
    /// # Errors
    /// If it is refused for another reason, or the other does not end.
    pub async fn begin_at_last(&self, verify_only: bool, within: Duration) -> Result<Uuid> {
        let until = Instant::now() + within;
        loop {
            match self.begin(verify_only).await {
                Err(Refused::UnderWay) => {
                    ensure!(Instant::now() < until, "the other does not end");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                begun => return Ok(begun?),
            }
        }
    }

    /// Has it made according to the plan, and waits for its end.
    ///
    /// # Errors
    /// If it is refused or fails.
    pub async fn follow(&self, plan: Plan, within: Duration) -> Result<Rebuild> {
        let id = order_rebuild(&self.orders, plan).await?;
        self.done(id, within).await
    }

    /// Begins it and waits for its end.
    ///
    /// # Errors
    /// If it is refused or fails.
    pub async fn rebuild(&self, verify_only: bool, within: Duration) -> Result<Rebuild> {
        let id = self.begin(verify_only).await?;
        self.done(id, within).await
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        self.work.abort();
    }
}
