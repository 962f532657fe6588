//! The settings that every service has.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use super::{ConfigError, KafkaSecuritySettings, Secret};

/// The settings that every service has; a service adds its own beside them with
/// `#[command(flatten)]`.
#[derive(clap::Args, Clone, Debug)]
pub struct ServiceSettings {
    /// The service's name, for logs and for the database's list of connections.
    /// Set by `service::run`, not by an operator.
    #[arg(skip)]
    pub service_name: &'static str,

    /// Where requests are answered. The port differs from service to service so
    /// that all of them can run on one machine.
    #[arg(long, env = "HTTP_ADDR", default_value = "127.0.0.1:8080")]
    pub http_addr: SocketAddr,

    /// Where health and metrics are answered, apart from the requests so that no
    /// gateway or ingress can lead there.
    #[arg(long, env = "ADMIN_ADDR", default_value = "127.0.0.1:9090")]
    pub admin_addr: SocketAddr,

    /// Who may use the admin API (`/admin/…` on the admin port): `NAME:SCOPE:SECRET`,
    /// or `NAME:SCOPE:sha256=HEX` with the secret's hash; several separated by commas,
    /// so that a new secret can be known before the old one goes; at least 24 characters each. The scope is `read` (look at all but
    /// accounts), `repair` (that, and mend), `accounts` (accounts alone), or
    /// several with `+` between. The name stands in the log of what was changed.
    /// Without it the admin API is off: what can change data is opened by
    /// whoever runs the system, and by nobody else.
    #[arg(long, env = "ADMIN_CREDENTIAL", hide_env_values = true,
          value_parser = crate::admin::check_setting)]
    pub admin_credential: Option<Secret>,

    /// The service's own database, `postgres://ROLE:PASSWORD@HOST:PORT/DATABASE`.
    /// It has no default because a password in a default is one that stays.
    #[arg(long, env = "DATABASE_URL", required = true, hide_env_values = true)]
    pub database_url: Secret,

    /// Connections to the database at most, beside the relay's one and the
    /// readiness probe's. 16 keeps the five services below PostgreSQL's usual 100 with one instance each (90); with
    /// more instances PostgreSQL's `max_connections` must follow.
    #[arg(long, env = "DATABASE_POOL_MAX", default_value_t = 16,
          value_parser = clap::value_parser!(u32).range(2..=1_000))]
    pub database_pool_max: u32,

    /// Kafka's bootstrap addresses, comma separated.
    #[arg(long, env = "KAFKA_BOOTSTRAP", default_value = "127.0.0.1:9092")]
    pub kafka_bootstrap: String,

    /// How the way there is secured.
    #[command(flatten)]
    pub kafka_security: KafkaSecuritySettings,

    /// The address under which the outside sees this system, for links and
    /// `Location`. Without it the request's own `Host` is used, if allowed.
    #[arg(long, env = "PUBLIC_URL")]
    pub public_url: Option<Url>,

    /// Host names that a link may be made of when PUBLIC_URL is not set, comma
    /// separated, any port. Others are answered 421, so that a made-up `Host`
    /// never becomes a link.
    #[arg(
        long,
        env = "ALLOWED_HOSTS",
        value_delimiter = ',',
        default_value = "localhost,127.0.0.1,[::1]"
    )]
    pub allowed_hosts: Vec<String>,

    /// Addresses whose `X-Forwarded-*` headers count, comma separated CIDR: the
    /// gateway's. Anyone else could claim to be anyone.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_parser = trusted_proxies)]
    pub trusted_proxies: Vec<IpNet>,

    /// Where the public keys of the access tokens are fetched.
    #[arg(long, env = "JWKS_URL", default_value = "http://127.0.0.1:8291/.well-known/jwks.json")]
    pub jwks_url: Url,

    /// `iss` that an access token must have.
    #[arg(long, env = "TOKEN_ISSUER", default_value = "https://tokens.example")]
    pub token_issuer: String,

    /// `aud` that an access token must have.
    #[arg(long, env = "TOKEN_AUDIENCE", default_value = "services")]
    pub token_audience: String,

    /// How logs look: `json` for machines, `pretty` for eyes.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = crate::logs::LogFormat::Json)]
    pub log_format: crate::logs::LogFormat,

    /// What is logged: `LEVEL` or `TARGET=LEVEL`, several separated by commas, as `info,sqlx=debug`.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,

    /// A collector of traces that speaks OTLP over HTTP, `http://HOST:4318`. Without it spans
    /// have their ids, and stay here.
    #[arg(long, env = "OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<Url>,

    /// Brings the tables up to date and ends, with 0 when they are: a step before the start,
    /// for a migration that takes longer than a start may. Without it each start does the
    /// same. Many may run at once; one works.
    #[arg(long)]
    pub migrate_only: bool,

    /// The end of the process in good order takes at most this long; then it ends
    /// at once. Less than the 30 s after which Kubernetes kills.
    #[arg(long, env = "SHUTDOWN_BOUND_SECONDS", default_value_t = 25,
          value_parser = clap::value_parser!(u64).range(1..=600))]
    pub shutdown_bound_seconds: u64,

    /// How long requests are still taken after the process has said that it is
    /// not ready, so that load balancers notice first. 0 where none stands in
    /// front; a few seconds in a cluster. Less than the bound above.
    #[arg(long, env = "SHUTDOWN_LINGER_SECONDS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(0..=120))]
    pub shutdown_linger_seconds: u64,

    /// Requests that are worked on at once; one more is answered 503, with `Retry-After`. Each of the
    /// pool's connections then has some 24 that wait for it at most; more than one gateway's reads
    /// that wait for a version, which need none.
    #[arg(long, env = "HTTP_REQUESTS_MAX", default_value_t = 384,
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub http_requests_max: u32,

    /// Connections from clients at most; further ones wait in the kernel's queue. Fewer, and the
    /// log says so, where the process may not have as many file handles and 1,024 more.
    #[arg(long, env = "HTTP_CONNECTIONS_MAX", default_value_t = 8_192,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub http_connections_max: u32,

    /// Events in one transaction of the consumer at most. More makes catching up
    /// faster and a repeated batch longer.
    #[arg(long, env = "CONSUMER_BATCH_MAX", default_value_t = 200,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub consumer_batch_max: u32,

    /// How long the consumer waits for a batch to fill, in milliseconds. Every
    /// event waits this long; with 0 a batch is what has arrived meanwhile.
    #[arg(long, env = "CONSUMER_LINGER_MS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(0..=1_000))]
    pub consumer_linger_ms: u64,

    /// The longest pause between two attempts while a dependency is down, in
    /// milliseconds: how late work goes on after it is back.
    #[arg(long, env = "CONSUMER_BACKOFF_MAX_MS", default_value_t = 5_000,
          value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub consumer_backoff_max_ms: u64,

    /// Kafka's group protocol: `classic` (cooperative-sticky), or `consumer`
    /// (KIP-848), which can end this version of the client for good.
    #[arg(long, env = "CONSUMER_GROUP_PROTOCOL", default_value = "classic",
          value_parser = ["classic", "consumer"])]
    pub consumer_group_protocol: String,

    /// After how long without a sign of life the group gives this instance's
    /// partitions to another, in milliseconds: how long events wait after a crash.
    #[arg(long, env = "CONSUMER_SESSION_TIMEOUT_MS", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(6_000..=300_000))]
    pub consumer_session_timeout_ms: u64,

    /// Events that the outbox relay sends at once at most.
    #[arg(long, env = "OUTBOX_BATCH_MAX", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub outbox_batch_max: u32,

    /// How often the outbox is looked at when nothing has woken the relay, in
    /// milliseconds: another instance's commits are only seen by looking.
    #[arg(long, env = "OUTBOX_POLL_MS", default_value_t = 250,
          value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub outbox_poll_ms: u64,

    /// How long the relay goes on sending when the process ends, in
    /// milliseconds. What is left then is sent by the next process.
    #[arg(long, env = "OUTBOX_FLUSH_MS", default_value_t = 5_000,
          value_parser = clap::value_parser!(u64).range(0..=60_000))]
    pub outbox_flush_ms: u64,

    /// How long sent events stay in the outbox, in hours, to look into what was
    /// sent.
    #[arg(long, env = "OUTBOX_KEEP_HOURS", default_value_t = 72,
          value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub outbox_keep_hours: u32,

    /// How long the inbox remembers an event, in hours. Longer than the topics keep
    /// messages (five years and a segment of a week; this is a month more), else
    /// a group that reads from the start again would work on old ones twice. Who
    /// declares topics with less may remember for less.
    #[arg(long, env = "INBOX_KEEP_HOURS", default_value_t = 44_640,
          value_parser = clap::value_parser!(u32).range(1..=87_600))]
    pub inbox_keep_hours: u32,
}

/// Whether the end in good order has time for anything: the linger counts into its
/// bound, and with as much or more every end would be a hard one.
///
/// # Errors
/// [`ConfigError::Wrong`]: the process does not start.
pub fn check_shutdown(bound_seconds: u64, linger_seconds: u64) -> Result<(), ConfigError> {
    if linger_seconds < bound_seconds {
        return Ok(());
    }
    Err(ConfigError::Wrong(format!(
        "SHUTDOWN_LINGER_SECONDS ({linger_seconds}) must be less than SHUTDOWN_BOUND_SECONDS ({bound_seconds}), which it counts into"
    )))
}

impl ServiceSettings {
    /// The bound of the end in good order.
    #[must_use]
    pub fn shutdown_bound(&self) -> Duration {
        Duration::from_secs(self.shutdown_bound_seconds)
    }
}

/// Reads a network of `TRUSTED_PROXIES`.
///
/// # Errors
///
/// If it is none, or is wider than a private network can be: then whoever comes says who they are.
pub fn trusted_proxies(text: &str) -> Result<IpNet, String> {
    let network: IpNet =
        text.parse().map_err(|_| "must be a network, such as 10.0.0.0/8".to_owned())?;
    // The widest private ones are 10.0.0.0/8 (RFC 1918) and fc00::/7 (RFC 4193).
    let shortest = if network.addr().is_ipv4() { 8 } else { 7 };
    let is_mapped = matches!(network, IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some());
    if network.prefix_len() < shortest || is_mapped {
        return Err(
            "must not be everybody, or nearly so (/8 at least, of IPv6 /7, and IPv4 as such): who \
                    sends requests could then say that they are anyone; name the proxies' networks"
                .to_owned(),
        );
    }
    Ok(network)
}
