//! The same request again, recognised by its `Idempotency-Key`.

use std::time::Duration;

use ::events::LoanRequestId;

use super::{Desk, Order, decide_loan_request};
use crate::clients::loan_auth::{Certification, Permit, Question};
use crate::domain::standing::{Standing, Verdict, is_in_flight};
use crate::error::Error;
use crate::store::loan_request::{self, LoanRequest};

/// When a request that is being answered is worth asking for again.
const IN_FLIGHT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the same request comes to when it is sent again.
#[derive(Debug)]
pub enum Replay {
    /// The request is the caller's; this is how it stands now.
    Shown(LoanRequest),
    /// Nobody could say yet what was decided; the caller's token says that it was
    /// submitted in their name.
    Pending(LoanRequest),
    /// It ended without a loan, so the key is free and this is a new request.
    KeyIsFree,
}

/// Answers the same request again. Nothing of it is shown before the caller has
/// proven to be its owner, by the proof that they sent with this very request.
/// While it is not decided loan-auth cannot be asked for that: then a token, which
/// is checked here, shows what it also shows at the request's address, and
/// credentials show nothing.
///
/// # Errors
/// If it is being answered, if the caller is not its owner or cannot be asked to
/// prove it, or if it was compensated.
pub async fn replay_loan_request(
    desk: &Desk,
    order: &Order,
    id: LoanRequestId,
    permit: Permit,
) -> Result<Replay, Error> {
    let Some(mut request) = loan_request::find(desk.db.pool(), id).await? else {
        return Ok(Replay::KeyIsFree);
    };
    if request.standing == Standing::Undecided {
        let now = desk.clock.now();
        if is_in_flight(request.submitted_at, now, desk.timing.answer_window) {
            return Err(Error::InFlight { retry_after: IN_FLIGHT_RETRY_AFTER });
        }
        // Asking loan-auth to certify it now could let a stranger's wrong proof
        // decide it. Taking the question back cannot: that would be done anyway.
        if decide_loan_request(desk, id).await?.is_none() {
            return if order.may_see(&request) {
                Ok(Replay::Pending(request))
            } else {
                Err(Error::unproven())
            };
        }
        match loan_request::find(desk.db.pool(), id).await? {
            Some(decided) => request = decided,
            None => return Ok(Replay::KeyIsFree),
        }
    }
    let Some(owner) = request.standing.customer() else { return Ok(Replay::KeyIsFree) };
    let question = Question {
        id,
        loan_id: order.loan_id(id),
        submission: &order.submission,
        proof: &order.proof,
        client_address: order.client_address,
    };
    match desk.auth.certify(permit, question).await {
        Ok(Certification::Decided(Verdict::Certified(caller))) if caller == owner => {
            match request.standing {
                Standing::Compensated(_) => Err(Error::RequestCancelled),
                _ => Ok(Replay::Shown(request)),
            }
        }
        Ok(Certification::Decided(_)) => Err(Error::Refused),
        Ok(Certification::Throttled { retry_after }) => Err(Error::Throttled { retry_after }),
        Ok(Certification::Busy { retry_after }) => Err(Error::Unproven { retry_after }),
        Err(_) => Err(Error::unproven()),
    }
}
