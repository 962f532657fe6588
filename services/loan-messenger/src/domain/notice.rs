//! What a customer is told: one notice for each event, and its text.

use ::events::codes::{MessageKind, RejectionReason};
use ::events::{Amount, Currency, Language, LoanStatus, Outstanding, RequestKind};

use super::template::{self, Template};

/// One change, as far as its customer is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What the customer called the request.
    pub request_name: String,
    /// How much it is about.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// What happened to it.
    pub news: News,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The request was received.
    Received(RequestKind),
    /// The request was rejected.
    Rejected {
        /// Why.
        reason: RejectionReason,
        /// What the officer said to it.
        comment: Option<String>,
    },
    /// The loan is under review.
    UnderReview {
        /// What the officer said to it.
        comment: Option<String>,
    },
    /// The loan was approved.
    Approved {
        /// What the officer said to it.
        comment: Option<String>,
    },
    /// The loan was refused.
    Refused {
        /// What the officer said to it.
        comment: Option<String>,
    },
    /// The loan was executed.
    Executed {
        /// What is owed now.
        outstanding: Outstanding,
    },
    /// A repayment was booked.
    Booked {
        /// What is owed now.
        outstanding: Outstanding,
    },
}

/// A message's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// What a short message says.
    pub short: String,
}

/// A judgement that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a loan is judged to be 01, 02 or 03, not {0}")]
pub struct NotAJudgement(LoanStatus);

impl News {
    /// What an officer's judgement means.
    ///
    /// # Errors
    /// [`NotAJudgement`] for a state that no judgement leads to.
    pub fn judged(status: LoanStatus, comment: Option<String>) -> Result<Self, NotAJudgement> {
        match status {
            LoanStatus::UnderReview => Ok(Self::UnderReview { comment }),
            LoanStatus::Approved => Ok(Self::Approved { comment }),
            LoanStatus::Refused => Ok(Self::Refused { comment }),
            LoanStatus::Waiting | LoanStatus::Executed | LoanStatus::Repaid => {
                Err(NotAJudgement(status))
            }
        }
    }

    /// Which kind of message tells it.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::Received(_) => MessageKind::RequestReceived,
            Self::Rejected { .. } => MessageKind::RequestRejected,
            Self::UnderReview { .. } => MessageKind::UnderReview,
            Self::Approved { .. } => MessageKind::Approved,
            Self::Refused { .. } => MessageKind::Refused,
            Self::Executed { .. } => MessageKind::Executed,
            Self::Booked { .. } => MessageKind::RepaymentBooked,
        }
    }

    const fn template(&self) -> Template {
        match self {
            Self::Received(RequestKind::Apply) => Template::ApplicationReceived,
            Self::Received(RequestKind::Repay) => Template::RepaymentReceived,
            Self::Rejected { .. } => Template::Rejected,
            Self::UnderReview { .. } => Template::UnderReview,
            Self::Approved { .. } => Template::Approved,
            Self::Refused { .. } => Template::Refused,
            Self::Executed { .. } => Template::Executed,
            Self::Booked { outstanding } if outstanding.is_zero() => Template::FullyRepaid,
            Self::Booked { .. } => Template::RepaymentBooked,
        }
    }

    fn comment(&self) -> Option<&str> {
        let comment = match self {
            Self::Rejected { comment, .. }
            | Self::UnderReview { comment }
            | Self::Approved { comment }
            | Self::Refused { comment } => comment.as_deref(),
            Self::Received(_) | Self::Executed { .. } | Self::Booked { .. } => None,
        };
        comment.map(str::trim).filter(|text| !text.is_empty())
    }

    const fn outstanding(&self) -> Option<Outstanding> {
        match self {
            Self::Executed { outstanding } | Self::Booked { outstanding } => Some(*outstanding),
            _ => None,
        }
    }
}

impl Notice {
    /// The text in a language.
    #[must_use]
    pub fn text(&self, language: Language) -> Text {
        let template = self.news.template();
        let words = template.words(language);
        let amount = money(self.amount.get(), self.currency, language);
        let outstanding = self
            .news
            .outstanding()
            .map(|owed| money(owed.get(), self.currency, language))
            .unwrap_or_default();
        let reason = match &self.news {
            News::Rejected { reason, .. } => template::reason(*reason, language),
            _ => "",
        };
        let comment = self.news.comment();
        let values = [
            ("{requestName}", self.request_name.as_str()),
            ("{amount}", &amount),
            ("{outstanding}", &outstanding),
            ("{reason}", reason),
            ("{comment}", comment.unwrap_or_default()),
        ];
        let mut body = fill(words.body, &values);
        if comment.is_some() {
            body.push('\n');
            body.push_str(&fill(template::comment_line(language), &values));
        }
        if !words.next.is_empty() {
            body.push('\n');
            body.push_str(words.next);
        }
        let what = fill(template::short(template, language), &values);
        let short = format!("[{}] {}: {what}", template::sender(language), words.subject);
        Text { subject: words.subject.to_owned(), body, short }
    }
}

/// What tells a customer the code that proves an address.
#[must_use]
pub fn verification(code: &str, minutes: u32, language: Language) -> Text {
    let words = template::verification(language);
    let minutes = minutes.to_string();
    let body = fill(words.body, &[("{code}", code), ("{minutes}", &minutes)]);
    let short = format!("[{}] {body}", template::sender(language));
    Text { subject: words.subject.to_owned(), body, short }
}

/// An amount as people of a language write it.
fn money(minor_units: i64, currency: Currency, language: Language) -> String {
    let digits = grouped(minor_units);
    match (currency, language) {
        (Currency::KRW, Language::Ko) => format!("{digits}원"),
        (Currency::KRW, Language::En) => format!("KRW {digits}"),
    }
}

/// Digits in groups of three; what is told is never below zero.
fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Puts values in the place of placeholders, in one pass: a value is never
/// looked at again, so that a request called `{reason}` stays what it is.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        let (before, from_brace) = rest.split_at(start);
        text.push_str(before);
        match values.iter().find(|(name, _)| from_brace.starts_with(name)) {
            Some((name, value)) => {
                text.push_str(value);
                rest = &from_brace[name.len()..];
            }
            None => {
                text.push('{');
                rest = &from_brace[1..];
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests;
