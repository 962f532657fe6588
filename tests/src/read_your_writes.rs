//! whoever writes reads what they have written, or is told to ask again;
//! never something older. Customers with an officer each live through whole
//! loans, and after every single write the status is read with the version that
//! the write has answered. Meanwhile loan-status can be [disturbed](disturb).

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use standalone::{Service, Stack};
use tokio::sync::Semaphore;

use crate::client::{Answer, Client, Credentials, id_of};

/// Writes in one loan's life.
pub const WRITES_OF_A_LIFE: u32 = 10;

/// How long one read may be told to come again before it counts as lost.
const SHOWN_WITHIN: Duration = Duration::from_secs(60);

/// After so long everybody logs in anew: an officer's token lasts two minutes, and a
/// life that has begun must come to its end.
const TOKENS_USED_FOR: Duration = Duration::from_secs(45);

/// Two writes in a row of so many are also read without their version, to see what
/// that shows. No divisor of a life, so that every step has its turn.
const PLAIN_READS_EVERY: u32 = 7;

/// How long loan-status is kept from writing.
const LAG: Duration = Duration::from_millis(2_500);

/// How long lies between two disturbances.
const CALM: Duration = Duration::from_millis(700);

/// What was seen.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Writes, each read until it was shown.
    pub writes: u32,
    /// Reads that answered 202.
    pub told_to_retry: u32,
    /// Reads that found nobody (502, 503, no connection).
    pub unavailable: u32,
    /// Reads that answered 200 and did not show the write: there must be none.
    pub stale: Vec<String>,
    /// Reads without a version, for comparison.
    pub plain: u32,
    /// Those of them that did not show the write.
    pub plain_stale: u32,
    /// The longest time from a write's answer to the read that showed it.
    pub slowest: Duration,
}

impl Tally {
    fn add(mut self, other: Self) -> Self {
        self.writes += other.writes;
        self.told_to_retry += other.told_to_retry;
        self.unavailable += other.unavailable;
        self.stale.extend(other.stale);
        self.plain += other.plain;
        self.plain_stale += other.plain_stale;
        self.slowest = self.slowest.max(other.slowest);
        self
    }
}

/// At least `times` writes by `customers` fresh ones of this name at once, each
/// followed by its read.
///
/// # Errors
/// If a write is refused, or not shown within a time.
pub async fn write_then_read(
    client: &Client,
    times: u32,
    name: &str,
    customers: u32,
) -> Result<Tally> {
    let lives = times.div_ceil(WRITES_OF_A_LIFE * customers);
    // Passwords are checked one after another: many at once are refused.
    let passwords = &Semaphore::new(1);
    let all = (0..customers).map(|number| async move {
        let who = Credentials {
            user_id: format!("{name}-{number}@example.com"),
            user_name: format!("Reader {number}"),
            password: format!("r3ader-{number}-Zebra!"),
        };
        let turn = passwords.acquire().await?;
        client.register(&who, "en").await?;
        drop(turn);
        let mut reader = Reader::new(client.clone());
        let mut logged_in: Option<Instant> = None;
        for _ in 0..lives {
            if logged_in.is_none_or(|at| at.elapsed() >= TOKENS_USED_FOR) {
                let _turn = passwords.acquire().await?;
                reader.log_in(&who).await?;
                logged_in = Some(Instant::now());
            }
            reader.live().await?;
        }
        anyhow::Ok(reader.tally)
    });
    Ok(try_join_all(all).await?.into_iter().fold(Tally::default(), Tally::add))
}

/// What is to be seen of the loan after the write at hand.
#[derive(Debug, Clone, Default)]
struct Expected {
    loan: String,
    code: &'static str,
    outstanding: Option<i64>,
    entries: usize,
}

/// A customer, and the officer who works on this customer's loans alone: nobody
/// else writes to them, so what must be shown is known exactly.
struct Reader {
    client: Client,
    customer: String,
    officer: String,
    expected: Expected,
    tally: Tally,
}

impl Reader {
    fn new(client: Client) -> Self {
        let (customer, officer) = (String::new(), String::new());
        Self { client, customer, officer, expected: Expected::default(), tally: Tally::default() }
    }

    async fn log_in(&mut self, who: &Credentials) -> Result<()> {
        self.customer = self.client.token(&who.user_id, &who.password).await?;
        self.officer = self.client.officer().await?;
        Ok(())
    }

    /// A loan from its application to its last won: [`WRITES_OF_A_LIFE`] writes.
    async fn live(&mut self) -> Result<()> {
        let applied = self.ask(json!({"requestId": "01", "amountOfMoney": 1_000})).await?;
        let loan = id_of(applied.header("location"))?;
        self.expected = Expected { loan: loan.clone(), ..Expected::default() };
        self.shows(&applied, 1, "00", None).await?;
        for (step, outstanding) in [("01", None), ("02", None), ("04", Some(1_000))] {
            let stepped = self.step(&loan, step).await?;
            self.shows(&stepped, 1, step, outstanding).await?;
        }
        let part = self.repay(Some(&loan), 400).await?;
        self.shows(&part, 1, "04", Some(1_000)).await?;
        let booked = self.step(&id_of(part.header("location"))?, "05").await?;
        self.shows(&booked, 1, "04", Some(600)).await?;
        // Rejected, and shown as such.
        let too_much = self.repay(Some(&loan), 9_999).await?;
        self.shows(&too_much, 1, "04", Some(600)).await?;
        let waiting = self.repay(Some(&loan), 100).await?;
        self.shows(&waiting, 1, "04", Some(600)).await?;
        // Its loan is not named, and only loan-manager finds it.
        let rest = self.repay(None, 600).await?;
        self.shows(&rest, 1, "04", Some(600)).await?;
        // The end of the loan, and of the repayment that waits for it.
        let ended = self.step(&id_of(rest.header("location"))?, "05").await?;
        self.shows(&ended, 2, "05", Some(0)).await
    }

    async fn ask(&self, mut body: Value) -> Result<Answer> {
        body["requestName"] = json!("Deposit");
        self.client.post("/loanRequests", &self.customer, &body).await?.expect(201)
    }

    async fn repay(&self, loan: Option<&str>, amount: i64) -> Result<Answer> {
        let mut body = json!({"requestId": "02", "amountOfMoney": amount});
        if let Some(loan) = loan {
            body["loanId"] = json!(loan);
        }
        self.ask(body).await
    }

    async fn step(&self, id: &str, status: &str) -> Result<Answer> {
        self.client.step(&self.officer, id, status).await?.expect(200)
    }

    /// Reads what was written: the loan, or the list of its entries.
    async fn shows(
        &mut self,
        written: &Answer,
        entries: usize,
        code: &'static str,
        outstanding: Option<i64>,
    ) -> Result<()> {
        self.expected.entries += entries;
        self.expected.code = code;
        self.expected.outstanding = outstanding;
        self.tally.writes += 1;
        let (expected, number) = (self.expected.clone(), self.tally.writes);
        let as_list = number.is_multiple_of(2);
        let path = if as_list {
            format!("/loanStatus?loanId={}", expected.loan)
        } else {
            format!("/loanStatus/loans/{}", expected.loan)
        };
        if number % PLAIN_READS_EVERY < 2 {
            self.read_plainly(&path, &expected, as_list).await;
        }
        let version = written.header("loan-version");
        ensure!(!version.is_empty(), "a write without a version: {}", written.text);
        let mark = if as_list { '&' } else { '?' };
        let path = format!("{path}{mark}minVersion={version}");
        let begun = Instant::now();
        loop {
            ensure!(begun.elapsed() < SHOWN_WITHIN, "{expected:?} is not shown at {path}");
            match self.client.get(&path, &self.customer).await {
                Ok(answer) if answer.status == 200 => {
                    if !expected.is_in(&answer.json(), as_list) {
                        self.tally.stale.push(format!("{expected:?}: {}", answer.text));
                    }
                    self.tally.slowest = self.tally.slowest.max(begun.elapsed());
                    return Ok(());
                }
                Ok(answer) if answer.status == 202 => {
                    ensure!(!answer.header("retry-after").is_empty(), "come back, but when?");
                    self.tally.told_to_retry += 1;
                }
                Ok(answer) if ![502, 503, 504].contains(&answer.status) => {
                    bail!("{path}: {} {}", answer.status, answer.text)
                }
                Ok(_) | Err(_) => {
                    self.tally.unavailable += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// What is seen by one who does not say what must be shown.
    async fn read_plainly(&mut self, path: &str, expected: &Expected, as_list: bool) {
        if let Ok(answer) = self.client.get(path, &self.customer).await
            && [200, 404].contains(&answer.status)
        {
            self.tally.plain += 1;
            if answer.status == 404 || !expected.is_in(&answer.json(), as_list) {
                self.tally.plain_stale += 1;
            }
        }
    }
}

impl Expected {
    fn is_in(&self, shown: &Value, as_list: bool) -> bool {
        if as_list {
            return shown["page"]["totalElements"] == json!(self.entries);
        }
        shown["loanStatusCode"] == self.code
            && shown["outstanding"].as_i64() == self.outstanding
            && shown["timeline"].as_array().map(Vec::len) == Some(self.entries)
    }
}

/// Makes loan-status fall behind, kills it, stops it in order, and stops its
/// clock, one after another, for ever. Reading goes on where it can.
///
/// # Errors
/// If a process or the database is not to be had.
pub async fn disturb(stack: &mut Stack, db: &PgPool) -> Result<()> {
    loop {
        tokio::time::sleep(CALM).await;
        // It can be read, but nothing can be shown any more.
        let mut lag = db.begin().await?;
        sqlx::query("SELECT 1 FROM loan_status.feed_counter FOR UPDATE")
            .fetch_one(&mut *lag)
            .await
            .context("the feed's lock")?;
        tokio::time::sleep(LAG).await;
        lag.rollback().await?;
        tokio::time::sleep(CALM).await;
        let status = stack.service_mut(Service::LoanStatus);
        status.kill()?;
        status.start_again().await?;
        tokio::time::sleep(CALM).await;
        status.terminate().await?;
        status.start_again().await?;
        tokio::time::sleep(CALM).await;
        status.pause()?;
        tokio::time::sleep(CALM).await;
        status.resume()?;
    }
}
