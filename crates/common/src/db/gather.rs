//! Statements that come while another is under way go to the database together.
//!
//! Who comes alone has its turn at once; when many come, each statement and each commit is
//! for all that have come meanwhile (group commit, as databases do it with their log). So
//! what one costs falls as the load rises, and nobody waits for a timer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{OutcomeUnknown, POOL_ACQUIRE_SECONDS, is_infrastructure};

/// Items that are worked on together at most.
const TOGETHER_MAX: usize = 128;

/// Items that wait at most; whoever comes then waits to be let in. More than there are
/// requests at once.
const WAITING_MAX: usize = 4_096;

/// One item, for whoever waits for it.
struct Waiting<I, O> {
    item: I,
    /// Taken by the writer, or by whoever has waited too long: one of them, once.
    is_taken: Arc<AtomicBool>,
    answer: oneshot::Sender<Result<O, sqlx::Error>>,
}

/// Gathers what is to be read or written, of one kind. Cloning is cheap.
pub struct Gather<I, O> {
    queue: mpsc::Sender<Waiting<I, O>>,
}

impl<I, O> Clone for Gather<I, O> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> Gather<I, O> {
    /// `work` reads or writes all that it is given in one transaction and answers each, in their
    /// order. Should it fail because of what is in it, it is called again with each alone.
    /// It never waits for a lock that another may hold for long: all wait with it.
    ///
    /// Ends when the last clone is gone and everything is written. The name is for metrics.
    #[must_use]
    pub fn new(
        name: &'static str,
        work: impl for<'a> Fn(&'a [I]) -> BoxFuture<'a, Result<Vec<O>, sqlx::Error>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let (queue, mut waiting) = mpsc::channel::<Waiting<I, O>>(WAITING_MAX);
        tokio::spawn(async move {
            let mut taken = Vec::with_capacity(TOGETHER_MAX);
            while waiting.recv_many(&mut taken, TOGETHER_MAX).await > 0 {
                let is_wanted = |one: &Waiting<I, O>| {
                    !one.answer.is_closed() && !one.is_taken.swap(true, Ordering::AcqRel)
                };
                let wanted = taken.drain(..).filter(is_wanted);
                let (items, answers): (Vec<_>, Vec<_>) =
                    wanted.map(|one| (one.item, one.answer)).unzip();
                if items.is_empty() {
                    continue;
                }
                let size = u32::try_from(items.len()).unwrap_or(u32::MAX);
                metrics::histogram!("db_gathered", "name" => name).record(size);
                for (answer, outcome) in answers.into_iter().zip(write(&work, &items).await) {
                    // Who has gone away has no use for it.
                    let _ = answer.send(outcome);
                }
            }
        });
        Self { queue }
    }

    /// Has `item` worked on with whatever else waits.
    ///
    /// # Errors
    /// What the database says; `PoolTimedOut` if it was not begun within
    /// [`POOL_ACQUIRE_SECONDS`], and then it never will be.
    pub async fn run(&self, item: I) -> Result<O, sqlx::Error> {
        let (answer, mut answered) = oneshot::channel();
        let is_taken = Arc::new(AtomicBool::new(false));
        let waiting = Waiting { item, is_taken: Arc::clone(&is_taken), answer };
        let begun = async {
            self.queue.send(waiting).await.map_err(|_| sqlx::Error::WorkerCrashed)?;
            (&mut answered).await.map_err(|_| sqlx::Error::WorkerCrashed)?
        };
        if let Ok(outcome) = timeout(Duration::from_secs(POOL_ACQUIRE_SECONDS), begun).await {
            return outcome;
        }
        if !is_taken.swap(true, Ordering::AcqRel) {
            return Err(sqlx::Error::PoolTimedOut);
        }
        answered.await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }
}

/// Writes all, and each alone if one of them spoils it for the others.
async fn write<I, O>(
    work: &(impl for<'a> Fn(&'a [I]) -> BoxFuture<'a, Result<Vec<O>, sqlx::Error>> + Sync),
    items: &[I],
) -> Vec<Result<O, sqlx::Error>> {
    let error = match attempt(work, items).await {
        Ok(outcomes) => return outcomes.into_iter().map(Ok).collect(),
        Err(error) => error,
    };
    if items.len() == 1 {
        return vec![Err(error)];
    }
    if is_infrastructure(&error) {
        return items.iter().map(|_| Err(same(&error))).collect();
    }
    let mut outcomes = Vec::with_capacity(items.len());
    for item in items {
        let alone = attempt(work, std::slice::from_ref(item)).await;
        outcomes.push(alone.and_then(|one| one.into_iter().next().ok_or(sqlx::Error::RowNotFound)));
    }
    outcomes
}

/// As many outcomes as items, or an error; a panic is one, too.
async fn attempt<I, O>(
    work: &(impl for<'a> Fn(&'a [I]) -> BoxFuture<'a, Result<Vec<O>, sqlx::Error>> + Sync),
    items: &[I],
) -> Result<Vec<O>, sqlx::Error> {
    let outcomes = AssertUnwindSafe(async { work(items).await }).catch_unwind().await;
    let outcomes = outcomes.unwrap_or(Err(sqlx::Error::WorkerCrashed))?;
    if outcomes.len() == items.len() { Ok(outcomes) } else { Err(sqlx::Error::WorkerCrashed) }
}

/// An error for everybody whom one failure has met, of the same kind.
fn same(error: &sqlx::Error) -> sqlx::Error {
    let unavailable = sqlx::Error::Io(std::io::Error::other(super::described(error)));
    match OutcomeUnknown::of(error) {
        Some(_) => OutcomeUnknown::unless_undone(unavailable),
        None => unavailable,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::Mutex;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::db::is_outcome_unknown;

    /// Doubles numbers, when it may; refuses what has a 13 in it, with `error`.
    fn doubling(
        may: &Arc<Semaphore>,
        seen: &Arc<Mutex<Vec<Vec<u64>>>>,
        error: fn() -> sqlx::Error,
    ) -> Gather<u64, u64> {
        let (may, seen) = (Arc::clone(may), Arc::clone(seen));
        Gather::new("doubling", move |items: &[u64]| {
            let (may, seen) = (Arc::clone(&may), Arc::clone(&seen));
            let items = items.to_vec();
            Box::pin(async move {
                may.acquire().await.unwrap().forget();
                seen.lock().unwrap().push(items.clone());
                if items.contains(&13) {
                    return Err(error());
                }
                Ok(items.iter().map(|item| item * 2).collect())
            })
        })
    }

    fn taken_alone() -> sqlx::Error {
        sqlx::Error::RowNotFound
    }

    /// Writes 0 first, which is held, and all of `items` behind it.
    async fn behind_the_first(
        gather: &Gather<u64, u64>,
        may: &Semaphore,
        items: &[u64],
    ) -> Vec<Result<u64, sqlx::Error>> {
        let mut writes: Vec<_> = vec![];
        for item in std::iter::once(&0).chain(items) {
            let (gather, item) = (gather.clone(), *item);
            writes.push(tokio::spawn(async move { gather.run(item).await }));
            tokio::task::yield_now().await;
        }
        may.add_permits(100);
        let mut outcomes = vec![];
        for write in writes {
            outcomes.push(write.await.unwrap());
        }
        outcomes.split_off(1)
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_come_meanwhile_are_written_together() {
        let (may, seen) = (Arc::new(Semaphore::new(0)), Arc::default());
        let gather = doubling(&may, &seen, taken_alone);
        let outcomes = behind_the_first(&gather, &may, &[1, 2, 3]).await;
        let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
        assert_eq!(outcomes, [2, 4, 6]);
        assert_eq!(*seen.lock().unwrap(), [vec![0], vec![1, 2, 3]]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_refused_spoils_it_for_nobody_else() {
        let (may, seen) = (Arc::new(Semaphore::new(0)), Arc::default());
        let gather = doubling(&may, &seen, taken_alone);
        let outcomes = behind_the_first(&gather, &may, &[1, 13, 3]).await;
        assert!(matches!(outcomes[..], [Ok(2), Err(sqlx::Error::RowNotFound), Ok(6)]));
        assert_eq!(seen.lock().unwrap().len(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_is_away_is_asked_once_for_all() {
        let (may, seen) = (Arc::new(Semaphore::new(0)), Arc::default());
        let gather = doubling(&may, &seen, || sqlx::Error::PoolTimedOut);
        let outcomes = behind_the_first(&gather, &may, &[1, 13, 3]).await;
        assert!(outcomes.iter().all(|one| is_infrastructure(one.as_ref().unwrap_err())));
        assert_eq!(seen.lock().unwrap().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_knows_nobody_is_told_to_know() {
        let (may, seen) = (Arc::new(Semaphore::new(0)), Arc::default());
        let lost = || OutcomeUnknown::unless_undone(std::io::Error::other("lost").into());
        let gather = doubling(&may, &seen, lost);
        let outcomes = behind_the_first(&gather, &may, &[1, 13]).await;
        assert!(outcomes.iter().all(|one| is_outcome_unknown(one.as_ref().unwrap_err())));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_begun_in_time_never_is() {
        let (may, seen) = (Arc::new(Semaphore::new(0)), Arc::default());
        let gather = doubling(&may, &seen, taken_alone);
        let first = tokio::spawn({
            let gather = gather.clone();
            async move { gather.run(0).await }
        });
        tokio::task::yield_now().await;
        assert!(matches!(gather.run(1).await, Err(sqlx::Error::PoolTimedOut)));
        may.add_permits(100);
        // It was begun, and is waited for however long that takes.
        assert_eq!(first.await.unwrap().unwrap(), 0);
        assert_eq!(gather.run(2).await.unwrap(), 4);
        assert_eq!(*seen.lock().unwrap(), [vec![0], vec![2]]);
    }
}
