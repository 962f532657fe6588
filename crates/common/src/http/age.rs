//! How long a connection goes on being used. Whoever stands in front balances connections and
//! not requests: an instance that is added gets no share of what comes over connections that
//! are kept for ever.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderValue, Version, header};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A connection's end is spread over so many percent before its full age, by its peer's port:
/// those that were made together do not all come again together.
const SPREAD_PERCENT: u32 = 25;

/// The age of one connection. Cloning is cheap.
#[derive(Clone, Debug)]
pub(super) struct Age {
    over_at: Instant,
    /// Cancelled when an HTTP/2 connection is to end.
    http2_over: CancellationToken,
}

impl Age {
    /// Of a connection that is new.
    pub(super) fn new(max: Duration, peer: SocketAddr) -> Self {
        let earlier = max / 100 * (u32::from(peer.port()) % SPREAD_PERCENT);
        Self {
            over_at: Instant::now() + max.saturating_sub(earlier),
            http2_over: CancellationToken::new(),
        }
    }

    /// To be said of each answer. HTTP/1 is told to end with an answer's head, and so no
    /// request is on its way when the connection is closed; HTTP/2 has a frame for it, which
    /// says up to which request all are answered.
    pub(super) fn note<B>(&self, version: Version, answer: &mut http::Response<B>) {
        if Instant::now() < self.over_at {
            return;
        }
        if version == Version::HTTP_2 {
            self.http2_over.cancel();
        } else {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// Waits until an HTTP/2 connection is to end.
    pub(super) async fn http2_over(&self) {
        self.http2_over.cancelled().await;
    }
}
