//! Mail by SMTP (RFC 5321), with TLS and a login where the server wants them.

use std::error::Error as _;
use std::time::Duration;

use common::clock::Clock;
use common::config::Secret;
use futures::future::BoxFuture;
use lettre::message::Mailbox;
use lettre::transport::smtp::{Error, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use secrecy::ExposeSecret as _;

use super::circuits::Target;
use super::mail::mail;
use super::{Destination, Outcome, Way};
use crate::domain::letter::Letter;

/// A connection that was not used for so long is closed: servers do the same.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// A mail server.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    clock: Clock,
    timeout: Duration,
}

impl Smtp {
    /// The server at `url`: `smtps://user:password@host`, or
    /// `smtp://user:password@host:587?tls=required`.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn try_new(
        url: &Secret,
        from: Mailbox,
        connections_max: u32,
        timeout: Duration,
        clock: Clock,
    ) -> Result<Self, Error> {
        let pool = PoolConfig::new().max_size(connections_max).idle_timeout(IDLE_MAX);
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret())?
            .timeout(Some(timeout))
            .pool_config(pool)
            .build();
        Ok(Self { transport, from, clock, timeout })
    }

    async fn deliver(&self, letter: &Letter, to: &str) -> Outcome {
        let mail = match mail(letter, &self.from, to, self.clock.now()) {
            Ok(mail) => mail,
            Err(error) => return Outcome::Refused { detail: error.to_string() },
        };
        match tokio::time::timeout(self.timeout, self.transport.send(mail)).await {
            Ok(Ok(_)) => Outcome::Sent,
            Ok(Err(error)) => classify(&error),
            Err(_) => Outcome::unknown("timeout"),
        }
    }
}

impl Way for Smtp {
    fn target(&self, _: &Destination) -> Target {
        Target::Ours("mail")
    }

    fn send<'a>(
        &'a self,
        letter: &'a Letter,
        destination: &'a Destination,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(self.deliver(letter, &destination.address))
    }
}

/// Codes that speak of us or of the server, not of the message or its recipient: it
/// does not know what we say (500 to 504), wants a login or does not like ours (530 to
/// 538), offers no service (521, 554 in place of a greeting looks like the message's
/// own 554, and is treated so). RFC 5321 4.2.3, RFC 4954 6, RFC 7504.
fn is_ours(code: u16) -> bool {
    matches!(code, 500 | 502..=504 | 521 | 530..=538)
}

fn classify(error: &Error) -> Outcome {
    let Some(code) = error.status().map(u16::from) else {
        if error.is_timeout() {
            return Outcome::unknown("timeout");
        }
        // Cut off, perhaps after the data: nobody knows whether it was taken.
        return if is_before_data(error) {
            Outcome::failed("connection")
        } else {
            Outcome::unknown("connection-lost")
        };
    };
    let detail = match enhanced(&error.to_string()) {
        Some(enhanced) => format!("{code} {enhanced}"),
        None => code.to_string(),
    };
    if error.is_permanent() && !is_ours(code) {
        Outcome::Refused { detail }
    } else {
        Outcome::failed(detail)
    }
}

/// Whether nothing was connected at all.
fn is_before_data(error: &Error) -> bool {
    error
        .source()
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// The enhanced status code (RFC 3463) that an answer begins with, if it does.
fn enhanced(text: &str) -> Option<&str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enhanced_code_is_found_and_nothing_else() {
        for (text, code) in [
            ("permanent error (550): 5.1.1 <a@b.kr>: no such user", Some("5.1.1")),
            ("transient error (451): 4.7.1 greylisted", Some("4.7.1")),
            ("permanent error (550): no user at 10.1.1.1", None),
            ("permanent error (550): 5.1.1.1 x", None),
            ("", None),
        ] {
            assert_eq!(enhanced(text), code, "{text}");
        }
    }

    #[test]
    fn what_is_our_fault_is_not_the_messages() {
        for ours in [500, 502, 503, 504, 521, 530, 534, 535, 538] {
            assert!(is_ours(ours), "{ours}");
        }
        for theirs in [501, 550, 551, 552, 553, 554, 555, 556] {
            assert!(!is_ours(theirs), "{theirs}");
        }
    }
}
