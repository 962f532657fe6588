//! The words: a subject and a body for everything that is told, in every
//! language. Data only; a missing one does not compile.
//!
//! Placeholders are `{requestName}`, `{amount}`, `{outstanding}`, `{reason}`
//! and `{comment}`. No message names its recipient: a mailbox has one owner,
//! and what is not written down cannot leak. A short message, which stands on a
//! locked screen, does not even say what the customer called the request.

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
    /// What comes next or can be done, where the body does not say it.
    pub next: &'static str,
}

const fn words(subject: &'static str, body: &'static str) -> Words {
    Words { subject, body, next: "" }
}

impl Words {
    const fn next(mut self, next: &'static str) -> Self {
        self.next = next;
        self
    }
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

    // No particle stands behind a value: 이/가, 은/는 and 을/를 depend on its last sound, which is not
    // known here. Each stands behind a word of ours, with the amount in brackets between; behind an
    // amount of ours, which always ends in 원, the plain copula does.
    const fn korean(self) -> Words {
        match self {
            Self::ApplicationReceived => words(
                "대출 신청이 접수되었습니다",
                "고객님께서 신청하신 '{requestName}' 대출({amount})이 접수되었습니다. 심사가 시작되면 다시 안내해 드리겠습니다.",
            ),
            Self::RepaymentReceived => words(
                "상환 신청이 접수되었습니다",
                "고객님께서 신청하신 '{requestName}' 상환({amount})이 접수되었습니다. 상환이 처리되면 다시 안내해 드리겠습니다.",
            ),
            Self::Rejected => words(
                "신청을 처리해 드리지 못했습니다",
                "고객님께서 신청하신 '{requestName}' 건({amount})을 처리해 드리지 못했습니다. 너그러이 양해해 주시기 바랍니다.\n사유: {reason}",
            )
            .next(
                "내용을 확인하신 뒤 다시 신청하실 수 있습니다.",
            ),
            Self::UnderReview => words(
                "대출 심사가 시작되었습니다",
                "고객님께서 신청하신 '{requestName}' 대출({amount})의 심사가 시작되었습니다. 심사 결과가 나오면 다시 안내해 드리겠습니다.",
            ),
            Self::Approved => words(
                "대출이 승인되었습니다",
                "고객님께서 신청하신 '{requestName}' 대출({amount})이 승인되었습니다. 대출이 실행되면 다시 안내해 드리겠습니다.",
            ),
            Self::Refused => words(
                "대출이 승인되지 않았습니다",
                "고객님께서 신청하신 '{requestName}' 대출({amount})은 심사 결과 승인되지 않았습니다. 원하시는 결과를 드리지 못해 죄송합니다.",
            )
            .next(
                "새로운 대출은 언제든지 다시 신청하실 수 있습니다.",
            ),
            Self::Executed => words(
                "대출이 실행되었습니다",
                "고객님의 '{requestName}' 대출({amount})이 실행되었습니다. 현재 대출 잔액은 {outstanding}입니다.",
            )
            .next(
                "상환은 전부 또는 일부를 언제든지 신청하실 수 있습니다.",
            ),
            Self::RepaymentBooked => words(
                "상환이 처리되었습니다",
                "고객님의 '{requestName}' 상환({amount})이 처리되었습니다. 현재 대출 잔액은 {outstanding}입니다.",
            )
            .next(
                "남은 금액의 상환은 언제든지 신청하실 수 있습니다.",
            ),
            Self::FullyRepaid => words(
                "대출이 모두 상환되었습니다",
                "고객님의 '{requestName}' 상환({amount})이 처리되어 대출이 모두 상환되었습니다. 남은 대출 잔액은 없습니다. 이용해 주셔서 감사합니다.",
            ),
        }
    }

    const fn english(self) -> Words {
        match self {
            Self::ApplicationReceived => words(
                "We have received your loan application",
                "We have received your loan application \"{requestName}\" for {amount}. We will write to you again when the review begins.",
            ),
            Self::RepaymentReceived => words(
                "We have received your repayment request",
                "We have received your repayment request \"{requestName}\" for {amount}. We will write to you again when it has been booked.",
            ),
            Self::Rejected => words(
                "We could not process your request",
                "We are sorry: we could not process your request \"{requestName}\" for {amount}.\nReason: {reason}",
            )
            .next(
                "You may correct it and ask again.",
            ),
            Self::UnderReview => words(
                "Your loan application is under review",
                "Your loan application \"{requestName}\" for {amount} is now under review. We will write to you again when there is a decision.",
            ),
            Self::Approved => words(
                "Your loan has been approved",
                "Your loan application \"{requestName}\" for {amount} has been approved. We will write to you again when the loan has been executed.",
            ),
            Self::Refused => words(
                "Your loan application was not approved",
                "We are sorry: your loan application \"{requestName}\" for {amount} was not approved.",
            )
            .next(
                "You may apply for another loan at any time.",
            ),
            Self::Executed => words(
                "Your loan has been executed",
                "Your loan \"{requestName}\" for {amount} has been executed. The outstanding balance is {outstanding}.",
            )
            .next(
                "You may ask to repay all or part of it at any time.",
            ),
            Self::RepaymentBooked => words(
                "Your repayment has been booked",
                "Your repayment \"{requestName}\" of {amount} has been booked. The outstanding balance is {outstanding}.",
            )
            .next(
                "You may ask to repay the rest at any time.",
            ),
            Self::FullyRepaid => words(
                "Your loan has been repaid in full",
                "Your repayment \"{requestName}\" of {amount} has been booked, and your loan has been repaid in full. Nothing is outstanding. Thank you.",
            ),
        }
    }
}

/// Who writes, as it stands before a short message and below a mail.
#[must_use]
pub const fn sender(language: Language) -> &'static str {
    match language {
        Language::Ko => "온라인 대출",
        Language::En => "Online Loan",
    }
}

/// What stands below a mail.
#[must_use]
pub const fn footer(language: Language) -> &'static str {
    match language {
        Language::Ko => {
            "이 메일은 발신 전용입니다. 받으실 메시지와 방법은 알림 설정에서 바꾸실 수 있습니다."
        }
        Language::En => {
            "Nobody reads replies to this mail. What you are sent, and how, is yours to choose in the delivery settings."
        }
    }
}

/// A short message, behind who writes and the subject.
#[must_use]
pub const fn short(template: Template, language: Language) -> &'static str {
    match (template, language) {
        (Template::Executed | Template::RepaymentBooked, Language::Ko) => {
            "{amount}, 대출 잔액 {outstanding}"
        }
        (Template::Executed | Template::RepaymentBooked, Language::En) => {
            "{amount}, outstanding {outstanding}"
        }
        (Template::Rejected, Language::Ko) => "{amount}, 사유: {reason}",
        (Template::Rejected, Language::En) => "{amount}. {reason}",
        _ => "{amount}",
    }
}

/// The message that carries a code; `{code}` and `{minutes}` are filled in.
#[must_use]
pub const fn verification(language: Language) -> Words {
    match language {
        Language::Ko => words(
            "인증 번호를 확인해 주십시오",
            "인증 번호: {code}\n{minutes}분 안에 입력해 주십시오. 직접 요청하신 것이 아니라면 이 메시지를 무시하셔도 됩니다.",
        ),
        Language::En => words(
            "Please confirm your address",
            "Your code: {code}\nPlease enter it within {minutes} minutes. If it was not you who asked for it, ignore this message.",
        ),
    }
}

/// The line that carries an officer's comment, below the body.
#[must_use]
pub const fn comment_line(language: Language) -> &'static str {
    match language {
        Language::Ko => "담당자 의견: {comment}",
        Language::En => "Loan officer's comment: {comment}",
    }
}

/// Why a request was rejected, in words.
#[must_use]
pub const fn reason(reason: RejectionReason, language: Language) -> &'static str {
    match language {
        Language::Ko => match reason {
            RejectionReason::NoSuchLoan => "해당 대출을 찾을 수 없습니다.",
            RejectionReason::NotExecuted => "아직 실행되지 않은 대출입니다.",
            RejectionReason::ExceedsOutstanding => "상환 신청 금액이 대출 잔액보다 많습니다.",
            RejectionReason::NoExecutedLoan => "실행된 대출이 없어 상환하실 수 없습니다.",
            RejectionReason::SeveralExecutedLoans => {
                "실행된 대출이 둘 이상입니다. 상환하실 대출을 지정해 주시기 바랍니다."
            }
            RejectionReason::RefusedByOfficer => {
                "담당자 검토 결과 상환 신청이 승인되지 않았습니다."
            }
            RejectionReason::LoanRepaid => "대출이 이미 모두 상환되었습니다.",
        },
        Language::En => match reason {
            RejectionReason::NoSuchLoan => "The loan could not be found.",
            RejectionReason::NotExecuted => "The loan has not been executed yet.",
            RejectionReason::ExceedsOutstanding => {
                "The amount is more than the outstanding balance."
            }
            RejectionReason::NoExecutedLoan => "You have no executed loan to repay.",
            RejectionReason::SeveralExecutedLoans => {
                "You have more than one executed loan. Please name the one that you want to repay."
            }
            RejectionReason::RefusedByOfficer => "A loan officer did not approve the repayment.",
            RejectionReason::LoanRepaid => "The loan has already been repaid in full.",
        },
    }
}
