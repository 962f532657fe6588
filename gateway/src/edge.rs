//! What the layers share: the settings they obey, and what they count.

use std::net::IpAddr;
use std::time::Duration;

use common::clock::Clock;
use common::http::{Crowd, Edge as Hops, Full, Place};
use common::token::TokenVerifier;
use http::{Method, StatusCode};
use metrics::{Counter, Histogram};
use tokio_util::sync::CancellationToken;

use crate::auth::Tokens;
use crate::config::Config;
use crate::cors::OriginPattern;
use crate::proxy::{Connections, PooledProxy};
use crate::rate::Rate;
use crate::rescue::Failure;
use crate::routes::{Found, ROUTES, Upstream};
use crate::trace::Traces;
use crate::unbelieved::Unbelieved;
use crate::upstream::{Service, Taking};

/// An answer up to this counts as read when it is given to its connection. Larger ones are pages.
const UNREAD_FREE_BYTES: usize = 4 * 1024;

/// Everything that requests share.
pub(crate) struct Edge {
    pub(crate) cors_origins: Vec<OriginPattern>,
    pub(crate) hops: Hops,
    pub(crate) unbelieved: Unbelieved,
    pub(crate) rate: Rate,
    pub(crate) tokens: Tokens,
    pub(crate) meters: Meters,
    pub(crate) clock: Clock,
    pub(crate) traces: Traces,
    pub(crate) bodies: Crowd,
    pub(crate) body_max_bytes: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) response_buffer_max_bytes: u64,
    pub(crate) request_timeout: Duration,
    /// Cancelled when the end begins: requests are still taken, connections are not kept any more.
    pub(crate) ending: CancellationToken,
    /// Cancelled when no request is taken any more.
    pub(crate) closing: CancellationToken,
    services: [Service; Upstream::ALL.len()],
    streams: Crowd,
    unread: Crowd,
}

impl Edge {
    pub(crate) fn new(
        config: &Config,
        verifier: TokenVerifier,
        clock: Clock,
        ending: CancellationToken,
        closing: CancellationToken,
    ) -> Edge {
        let request_timeout = Duration::from_secs(config.request_timeout_seconds);
        let connections = Connections {
            connect_timeout: Duration::from_millis(config.connect_timeout_ms),
            idle: Duration::from_secs(config.upstream_idle_seconds),
            idle_max: count(config.upstream_concurrency_max),
            age: Duration::from_secs(config.upstream_connection_age_seconds),
        };
        let taking = Taking {
            buffer_max_bytes: config.response_buffer_max_bytes,
            deadline: request_timeout,
        };
        let places = || {
            Crowd::new(
                count(config.upstream_concurrency_max),
                count(config.upstream_concurrency_per_client_max),
            )
        };
        let services = Upstream::ALL.map(|upstream| {
            let forward = PooledProxy::new(config.url_of(upstream), connections.clone());
            Service::new(upstream, Box::new(forward), places(), taking)
        });
        Edge {
            cors_origins: config.cors_origins.clone(),
            hops: Hops {
                public_url: None,
                allowed_hosts: Vec::new(),
                trusted_proxies: config.trusted_proxies.clone(),
            },
            unbelieved: Unbelieved::new(),
            rate: Rate::new(
                config.rate_limit_per_second,
                config.rate_limit_costly_per_second,
                config.rate_limit_clients_max,
            ),
            tokens: Tokens::new(verifier),
            meters: Meters::new(),
            clock,
            traces: Traces::of(config),
            bodies: Crowd::new(count(config.bodies_max), count(config.bodies_per_client_max)),
            body_max_bytes: count(config.body_max_bytes),
            body_timeout: Duration::from_secs(config.body_timeout_seconds),
            response_buffer_max_bytes: config.response_buffer_max_bytes,
            request_timeout,
            ending,
            closing,
            services,
            streams: Crowd::new(count(config.streams_max), count(config.streams_per_client_max)),
            unread: Crowd::new(
                count(config.unread_max_bytes),
                count(config.unread_per_client_max_bytes),
            ),
        }
    }

    pub(crate) fn service(&self, upstream: Upstream) -> &Service {
        // The array was made from `Upstream::ALL`, which is in the order of the variants.
        &self.services[upstream as usize]
    }

    /// Puts another way of sending in the place of one.
    #[cfg(test)]
    pub(crate) fn replace(&mut self, upstream: Upstream, service: Service) {
        self.services[upstream as usize] = service;
    }

    /// A place among the streams, which last and so must not take the places of requests.
    pub(crate) fn stream_place(
        &self,
        upstream: Upstream,
        client: IpAddr,
    ) -> Result<Place, Failure> {
        self.streams.enter(client).map_err(|full| match full {
            Full::OfClient => Failure::Crowded("streams"),
            Full::OfAll => Failure::Busy(upstream),
        })
    }

    /// Room for an answer that waits to be read; none is needed for a short one. What was done
    /// (`is_safe` is false) is answered in any case.
    pub(crate) fn unread_place(
        &self,
        client: IpAddr,
        length: u64,
        is_safe: bool,
    ) -> Result<Option<Place>, Failure> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length <= UNREAD_FREE_BYTES || !is_safe {
            return Ok(None);
        }
        let place = self.unread.enter_with(client, length);
        place.map(Some).map_err(|full| Failure::no_place(full, "answers that are not read"))
    }
}

/// A setting as a number of things in memory.
fn count(setting: u32) -> usize {
    usize::try_from(setting).unwrap_or(usize::MAX)
}

/// Counters and histograms, looked up once: finding one by its labels costs more than counting.
pub(crate) struct Meters {
    rows: Vec<Row>,
}

struct Row {
    methods: &'static [Method],
    /// In their order, and the last one for all others.
    by_method: Vec<[Counter; 5]>,
    seconds: Histogram,
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl Row {
    fn new(route: &'static str, methods: &'static [Method]) -> Row {
        let names = methods.iter().map(Method::as_str).chain(["other"]);
        let by_method = names.map(|method| {
            CLASSES.map(|class| {
                let labels = [("route", route), ("method", method), ("status", class)];
                metrics::counter!("gateway_requests_total", &labels)
            })
        });
        Row {
            methods,
            by_method: by_method.collect(),
            seconds: metrics::histogram!("gateway_request_seconds", "route" => route),
        }
    }

    fn counter(&self, method: &Method, status: StatusCode) -> Option<&Counter> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let place = self.methods.iter().position(|own| own == method);
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        self.by_method.get(place.unwrap_or(self.methods.len()))?.get(class)
    }
}

impl Meters {
    fn new() -> Meters {
        let rows = ROUTES.iter().map(|route| Row::new(route.path, route.methods));
        Meters { rows: rows.chain([Row::new("none", &[])]).collect() }
    }

    pub(crate) fn answered(
        &self,
        found: Found,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let Some(row) = self.rows.get(found.index()) else {
            return;
        };
        if let Some(counter) = row.counter(method, status) {
            counter.increment(1);
        }
        row.seconds.record(took.as_secs_f64());
    }
}
