//! Every setting of the gateway, with its default and its reason.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use clap::Parser;
use clap::builder::TypedValueParser as _;
use common::logs::LogFormat;
use ipnet::IpNet;
use url::Url;

use crate::cors::OriginPattern;
use crate::routes::Upstream;

/// The gateway: the one door of the online loan services.
#[derive(Debug, Clone, Parser)]
#[command(name = "gateway", version)]
pub struct Config {
    /// Where clients are answered.
    #[arg(long, env = "HTTP_ADDR", default_value = "127.0.0.1:8080")]
    pub http_addr: SocketAddr,

    /// Where operators are answered: /livez, /readyz, /metrics, /admin/log-level. Never through the
    /// gateway itself.
    #[arg(long, env = "ADMIN_ADDR", default_value = "127.0.0.1:9080")]
    pub admin_addr: SocketAddr,

    /// Who may change what is logged (`/admin/log-level` on the admin port): `NAME:SCOPE:SECRET` as
    /// the services have it. Without it nobody.
    #[arg(long, env = "ADMIN_CREDENTIAL", hide_env_values = true,
          value_parser = common::admin::check_setting)]
    pub admin_credential: Option<common::config::Secret>,

    /// loan-request: http://host:port, no path.
    #[arg(long, env = "REQUEST_URL", default_value = "http://127.0.0.1:8290",
          value_parser = upstream_url)]
    pub request_url: Url,

    /// loan-auth: http://host:port, no path.
    #[arg(long, env = "AUTH_URL", default_value = "http://127.0.0.1:8291",
          value_parser = upstream_url)]
    pub auth_url: Url,

    /// loan-manager: http://host:port, no path.
    #[arg(long, env = "MANAGER_URL", default_value = "http://127.0.0.1:8292",
          value_parser = upstream_url)]
    pub manager_url: Url,

    /// loan-messenger: http://host:port, no path.
    #[arg(long, env = "MESSENGER_URL", default_value = "http://127.0.0.1:8293",
          value_parser = upstream_url)]
    pub messenger_url: Url,

    /// loan-status: http://host:port, no path.
    #[arg(long, env = "STATUS_URL", default_value = "http://127.0.0.1:8294",
          value_parser = upstream_url)]
    pub status_url: Url,

    /// Requests a second of one client address (of one /64 for IPv6). A load test from one machine
    /// needs more.
    #[arg(long, env = "RATE_LIMIT_PER_SECOND", default_value = "50",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000).try_map(NonZeroU32::try_from))]
    pub rate_limit_per_second: NonZeroU32,

    /// Requests of one client in one second on each route that costs more than to answer: tokens,
    /// accounts, and how messages are delivered. They count for the client's whole rate as well.
    #[arg(long, env = "RATE_LIMIT_COSTLY_PER_SECOND", default_value = "20",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000).try_map(NonZeroU32::try_from))]
    pub rate_limit_costly_per_second: NonZeroU32,

    /// How many clients' rates are kept; bounds the memory that an attacker with many addresses can
    /// take (some 300 bytes each).
    #[arg(long, env = "RATE_LIMIT_CLIENTS_MAX", default_value_t = 100_000,
          value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    pub rate_limit_clients_max: u64,

    /// Origins whose pages may call the API, separated by commas; `http://localhost:*` is any port.
    /// None by default: production has no foreign pages.
    #[arg(long, env = "CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<OriginPattern>,

    /// Networks of the proxies in front (an ingress, a load balancer), separated by commas.
    /// X-Forwarded-* counts only from them; from everybody else it is overwritten.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_parser = common::config::trusted_proxies)]
    pub trusted_proxies: Vec<IpNet>,

    /// Where the keys are that tokens are verified with. While they can't be had, tokens pass
    /// unverified to the services, each of which verifies them again.
    #[arg(long, env = "JWKS_URL", default_value = "http://127.0.0.1:8291/.well-known/jwks.json")]
    pub jwks_url: Url,

    /// The issuer that a token must name.
    #[arg(long, env = "TOKEN_ISSUER", default_value = "https://tokens.example")]
    pub token_issuer: String,

    /// The audience that a token must name.
    #[arg(long, env = "TOKEN_AUDIENCE", default_value = "services")]
    pub token_audience: String,

    /// Largest body of a request; the largest real one is some 500 bytes. The services take 64 KiB
    /// at most, so more than that only moves the refusal to them.
    #[arg(long, env = "BODY_MAX_BYTES", default_value_t = 64 * 1024,
          value_parser = clap::value_parser!(u32).range(1_024..=1_048_576))]
    pub body_max_bytes: u32,

    /// How long a body may take to come, from the head on; then 408. 64 KiB take a second on a slow
    /// line.
    #[arg(long, env = "BODY_TIMEOUT_SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=300))]
    pub body_timeout_seconds: u64,

    /// Bodies that are on their way at once; one more is answered 503. Bounds memory: each may be as
    /// large as the largest.
    #[arg(long, env = "BODIES_MAX", default_value_t = 2_048,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub bodies_max: u32,

    /// Of one client; one more is answered 429. A body of a client that does not dawdle comes with
    /// its head, so these are seldom more than a few.
    #[arg(long, env = "BODIES_PER_CLIENT_MAX", default_value_t = 128,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub bodies_per_client_max: u32,

    /// How long a request may take from its head to the answer's head. A stream's body may take for
    /// ever.
    #[arg(long, env = "REQUEST_TIMEOUT_SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(1..=300))]
    pub request_timeout_seconds: u64,

    /// Connections from clients at once; further ones wait in the kernel's queue. Bounds memory and
    /// file handles; fewer, and the log says so, where the process may not have as many handles and
    /// those of its connections to the services.
    #[arg(long, env = "HTTP_CONNECTIONS_MAX", default_value_t = 8_192,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub http_connections_max: u32,

    /// Of one client that TRUSTED_PROXIES does not name; a further one is closed at once, so that
    /// nobody takes the connections of all others. A browser opens less than ten; many people
    /// may stand behind one address.
    #[arg(long, env = "HTTP_CONNECTIONS_PER_CLIENT_MAX", default_value_t = 512,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub http_connections_per_client_max: u32,

    /// Requests at once to one service; one more is answered 503 at once. Each service has its own
    /// number, so that a slow one takes no other's: reads of the status go on whatever happens to
    /// the rest.
    #[arg(long, env = "UPSTREAM_CONCURRENCY_MAX", default_value_t = 512,
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub upstream_concurrency_max: u32,

    /// Of one client, at each service; one more is answered 429. One that asks for what takes long
    /// must not have all places. Many may stand behind one address.
    #[arg(long, env = "UPSTREAM_CONCURRENCY_PER_CLIENT_MAX", default_value_t = 256,
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub upstream_concurrency_per_client_max: u32,

    /// Streams (/loanStatus/stream) at once; they last, so they are counted apart from requests.
    #[arg(long, env = "STREAMS_MAX", default_value_t = 2_000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub streams_max: u32,

    /// Of one client; one more is answered 429. Each customer has few of their own; many may stand
    /// behind one address.
    #[arg(long, env = "STREAMS_PER_CLIENT_MAX", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub streams_per_client_max: u32,

    /// How long making a connection to a service may take. They are near, so a longer wait only
    /// takes a place.
    #[arg(long, env = "CONNECT_TIMEOUT_MS", default_value_t = 300,
          value_parser = clap::value_parser!(u64).range(10..=10_000))]
    pub connect_timeout_ms: u64,

    /// How long an idle connection to a service is kept; shorter than the 10 s after which the
    /// service closes it, so that no request is sent into a connection that is being closed.
    #[arg(long, env = "UPSTREAM_IDLE_SECONDS", default_value_t = 4,
          value_parser = clap::value_parser!(u64).range(1..=9))]
    pub upstream_idle_seconds: u64,

    /// After this time no new request uses an old connection to a service. So instances that were
    /// added get their share, and one that is being stopped gets no request any more when it closes
    /// its connections.
    #[arg(long, env = "UPSTREAM_CONNECTION_AGE_SECONDS", default_value_t = 5,
          value_parser = clap::value_parser!(u64).range(1..=300))]
    pub upstream_connection_age_seconds: u64,

    /// An answer of known length up to this is taken whole before it is passed on, so that one that
    /// is cut becomes a 502 and not half an answer, and so that a client that reads slowly takes no
    /// place at the service. More than the largest page.
    #[arg(long, env = "RESPONSE_BUFFER_MAX_BYTES", default_value_t = 2 * 1024 * 1024,
          value_parser = clap::value_parser!(u64).range(0..=16_777_216))]
    pub response_buffer_max_bytes: u64,

    /// Bytes of answers that were taken whole and are not read to their end by their clients; an
    /// answer beyond is 503. Bounds memory.
    #[arg(long, env = "UNREAD_MAX_BYTES", default_value_t = 256 * 1024 * 1024,
          value_parser = clap::value_parser!(u32).range(1_048_576..=1_073_741_824))]
    pub unread_max_bytes: u32,

    /// Of one client; an answer beyond is 429. Some of the largest pages at once.
    #[arg(long, env = "UNREAD_PER_CLIENT_MAX_BYTES", default_value_t = 32 * 1024 * 1024,
          value_parser = clap::value_parser!(u32).range(1_048_576..=1_073_741_824))]
    pub unread_per_client_max_bytes: u32,

    /// `json` for machines, `pretty` for a terminal.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,

    /// What is logged: `LEVEL` or `TARGET=LEVEL`, several separated by commas. The proxying library logs each failed request by
    /// itself, which the gateway counts instead.
    #[arg(long, env = "LOG_LEVEL", default_value = "info,axum_reverse_proxy=off")]
    pub log_level: String,

    /// A collector of traces that speaks OTLP over HTTP, `http://HOST:4318`. Without it the gateway
    /// passes trace contexts on and reports nothing of its own.
    #[arg(long, env = "OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<Url>,

    /// Of the traces that begin here, so many in a hundred are reported, by every service alike. A
    /// client that begins its trace itself has decided. Reporting costs some 30 µs for each span.
    #[arg(long, env = "TRACES_SAMPLED_PERCENT", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(0..=100))]
    pub traces_sampled_percent: u32,

    /// The end of the process in good order takes at most this long; then it ends at once. Less
    /// than the 30 s after which Kubernetes kills.
    #[arg(long, env = "SHUTDOWN_BOUND_SECONDS", default_value_t = 25,
          value_parser = clap::value_parser!(u64).range(1..=600))]
    pub shutdown_bound_seconds: u64,

    /// How long requests are still taken after the process has said that it is not ready, so that
    /// load balancers notice first. 0 where none stands in front; a few seconds in a cluster. Less than the bound above.
    #[arg(long, env = "SHUTDOWN_LINGER_SECONDS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(0..=120))]
    pub shutdown_linger_seconds: u64,
}

impl Config {
    /// Where a service is.
    #[must_use]
    pub fn url_of(&self, upstream: Upstream) -> &Url {
        match upstream {
            Upstream::Request => &self.request_url,
            Upstream::Auth => &self.auth_url,
            Upstream::Manager => &self.manager_url,
            Upstream::Messenger => &self.messenger_url,
            Upstream::Status => &self.status_url,
        }
    }
}

fn upstream_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let bare = url.scheme() == "http"
        && url.host().is_some()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if bare { Ok(url) } else { Err("expected http://host:port and nothing else".to_owned()) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use clap::CommandFactory;

    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Config, clap::Error> {
        Config::try_parse_from([&["gateway"], arguments].concat())
    }

    //
    #[test]
    fn every_setting_has_a_flag_a_variable_a_default_and_a_reason() {
        Config::command().debug_assert();
        for argument in Config::command().get_arguments() {
            let name = argument.get_id().as_str();
            if matches!(name, "help" | "version") {
                continue;
            }
            assert_eq!(argument.get_env().unwrap().to_str().unwrap(), name.to_uppercase());
            assert!(argument.get_help().is_some_and(|help| help.to_string().len() > 20), "{name}");
        }
        let config = parsed(&[]).unwrap();
        assert_eq!(config.rate_limit_per_second.get(), 50);
        assert_eq!(config.body_max_bytes, 65_536);
        assert!(config.cors_origins.is_empty() && config.trusted_proxies.is_empty());
    }

    //
    #[test]
    fn every_number_has_a_range_that_its_default_is_in() {
        let mut numbers = 0;
        for argument in Config::command().get_arguments() {
            let Some(default) = argument.get_default_values().first() else { continue };
            let is_number = default.to_str().is_some_and(|text| text.parse::<u64>().is_ok());
            if !is_number {
                continue;
            }
            numbers += 1;
            let flag = format!("--{}", argument.get_long().unwrap());
            let name = argument.get_env().unwrap().to_str().unwrap();
            let said = |value: &str| {
                let arguments = ["gateway", &flag, value].map(std::ffi::OsString::from);
                common::config::try_load_from::<Config>(arguments, &[])
                    .map_err(|error| error.to_string())
            };
            assert!(said(default.to_str().unwrap()).is_ok(), "{flag}");
            // Each fits into its type, so it is the range that refuses it.
            for wrong in ["2000000000", "4294967295"] {
                let line = said(wrong).unwrap_err();
                assert_eq!(line.lines().count(), 1, "{line}");
                assert!(line.starts_with(name) && line.contains(" is not in "), "{line}");
            }
        }
        assert_eq!(numbers, 23, "a new number needs a range");
    }

    #[test]
    fn what_would_make_the_gateway_useless_is_out_of_range() {
        for (flag, wrong) in [
            ("--rate-limit-per-second", "0"),
            ("--rate-limit-clients-max", "99"),
            ("--body-max-bytes", "1023"),
            ("--request-timeout-seconds", "0"),
            ("--http-connections-max", "0"),
            ("--upstream-concurrency-max", "0"),
            ("--upstream-concurrency-per-client-max", "0"),
            ("--streams-max", "0"),
            ("--connect-timeout-ms", "9"),
            // The services close an idle connection after 10 s.
            ("--upstream-idle-seconds", "10"),
            ("--upstream-idle-seconds", "0"),
            ("--upstream-connection-age-seconds", "0"),
            ("--shutdown-bound-seconds", "0"),
        ] {
            let refused = parsed(&[flag, wrong]).unwrap_err().to_string();
            assert!(refused.contains(" is not in "), "{flag} {wrong}: {refused}");
        }
    }

    #[test]
    fn a_wrong_setting_stops_the_start() {
        for wrong in [
            ["--request-url", "https://loan-request:8080"],
            ["--request-url", "http://loan-request:8080/base"],
            ["--request-url", "loan-request:8080"],
            ["--trusted-proxies", "10.0.0.0/33"],
            ["--trusted-proxies", "ingress"],
            ["--trusted-proxies", "10.0.0.0/8,0.0.0.0/0"],
            ["--trusted-proxies", "::/0"],
            ["--cors-origins", "*"],
        ] {
            assert!(parsed(&wrong).is_err(), "{wrong:?}");
        }
        let config = parsed(&[
            "--trusted-proxies",
            "10.0.0.0/8,::1/128",
            "--cors-origins",
            "http://localhost:*",
        ])
        .unwrap();
        assert_eq!((config.trusted_proxies.len(), config.cors_origins.len()), (2, 1));
    }
}
