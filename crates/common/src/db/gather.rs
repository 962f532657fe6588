//! Statements that come while another is under way go to the database together.
//!
//! Who comes alone has its turn at once; when many come, each statement and each commit is
//! for all that have come meanwhile (group commit, as databases do it with their log). So
//! what one costs falls as the load rises, and nobody waits for a timer.

use std::io::{self, ErrorKind::TimedOut};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::{OutcomeUnknown, POOL_ACQUIRE_SECONDS, is_infrastructure, is_outcome_unknown};

/// Items that are worked on together at most.
const TOGETHER_MAX: usize = 128;

/// Items that wait at most; whoever comes then waits to be let in.
const WAITING_MAX: usize = 4_096;

/// How long one go may take. A connection whose other end is gone says nothing for ever.
const TOGETHER_WITHIN: Duration = Duration::from_secs(5);

/// After so long those who came meanwhile wait no longer for it: long for a statement that only
/// has much to do, and short for one that hangs, by a connection or on a lock.
const HANGS_AFTER: Duration = Duration::from_millis(250);

/// As many may hang beside the one that is under way; with more it is the database.
const HANGING_MAX: usize = 2;

/// What becomes of an item: `None` is to go its way alone.
type Outcome<O> = Result<Option<O>, sqlx::Error>;

/// One item, for whoever waits for it.
struct Waiting<I, O> {
    item: I,
    /// Taken by the worker, or by whoever has waited too long: one of them, once.
    is_taken: Arc<AtomicBool>,
    answer: oneshot::Sender<Outcome<O>>,
}

/// Gathers what is to be read or written, of one kind. Cloning is cheap.
pub struct Gather<I, O> {
    name: &'static str,
    queue: mpsc::Sender<Waiting<I, O>>,
}

impl<I, O> Clone for Gather<I, O> {
    fn clone(&self) -> Self {
        Self { name: self.name, queue: self.queue.clone() }
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> Gather<I, O> {
    /// Begins a task that ends when the last clone is gone and all is worked on. `work`
    /// reads or writes what it is given in one transaction and answers each, in their
    /// order; all who come meanwhile wait for it, a moment at least, so it waits for no lock
    /// for long. Where a connection was lost it is called again with the same, and finds what
    /// it had done the first time. The name is for metrics.
    #[must_use]
    pub fn new(
        name: &'static str,
        work: impl for<'a> Fn(&'a [I]) -> BoxFuture<'a, Result<Vec<O>, sqlx::Error>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let (queue, mut waiting) = mpsc::channel::<Waiting<I, O>>(WAITING_MAX);
        let (work, hanging) = (Arc::new(work), Arc::new(Semaphore::new(HANGING_MAX)));
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
                let mut go = Box::pin(answered(Arc::clone(&work), items, answers));
                if timeout(HANGS_AFTER, &mut go).await.is_err() {
                    match Arc::clone(&hanging).try_acquire_owned() {
                        Ok(place) => drop(tokio::spawn(async move {
                            go.await;
                            drop(place);
                        })),
                        Err(_) => go.await,
                    }
                }
            }
        });
        Self { name, queue }
    }

    /// Has `item` worked on with whatever else waits. `None` if something is in the way of
    /// those that it was with, and perhaps of this one: nothing was done, and the caller
    /// does it alone.
    ///
    /// # Errors
    /// What the database says, where it says so of everything; `PoolTimedOut` if it was not
    /// begun within [`POOL_ACQUIRE_SECONDS`], and then it never will be.
    pub async fn run(&self, item: I) -> Outcome<O> {
        // Of those who give up as well: their number is what a hanging database shows itself by.
        let _watch = Watch { name: self.name, began: Instant::now() };
        self.wait(item).await
    }

    async fn wait(&self, item: I) -> Outcome<O> {
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

/// Works on these, and answers each.
async fn answered<I, O>(
    work: Arc<impl for<'a> Fn(&'a [I]) -> BoxFuture<'a, Result<Vec<O>, sqlx::Error>> + Sync>,
    items: Vec<I>,
    answers: Vec<oneshot::Sender<Outcome<O>>>,
) {
    for (answer, outcome) in answers.into_iter().zip(together(&*work, &items).await) {
        // Who has gone away has no use for it.
        let _ = answer.send(outcome);
    }
}

/// Measures from its beginning to its end.
struct Watch {
    name: &'static str,
    began: Instant,
}

impl Drop for Watch {
    fn drop(&mut self) {
        metrics::histogram!("db_gathered_seconds", "name" => self.name)
            .record(self.began.elapsed().as_secs_f64());
    }
}

/// What becomes of each. A panic or too few answers say nothing of the database: they are
/// what one of the items has brought about.
async fn together<I, O>(
    work: &(impl for<'a> Fn(&'a [I]) -> BoxFuture<'a, Result<Vec<O>, sqlx::Error>> + Sync),
    items: &[I],
) -> Vec<Outcome<O>> {
    let attempt = || AssertUnwindSafe(async { work(items).await }).catch_unwind();
    let both = async {
        match attempt().await {
            // Under load no connection is asked whether it lives, and the first to find out
            // would be all of these.
            Ok(Err(error)) if is_lost(&error) => attempt().await,
            first => first,
        }
    };
    match timeout(TOGETHER_WITHIN, both).await {
        Ok(Ok(Ok(outcomes))) if outcomes.len() == items.len() => {
            outcomes.into_iter().map(|outcome| Ok(Some(outcome))).collect()
        }
        Ok(Ok(Err(error))) if is_of_all(&error) => {
            items.iter().map(|_| Err(same(&error))).collect()
        }
        Ok(_) => items.iter().map(|_| Ok(None)).collect(),
        Err(_) => {
            let late = || OutcomeUnknown::unless_undone(io::Error::from(TimedOut).into());
            items.iter().map(|_| Err(late())).collect()
        }
    }
}

/// Whether the connection is gone, and nothing of the work is there but what it finds itself.
fn is_lost(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    matches!(error, sqlx::Error::Io(_) | sqlx::Error::BeginFailed) || code.starts_with("57P")
}

/// Whether an error is everybody's: the database is away, or nobody knows what became of
/// them. A lock that was not to be had, a statement that took too long, a deadlock may be
/// one item's.
fn is_of_all(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    let is_of_one = ["55P03", "57014", "40P01", "40001"].contains(&code.as_ref());
    is_outcome_unknown(error) || (is_infrastructure(error) && !is_of_one)
}

/// An error for everybody whom one failure has met, of the same kind.
fn same(error: &sqlx::Error) -> sqlx::Error {
    let unavailable = sqlx::Error::Io(io::Error::other(super::described(error)));
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

    type Otherwise = fn() -> Result<Vec<u64>, sqlx::Error>;

    /// Doubles numbers, when it may; of those that have a 13 among them something else
    /// becomes.
    fn doubling(
        may: &Arc<Semaphore>,
        seen: &Arc<Mutex<Vec<Vec<u64>>>>,
        otherwise: Otherwise,
    ) -> Gather<u64, u64> {
        let (may, seen) = (Arc::clone(may), Arc::clone(seen));
        Gather::new("doubling", move |items: &[u64]| {
            let (may, seen) = (Arc::clone(&may), Arc::clone(&seen));
            let items = items.to_vec();
            Box::pin(async move {
                may.acquire().await.unwrap().forget();
                seen.lock().unwrap().push(items.clone());
                if items.contains(&13) {
                    return otherwise();
                }
                Ok(items.iter().map(|item| item * 2).collect())
            })
        })
    }

    /// Hands in 0 first, which is held, and all of `items` behind it.
    async fn behind_the_first(
        gather: &Gather<u64, u64>,
        may: &Semaphore,
        items: impl IntoIterator<Item = u64>,
    ) -> Vec<Outcome<u64>> {
        let mut waiting: Vec<_> = vec![];
        for item in std::iter::once(0).chain(items) {
            let gather = gather.clone();
            waiting.push(tokio::spawn(async move { gather.run(item).await }));
            tokio::task::yield_now().await;
        }
        may.add_permits(100);
        let mut outcomes = vec![];
        for one in waiting {
            outcomes.push(one.await.unwrap());
        }
        outcomes.split_off(1)
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_come_meanwhile_have_their_turn_together() {
        let (may, seen) = (Arc::new(Semaphore::new(0)), Arc::default());
        let gather = doubling(&may, &seen, || Ok(vec![]));
        let outcomes = behind_the_first(&gather, &may, [1, 2, 3]).await;
        let outcomes: Vec<_> = outcomes.into_iter().map(|one| one.unwrap().unwrap()).collect();
        assert_eq!(outcomes, [2, 4, 6]);
        assert_eq!(*seen.lock().unwrap(), [vec![0], vec![1, 2, 3]]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_at_once_and_each_gets_its_own_answer() {
        let (may, seen) = (Arc::new(Semaphore::new(0)), Arc::default());
        let gather = doubling(&may, &seen, || Ok(vec![]));
        let outcomes = behind_the_first(&gather, &may, 100..400).await;
        let doubled: Vec<_> = outcomes.into_iter().map(|one| one.unwrap().unwrap()).collect();
        assert!(doubled.into_iter().eq((100..400).map(|item| item * 2)));
        let sizes: Vec<_> = seen.lock().unwrap().iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, TOGETHER_MAX, TOGETHER_MAX, 300 - 2 * TOGETHER_MAX]);
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_one_has_brought_about_each_goes_its_way_alone() {
        let otherwise: [Otherwise; 3] =
            [|| Err(sqlx::Error::RowNotFound), || Ok(vec![1]), || panic!("13 is too much")];
        for otherwise in otherwise {
            let (may, seen) = (Arc::new(Semaphore::new(0)), Arc::default());
            let gather = doubling(&may, &seen, otherwise);
            let outcomes = behind_the_first(&gather, &may, [1, 13, 3]).await;
            assert!(outcomes.iter().all(|one| matches!(one, Ok(None))));
            assert_eq!(seen.lock().unwrap().len(), 2);
            assert_eq!(gather.run(4).await.unwrap(), Some(8), "it goes on");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_is_away_is_away_for_all() {
        let (may, seen) = (Arc::new(Semaphore::new(0)), Arc::default());
        let gather = doubling(&may, &seen, || Err(sqlx::Error::PoolTimedOut));
        let outcomes = behind_the_first(&gather, &may, [1, 13, 3]).await;
        assert!(outcomes.iter().all(|one| is_infrastructure(one.as_ref().unwrap_err())));
        assert_eq!(seen.lock().unwrap().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_lost_costs_nobody_anything_once() {
        let (may, seen) = (Arc::new(Semaphore::new(0)), Arc::default());
        let lost: Otherwise = || Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        let gather = doubling(&may, &seen, lost);
        let outcomes = behind_the_first(&gather, &may, [1, 13]).await;
        assert!(outcomes.iter().all(|one| is_infrastructure(one.as_ref().unwrap_err())));
        assert_eq!(*seen.lock().unwrap(), [vec![0], vec![1, 13], vec![1, 13]], "tried again, once");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_never_answers_is_given_up_and_nobody_knows_what_became_of_it() {
        let gather = Gather::<u64, u64>::new("hanging", |items: &[u64]| match items {
            [0] => Box::pin(std::future::pending()),
            _ => Box::pin(std::future::ready(Ok(vec![1; items.len()]))),
        });
        let began = Instant::now();
        assert!(is_outcome_unknown(&gather.run(0).await.unwrap_err()));
        assert_eq!(began.elapsed(), TOGETHER_WITHIN);
        assert_eq!(gather.run(1).await.unwrap(), Some(1), "it goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn while_one_hangs_those_behind_it_have_their_turn() {
        let gather = Gather::<u64, u64>::new("hanging", |items: &[u64]| match items {
            [0] => Box::pin(std::future::pending()),
            _ => Box::pin(std::future::ready(Ok(vec![1; items.len()]))),
        });
        let began = Instant::now();
        let hangs = tokio::spawn({
            let gather = gather.clone();
            async move { gather.run(0).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(gather.run(1).await.unwrap(), Some(1));
        assert_eq!(began.elapsed(), HANGS_AFTER);
        assert!(is_outcome_unknown(&hangs.await.unwrap().unwrap_err()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_knows_nobody_is_told_to_know() {
        let (may, seen) = (Arc::new(Semaphore::new(0)), Arc::default());
        let lost = || Err(OutcomeUnknown::unless_undone(std::io::Error::other("lost").into()));
        let gather = doubling(&may, &seen, lost);
        let outcomes = behind_the_first(&gather, &may, [1, 13]).await;
        assert!(outcomes.iter().all(|one| is_outcome_unknown(one.as_ref().unwrap_err())));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_begun_in_time_never_is() {
        let (may, seen) = (Arc::new(Semaphore::new(0)), Arc::default());
        let gather = doubling(&may, &seen, || Ok(vec![]));
        let hand_in = |item| {
            let gather = gather.clone();
            tokio::spawn(async move { gather.run(item).await })
        };
        let mut begun = vec![];
        for item in [0, 10, 20] {
            begun.push(hand_in(item));
            tokio::time::sleep(HANGS_AFTER).await;
        }
        let gone = hand_in(7);
        tokio::task::yield_now().await;
        gone.abort();
        assert!(matches!(gather.run(1).await, Err(sqlx::Error::PoolTimedOut)));
        may.add_permits(100);
        // They were begun, and are waited for however long that takes.
        for (begun, doubled) in begun.into_iter().zip([0, 20, 40]) {
            assert_eq!(begun.await.unwrap().unwrap(), Some(doubled));
        }
        assert_eq!(gather.run(2).await.unwrap(), Some(4));
        assert_eq!(*seen.lock().unwrap(), [vec![0], vec![10], vec![20], vec![2]]);
    }
}
