//! The life of the process: as common's services live, without a database and without events.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use common::admin::{self, AdminApi, Credentials, Readiness};
use common::clock::Clock;
use common::http::{
    Edge as Hops, PerClient, ServerLimits, Stack, connections_max, raise_handles, serve,
};
use common::service::Life;
use common::shutdown::Shutdown;
use common::token::{JwksRefresh, TokenVerifier};
use common::{config, logs, telemetry};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::edge::Edge;
use crate::stack;

const NAME: &str = "gateway";

/// Requests to the admin API at once: a collector and some people.
const ADMIN_REQUESTS_MAX: usize = 64;

/// The key set is fetched within this time or later.
const KEYS_CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Runs the gateway until it is told to end. 0: in good order; 1: not; 2: a setting is wrong.
#[must_use]
pub fn run() -> ExitCode {
    let config: Config = config::load();
    let (bound, linger) = (config.shutdown_bound_seconds, config.shutdown_linger_seconds);
    if let Err(error) = config::check_shutdown(bound, linger) {
        eprintln!("error: {error}");
        return ExitCode::from(2);
    }
    let traces = config.otlp_endpoint.as_ref();
    let logs = match logs::start(NAME, config.log_format, &config.log_level, traces) {
        Ok(logs) => logs,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime did not start");
            return ExitCode::FAILURE;
        }
    };
    let code = match runtime.block_on(live(config)) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the gateway has failed");
            ExitCode::FAILURE
        }
    };
    runtime.shutdown_background();
    logs.end();
    code
}

async fn live(config: Config) -> anyhow::Result<ExitCode> {
    let figures = telemetry::start(NAME)?;
    let readiness = Readiness::new();
    let shutdown = Shutdown::new();
    let bound = Duration::from_secs(config.shutdown_bound_seconds);
    let linger = Duration::from_secs(config.shutdown_linger_seconds);
    let mut life = Life::with_bounds(shutdown.clone(), readiness.clone(), bound, linger)?;

    let admin = listen(config.admin_addr, "ADMIN_ADDR").await?;
    let credentials = Credentials::try_new(config.admin_credential.as_ref())
        .map_err(|reason| anyhow::anyhow!("ADMIN_CREDENTIAL: {reason}"))?;
    let admin_api = AdminApi::new(credentials);
    let router = admin::router(readiness.clone(), figures.clone())
        .fallback_service(admin_api.clone().into_router());
    life.until_last("admin", |stop| {
        ends_well(serve(admin, router, admin::server_limits(), stop, shutdown.hard()))
    });
    life.until_last("telemetry", |stop| ends_well(telemetry::sample(figures, None, None, stop)));

    let clock = Clock::system();
    let verifier = TokenVerifier::new(&config.token_issuer, &config.token_audience, clock.clone());
    let edge = Hops {
        public_url: None,
        allowed_hosts: Vec::new(),
        trusted_proxies: config.trusted_proxies.clone(),
    };
    let requests_max = ADMIN_REQUESTS_MAX;
    let parts = Stack { edge, verifier: verifier.clone(), clock: clock.clone(), requests_max };
    admin_api.set_routes(admin::log_level(), |router| common::http::stack(router, parts));
    let http =
        reqwest::Client::builder().connect_timeout(KEYS_CONNECT_TIMEOUT).no_proxy().build()?;
    let keys = JwksRefresh::in_memory(verifier.clone(), config.jwks_url.clone(), http);
    life.work("keys", |stop| ends_well(keys.run(stop)));

    let listener = listen(config.http_addr, "HTTP_ADDR").await?;
    let (http_addr, admin_addr) = (config.http_addr, config.admin_addr);
    life.requests("http", |stop| {
        ends_well(answer(config, verifier, clock, listener, shutdown.clone(), stop))
    });
    readiness.set_started();
    tracing::info!(http = %http_addr, admin = %admin_addr, "started");
    Ok(life.run().await)
}

async fn ends_well(task: impl Future<Output = ()>) -> anyhow::Result<()> {
    task.await;
    Ok(())
}

async fn listen(address: std::net::SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{setting} {address} cannot be listened on"))
}

/// The services behind the gateway.
const UPSTREAMS: u64 = 5;

/// Answers clients until `stop`, then finishes what it has begun.
pub(crate) async fn answer(
    config: Config,
    verifier: TokenVerifier,
    clock: Clock,
    listener: TcpListener,
    shutdown: Shutdown,
    stop: CancellationToken,
) {
    // Each request under way may have a connection of its own to its service.
    let onward =
        u64::from(config.upstream_concurrency_max) * UPSTREAMS + u64::from(config.streams_max);
    let handles = raise_handles();
    let limits = ServerLimits {
        connections_max: connections_max(config.http_connections_max, onward, handles),
        per_client: Some(PerClient {
            connections_max: usize::try_from(config.http_connections_per_client_max)
                .unwrap_or(usize::MAX),
            proxies: config.trusted_proxies.clone(),
        }),
    };
    let edge = Arc::new(Edge::new(&config, verifier, clock, shutdown.soft(), stop.clone()));
    // One service for every path: the table is ours, not the router's.
    let router = Router::new().fallback_service(stack::build(&edge));
    serve(listener, router, limits, stop, shutdown.hard()).await;
}
