//! What clients were told. Every request has a name of its own, by which it is
//! found again in the services whatever the client was told.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What a client finally knows of a request of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// 201.
    Accepted,
    /// 202, and nothing else afterwards.
    Pending,
    /// It was accepted, and has been compensated since.
    Cancelled,
    /// It is not accepted, and will not be: 403, 422 …
    Refused,
    /// Nothing was accepted; come back: 503, 429.
    ComeBack,
    /// No answer, or one that leaves it open: cut, 502, 504, 500.
    Nothing,
}

/// One request to apply or to repay.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// `requestName`, found in every service.
    pub(crate) name: String,
    /// The loan that is to be repaid.
    pub(crate) loan: Option<String>,
    pub(crate) amount: i64,
    /// Whether it had an `Idempotency-Key`, and so was sent again under the same name.
    pub(crate) keyed: bool,
    /// How often it was sent.
    pub(crate) tries: u32,
    pub(crate) told: Told,
    /// Every id that was answered, with a 201 or a 202.
    pub(crate) ids: Vec<String>,
}

/// What an officer knows of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// 200.
    Done,
    /// No answer came, and afterwards the item was found in that state.
    Found,
    /// Not allowed: 409.
    Refused,
}

/// An officer's step.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) item: String,
    pub(crate) to: &'static str,
    pub(crate) taken: Taken,
}

/// What was sent and told in a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) sent: Vec<Sent>,
    pub(crate) decisions: Vec<Decision>,
    /// What a client was told that it should never be told.
    pub(crate) surprises: Vec<String>,
    /// How often each status was answered to an attempt; 0: no answer.
    pub(crate) answers: BTreeMap<u16, u64>,
    /// Ticks of the open loop that were left out because too much was under way.
    pub(crate) left_out: u64,
}

/// The ledger that all clients write to.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Account>);

impl Ledger {
    pub(crate) fn sent(&self, sent: Sent) {
        self.with(|all| all.sent.push(sent));
    }

    pub(crate) fn decided(&self, item: &str, to: &'static str, taken: Taken) {
        self.with(|all| all.decisions.push(Decision { item: item.to_owned(), to, taken }));
    }

    pub(crate) fn surprise(&self, what: String) {
        self.with(|all| all.surprises.push(what));
    }

    pub(crate) fn answered(&self, status: u16) {
        self.with(|all| *all.answers.entry(status).or_default() += 1);
    }

    pub(crate) fn left_out(&self) {
        self.with(|all| all.left_out += 1);
    }

    /// All of it so far.
    pub(crate) fn read(&self) -> Account {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn with(&self, write: impl FnOnce(&mut Account)) {
        write(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
