//! Where a request stands, and what may follow.
//!
//! loan-auth decides whether a request is certified, once and for ever;
//! loan-manager decides whether it can be worked on. Both decisions come here
//! by several ways (an answer, an event, the task that asks again), in any order
//! and more than once. So every command says whether it changed anything, and
//! what cannot be true is a [`Contradiction`] and not a state.

use std::fmt;

use ::events::CustomerId;
use ::events::codes::RequestStatus;
use time::{Duration, OffsetDateTime};

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Written down; nobody knows yet whether it is certified.
    Undecided,
    /// Certified; loan-manager has not taken it in yet.
    Certified(CustomerId),
    /// loan-manager has it.
    Received(CustomerId),
    /// Not certified: the proof was wrong.
    Refused,
    /// Not certified: nobody was asked, or nobody answered in time.
    Withdrawn,
    /// Certified, and could not be worked on.
    Compensated(CustomerId),
}

/// What loan-auth decided about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is this customer's.
    Certified(CustomerId),
    /// The caller did not prove to be the customer.
    Refused,
    /// It is not certified and never will be.
    Withdrawn(Withdrawal),
}

/// Why a caller was refused, as it is kept with the request: there is one reason.
pub const WRONG_PROOF: &str = "wrong-proof";

/// Why a request was withdrawn before anyone was certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawal {
    /// Nothing of the question reached loan-auth.
    Unreachable,
    /// The answer did not come in time, and the question was taken back.
    Voided,
}

impl Withdrawal {
    /// As it is kept with the request.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "auth-unreachable",
            Self::Voided => "voided",
        }
    }
}

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The request stands here now.
    Applied(Standing),
    /// The request has been there before, or has gone on from there.
    AlreadyApplied,
}

/// Two things are said of one request that cannot both be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request that is {is} is said to be {said}")]
pub struct Contradiction {
    is: Name,
    said: Name,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name(&'static str);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Standing {
    /// From what the row says; `None` if such a row cannot be.
    #[must_use]
    pub const fn of(status: RequestStatus, customer: Option<CustomerId>) -> Option<Self> {
        Some(match (status, customer) {
            (RequestStatus::Pending, None) => Self::Undecided,
            (RequestStatus::Pending, Some(customer)) => Self::Certified(customer),
            (RequestStatus::Received, Some(customer)) => Self::Received(customer),
            (RequestStatus::Refused, None) => Self::Refused,
            (RequestStatus::Cancelled, None) => Self::Withdrawn,
            (RequestStatus::Cancelled, Some(customer)) => Self::Compensated(customer),
            (RequestStatus::Received, None) | (RequestStatus::Refused, Some(_)) => return None,
        })
    }

    /// What people see of it.
    #[must_use]
    pub const fn status(self) -> RequestStatus {
        match self {
            Self::Undecided | Self::Certified(_) => RequestStatus::Pending,
            Self::Received(_) => RequestStatus::Received,
            Self::Refused => RequestStatus::Refused,
            Self::Withdrawn | Self::Compensated(_) => RequestStatus::Cancelled,
        }
    }

    /// Whose it is, once that is proven.
    #[must_use]
    pub const fn customer(self) -> Option<CustomerId> {
        match self {
            Self::Certified(customer) | Self::Received(customer) | Self::Compensated(customer) => {
                Some(customer)
            }
            Self::Undecided | Self::Refused | Self::Withdrawn => None,
        }
    }

    /// loan-auth has decided.
    ///
    /// # Errors
    /// If it was known to have decided otherwise.
    pub fn settle(self, verdict: Verdict) -> Result<Step, Contradiction> {
        let said = match verdict {
            Verdict::Certified(customer) => Self::Certified(customer),
            Verdict::Refused => Self::Refused,
            Verdict::Withdrawn(_) => Self::Withdrawn,
        };
        match (self, said) {
            (Self::Undecided, said) => Ok(Step::Applied(said)),
            // That it ended without a loan is all that counts: a request that was
            // taken back may be said to be refused as well, and the reverse.
            (Self::Refused | Self::Withdrawn, Self::Refused | Self::Withdrawn) => {
                Ok(Step::AlreadyApplied)
            }
            (is, Self::Certified(said)) if is.customer() == Some(said) => Ok(Step::AlreadyApplied),
            (is, said) => Err(is.contradicts(said)),
        }
    }

    /// loan-manager has taken it in, which it does only with certified ones.
    ///
    /// # Errors
    /// If it was not certified, or is another customer's.
    pub fn receive(self, customer: CustomerId) -> Result<Step, Contradiction> {
        match self {
            Self::Undecided => Ok(Step::Applied(Self::Received(customer))),
            Self::Certified(owner) if owner == customer => {
                Ok(Step::Applied(Self::Received(customer)))
            }
            Self::Received(owner) | Self::Compensated(owner) if owner == customer => {
                Ok(Step::AlreadyApplied)
            }
            is => Err(is.contradicts(Self::Received(customer))),
        }
    }

    /// loan-manager cannot work on it, or an officer refused the repayment.
    ///
    /// # Errors
    /// If it was not certified, or is another customer's.
    pub fn compensate(self, customer: CustomerId) -> Result<Step, Contradiction> {
        match self {
            Self::Undecided => Ok(Step::Applied(Self::Compensated(customer))),
            Self::Certified(owner) | Self::Received(owner) if owner == customer => {
                Ok(Step::Applied(Self::Compensated(customer)))
            }
            Self::Compensated(owner) if owner == customer => Ok(Step::AlreadyApplied),
            is => Err(is.contradicts(Self::Compensated(customer))),
        }
    }

    /// loan-auth says that it has cancelled the certification on our word.
    ///
    /// # Errors
    /// If we have not given it.
    pub fn confirm_cancelled(self) -> Result<(), Contradiction> {
        match self {
            Self::Compensated(_) => Ok(()),
            is => Err(Contradiction { is: is.name(), said: Name("compensated") }),
        }
    }

    fn contradicts(self, said: Self) -> Contradiction {
        Contradiction { is: self.name(), said: said.name() }
    }

    fn name(self) -> Name {
        Name(match self {
            Self::Undecided => "undecided",
            Self::Certified(_) => "certified for a customer",
            Self::Received(_) => "received for a customer",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Compensated(_) => "compensated for a customer",
        })
    }
}

/// Whether the one who submitted an undecided request is still being answered:
/// no answer takes longer than `window`.
#[must_use]
pub fn is_in_flight(submitted_at: OffsetDateTime, now: OffsetDateTime, window: Duration) -> bool {
    now - submitted_at < window
}

#[cfg(test)]
mod tests;
