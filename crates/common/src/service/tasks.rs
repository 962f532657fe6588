//! The tasks of a process and the order of their end.
//!
//! At SIGTERM: not ready any more; consumers and own tasks stop; after the linger
//! no new connection is taken and the requests that run are finished; then the
//! outbox is flushed; last go health and metrics. The bound, or a second signal,
//! ends all of it at once. A task that ends by itself ends the process the same
//! way, with 1.

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::admin::Readiness;
use crate::config::ServiceSettings;
use crate::shutdown::Shutdown;

type Ended = (&'static str, anyhow::Result<()>);

/// Everything that runs in the process.
pub struct Life {
    shutdown: Shutdown,
    readiness: Readiness,
    signals: Signals,
    bound: Duration,
    linger: Duration,
    /// Cancelled when no more requests are taken.
    requests_stop: CancellationToken,
    /// Cancelled when all work is done and only its results are to be sent.
    work_done: CancellationToken,
    /// Cancelled at the very end.
    last: CancellationToken,
    work: JoinSet<Ended>,
    after_work: JoinSet<Ended>,
    until_last: JoinSet<Ended>,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Why the end begins.
enum Cause {
    Signal,
    Crash,
}

impl Life {
    /// Nothing runs yet. From here on SIGTERM and SIGINT are ours.
    pub fn new(
        shutdown: Shutdown,
        readiness: Readiness,
        settings: &ServiceSettings,
    ) -> anyhow::Result<Self> {
        let bound = settings.shutdown_bound();
        let linger = Duration::from_secs(settings.shutdown_linger_seconds);
        Self::with_bounds(shutdown, readiness, bound, linger)
    }

    /// As [`Life::new`], for a process without a service's settings.
    pub fn with_bounds(
        shutdown: Shutdown,
        readiness: Readiness,
        bound: Duration,
        linger: Duration,
    ) -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be heard")?;
        let interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be heard")?;
        Ok(Self {
            shutdown,
            readiness,
            signals: Signals { terminate, interrupt },
            bound,
            linger,
            requests_stop: CancellationToken::new(),
            work_done: CancellationToken::new(),
            last: CancellationToken::new(),
            work: JoinSet::new(),
            after_work: JoinSet::new(),
            until_last: JoinSet::new(),
        })
    }

    /// Work that stops when the end begins.
    pub fn work<F>(&mut self, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let task = task(self.shutdown.soft());
        self.work.spawn(async move { (name, task.await) });
    }

    /// A server, which goes on for the linger and then finishes what it has begun.
    pub fn requests<F>(&mut self, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let task = task(self.requests_stop.clone());
        self.work.spawn(async move { (name, task.await) });
    }

    /// What sends the results of the work, and so ends after it.
    pub fn after_work<F>(&mut self, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let task = task(self.work_done.clone());
        self.after_work.spawn(async move { (name, task.await) });
    }

    /// What is there to the last: whoever looks at the process wants to see its
    /// end too.
    pub fn until_last<F>(&mut self, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let task = task(self.last.clone());
        self.until_last.spawn(async move { (name, task.await) });
    }

    /// Waits for `start`, or for a signal that ends the process before it is done.
    pub async fn unless_ended<T>(&mut self, start: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            () = self.signals.next() => {
                self.shutdown.force();
                None
            }
            value = start => Some(value),
        }
    }

    /// Runs until a signal or a crash, and ends in good order.
    pub async fn run(mut self) -> ExitCode {
        let cause = tokio::select! {
            () = self.signals.next() => Cause::Signal,
            Some(ended) = self.work.join_next() => crashed(ended),
            Some(ended) = self.after_work.join_next() => crashed(ended),
            Some(ended) = self.until_last.join_next() => crashed(ended),
        };
        tracing::info!("ending");
        self.readiness.set_draining();
        self.shutdown.begin();
        let code = match cause {
            Cause::Signal => ExitCode::SUCCESS,
            Cause::Crash => ExitCode::FAILURE,
        };
        let Self {
            shutdown,
            mut signals,
            bound,
            linger,
            requests_stop,
            work_done,
            last,
            work,
            after_work,
            until_last,
            ..
        } = self;
        let in_order = async {
            tokio::time::sleep(linger).await;
            requests_stop.cancel();
            let work = all(work).await;
            work_done.cancel();
            let after_work = all(after_work).await;
            last.cancel();
            let until_last = all(until_last).await;
            work && after_work && until_last
        };
        tokio::select! {
            is_good = in_order => {
                tracing::info!("ended");
                if is_good { code } else { ExitCode::FAILURE }
            }
            () = tokio::time::sleep(bound) => {
                tracing::error!(bound_seconds = bound.as_secs(), "the end took too long");
                shutdown.force();
                ExitCode::FAILURE
            }
            () = signals.next() => {
                tracing::warn!("ended at once by a second signal");
                shutdown.force();
                ExitCode::FAILURE
            }
        }
    }
}

/// A task has ended while it was to run for ever.
fn crashed(ended: Result<Ended, JoinError>) -> Cause {
    match ended {
        Ok((task, Ok(()))) => tracing::error!(task, "a task has ended too early"),
        Ok((task, Err(error))) => {
            tracing::error!(task, error = format!("{error:#}"), "a task has failed");
        }
        Err(error) => tracing::error!(%error, "a task has panicked"),
    }
    Cause::Crash
}

/// Waits for all of them; false if one has failed on the way out.
async fn all(mut tasks: JoinSet<Ended>) -> bool {
    let mut is_good = true;
    while let Some(ended) = tasks.join_next().await {
        if matches!(ended, Ok((_, Ok(())))) {
            continue;
        }
        crashed(ended);
        is_good = false;
    }
    is_good
}

#[cfg(test)]
mod tests;
