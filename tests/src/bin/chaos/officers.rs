//! The officers: they take every loan through its steps and book the
//! repayments, each item by one of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use journeys::client::{Answer, OFFICER_PASSWORD, OFFICER_USER};
use journeys::dice::Dice;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::customers::{Bank, Errand};
use crate::ledger::Taken;

/// Items that are worked on at once.
const DESKS: usize = 48;
/// How long an item is waited for, and how long a step is tried. After the
/// worst fault and its recovery.
const GIVE_UP_AFTER: Duration = Duration::from_secs(90);
/// How long before the same is asked again.
const PAUSE: Duration = Duration::from_millis(400);

/// Works until the customers have gone and no errand is left, or `stop`.
pub(crate) async fn work(
    bank: Arc<Bank>,
    mut errands: mpsc::UnboundedReceiver<Errand>,
    seed: u64,
    stop: watch::Receiver<bool>,
) -> Result<()> {
    let token = bank.client.officer().await?;
    let officer = Arc::new(Officer { bank, token: watch::Sender::new(token) });
    let desks = Arc::new(Semaphore::new(DESKS));
    let mut dice = Dice(seed ^ 0x0ff1_ce00_0000_0000);
    let mut stopped = stop.clone();
    loop {
        let errand = tokio::select! {
            errand = errands.recv() => errand,
            _ = stopped.wait_for(|stop| *stop) => None,
        };
        let Some(errand) = errand else { break };
        let (officer, desks, stop) = (Arc::clone(&officer), Arc::clone(&desks), stop.clone());
        let whims = Whims {
            refuses: dice.percent(10),
            tries_what_is_not_allowed: dice.percent(5),
            stops_half_way: dice.percent(10),
        };
        tokio::spawn(async move {
            let Ok(_desk) = desks.acquire().await else { return };
            if !*stop.borrow() {
                officer.work_on(&errand, whims).await;
            }
        });
    }
    let all = u32::try_from(DESKS)?;
    drop(desks.acquire_many(all).await.context("the officers' desks")?);
    Ok(())
}

/// What is decided by lot before an item is opened.
#[derive(Clone, Copy, Debug)]
struct Whims {
    refuses: bool,
    tries_what_is_not_allowed: bool,
    stops_half_way: bool,
}

struct Officer {
    bank: Arc<Bank>,
    token: watch::Sender<String>,
}

impl Officer {
    async fn work_on(&self, errand: &Errand, whims: Whims) {
        // One that was cancelled never comes.
        let Some(state) = self.state(&errand.id).await else { return };
        if !errand.is_loan {
            if state == "00" {
                self.book(&errand.id, whims).await;
            }
            return;
        }
        if whims.tries_what_is_not_allowed {
            self.step(&errand.id, "04").await;
        }
        if !self.step(&errand.id, "01").await || whims.stops_half_way {
            return;
        }
        if whims.refuses {
            self.step(&errand.id, "03").await;
            return;
        }
        if self.step(&errand.id, "02").await && self.step(&errand.id, "04").await {
            self.bank.executed(errand);
        }
    }

    async fn book(&self, id: &str, whims: Whims) {
        let to = if whims.refuses { "03" } else { "05" };
        // What is more than is owed by now, or waits for a loan that is repaid.
        if !self.step(id, to).await && to == "05" {
            self.step(id, "03").await;
        }
    }

    /// The item's state, once it is there.
    async fn state(&self, id: &str) -> Option<String> {
        let until = Instant::now() + GIVE_UP_AFTER;
        while Instant::now() < until && !self.is_over(until) {
            if let Some(answer) = self.get(id).await
                && answer.status == 200
            {
                return answer.text_at("/loanStatus").ok();
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }

    /// Takes a step; true if it is taken now.
    async fn step(&self, id: &str, to: &'static str) -> bool {
        let until = Instant::now() + GIVE_UP_AFTER;
        let mut unclear = false;
        while Instant::now() < until {
            let token = self.token.borrow().clone();
            match self.bank.client.step(&token, id, to).await {
                Ok(answer) if answer.status == 200 => {
                    self.bank.ledger.decided(id, to, Taken::Done);
                    return true;
                }
                Ok(answer) if answer.status == 401 => self.log_in(&token).await,
                Ok(answer) if answer.status == 409 => {
                    let state = answer.text_at("/state").unwrap_or_default();
                    if unclear && state == to {
                        self.bank.ledger.decided(id, to, Taken::Found);
                        return true;
                    }
                    // A repayment is rejected by itself when its loan is repaid.
                    if state == to && to != "03" {
                        let what = format!("{id}: {to} was taken by nobody who asked for it");
                        self.bank.ledger.surprise(what);
                    }
                    self.bank.ledger.decided(id, to, Taken::Refused);
                    return false;
                }
                Ok(answer) if answer.status < 500 && answer.status != 429 => {
                    let what = format!("{id}: {to} was answered {}", answer.status);
                    self.bank.ledger.surprise(what);
                    return false;
                }
                // Nothing was done.
                Ok(answer) if matches!(answer.status, 429 | 503) => {
                    if self.is_over(until) {
                        return false;
                    }
                }
                _ => {
                    unclear = true;
                    if self.is_over(until) {
                        return false;
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        false
    }

    async fn get(&self, id: &str) -> Option<Answer> {
        let token = self.token.borrow().clone();
        let answer = self.bank.client.get(&format!("/loanManagers/{id}"), &token).await.ok()?;
        if answer.status == 401 {
            self.log_in(&token).await;
        }
        Some(answer)
    }

    /// A new token, unless another desk has fetched one meanwhile.
    async fn log_in(&self, old: &str) {
        let is_old = *self.token.borrow() == old;
        if !is_old {
            return;
        }
        if let Ok(new) = self.bank.client.token(OFFICER_USER, OFFICER_PASSWORD).await {
            self.token.send_replace(new);
        }
    }

    /// Whether the customers have gone and the time that is given then is over.
    fn is_over(&self, until: Instant) -> bool {
        self.bank.stopping.load(Ordering::Relaxed) && Instant::now() + GIVE_UP_AFTER / 2 > until
    }
}
