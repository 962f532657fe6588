//! The words: a subject and a body for everything that is told, in every
//! language. Data only; a missing one does not compile.
//!
//! Placeholders are `{requestName}`, `{amount}`, `{outstanding}`, `{reason}`
//! and `{comment}`. No message names its recipient: a mailbox has one owner,
//! and what is not written down cannot leak.

use ::events::Language;
use ::events::codes::RejectionReason;

/// What there are words for. Finer than the kinds of message: a received
/// application reads differently from a received repayment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// A new loan was asked for.
    ApplicationReceived,
    /// A repayment was asked for.
    RepaymentReceived,
    /// A request could not be processed.
    Rejected,
    /// The loan is under review.
    UnderReview,
    /// The loan was approved.
    Approved,
    /// The loan was refused.
    Refused,
    /// The loan was executed.
    Executed,
    /// A repayment was booked and something is still owed.
    RepaymentBooked,
    /// A repayment was booked and nothing is owed any more.
    FullyRepaid,
}

/// A subject and a body with placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// One line.
    pub subject: &'static str,
    /// Plain text.
    pub body: &'static str,
}

const fn words(subject: &'static str, body: &'static str) -> Words {
    Words { subject, body }
}

impl Template {
    /// Every template.
    pub const ALL: &[Self] = &[
        Self::ApplicationReceived,
        Self::RepaymentReceived,
        Self::Rejected,
        Self::UnderReview,
        Self::Approved,
        Self::Refused,
        Self::Executed,
        Self::RepaymentBooked,
        Self::FullyRepaid,
    ];

    /// The words in a language.
    #[must_use]
    pub const fn words(self, language: Language) -> Words {
        match language {
            Language::Ko => self.korean(),
            Language::En => self.english(),
        }
    }

    const fn korean(self) -> Words {
        match self {
            Self::ApplicationReceived => words(
                "대출 신청이 접수되었습니다",
                "'{requestName}' 대출 신청 {amount}이 접수되었습니다. 심사가 시작되면 다시 알려 드리겠습니다.",
            ),
            Self::RepaymentReceived => words(
                "상환 신청이 접수되었습니다",
                "'{requestName}' 상환 신청 {amount}이 접수되었습니다. 상환이 처리되면 다시 알려 드리겠습니다.",
            ),
            Self::Rejected => words(
                "신청을 처리하지 못했습니다",
                "'{requestName}' 신청 {amount}을 처리하지 못했습니다.\n사유: {reason}",
            ),
            Self::UnderReview => words(
                "대출 심사가 시작되었습니다",
                "'{requestName}' 대출 신청 {amount}의 심사가 시작되었습니다.",
            ),
            Self::Approved => words(
                "대출이 승인되었습니다",
                "'{requestName}' 대출 신청 {amount}이 승인되었습니다. 대출이 실행되면 다시 알려 드리겠습니다.",
            ),
            Self::Refused => words(
                "대출이 거절되었습니다",
                "'{requestName}' 대출 신청 {amount}이 거절되었습니다.",
            ),
            Self::Executed => words(
                "대출이 실행되었습니다",
                "'{requestName}' 대출 {amount}이 실행되었습니다. 남은 금액은 {outstanding}입니다.",
            ),
            Self::RepaymentBooked => words(
                "상환이 처리되었습니다",
                "'{requestName}' 상환 {amount}이 처리되었습니다. 남은 금액은 {outstanding}입니다.",
            ),
            Self::FullyRepaid => words(
                "대출을 모두 상환하셨습니다",
                "'{requestName}' 상환 {amount}이 처리되어 대출을 모두 상환하셨습니다. 남은 금액이 없습니다.",
            ),
        }
    }

    const fn english(self) -> Words {
        match self {
            Self::ApplicationReceived => words(
                "We received your loan application",
                "We received your application \"{requestName}\" for {amount}. We will write again when its review begins.",
            ),
            Self::RepaymentReceived => words(
                "We received your repayment request",
                "We received your repayment request \"{requestName}\" for {amount}. We will write again when it is booked.",
            ),
            Self::Rejected => words(
                "Your request could not be processed",
                "Your request \"{requestName}\" for {amount} could not be processed.\nReason: {reason}",
            ),
            Self::UnderReview => words(
                "Your loan is under review",
                "Your application \"{requestName}\" for {amount} is under review.",
            ),
            Self::Approved => words(
                "Your loan was approved",
                "Your application \"{requestName}\" for {amount} was approved. We will write again when the loan is executed.",
            ),
            Self::Refused => words(
                "Your loan was refused",
                "Your application \"{requestName}\" for {amount} was refused.",
            ),
            Self::Executed => words(
                "Your loan was executed",
                "Your loan \"{requestName}\" of {amount} was executed. The outstanding amount is {outstanding}.",
            ),
            Self::RepaymentBooked => words(
                "Your repayment was booked",
                "Your repayment \"{requestName}\" of {amount} was booked. The outstanding amount is {outstanding}.",
            ),
            Self::FullyRepaid => words(
                "Your loan is fully repaid",
                "Your repayment \"{requestName}\" of {amount} was booked. Your loan is fully repaid; nothing is outstanding.",
            ),
        }
    }
}

/// The line that carries an officer's comment, below the body.
#[must_use]
pub const fn comment_line(language: Language) -> &'static str {
    match language {
        Language::Ko => "담당자 의견: {comment}",
        Language::En => "Comment of the loan officer: {comment}",
    }
}

/// Why a request was rejected, in words.
#[must_use]
pub const fn reason(reason: RejectionReason, language: Language) -> &'static str {
    match language {
        Language::Ko => match reason {
            RejectionReason::NoSuchLoan => "해당 대출을 찾을 수 없습니다.",
            RejectionReason::NotExecuted => "아직 실행되지 않은 대출입니다.",
            RejectionReason::ExceedsOutstanding => "상환 금액이 남은 금액보다 많습니다.",
            RejectionReason::NoExecutedLoan => "상환할 수 있는 실행된 대출이 없습니다.",
            RejectionReason::SeveralExecutedLoans => {
                "실행된 대출이 둘 이상입니다. 상환할 대출을 지정해 주세요."
            }
            RejectionReason::RefusedByOfficer => "담당자가 상환 신청을 거절했습니다.",
            RejectionReason::LoanRepaid => "대출이 이미 모두 상환되었습니다.",
        },
        Language::En => match reason {
            RejectionReason::NoSuchLoan => "the loan was not found.",
            RejectionReason::NotExecuted => "the loan has not been executed yet.",
            RejectionReason::ExceedsOutstanding => "the amount is more than is outstanding.",
            RejectionReason::NoExecutedLoan => "you have no executed loan to repay.",
            RejectionReason::SeveralExecutedLoans => {
                "you have more than one executed loan; please name the one to repay."
            }
            RejectionReason::RefusedByOfficer => "a loan officer refused the repayment.",
            RejectionReason::LoanRepaid => "the loan has been repaid in full.",
        },
    }
}
