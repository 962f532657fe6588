//! Mail by SMTP (RFC 5321), with TLS and a login where the server wants them.
//!
//! The talk is ours, command by command, on lettre's connection: what an answer means
//! depends on what it is the answer to, and a connection is used again only after its
//! last answer was read to its end.

mod bounded;
mod failure;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use common::clock::Clock;
use common::config::Secret;
use futures::future::BoxFuture;
use lettre::Message;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use lettre::transport::smtp::{SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT};
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use url::Url;

use bounded::Bounded;
use failure::{Failure, Stage};

use super::circuits::Target;
use super::mail::mail;
use super::{Destination, Outcome, Way};
use crate::domain::letter::Letter;

/// A connection that was not used for so long is not used again: servers close them.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// How long the parts of a talk may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Everything up to the body.
    pub talk: Duration,
    /// The answer to the body, in which the server decides: whoever gives up before it
    /// does sends what it may have taken once more (RFC 5321, 4.5.3.2.6).
    pub body: Duration,
}

/// A mail server.
pub struct Smtp {
    server: Server,
    from: Mailbox,
    clock: Clock,
    patience: Patience,
    connections_max: usize,
    /// Those whose last answer was read.
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

/// Where it is and how one gets in.
struct Server {
    host: String,
    port: u16,
    security: Security,
    parameters: TlsParameters,
    login: Option<Credentials>,
    hello: ClientId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS, or nothing is sent.
    Required,
    /// STARTTLS, if the server has it.
    Opportunistic,
    /// None.
    Plain,
}

/// What is wrong with MAIL_URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongUrl {
    /// It is none that is known here.
    #[error("is neither smtps://…, smtp://… nor file:///…")]
    NotAnAddress,
    /// `tls` is something else.
    #[error("has another tls than required or opportunistic")]
    UnknownTls,
    /// A password would go over an open line.
    #[error("has a password, and no smtps:// or ?tls=required: it would go over an open line")]
    OpenPassword,
}

impl Server {
    fn try_new(url: &Secret) -> Result<Self, WrongUrl> {
        let url = Url::parse(url.expose_secret()).map_err(|_| WrongUrl::NotAnAddress)?;
        let host = url.host_str().ok_or(WrongUrl::NotAnAddress)?.to_owned();
        let host = host.trim_matches(['[', ']']).to_owned();
        let tls = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value);
        let security = match (url.scheme(), tls.as_deref()) {
            ("smtps", None) => Security::Tls,
            ("smtp", None) => Security::Plain,
            ("smtp", Some("required")) => Security::Required,
            ("smtp", Some("opportunistic")) => Security::Opportunistic,
            ("smtp" | "smtps", Some(_)) => return Err(WrongUrl::UnknownTls),
            _ => return Err(WrongUrl::NotAnAddress),
        };
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
        };
        let login = url
            .password()
            .map(|password| Credentials::new(decoded(url.username()), decoded(password)));
        if login.is_some() && !matches!(security, Security::Tls | Security::Required) {
            return Err(WrongUrl::OpenPassword);
        }
        let port = url.port().unwrap_or(match security {
            Security::Tls => SUBMISSIONS_PORT,
            Security::Required | Security::Opportunistic => SUBMISSION_PORT,
            Security::Plain => SMTP_PORT,
        });
        let parameters = TlsParameters::new(host.clone()).map_err(|_| WrongUrl::NotAnAddress)?;
        Ok(Self { host, port, security, parameters, login, hello: ClientId::default() })
    }

    async fn connect(&self, patience: Duration) -> Result<AsyncSmtpConnection, Failure> {
        let address = (self.host.as_str(), self.port);
        let greeted = if self.security == Security::Tls {
            let wrapped = Some(self.parameters.clone());
            let (hello, limit) = (&self.hello, Some(patience));
            AsyncSmtpConnection::connect_tokio1(address, limit, hello, wrapped, None).await
        } else {
            let silent = |_| Failure::silent(Stage::Greeting);
            let stream = TcpStream::connect(address).await.map_err(silent)?;
            // A mail ends with a short write of its own, which otherwise waits for the
            // other side's delayed acknowledgement (RFC 896, RFC 1122 4.2.3.2).
            stream.set_nodelay(true).map_err(silent)?;
            let stream = Box::new(Bounded::new(stream));
            AsyncSmtpConnection::connect_with_transport(stream, &self.hello).await
        };
        let mut connection = greeted.map_err(unwelcome)?;
        let upgrades = match self.security {
            Security::Required => true,
            Security::Opportunistic => connection.can_starttls(),
            Security::Tls | Security::Plain => false,
        };
        if upgrades {
            let upgrade = connection.starttls(self.parameters.clone(), &self.hello);
            upgrade.await.map_err(unwelcome)?;
        }
        if let Some(login) = &self.login {
            let login = connection.auth(DEFAULT_MECHANISMS, login);
            login.await.map_err(unwelcome)?;
        }
        Ok(connection)
    }
}

impl Smtp {
    /// The server at `url`: `smtps://user:password@host`, or
    /// `smtp://user:password@host:587?tls=required`.
    ///
    /// # Errors
    /// What is wrong with the address; never the address, which may hold a password.
    pub fn try_new(
        url: &Secret,
        from: Mailbox,
        connections_max: usize,
        patience: Patience,
        clock: Clock,
    ) -> Result<Self, WrongUrl> {
        let idle = Mutex::default();
        let server = Server::try_new(url)?;
        Ok(Self { server, from, clock, patience, connections_max, idle })
    }

    async fn deliver(&self, letter: &Letter, to: &str) -> Outcome {
        let mail = match mail(letter, &self.from, to, self.clock.now()) {
            Ok(mail) => mail,
            Err(error) => return Outcome::Refused { detail: error.to_string() },
        };
        // One that was kept may be closed by now; then another is made, once: nothing of
        // the mail was taken before its recipient was.
        let (connection, was_kept) = match self.kept() {
            Some(connection) => (Ok(connection), true),
            None => (self.connect().await, false),
        };
        match self.say(connection, &mail).await {
            Err(Failure { stage: Stage::Sender, code: None, is_ours: false }) if was_kept => {
                self.forget_kept();
                let connection = self.connect().await;
                self.say(connection, &mail).await.map_or_else(Failure::outcome, |()| Outcome::Sent)
            }
            Err(failure) => failure.outcome(),
            Ok(()) => Outcome::Sent,
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failure> {
        let talk = self.patience.talk;
        timeout(talk, self.server.connect(talk))
            .await
            .unwrap_or_else(|_| Err(Failure::silent(Stage::Greeting)))
    }

    /// Says the mail to the end. The connection is kept only if the last answer was read;
    /// whoever stops in the middle lets it go.
    async fn say(
        &self,
        connection: Result<AsyncSmtpConnection, Failure>,
        mail: &Message,
    ) -> Result<(), Failure> {
        let mut connection = connection?;
        let outcome = self.talk(&mut connection, mail).await;
        match &outcome {
            Ok(()) => self.keep(connection),
            // Its answer was read, and the next talk can begin.
            Err(Failure { code: Some((code, _)), stage, .. })
                if *code != 421 && *stage != Stage::Greeting =>
            {
                let reset = connection.command("RSET\r\n");
                if timeout(self.patience.talk, reset).await.is_ok_and(|it| it.is_ok()) {
                    self.keep(connection);
                }
            }
            Err(_) => {}
        }
        outcome
    }

    async fn talk(
        &self,
        connection: &mut AsyncSmtpConnection,
        mail: &Message,
    ) -> Result<(), Failure> {
        let envelope = mail.envelope();
        let mut parameters = Vec::new();
        if connection.server_info().supports_feature(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let is_ascii = |address: &lettre::Address| AsRef::<str>::as_ref(address).is_ascii();
        if !envelope.to().iter().all(is_ascii) || !envelope.from().is_none_or(is_ascii) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(Failure { stage: Stage::Sender, code: None, is_ours: true });
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let sender = Mail::new(envelope.from().cloned(), parameters);
        self.command(connection, Stage::Sender, sender, 2).await?;
        for to in envelope.to() {
            self.command(connection, Stage::Recipient, Rcpt::new(to.clone(), Vec::new()), 2)
                .await?;
        }
        self.command(connection, Stage::Data, Data, 3).await?;
        let whole = mail.formatted();
        let body = connection.message(&whole);
        let body = timeout(self.patience.body, body).await;
        let response = body
            .map_err(|_| Failure::silent(Stage::Body))?
            .map_err(|error| Failure::of(Stage::Body, &error))?;
        expect(Stage::Body, response, 2)
    }

    async fn command(
        &self,
        connection: &mut AsyncSmtpConnection,
        stage: Stage,
        command: impl std::fmt::Display,
        class: u16,
    ) -> Result<(), Failure> {
        let answer = timeout(self.patience.talk, connection.command(command)).await;
        let response = answer
            .map_err(|_| Failure::silent(stage))?
            .map_err(|error| Failure::of(stage, &error))?;
        expect(stage, response, class)
    }

    fn kept(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE_MAX);
        idle.pop().map(|(connection, _)| connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.connections_max {
            idle.push((connection, Instant::now()));
        }
    }

    fn forget_kept(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What ended a talk before there was a mail in it. An operator can't guess why TLS failed, so
/// that is said; the words of an answer are not, which may quote a login.
fn unwelcome(error: lettre::transport::smtp::Error) -> Failure {
    match error.status() {
        Some(code) => tracing::warn!(%code, "the mail server does not let us in"),
        None => tracing::warn!(%error, "the mail server can't be talked to"),
    }
    Failure::of(Stage::Greeting, &error)
}

/// An answer of the class that was waited for: 2, done; 3, go on.
fn expect(stage: Stage, response: Response, class: u16) -> Result<(), Failure> {
    let code: u16 = response.code().into();
    if code / 100 == class { Ok(()) } else { Err(Failure::unexpected(stage, &response)) }
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

#[cfg(test)]
mod tests;
