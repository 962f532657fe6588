//! Passing one request to one service, and what can be said when no answer comes back.
//!
//! The proxying itself (hop-by-hop headers, `Via`, streaming bodies) is axum-reverse-proxy's; the
//! rest of the gateway knows only the trait [`Forward`].

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Body;
use axum_reverse_proxy::{HostBehaviour, ProxyError, ProxyPolicy, ReverseProxy, XForwardedFor};
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;
use url::Url;

/// The gateway's name in `Via`, by which it also knows its own requests again.
const PSEUDONYM: &str = "online-loan-gateway";

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// No connection: surely nothing was sent, so the request may be sent again whatever it is.
    NotSent,
    /// The connection ended before the answer's head: nobody knows what became of the request.
    Cut,
    /// The request had been here before.
    Loop,
}

/// What becomes of a request that was sent.
pub(crate) type Forwarding<'a> = BoxFuture<'a, Result<Response<Body>, Unanswered>>;

/// Sends a request to a service. The path is passed on as it is.
pub(crate) trait Forward: Send + Sync + 'static {
    fn forward(&self, request: Request<Body>) -> Forwarding<'_>;
}

/// How connections to a service are made and kept.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    /// How long making one may take.
    pub(crate) connect_timeout: Duration,
    /// How long an idle one is kept; must be shorter than the service keeps it, else requests are
    /// sent into connections that are just being closed.
    pub(crate) idle: Duration,
    /// How many idle ones are kept.
    pub(crate) idle_max: usize,
    /// After this time a new set is begun and the old one is used up. So instances that were added
    /// get their share of the requests, and one that is being stopped gets none any more before it
    /// closes its connections.
    pub(crate) age: Duration,
}

/// [`Forward`] by axum-reverse-proxy with a pool of its own.
pub(crate) struct PooledProxy {
    target: String,
    connections: Connections,
    current: RwLock<Generation>,
}

struct Generation {
    proxy: Arc<ReverseProxy<HttpConnector>>,
    since: Instant,
}

impl PooledProxy {
    /// `target` is `http://host:port` without a path, which the settings have checked.
    pub(crate) fn new(target: &Url, connections: Connections) -> PooledProxy {
        let target = target.as_str().trim_end_matches('/').to_owned();
        let current = RwLock::new(Generation::new(&target, &connections));
        PooledProxy { target, connections, current }
    }

    fn current(&self) -> Arc<ReverseProxy<HttpConnector>> {
        {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            if current.since.elapsed() < self.connections.age {
                return Arc::clone(&current.proxy);
            }
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.since.elapsed() >= self.connections.age {
            *current = Generation::new(&self.target, &self.connections);
        }
        Arc::clone(&current.proxy)
    }
}

impl Generation {
    fn new(target: &str, connections: &Connections) -> Generation {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(connections.connect_timeout));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(connections.idle)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(connections.idle_max)
            // A pooled connection that turns out to be closed before a byte was written is replaced
            // by another.
            .retry_canceled_requests(true)
            .build(connector);
        // The headers are already as they shall be: see `client.rs`.
        let policy = ProxyPolicy::new()
            .with_host_behaviour(HostBehaviour::Preserve)
            .with_x_forwarded_for(XForwardedFor::Preserve)
            .with_via(PSEUDONYM);
        Generation {
            proxy: Arc::new(ReverseProxy::new_with_client("", target, client).with_policy(policy)),
            since: Instant::now(),
        }
    }
}

impl Forward for PooledProxy {
    fn forward(&self, request: Request<Body>) -> Forwarding<'_> {
        let proxy = self.current();
        Box::pin(async move {
            let Ok(mut response) = proxy.proxy_request(request).await;
            if let Some(error) = response.extensions_mut().remove::<ProxyError>() {
                tracing::debug!(error = error.message(), "no answer from the service");
                return Err(if error.is_connect() { Unanswered::NotSent } else { Unanswered::Cut });
            }
            if response.status() == StatusCode::LOOP_DETECTED {
                return Err(Unanswered::Loop);
            }
            Ok(response)
        })
    }
}
