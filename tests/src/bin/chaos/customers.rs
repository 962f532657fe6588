//! The customers: they apply and repay at a rate that does not wait for answers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use journeys::client::{Answer, Client, Credentials, id_of};
use journeys::dice::Dice;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use crate::ledger::{Ledger, Sent, Told};

/// How many customers there are.
const CUSTOMERS: usize = 8;
/// How long a client waits for an answer before it takes the connection for dead.
const PATIENCE: Duration = Duration::from_secs(12);
/// How often a request with a key is sent at most, until its outcome is known.
const TRIES_MAX: u32 = 20;
/// The first pause between two of these; it doubles, and is never shorter than
/// `Retry-After` says, up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(300);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Requests under way at most; an open loop would otherwise have no bound.
const UNDER_WAY_MAX: usize = 600;

/// Who a customer is, and their token.
#[derive(Debug)]
struct Customer {
    who: Credentials,
    token: Mutex<String>,
}

/// What all clients share.
#[derive(Debug)]
pub(crate) struct Bank {
    pub(crate) client: Client,
    pub(crate) ledger: Ledger,
    customers: Vec<Customer>,
    /// Executed loans: whose, which, and of how much.
    executed: Mutex<Vec<(usize, String, i64)>>,
    /// To the officers: ids of what was accepted.
    desk: mpsc::UnboundedSender<Errand>,
    next: AtomicU64,
    pub(crate) stopping: AtomicBool,
}

/// Work for an officer.
#[derive(Clone, Debug)]
pub(crate) struct Errand {
    pub(crate) id: String,
    pub(crate) customer: usize,
    pub(crate) amount: i64,
    pub(crate) is_loan: bool,
}

/// What one attempt came to.
enum Attempt {
    Accepted(String),
    Pending(String),
    Cancelled,
    Refused,
    ComeBack(Duration),
    /// The same key is being worked on: not decided.
    InFlight(Duration),
    TokenIsOld,
    Nothing,
}

impl Bank {
    /// Registers the customers.
    pub(crate) async fn open(base: &str) -> Result<(Arc<Self>, mpsc::UnboundedReceiver<Errand>)> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .pool_max_idle_per_host(256)
            // Shorter than the 10 s after which the gateway closes it.
            .pool_idle_timeout(Duration::from_secs(5))
            .build()?;
        let client = Client { base: base.to_owned(), http };
        let mut customers = Vec::new();
        for number in 0..CUSTOMERS {
            let who = Credentials {
                user_id: format!("chaos-{number}@example.com"),
                user_name: format!("Customer {number}"),
                password: format!("s3cret-{number}-Zebra!"),
            };
            client.register(&who, if number % 2 == 0 { "ko" } else { "en" }).await?;
            let token = Mutex::new(client.token(&who.user_id, &who.password).await?);
            customers.push(Customer { who, token });
        }
        let (desk, errands) = mpsc::unbounded_channel();
        let bank = Self {
            client,
            ledger: Ledger::default(),
            customers,
            executed: Mutex::default(),
            desk,
            next: AtomicU64::new(1),
            stopping: AtomicBool::new(false),
        };
        Ok((Arc::new(bank), errands))
    }

    /// Sends at `rate` a second until `stopping`, and then waits for what is
    /// under way.
    pub(crate) async fn run(self: Arc<Self>, rate: u32, seed: u64) -> Result<()> {
        let mut dice = Dice(seed ^ 0x010a_d5ee_d000_0000);
        let places = Arc::new(Semaphore::new(UNDER_WAY_MAX));
        let begun = Instant::now();
        for number in 0.. {
            let due = begun + Duration::from_secs(1) * number / rate;
            tokio::time::sleep_until(due.into()).await;
            if self.stopping.load(Ordering::Relaxed) {
                break;
            }
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                self.ledger.left_out();
                continue;
            };
            let (bank, order) = (Arc::clone(&self), self.order(&mut dice));
            tokio::spawn(async move {
                bank.send(order).await;
                drop(place);
            });
        }
        let all = u32::try_from(UNDER_WAY_MAX)?;
        drop(places.acquire_many(all).await.context("the customers' places")?);
        Ok(())
    }

    /// One request of a probe: it waits for nothing but its answer.
    pub(crate) async fn probe(&self) -> Option<String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let customer = usize::try_from(number).unwrap_or_default() % CUSTOMERS;
        let order = Order {
            customer,
            amount: 1_000,
            loan: None,
            keyed: false,
            by_token: number.is_multiple_of(2),
            wrong_password: false,
            number,
        };
        self.send_once(&order).await
    }

    pub(crate) fn executed(&self, errand: &Errand) {
        let loan = (errand.customer, errand.id.clone(), errand.amount);
        self.executed.lock().unwrap_or_else(PoisonError::into_inner).push(loan);
    }

    /// What is sent next: applications, and a repayment for every fourth of them.
    fn order(&self, dice: &mut Dice) -> Order {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut order = Order {
            customer: usize::try_from(dice.between(0, CUSTOMERS as u64 - 1)).unwrap_or_default(),
            amount: i64::try_from(dice.between(1, 500)).unwrap_or(1) * 1_000,
            loan: None,
            keyed: dice.percent(50),
            by_token: dice.percent(50),
            wrong_password: dice.percent(1),
            number,
        };
        let repays = dice.percent(25);
        let (which, part) = (dice.between(0, u64::MAX - 1), dice.between(1, 110));
        let executed = self.executed.lock().unwrap_or_else(PoisonError::into_inner);
        if repays && !executed.is_empty() {
            let index = usize::try_from(which % executed.len() as u64).unwrap_or_default();
            let (customer, loan, amount) = &executed[index];
            order.customer = *customer;
            order.loan = Some(loan.clone());
            // Now and then more than is owed, which the manager has to reject.
            order.amount = (amount * i64::try_from(part).unwrap_or(1) / 100).max(1);
        }
        order
    }

    async fn send(&self, order: Order) {
        if order.keyed {
            self.send_until_known(&order).await;
        } else {
            self.send_once(&order).await;
        }
    }

    /// Without a key: one attempt is all that a careful client dares.
    async fn send_once(&self, order: &Order) -> Option<String> {
        let mut sent = order.sent();
        loop {
            sent.tries += 1;
            sent.told = match self.attempt(order).await {
                Attempt::Accepted(id) => {
                    sent.ids.push(id);
                    Told::Accepted
                }
                Attempt::Pending(id) => {
                    sent.ids.push(id);
                    Told::Pending
                }
                Attempt::TokenIsOld if sent.tries < TRIES_MAX => continue,
                Attempt::Cancelled | Attempt::InFlight(_) => {
                    self.ledger.surprise(format!("{}: told of a key that it has not", sent.name));
                    Told::Nothing
                }
                Attempt::Refused | Attempt::TokenIsOld => Told::Refused,
                Attempt::ComeBack(_) => Told::ComeBack,
                Attempt::Nothing => Told::Nothing,
            };
            break;
        }
        self.hand_over(order, &sent);
        let accepted = (sent.told == Told::Accepted).then(|| sent.ids.last().cloned()).flatten();
        self.ledger.sent(sent);
        accepted
    }

    /// With a key: the same again and again, until the outcome is known.
    async fn send_until_known(&self, order: &Order) {
        let mut sent = order.sent();
        let mut unclear = false;
        let mut backoff = PAUSE_MIN;
        while sent.tries < TRIES_MAX {
            sent.tries += 1;
            let mut pause = backoff;
            match self.attempt(order).await {
                Attempt::Accepted(id) => {
                    sent.ids.push(id);
                    sent.told = Told::Accepted;
                    break;
                }
                Attempt::Cancelled => {
                    sent.told = Told::Cancelled;
                    break;
                }
                Attempt::Refused => {
                    if unclear && !order.wrong_password {
                        self.ledger.surprise(format!("{}: refused after no answer", sent.name));
                    }
                    sent.told = Told::Refused;
                    break;
                }
                Attempt::Pending(id) => {
                    sent.ids.push(id);
                    sent.told = Told::Pending;
                    unclear = true;
                }
                Attempt::ComeBack(after) => {
                    sent.told = if unclear { Told::Nothing } else { Told::ComeBack };
                    pause = after;
                }
                Attempt::InFlight(after) => {
                    (unclear, sent.told, pause) = (true, Told::Nothing, after);
                }
                Attempt::Nothing => (unclear, sent.told) = (true, Told::Nothing),
                Attempt::TokenIsOld => {}
            }
            tokio::time::sleep(pause.max(backoff).min(PAUSE_MAX)).await;
            backoff *= 2;
        }
        self.hand_over(order, &sent);
        self.ledger.sent(sent);
    }

    /// What was accepted, or may yet be, is the officers' next.
    fn hand_over(&self, order: &Order, sent: &Sent) {
        let Some(id) = sent.ids.last() else { return };
        let errand = Errand {
            id: id.clone(),
            customer: order.customer,
            amount: order.amount,
            is_loan: order.loan.is_none(),
        };
        // At the end of a run nobody works at the desk any more.
        drop(self.desk.send(errand));
    }

    async fn attempt(&self, order: &Order) -> Attempt {
        let customer = &self.customers[order.customer];
        let mut request = self.client.request(Method::POST, "/loanRequests");
        if order.keyed {
            request = request.header("Idempotency-Key", format!("key-{}", order.number));
        }
        if order.by_token {
            let token = customer.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
            request = request.bearer_auth(token);
        }
        let answer = self.client.send(request.json(&order.body(&customer.who))).await;
        self.ledger.answered(answer.as_ref().map_or(0, |answer| answer.status));
        let Ok(answer) = answer else { return Attempt::Nothing };
        let attempt = read(&answer, order.keyed);
        if matches!(attempt, Attempt::TokenIsOld)
            && let Ok(new) = self.client.token(&customer.who.user_id, &customer.who.password).await
        {
            *customer.token.lock().unwrap_or_else(PoisonError::into_inner) = new;
        }
        attempt
    }
}

fn read(answer: &Answer, keyed: bool) -> Attempt {
    let after = answer.header("retry-after").parse().map_or(1, |seconds: u64| seconds);
    let after = Duration::from_secs(after);
    match answer.status {
        201 | 202 => match id_of(answer.header("location")) {
            Ok(id) if answer.status == 201 => Attempt::Accepted(id),
            Ok(id) => Attempt::Pending(id),
            Err(_) => Attempt::Nothing,
        },
        401 => Attempt::TokenIsOld,
        404 if keyed && answer.text.contains("request-cancelled") => Attempt::Cancelled,
        409 if keyed => Attempt::InFlight(after),
        429 | 503 => Attempt::ComeBack(after),
        400..=499 => Attempt::Refused,
        _ => Attempt::Nothing,
    }
}

/// What a customer wants.
#[derive(Clone, Debug)]
struct Order {
    customer: usize,
    amount: i64,
    loan: Option<String>,
    keyed: bool,
    by_token: bool,
    wrong_password: bool,
    number: u64,
}

impl Order {
    fn name(&self) -> String {
        format!("chaos {}", self.number)
    }

    fn sent(&self) -> Sent {
        Sent {
            name: self.name(),
            loan: self.loan.clone(),
            amount: self.amount,
            keyed: self.keyed,
            tries: 0,
            told: Told::Nothing,
            ids: Vec::new(),
        }
    }

    fn body(&self, who: &Credentials) -> Value {
        let mut body = match &self.loan {
            Some(loan) => who.repayment(Some(loan), self.amount),
            None => who.application(self.amount),
        };
        body["requestName"] = json!(self.name());
        if self.by_token
            && let Some(fields) = body.as_object_mut()
        {
            for field in ["userId", "userName", "userPassword"] {
                fields.remove(field);
            }
        } else if self.wrong_password {
            body["userPassword"] = json!("not-the-password");
        }
        body
    }
}
