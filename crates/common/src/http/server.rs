//! Serving a router on a socket, with the limits that only the connection knows.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::{Service as _, ServiceExt as _};

use super::stall::StallGuard;

/// The head of a request arrives within this time, and so an idle connection is
/// closed after it. A client that keeps connections open closes its idle ones
/// earlier.
pub const HEADER_READ_SECONDS: u64 = 10;

/// The head of a request has at most this many bytes.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 200;

/// A client that takes nothing of its answer for this long is cut off. Less than
/// the bound of the process's end, so that no such client can use that up.
const WRITE_STALL_SECONDS: u64 = 20;

/// The pause after a failed `accept`: it fails when there are no file handles
/// left, and would fail again at once.
const ACCEPT_PAUSE_MS: u64 = 50;

/// The limits of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections_max: usize,
}

/// Serves until `stop` is cancelled, then lets the requests that are running
/// finish, unless `abort` is cancelled too.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServerLimits,
    stop: CancellationToken,
    abort: CancellationToken,
) {
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    let graceful = GracefulShutdown::new();
    let builder = builder();
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
        let service = service_of(router.clone(), peer);
        let guarded = StallGuard::new(stream, Duration::from_secs(WRITE_STALL_SECONDS));
        let connection =
            builder.serve_connection_with_upgrades(TokioIo::new(guarded), service).into_owned();
        let connection = graceful.watch(connection);
        let abort = abort.clone();
        tokio::spawn(async move {
            tokio::select! {
                result = connection => {
                    if let Err(error) = result {
                        // The client's doing: gone, too slow, or not HTTP.
                        tracing::debug!(error, "a connection ended");
                    }
                }
                () = abort.cancelled() => {}
            }
            drop(permit);
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = abort.cancelled() => {}
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

fn builder() -> Builder<TokioExecutor> {
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
        .keep_alive_interval(Duration::from_secs(HEADER_READ_SECONDS));
    builder
}

fn service_of(
    router: Router,
    peer: SocketAddr,
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
    hyper::service::service_fn(move |request| router.clone().call(request))
}

#[cfg(test)]
mod tests;
