//! Somebody's own system that is told by web-hook, and misbehaves on demand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// What the receiver does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Answers 204.
    Take,
    /// Answers with this status.
    Answer(u16),
    /// Answers 503, and wants it again so many seconds later.
    Later(u64),
    /// Answers that it is somewhere else.
    Redirect(String),
    /// Answers after so long.
    Slow(Duration),
    /// Answers 200 with so many bytes.
    Long(usize),
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Told {
    /// Where.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
    /// When.
    pub at: std::time::Instant,
}

impl Told {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Its body as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

#[derive(Debug)]
struct Inner {
    manner: Manner,
    told: Vec<Told>,
}

/// A receiver that listens.
#[derive(Debug)]
pub struct HookReceiver {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    running: AbortHandle,
}

impl HookReceiver {
    /// On a free port.
    ///
    /// # Errors
    /// If there is none.
    pub async fn start() -> Result<Self> {
        let inner = Arc::new(Mutex::new(Inner { manner: Manner::Take, told: Vec::new() }));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(take).with_state(Arc::clone(&inner));
        let running = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, inner, running: running.abort_handle() })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// What it does from now on.
    pub fn set(&self, manner: Manner) {
        self.locked().manner = manner;
    }

    /// What came, in its order.
    #[must_use]
    pub fn told(&self) -> Vec<Told> {
        self.locked().told.clone()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HookReceiver {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn take(
    State(inner): State<Arc<Mutex<Inner>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let manner = {
        let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
        let body = String::from_utf8_lossy(&body).into_owned();
        let at = std::time::Instant::now();
        inner.told.push(Told { path: uri.path().to_owned(), headers, body, at });
        inner.manner.clone()
    };
    match manner {
        Manner::Take => StatusCode::NO_CONTENT.into_response(),
        Manner::Answer(status) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::NO_CONTENT).into_response()
        }
        Manner::Later(seconds) => {
            (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", seconds.to_string())])
                .into_response()
        }
        Manner::Redirect(location) => {
            (StatusCode::TEMPORARY_REDIRECT, [("location", location)]).into_response()
        }
        Manner::Slow(pause) => {
            tokio::time::sleep(pause).await;
            StatusCode::NO_CONTENT.into_response()
        }
        Manner::Long(bytes) => "x".repeat(bytes).into_response(),
    }
}
