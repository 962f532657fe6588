//! The one table of steps, for applications and repayment requests alike.

use ::events::{LoanStatus, RequestKind};

use LoanStatus::{Approved, Executed, Refused, Repaid, UnderReview, Waiting};
use RequestKind::{Apply, Repay};

/// A step that an officer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Of what.
    pub kind: RequestKind,
    /// From where.
    pub from: LoanStatus,
    /// To where.
    pub to: LoanStatus,
    /// What taking it is called: the relation of its link.
    pub verb: &'static str,
}

/// Every step there is; what is not here is not allowed.
#[rustfmt::skip]
pub const STEPS: &[Step] = &[
    Step { kind: Apply, from: Waiting,     to: UnderReview, verb: "review" },
    Step { kind: Apply, from: UnderReview, to: Approved,    verb: "approve" },
    Step { kind: Apply, from: UnderReview, to: Refused,     verb: "refuse" },
    Step { kind: Apply, from: Approved,    to: Executed,    verb: "execute" },
    Step { kind: Apply, from: Executed,    to: Repaid,      verb: "repay" },
    Step { kind: Repay, from: Waiting,     to: Refused,     verb: "refuse" },
    Step { kind: Repay, from: Waiting,     to: Repaid,      verb: "book" },
];

/// The states in which it is an officer's turn. An executed loan waits for its
/// customer, and what is refused or repaid is done.
pub const WAITING_FOR_OFFICER: &[LoanStatus] = &[Waiting, UnderReview, Approved];

/// The steps that may be taken from a state, in the order of their codes.
pub fn steps_from(kind: RequestKind, from: LoanStatus) -> impl Iterator<Item = &'static Step> {
    STEPS.iter().filter(move |step| step.kind == kind && step.from == from)
}

/// Whether a step is in the table.
#[must_use]
pub fn is_allowed(kind: RequestKind, from: LoanStatus, to: LoanStatus) -> bool {
    steps_from(kind, from).any(|step| step.to == to)
}

/// The states that may be reached from a state, in the order of their codes.
#[must_use]
pub fn allowed_from(kind: RequestKind, from: LoanStatus) -> Vec<LoanStatus> {
    steps_from(kind, from).map(|step| step.to).collect()
}
