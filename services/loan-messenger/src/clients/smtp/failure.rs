//! Why a mail was not taken, and what that says of it, of the server, and of us.

use lettre::transport::smtp::Error;
use lettre::transport::smtp::response::Response;

use crate::clients::Outcome;

/// What was being said when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connecting, TLS, the login.
    Greeting,
    /// Who it is from.
    Sender,
    /// Who it is to.
    Recipient,
    /// May the body come?
    Data,
    /// The body.
    Body,
}

/// Why a mail was not taken.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) stage: Stage,
    /// The server's code, and the enhanced one (RFC 3463), if there was an answer.
    pub(super) code: Option<(u16, Option<String>)>,
    /// It lies in what we want: the mail itself can't be sent to this server; or, before
    /// there is a mail, the server does not offer the TLS or the login that it must.
    pub(super) is_ours: bool,
}

impl Failure {
    pub(super) fn of(stage: Stage, error: &Error) -> Self {
        let code = error.status().map(u16::from);
        let code = code.map(|code| (code, enhanced(&error.to_string()).map(str::to_owned)));
        Self { stage, code, is_ours: error.is_client() }
    }

    pub(super) fn silent(stage: Stage) -> Self {
        Self { stage, code: None, is_ours: false }
    }

    /// A positive answer that is not the one that was waited for.
    pub(super) fn unexpected(stage: Stage, response: &Response) -> Self {
        Self { stage, code: Some((response.code().into(), None)), is_ours: false }
    }

    pub(super) fn outcome(self) -> Outcome {
        let Some((code, enhanced)) = self.code else {
            return match self.stage {
                // That may change, and says nothing of any mail.
                Stage::Greeting if self.is_ours => Outcome::failed("not-offered"),
                _ if self.is_ours => Outcome::Refused { detail: "bad-address".to_owned() },
                // Nobody knows whether it was taken.
                Stage::Body => Outcome::unknown("connection-lost"),
                Stage::Greeting => Outcome::failed("connection"),
                Stage::Sender | Stage::Recipient | Stage::Data => {
                    Outcome::failed("connection-lost")
                }
            };
        };
        let detail = match &enhanced {
            Some(enhanced) => format!("{code} {enhanced}"),
            None => code.to_string(),
        };
        // Of the recipient and the message speak only the answers to them, and of these
        // not what is said of us: our dialect (500 to 504), our login (530 to 538,
        // RFC 4954), what we may do here (x.7.x, RFC 3463).
        let is_of_us = matches!(code, 500..=504 | 521 | 530..=538)
            || enhanced.as_deref().is_some_and(|it| it.split('.').nth(1) == Some("7"));
        let is_of_it = matches!(self.stage, Stage::Recipient | Stage::Data | Stage::Body);
        match code {
            500..=599 if is_of_it && !is_of_us => Outcome::Refused { detail },
            // A mailbox that is full or greylisted says nothing of the server.
            400..=599 if is_of_it && code != 421 => Outcome::put_off(detail),
            _ => Outcome::failed(detail),
        }
    }
}

/// The enhanced status code (RFC 3463) that an answer begins with, if it does.
pub(super) fn enhanced(text: &str) -> Option<&str> {
    text.split_whitespace().find(|word| {
        let mut parts = word.split('.');
        let is_number = |part: Option<&str>| {
            part.is_some_and(|part| {
                (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
            })
        };
        matches!(word.as_bytes().first(), Some(b'4' | b'5'))
            && is_number(parts.next())
            && is_number(parts.next())
            && is_number(parts.next())
            && parts.next().is_none()
    })
}
