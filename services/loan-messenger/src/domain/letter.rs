//! A message as it is sent: what each channel makes of the same words.

use ::events::codes::MessageKind;
use ::events::{CustomerId, Language, LoanId, LoanRequestId, MessageId};
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::notice::Text;
use super::template;

/// What is sent, to whichever channel.
#[derive(Clone, Debug)]
pub struct Letter {
    /// What it is known by: the same whenever the same thing is sent again, so that a
    /// receiver can tell that it has it already.
    pub key: String,
    /// In which language.
    pub language: Language,
    /// The words.
    pub text: Text,
    /// What a program gets instead.
    pub facts: Facts,
    /// When what it tells of happened.
    pub at: OffsetDateTime,
}

/// What a web-hook is told, the same in every attempt (Standard Webhooks 1.0.0, "Payload").
#[derive(Clone, Debug, Serialize)]
pub struct Envelope {
    #[serde(with = "time::serde::rfc3339")]
    timestamp: OffsetDateTime,
    #[serde(flatten)]
    facts: Facts,
}

/// What a web-hook is told.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Facts {
    /// A message of the mailbox.
    #[serde(rename = "loan.message")]
    Message {
        /// The message.
        message_id: MessageId,
        /// Its number among the customer's.
        seq: i64,
        /// What it tells.
        kind: MessageKind,
        /// The request that it is about.
        loan_request_id: LoanRequestId,
        /// The loan that it is about, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        loan_id: Option<LoanId>,
        /// To whom.
        customer_id: CustomerId,
        /// In which language.
        language: Language,
        /// One line.
        subject: String,
        /// Plain text.
        body: String,
        /// When it was written.
        #[serde(with = "time::serde::rfc3339")]
        created_at: OffsetDateTime,
    },
    /// A code that proves that the web-hook is the customer's.
    #[serde(rename = "address.verification")]
    Verification {
        /// To be confirmed.
        code: String,
        /// Until then.
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
}

/// The key of a message that is sent, in one of its rounds.
#[must_use]
pub fn message_key(id: MessageId, round: i32) -> String {
    match round {
        1 => id.to_string(),
        _ => format!("{id}.{round}"),
    }
}

/// The key of a code that is sent.
#[must_use]
pub fn verification_key(id: Uuid) -> String {
    format!("verification.{id}")
}

impl Letter {
    /// What a web-hook is told.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        Envelope { timestamp: self.at, facts: self.facts.clone() }
    }

    /// The plain text of a mail.
    #[must_use]
    pub fn plain(&self) -> String {
        format!("{}\n\n-- \n{}\n", self.text.body, template::footer(self.language))
    }

    /// The same as a page: paragraphs, nothing that is loaded from elsewhere, and every
    /// word that came from outside as text.
    #[must_use]
    pub fn html(&self) -> String {
        let paragraphs: String = self
            .text
            .body
            .lines()
            .map(|line| format!("<p style=\"margin:0 0 12px\">{}</p>\n", escaped(line)))
            .collect();
        format!(
            "<!doctype html>\n<html lang=\"{language}\">\n<head><meta charset=\"utf-8\"><title>{subject}</title></head>\n\
             <body style=\"margin:0;padding:24px;font-family:sans-serif;font-size:16px;line-height:1.6;color:#1a1a1a\">\n\
             <h1 style=\"font-size:20px;margin:0 0 16px\">{subject}</h1>\n{paragraphs}\
             <hr style=\"border:0;border-top:1px solid #ddd;margin:24px 0 12px\">\n\
             <p style=\"margin:0;font-size:13px;color:#666\">{sender} · {footer}</p>\n</body>\n</html>\n",
            language = self.language,
            subject = escaped(&self.text.subject),
            sender = template::sender(self.language),
            footer = template::footer(self.language),
        )
    }
}

/// A text that is nothing but text in HTML.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests;
