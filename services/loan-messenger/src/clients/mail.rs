//! A letter as a mail: MIME (RFC 2045 to 2049), plain text and HTML of the same words.

use ::events::Language;
use lettre::Address;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use time::OffsetDateTime;

use crate::domain::letter::Letter;

/// Why there is no mail of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMail {
    /// The address is none.
    #[error("bad-address")]
    BadAddress,
    /// The rest.
    #[error("bad-message")]
    BadMessage,
}

/// `Auto-Submitted` (RFC 3834): no machine answers it.
#[derive(Clone)]
struct AutoSubmitted;

/// `Content-Language` (RFC 3282).
#[derive(Clone)]
struct ContentLanguage(Language);

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Header for ContentLanguage {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Language")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.parse()?))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.code().to_owned())
    }
}

/// The mail of a letter. `Message-ID` is made of the letter's key, so that the same
/// letter is the same mail however often it is sent.
///
/// # Errors
/// [`NoMail`].
pub fn mail(
    letter: &Letter,
    from: &Mailbox,
    to: &str,
    now: OffsetDateTime,
) -> Result<Message, NoMail> {
    let to: Address = to.parse().map_err(|_| NoMail::BadAddress)?;
    let id = message_id(&letter.key, from);
    let plain = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(letter.plain());
    let html = SinglePart::builder().header(ContentType::TEXT_HTML).body(letter.html());
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(letter.text.subject.clone())
        .message_id(Some(id))
        .date(now.into())
        .header(AutoSubmitted)
        .header(ContentLanguage(letter.language))
        .multipart(MultiPart::alternative().singlepart(plain).singlepart(html))
        .map_err(|_| NoMail::BadMessage)
}

/// The id of the mail with this key.
#[must_use]
pub fn message_id(key: &str, from: &Mailbox) -> String {
    format!("<{key}@{}>", from.email.domain())
}
