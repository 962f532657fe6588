//! How the way to Kafka is secured.

use std::path::PathBuf;

use super::Secret;

/// How the way to Kafka is secured; where it is says `KAFKA_BOOTSTRAP`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct KafkaSecuritySettings {
    /// How Kafka is spoken to: in the clear, over TLS, with a login, or both. In the
    /// clear is for one machine or a network of its own; a login without TLS
    /// shows the password to the network.
    #[arg(long, env = "KAFKA_SECURITY_PROTOCOL", value_enum, default_value = "plaintext")]
    pub kafka_security_protocol: KafkaSecurityProtocol,

    /// How the login is proven. PLAIN sends the password, so it wants TLS; SCRAM
    /// does not. Both SCRAM and TLS are only in builds that have OpenSSL.
    #[arg(long, env = "KAFKA_SASL_MECHANISM", value_enum)]
    pub kafka_sasl_mechanism: Option<KafkaSaslMechanism>,

    /// The login name.
    #[arg(long, env = "KAFKA_SASL_USERNAME")]
    pub kafka_sasl_username: Option<String>,

    /// The login's password. It has no default because a password in a default is
    /// one that stays.
    #[arg(long, env = "KAFKA_SASL_PASSWORD", hide_env_values = true)]
    pub kafka_sasl_password: Option<Secret>,

    /// A PEM file with the certificates of the authorities that may sign the
    /// brokers'. Without it the system's own list counts, in which an authority of
    /// one's own is not.
    #[arg(long, env = "KAFKA_CA_FILE")]
    pub kafka_ca_file: Option<PathBuf>,
}

/// How Kafka is spoken to.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KafkaSecurityProtocol {
    /// In the clear, without a login.
    #[default]
    #[value(name = "plaintext")]
    Plaintext,
    /// Over TLS, without a login.
    #[value(name = "ssl")]
    Ssl,
    /// In the clear, with a login.
    #[value(name = "sasl_plaintext")]
    SaslPlaintext,
    /// Over TLS, with a login.
    #[value(name = "sasl_ssl")]
    SaslSsl,
}

/// How a login is proven.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaSaslMechanism {
    /// The password itself.
    #[value(name = "PLAIN")]
    Plain,
    /// A proof that one knows it, with SHA-256.
    #[value(name = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with SHA-512.
    #[value(name = "SCRAM-SHA-512")]
    ScramSha512,
}
