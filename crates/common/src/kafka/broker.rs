//! Where Kafka is, and how to get in.

use std::path::PathBuf;

use aws_lc_rs::digest;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use secrecy::ExposeSecret as _;

use crate::config::{
    KafkaSaslMechanism as Mechanism, KafkaSecurityProtocol as Protocol, KafkaSecuritySettings,
    Secret, ServiceSettings,
};

/// The longest pause before a broker that is away is called again: an outage
/// should not outlive the broker's absence by much.
const RECONNECT_BACKOFF_MAX_MS: u32 = 1_000;

/// Where Kafka is, and how to get in. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Broker {
    bootstrap: String,
    protocol: Protocol,
    login: Option<Login>,
    authority: Option<Authority>,
}

/// Who signs the brokers' certificates, and how the file of it was when it was read: clients read it
/// when they are made, and never again.
#[derive(Clone, Debug)]
struct Authority {
    file: PathBuf,
    read: digest::Digest,
}

#[derive(Clone, Debug)]
struct Login {
    mechanism: Mechanism,
    username: String,
    password: Secret,
}

/// Why the settings of Kafka's security make no sense together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WrongSecurity {
    /// A login is asked for and not there.
    #[error("KAFKA_SECURITY_PROTOCOL asks for a login, and {0} is not set")]
    Missing(&'static str),
    /// A setting that would be without effect: whoever set it expects one.
    #[error("{0} is set, and KAFKA_SECURITY_PROTOCOL={1} makes no use of it")]
    Unused(&'static str, &'static str),
    /// The file of the authorities.
    #[error("KAFKA_CA_FILE {0} cannot be read")]
    CaFile(String),
    /// This build can't.
    #[error(
        "{0} needs OpenSSL, which this program was built without; build it with `--features common/kafka-tls`"
    )]
    NoTls(&'static str),
}

impl From<&str> for Broker {
    /// In the clear and without a login.
    fn from(bootstrap: &str) -> Self {
        let bootstrap = bootstrap.to_owned();
        Self { bootstrap, protocol: Protocol::Plaintext, login: None, authority: None }
    }
}

impl Broker {
    /// From the settings.
    ///
    /// # Errors
    ///
    /// [`WrongSecurity`]: the service does not start.
    pub fn try_of(settings: &ServiceSettings) -> Result<Self, WrongSecurity> {
        Self::try_new(&settings.kafka_bootstrap, &settings.kafka_security)
    }

    /// From its addresses and the settings of its security.
    ///
    /// # Errors
    ///
    /// [`WrongSecurity`]: the program does not start.
    pub fn try_new(
        bootstrap: &str,
        security: &KafkaSecuritySettings,
    ) -> Result<Self, WrongSecurity> {
        let protocol = security.kafka_security_protocol;
        let has_tls = matches!(protocol, Protocol::Ssl | Protocol::SaslSsl);
        let has_login = matches!(protocol, Protocol::SaslPlaintext | Protocol::SaslSsl);
        let unused = |name| WrongSecurity::Unused(name, name_of(protocol));
        let parts = (
            security.kafka_sasl_mechanism,
            security.kafka_sasl_username.clone(),
            security.kafka_sasl_password.clone(),
        );
        let login = match parts {
            (None, None, None) if !has_login => None,
            (Some(mechanism), Some(username), Some(password)) if has_login => {
                Some(Login { mechanism, username, password })
            }
            (None, ..) if has_login => return Err(WrongSecurity::Missing("KAFKA_SASL_MECHANISM")),
            (_, None, _) if has_login => return Err(WrongSecurity::Missing("KAFKA_SASL_USERNAME")),
            (.., None) if has_login => return Err(WrongSecurity::Missing("KAFKA_SASL_PASSWORD")),
            (Some(_), ..) => return Err(unused("KAFKA_SASL_MECHANISM")),
            (_, Some(_), _) => return Err(unused("KAFKA_SASL_USERNAME")),
            (.., Some(_)) => return Err(unused("KAFKA_SASL_PASSWORD")),
            (None, None, None) => None,
        };
        let authority = match security.kafka_ca_file.clone() {
            None => None,
            Some(_) if !has_tls => return Err(unused("KAFKA_CA_FILE")),
            Some(file) => {
                let Ok(read) = std::fs::read(&file) else {
                    return Err(WrongSecurity::CaFile(file.display().to_string()));
                };
                Some(Authority { file, read: digest::digest(&digest::SHA256, &read) })
            }
        };
        if !cfg!(feature = "kafka-tls") {
            if has_tls {
                return Err(WrongSecurity::NoTls("KAFKA_SECURITY_PROTOCOL with TLS"));
            }
            if login.as_ref().is_some_and(|login| login.mechanism != Mechanism::Plain) {
                return Err(WrongSecurity::NoTls("KAFKA_SASL_MECHANISM with SCRAM"));
            }
        }
        Ok(Self { bootstrap: bootstrap.to_owned(), protocol, login, authority })
    }

    /// What every client is told.
    #[must_use]
    pub fn client(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", client_id)
            .set("security.protocol", name_of(self.protocol))
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", RECONNECT_BACKOFF_MAX_MS.to_string())
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            .set_log_level(RDKafkaLogLevel::Warning);
        if let Some(Login { mechanism, username, password }) = &self.login {
            let mechanism = match mechanism {
                Mechanism::Plain => "PLAIN",
                Mechanism::ScramSha256 => "SCRAM-SHA-256",
                Mechanism::ScramSha512 => "SCRAM-SHA-512",
            };
            config
                .set("sasl.mechanism", mechanism)
                .set("sasl.username", username)
                .set("sasl.password", password.expose_secret());
        }
        if let Some(Authority { file, .. }) = &self.authority {
            config.set("ssl.ca.location", file.to_string_lossy());
        }
        config
    }

    /// Whether the authorities' file is another one than this process goes by: it was renewed, and
    /// is read with the next start. `None` where there is none, or it can't be read now.
    pub(crate) async fn is_authority_outdated(&self) -> Option<bool> {
        let Authority { file, read } = self.authority.as_ref()?;
        let now = tokio::fs::read(file).await.ok()?;
        Some(digest::digest(&digest::SHA256, &now).as_ref() != read.as_ref())
    }
}

fn name_of(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Plaintext => "plaintext",
        Protocol::Ssl => "ssl",
        Protocol::SaslPlaintext => "sasl_plaintext",
        Protocol::SaslSsl => "sasl_ssl",
    }
}

#[cfg(test)]
mod tests;
