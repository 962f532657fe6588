//! What a disagreement is, and what would mend it.

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

/// How two services may disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Nobody has decided whether the request is certified.
    Undecided,
    /// It is certified, or loan-manager has it, and loan-request has none.
    RequestMissing,
    /// loan-manager has it, or it is certified, and loan-request does not know.
    RequestBehind,
    /// loan-manager rejected it, and loan-request did not compensate.
    NotCompensated,
    /// It is certified, and loan-manager has no record.
    ManagerMissing,
    /// Somebody works on what was never certified.
    CertificationMissing,
    /// loan-auth takes a loan for open that is not, or the reverse.
    OpenLoanWrong,
    /// It was compensated, and its certification still stands.
    CertificationNotCancelled,
    /// The client was told one thing and another was done.
    Contradiction,
    /// A change that the customer was not told of.
    MessageMissing,
    /// A message about something that did not happen.
    MessagePhantom,
    /// A change that is not shown.
    StatusMissing,
    /// A change is shown that did not happen.
    StatusPhantom,
    /// The loan's state, or what is owed, is shown otherwise than it is.
    StatusBehind,
    /// It was compensated, and is not shown so.
    StatusNotCancelled,
    /// What is owed is not what was lent less what was booked.
    BooksWrong,
    /// The amounts are not the same.
    AmountDiffers,
    /// The owners are not the same.
    OwnerDiffers,
}

impl Kind {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::RequestMissing => "request-missing",
            Self::RequestBehind => "request-behind",
            Self::NotCompensated => "not-compensated",
            Self::ManagerMissing => "manager-missing",
            Self::CertificationMissing => "certification-missing",
            Self::OpenLoanWrong => "open-loan-wrong",
            Self::CertificationNotCancelled => "certification-not-cancelled",
            Self::Contradiction => "contradiction",
            Self::MessageMissing => "message-missing",
            Self::MessagePhantom => "message-phantom",
            Self::StatusMissing => "status-missing",
            Self::StatusPhantom => "status-phantom",
            Self::StatusBehind => "status-behind",
            Self::StatusNotCancelled => "status-not-cancelled",
            Self::BooksWrong => "books-wrong",
            Self::AmountDiffers => "amount-differs",
            Self::OwnerDiffers => "owner-differs",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Who reads others' events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reader {
    Request,
    Auth,
    Manager,
    Messenger,
    Status,
}

/// What would mend a disagreement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mend {
    /// The reader may work on this event once more.
    Release(Reader, Uuid),
    /// loan-auth tells of the certification once more.
    Certification(Uuid),
    /// loan-manager tells of this event once more.
    Event(Uuid),
    /// loan-request tells of the compensation once more.
    Cancellation(Uuid),
    /// loan-status makes the loan's state anew.
    Rederive(Uuid),
}

/// A disagreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disagreement {
    pub(crate) loan_request_id: Uuid,
    pub(crate) kind: Kind,
    /// Since when they could have agreed.
    pub(crate) since: OffsetDateTime,
    pub(crate) detail: String,
    /// Empty where only a person can mend it.
    pub(crate) mends: Vec<Mend>,
}
