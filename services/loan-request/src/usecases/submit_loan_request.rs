//! A customer submits a request: written down, certified, answered.
//!
//! Whatever dies when, the row says what is to be done: it is written before
//! loan-auth is asked, and until it is decided it has a deadline after which any
//! instance asks for the decision ([`decide_loan_request`]). loan-auth's event
//! tells it too. So an answer that is not written is only late, never lost.
//!
//! [`decide_loan_request`]: super::decide_loan_request

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use ::events::codes::RequestKind;
use ::events::{CustomerId, LoanId, LoanRequestId};
use common::db::{described, is_outcome_unknown};
use common::idempotency::{self, Claim, IdempotencyKey};
use serde::Serialize;
use tokio::task::JoinError;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::{
    Desk, Replay, StepError, count_submission, forget_loan_request, replay_loan_request,
    settle_certification,
};
use crate::clients::loan_auth::{Certification, NoAnswer, Permit, Place, Proof, Question};
use crate::domain::standing::{Standing, Verdict, Withdrawal};
use crate::domain::submission::{Bearer, Submission, caller};
use crate::domain::viewer::Viewer;
use crate::error::Error;
use crate::store::loan_request::{self, LoanRequest, NewRequest, NewlyCertified};

/// Under which name this operation's keys are kept.
const ROUTE: &str = "POST /loanRequests";

/// How often a key that has just become free is claimed anew. It is free only
/// once unless others use the same key at the same moment.
const ROUNDS_MAX: u32 = 3;

/// How long the row may take that is written before loan-auth is asked. It, the certification's 610
/// ms and the void's 250 are what a caller waits in the worst case, and some ten more.
const BEGUN_WITHIN: Duration = Duration::from_secs(1);

/// How long an answer waits for what was decided to be written down. Longer than a
/// database takes that is only busy. One that hangs changes nothing about the
/// decision, and must not turn it into an answer that says nothing.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// What a caller sends.
#[derive(Clone, Debug)]
pub struct Order {
    /// The request.
    pub submission: Submission,
    /// Who the token says that the caller is.
    pub bearer: Option<Bearer>,
    /// What proves the caller.
    pub proof: Proof,
    /// Where the caller is.
    pub client_address: IpAddr,
    /// What the caller calls this request.
    pub key: Option<IdempotencyKey>,
}

/// What a submission came to.
#[derive(Debug)]
pub enum Submitted {
    /// It is certified.
    Certified {
        /// The request.
        request: LoanRequest,
        /// It was certified before, when the caller sent it first.
        replayed: bool,
    },
    /// It is not known yet whether it is certified.
    Pending(LoanRequest),
}

impl Order {
    /// The loan that the request with this id is about, where that is known.
    pub(super) fn loan_id(&self, id: LoanRequestId) -> Option<LoanId> {
        match self.submission.kind {
            RequestKind::Apply => Some(id.into()),
            RequestKind::Repay => self.submission.loan_id,
        }
    }

    /// Whether the caller's token shows this request to them.
    pub(super) fn may_see(&self, request: &LoanRequest) -> bool {
        self.bearer.as_ref().is_some_and(|bearer| {
            let viewer = Viewer::Customer { id: bearer.id, user_id: bearer.user_id.as_deref() };
            viewer.sees(request.ownership())
        })
    }

    /// What ties a key to this request: everything but what proves the caller.
    fn hash(&self) -> [u8; 32] {
        #[derive(Serialize)]
        struct Hashed<'a> {
            kind: RequestKind,
            loan_id: Option<LoanId>,
            name: &'a str,
            amount: i64,
            account_no: Option<&'a str>,
            user_mobile: Option<&'a str>,
            user_id: Option<String>,
            user_name: Option<&'a str>,
        }
        let submission = &self.submission;
        idempotency::hash_of(&Hashed {
            kind: submission.kind,
            loan_id: submission.loan_id,
            name: &submission.name,
            amount: submission.amount.get(),
            account_no: submission.account_no.as_deref(),
            user_mobile: submission.user_mobile.as_deref(),
            user_id: submission.user_id.as_deref().map(str::to_lowercase),
            user_name: submission.user_name.as_deref(),
        })
    }

    /// The row of this order, undecided.
    fn request(&self, desk: &Desk) -> LoanRequest {
        let id = LoanRequestId::from(desk.clock.new_id());
        let bearer = self.bearer.as_ref();
        let submission = &self.submission;
        LoanRequest {
            id,
            kind: submission.kind,
            loan_id: self.loan_id(id),
            name: submission.name.clone(),
            amount: submission.amount,
            account_no: submission.account_no.clone(),
            user_mobile: submission.user_mobile.clone(),
            user_id: submission.user_id.clone().or_else(|| bearer?.user_id.clone()),
            user_name: submission.user_name.clone().or_else(|| bearer?.user_name.clone()),
            claimed_customer_id: bearer.map(|bearer| bearer.id),
            standing: Standing::Undecided,
            reason: None,
            comment: None,
            submitted_at: desk.clock.now(),
            certified_at: None,
            received_at: None,
            version: 1,
        }
    }
}

/// Submits a request, which has a place among those that are on their way until it is answered.
/// It comes to its end, which is near, also when the caller has gone: whoever hangs up would else
/// leave a row and a question behind each time, uncounted, and the breaker would not learn what
/// became of the call.
///
/// # Errors
/// If it is not accepted. Then there is no loan and never will be one of it.
pub async fn submit_loan_request(
    desk: &Desk,
    order: Order,
    place: Place,
) -> Result<Submitted, Error> {
    let desk = desk.clone();
    let work = async move {
        let _place = place;
        let outcome = submit(&desk, &order).await;
        count_submission(outcome.as_ref());
        outcome
    };
    match tokio::spawn(work.in_current_span()).await.map_err(JoinError::try_into_panic) {
        Ok(submitted) => submitted,
        // The stack makes an answer of it, as of any.
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_)) => Err(Error::unavailable()),
    }
}

async fn submit(desk: &Desk, order: &Order) -> Result<Submitted, Error> {
    for _ in 0..ROUNDS_MAX {
        // Before anything is written: a refusal leaves nothing behind.
        let permit = desk.auth.reserve()?;
        let request = order.request(desk);
        match write_down(desk, order, &request).await? {
            Claim::Fresh => return certify(desk, order, request, permit).await,
            claim @ (Claim::Existing { resource_id } | Claim::OtherBody { resource_id }) => {
                let replay = replay_loan_request(desk, order, resource_id.into(), permit).await?;
                match (replay, claim) {
                    (Replay::KeyIsFree, _) => {}
                    // Said to the one whose key it is, and to nobody else.
                    (_, Claim::OtherBody { .. }) => return Err(Error::KeyReused),
                    (Replay::Shown(request), _) => {
                        return Ok(Submitted::Certified { request, replayed: true });
                    }
                    (Replay::Pending(request), _) => return Ok(Submitted::Pending(request)),
                }
            }
        }
    }
    Err(Error::in_flight())
}

/// Commits the row, and the claim on its key if it has one. Nobody waits for a database that takes
/// long: loan-auth was not asked about the row, if it is there, and will only be asked to take it
/// back. So nothing was accepted, and the answer is not to leave that open.
async fn write_down(desk: &Desk, order: &Order, request: &LoanRequest) -> Result<Claim, Error> {
    let Ok(written) = timeout(BEGUN_WITHIN, try_write_down(desk, order, request)).await else {
        tracing::warn!(loan_request_id = %request.id, "a request could not be written in time, and will be withdrawn if it is");
        return Err(Error::unavailable());
    };
    match written {
        Err(Error::Step(StepError::Database(error))) if is_outcome_unknown(&error) => {
            tracing::warn!(loan_request_id = %request.id, error = %described(&error), "a request may have been written, and will be withdrawn");
            Err(Error::unavailable())
        }
        written => written,
    }
}

async fn try_write_down(desk: &Desk, order: &Order, request: &LoanRequest) -> Result<Claim, Error> {
    let decide_after = request.submitted_at + desk.timing.decide_after;
    let new = NewRequest { request: request.clone(), decide_after };
    let Some(key) = &order.key else {
        // Nearly every request comes this way, together with others that come now.
        if desk.submissions.run(new.clone()).await?.is_none() {
            loan_request::insert(desk.db.pool(), &[new]).await?;
        }
        return Ok(Claim::Fresh);
    };
    let new = [new];
    let caller = caller(order.bearer.as_ref(), order.submission.user_id.as_deref());
    let hash = order.hash();
    let id = request.id.as_uuid();
    desk.db
        .in_tx("submit_loan_request", async |tx| {
            let claim =
                idempotency::claim(tx, &caller, ROUTE, key, hash, id, request.submitted_at).await?;
            if claim == Claim::Fresh {
                loan_request::insert(&mut *tx, &new).await?;
            }
            Ok(claim)
        })
        .await
}

/// Asks loan-auth, which is never done inside a transaction.
async fn certify(
    desk: &Desk,
    order: &Order,
    request: LoanRequest,
    permit: Permit,
) -> Result<Submitted, Error> {
    let id = request.id;
    let question = Question {
        id,
        loan_id: request.loan_id,
        submission: &order.submission,
        proof: &order.proof,
        client_address: order.client_address,
    };
    match desk.auth.certify(permit, question).await {
        Ok(Certification::Decided(verdict)) => conclude(desk, request, verdict).await,
        Ok(Certification::Throttled { retry_after }) => {
            forget(desk, id).await;
            Err(Error::Throttled { retry_after })
        }
        Ok(Certification::Busy { retry_after }) => {
            forget(desk, id).await;
            Err(Error::Unavailable { retry_after })
        }
        Err(NoAnswer::NotTaken) => {
            conclude(desk, request, Verdict::Withdrawn(Withdrawal::Unreachable)).await
        }
        #[cfg(feature = "sabotage")]
        Err(NoAnswer::Unknown)
            if common::sabotage::breaks(common::sabotage::Sabotage::VoidLeftOut) =>
        {
            conclude(desk, request, Verdict::Withdrawn(Withdrawal::Voided)).await
        }
        Err(NoAnswer::Unknown) => match desk.auth.void(id).await {
            Ok(verdict) => conclude(desk, request, verdict).await,
            Err(_) => {
                // The task that asks on need not wait for the deadline; should
                // this fail, it waits for it.
                let due = loan_request::make_due(desk.db.pool(), id, desk.clock.now());
                if let Err(error) = in_time(due).await {
                    later(id, &error);
                }
                Ok(Submitted::Pending(request))
            }
        },
    }
}

/// Writes down what was decided, and makes the answer of it.
async fn conclude(
    desk: &Desk,
    mut request: LoanRequest,
    verdict: Verdict,
) -> Result<Submitted, Error> {
    let at = desk.clock.now();
    settle(desk, request.id, verdict, at).await?;
    match verdict {
        Verdict::Certified(customer) => {
            request.standing = Standing::Certified(customer);
            request.certified_at = Some(at);
            request.version += 1;
            Ok(Submitted::Certified { request, replayed: false })
        }
        Verdict::Refused => Err(Error::Refused),
        Verdict::Withdrawn(_) => Err(Error::unavailable()),
    }
}

/// Removes a request that loan-auth has not looked at. Should the database fail
/// now, the request is voided later like any that is undecided.
async fn forget(desk: &Desk, id: LoanRequestId) {
    let forgotten =
        desk.db.in_tx("forget_loan_request", async |tx| forget_loan_request(tx, id).await);
    if let Err(error) = in_time(forgotten).await {
        later(id, &error);
    }
}

/// Writes down what was decided. A database that fails now changes nothing about
/// the decision: it is loan-auth's, and the row comes to it later.
async fn settle(
    desk: &Desk,
    id: LoanRequestId,
    verdict: Verdict,
    at: time::OffsetDateTime,
) -> Result<(), Error> {
    match in_time(try_settle(desk, id, verdict, at)).await {
        Ok(()) => Ok(()),
        Err(StepError::Database(error)) => {
            later(id, &error);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

async fn try_settle(
    desk: &Desk,
    id: LoanRequestId,
    verdict: Verdict,
    at: time::OffsetDateTime,
) -> Result<(), StepError> {
    if let Verdict::Certified(customer) = verdict
        && certified_at_once(desk, id, customer, at).await?
    {
        return Ok(());
    }
    desk.db
        .in_tx("settle_certification", async |tx| settle_certification(tx, id, verdict, at).await)
        .await?;
    Ok(())
}

/// What is nearly always true and is written together with others: nobody was faster.
async fn certified_at_once(
    desk: &Desk,
    id: LoanRequestId,
    customer: CustomerId,
    at: time::OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    Ok(desk.certifications.run(NewlyCertified { id, customer, at }).await? == Some(true))
}

/// Gives up what the database does not do in time.
async fn in_time<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<T, E>
where
    E: From<sqlx::Error>,
{
    let too_late = || sqlx::Error::from(io::Error::from(io::ErrorKind::TimedOut));
    timeout(WRITTEN_WITHIN, work).await.unwrap_or_else(|_| Err(too_late().into()))
}

fn later(id: LoanRequestId, error: &sqlx::Error) {
    metrics::counter!("loan_request_settled_later_total").increment(1);
    tracing::warn!(loan_request_id = %id, error = %described(error), "a decision could not be written; it will be asked for again");
}
