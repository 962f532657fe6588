//! The steps that commit together, and the order of those that cannot: what is
//! written before loan-auth is asked, and what after it has answered.

mod compensate_loan_request;
mod count_submission;
mod decide_loan_request;
mod forget_loan_request;
mod receive_loan_requests;
mod replay_loan_request;
mod republish_cancellation;
mod settle_certification;
mod submit_loan_request;

pub use compensate_loan_request::{Rejection, compensate_loan_request};
pub use count_submission::count_submission;
pub use decide_loan_request::decide_loan_request;
pub use forget_loan_request::forget_loan_request;
pub use receive_loan_requests::receive_loan_requests;
pub use replay_loan_request::{Replay, replay_loan_request};
pub use republish_cancellation::republish_cancellation;
pub use settle_certification::settle_certification;
pub use submit_loan_request::{Order, Submitted, submit_loan_request};

use ::events::LoanRequestId;
use common::clock::Clock;
use common::db::{Db, Gather, Retryable};
use time::{Duration, OffsetDateTime};

use crate::clients::loan_auth::LoanAuth;
use crate::domain::standing::Contradiction;
use crate::store::loan_request::{self, NewRequest, NewlyCertified};

/// What the use cases that ask loan-auth work with. Cloning is cheap.
#[derive(Clone)]
pub struct Desk {
    /// The database.
    pub db: Db,
    /// The time and new ids.
    pub clock: Clock,
    /// Who certifies.
    pub auth: LoanAuth,
    /// How long things may take.
    pub timing: Timing,
    /// New requests, on their way to the database.
    pub submissions: Gather<NewRequest, ()>,
    /// Certifications, on their way there; whether each was the first word on its request.
    pub certifications: Gather<NewlyCertified, bool>,
}

impl Desk {
    /// A desk at this database.
    #[must_use]
    pub fn new(db: Db, clock: Clock, auth: LoanAuth, timing: Timing) -> Self {
        let pool = db.pool().clone();
        let submissions = Gather::new("submit_loan_requests", move |new: &[NewRequest]| {
            let pool = pool.clone();
            Box::pin(async move {
                loan_request::insert(&pool, new).await?;
                Ok(vec![(); new.len()])
            })
        });
        let pool = db.pool().clone();
        let certifications =
            Gather::new("certify_loan_requests", move |new: &[NewlyCertified]| {
                let pool = pool.clone();
                Box::pin(async move {
                    let first = loan_request::certify_undecided(&pool, new).await?;
                    Ok(new.iter().map(|one| first.contains(&one.id)).collect())
                })
            });
        Self { db, clock, auth, timing, submissions, certifications }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// So long after its submission a request counts as being answered: what both
    /// calls to loan-auth may take. A replay is told so until then, whoever sent the
    /// first.
    pub answer_window: Duration,
    /// The decision of a request may be asked for by others so long after its
    /// submission. Longer than the window, so that nobody voids what is still
    /// being asked.
    pub decide_after: Duration,
}

/// Why a step on a request was not taken.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// There is no such request.
    #[error("there is no such request")]
    NoSuchRequest,
    /// It cannot be true.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// The database did not do it.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl Retryable for StepError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::NoSuchRequest | Self::Contradiction(_) => false,
            Self::Database(error) => error.is_retryable(),
        }
    }
}

/// What becomes of a request that was accepted, in the end.
pub(crate) const OUTCOMES: [&str; 2] = ["received", "rejected"];

/// How long after its submission a request was done with, whatever came of it. Its id says when
/// that was (RFC 9562, 5.7). An event that is worked on anew after a failure counts anew.
fn note_done(id: LoanRequestId, outcome: &'static str, now: OffsetDateTime) {
    let Some(submitted) = id.as_uuid().get_timestamp() else { return };
    let (seconds, nanos) = submitted.to_unix();
    let submitted = std::time::Duration::new(seconds, nanos);
    let took = (now - OffsetDateTime::UNIX_EPOCH) - submitted;
    metrics::histogram!("loan_request_done_seconds", "outcome" => outcome)
        .record(took.as_seconds_f64().max(0.0));
}
