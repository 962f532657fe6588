//! Serving a router on a socket, with the limits that only the connection knows.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Service as _, ServiceExt as _};

use super::activity::{Activity, Silence};
use super::age::Age;
use super::crowd::{Crowd, Full, Place};
use super::stall::StallGuard;

/// The head of a request arrives within this time, and so an idle HTTP/1
/// connection is closed after it. A client that keeps connections open closes its
/// idle ones earlier.
pub const HEADER_READ_SECONDS: u64 = 10;

/// The head of a request has at most this many bytes.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// A connection without a request is closed after this time, of whatever version
/// of HTTP and whatever else it sends. More than the head's time, which ends idle
/// HTTP/1 connections.
const IDLE_SECONDS: u64 = 15;

/// Requests that make no step for this long end with their connection: the client
/// answers pings and takes nothing of its answers. More than a request may take
/// ([`super::REQUEST_SECONDS`]), and than lies between two signs of life of a stream.
const STUCK_SECONDS: u64 = 90;

/// A connection without a request that is told to end has this long for it.
const CLOSE_SECONDS: u64 = 5;

/// After this time a connection is ended with its next answer, so that its client's next
/// one may lead to another instance. Within some of these an instance that is added has its
/// share; and a new connection costs a millisecond.
const AGE_SECONDS: u64 = 30;

/// How often the other end of an HTTP/2 connection is asked for a sign of life,
/// and how long that may take. Its kernel alone would keep a client that is gone.
const PING_EVERY_SECONDS: u64 = 10;
const PONG_WITHIN_SECONDS: u64 = 10;

/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 200;

/// A client that takes nothing of its answer for this long is cut off. Less than
/// the bound of the process's end, so that no such client can use that up.
const WRITE_STALL_SECONDS: u64 = 20;

/// The pause after a failed `accept`: it fails when there are no file handles
/// left, and would fail again at once.
const ACCEPT_PAUSE_MS: u64 = 50;

/// The limits of a server.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// Of one client, where clients come from anywhere.
    pub per_client: Option<PerClient>,
}

/// How many connections one client may have, so that it does not take those of others.
#[derive(Clone, Debug)]
pub struct PerClient {
    /// So many; a further one is closed at once.
    pub connections_max: usize,
    /// Who has more, because many clients come through it.
    pub proxies: Vec<IpNet>,
}

/// How long what is waited for.
#[derive(Clone, Copy, Debug)]
struct Patience {
    idle: Duration,
    stuck: Duration,
    close: Duration,
    age: Duration,
    ping_every: Duration,
    pong_within: Duration,
}

const PATIENCE: Patience = Patience {
    idle: Duration::from_secs(IDLE_SECONDS),
    stuck: Duration::from_secs(STUCK_SECONDS),
    close: Duration::from_secs(CLOSE_SECONDS),
    age: Duration::from_secs(AGE_SECONDS),
    ping_every: Duration::from_secs(PING_EVERY_SECONDS),
    pong_within: Duration::from_secs(PONG_WITHIN_SECONDS),
};

/// Serves until `stop` is cancelled, then lets the requests that are running
/// finish, unless `abort` is cancelled too.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServerLimits,
    stop: CancellationToken,
    abort: CancellationToken,
) {
    serve_with(PATIENCE, listener, router, limits, stop, abort).await;
}

async fn serve_with(
    patience: Patience,
    listener: TcpListener,
    router: Router,
    limits: ServerLimits,
    stop: CancellationToken,
    abort: CancellationToken,
) {
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    let clients = limits.per_client.map(Clients::new);
    let tasks = TaskTracker::new();
    let builder = builder(patience);
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else {
            tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            continue;
        };
        // Closed without a word: an answer would cost what is to be saved.
        let Ok(place) = clients.as_ref().map(|clients| clients.enter(peer.ip())).transpose() else {
            metrics::counter!("http_connections_refused_total").increment(1);
            continue;
        };
        let activity = Activity::new();
        let age = Age::new(patience.age, peer);
        let service = service_of(router.clone(), peer, activity.clone(), age.clone());
        let guarded = StallGuard::new(stream, Duration::from_secs(WRITE_STALL_SECONDS));
        let connection =
            builder.serve_connection_with_upgrades(TokioIo::new(guarded), service).into_owned();
        let (stop, abort) = (stop.clone(), abort.clone());
        tasks.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let mut is_told = false;
            loop {
                let idle = if is_told { patience.close } else { patience.idle };
                tokio::select! {
                    result = connection.as_mut() => {
                        if let Err(error) = result {
                            // The client's doing: gone, too slow, or not HTTP.
                            tracing::debug!(error, "a connection ended");
                        }
                        break;
                    }
                    silence = activity.silence(idle, patience.stuck) => {
                        if is_told || silence == Silence::Stuck {
                            break;
                        }
                    }
                    () = stop.cancelled(), if !is_told => {}
                    () = age.http2_over(), if !is_told => {}
                    () = abort.cancelled() => break,
                }
                connection.as_mut().graceful_shutdown();
                is_told = true;
            }
            drop((permit, place));
        });
    }
    drop(listener);
    tasks.close();
    tokio::select! {
        () = tasks.wait() => {}
        () = abort.cancelled() => {}
    }
}

/// How many connections each client has.
struct Clients {
    crowd: Crowd,
    proxies: Vec<IpNet>,
}

impl Clients {
    fn new(limit: PerClient) -> Self {
        Self { crowd: Crowd::new(usize::MAX, limit.connections_max), proxies: limit.proxies }
    }

    /// A place for one more; none is needed by whom many clients come through.
    fn enter(&self, peer: IpAddr) -> Result<Option<Place>, Full> {
        let peer = peer.to_canonical();
        if self.proxies.iter().any(|range| range.contains(&peer)) {
            return Ok(None);
        }
        self.crowd.enter(peer).map(Some)
    }
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, connections: &Arc<Semaphore>) -> Option<Accepted> {
    let permit = Arc::clone(connections).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // An answer is written at once; waiting to fill a packet costs 40 ms.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "no TCP_NODELAY");
            }
            Some((stream, peer, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            None
        }
    }
}

fn builder(patience: Patience) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEADER_READ_SECONDS))
        .max_buf_size(HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(patience.ping_every)
        .keep_alive_timeout(patience.pong_within);
    builder
}

fn service_of(
    router: Router,
    peer: SocketAddr,
    activity: Activity,
    age: Age,
) -> impl hyper::service::Service<
    http::Request<hyper::body::Incoming>,
    Response = axum::response::Response,
    Error = Infallible,
    Future: Send + 'static,
> + Send
+ 'static {
    let router = router.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(axum::body::Body::new)
    });
    hyper::service::service_fn(move |request| {
        let (running, age, version) = (activity.begin(), age.clone(), request.version());
        let answer = router.clone().call(request);
        async move {
            let mut answer = answer.await?;
            age.note(version, &mut answer);
            Ok(answer.map(|body| running.until_the_end_of(body)))
        }
    })
}

#[cfg(test)]
mod tests;
