//! A TCP proxy that stands between two processes and misbehaves on demand.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What the proxy does with what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Passes all.
    Pass,
    /// Requests pass, answers are held back until the mode changes.
    HoldAnswers,
    /// Nothing passes in either direction until the mode changes.
    Hold,
    /// Requests pass, each answer comes later by this much.
    DelayAnswers(Duration),
}

/// A proxy; it ends with this value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    target: Arc<Mutex<Option<String>>>,
    mode: watch::Sender<Mode>,
    held: watch::Sender<Option<Held>>,
    connections: Arc<AtomicU64>,
    accepting: AbortHandle,
}

impl Proxy {
    /// Listens on a free port; connections fail until there is a target.
    ///
    /// # Errors
    /// If no port is to be had.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (mode, watched) = watch::channel(Mode::Pass);
        let target = Arc::new(Mutex::new(None));
        let (held, watched_held) = watch::channel(None);
        let connections = Arc::default();
        let ways =
            Ways { mode: watched, held: watched_held, connections: Arc::clone(&connections) };
        let accepting = tokio::spawn(accept(listener, Arc::clone(&target), ways)).abort_handle();
        Ok(Self { address, target, mode, held, connections, accepting })
    }

    /// The address to talk to instead of the target's.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says where it leads (`host:port`, or an `http://` address).
    pub fn lead_to(&self, target: &str) {
        let target = target.trim_start_matches("http://").trim_end_matches('/').to_owned();
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = Some(target);
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What contains these bytes does not pass on the connections that are open now,
    /// nor does anything behind it. New ones pass all.
    pub fn hold_what_contains(&self, bytes: &[u8]) {
        let below = self.connections.load(Ordering::SeqCst);
        self.held.send_replace(Some(Held { below, bytes: bytes.to_vec() }));
    }

    /// What was held goes on its way.
    pub fn release(&self) {
        self.held.send_replace(None);
    }

    /// Changes what it does, for connections that are open as well.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Connections with a lower number pass nothing from these bytes on.
#[derive(Debug)]
struct Held {
    below: u64,
    bytes: Vec<u8>,
}

impl Held {
    fn holds(&self, number: u64, passing: &[u8]) -> bool {
        number < self.below && passing.windows(self.bytes.len()).any(|part| part == self.bytes)
    }
}

/// What decides whether something passes.
#[derive(Clone)]
struct Ways {
    mode: watch::Receiver<Mode>,
    held: watch::Receiver<Option<Held>>,
    connections: Arc<AtomicU64>,
}

async fn accept(listener: TcpListener, target: Arc<Mutex<Option<String>>>, ways: Ways) {
    while let Ok((client, _)) = listener.accept().await {
        let target = target.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let number = ways.connections.fetch_add(1, Ordering::SeqCst);
        let ways = ways.clone();
        tokio::spawn(async move {
            let Some(target) = target else { return };
            let Ok(server) = TcpStream::connect(target).await else { return };
            let (client_read, client_write) = client.into_split();
            let (server_read, server_write) = server.into_split();
            tokio::join!(
                pump(client_read, server_write, ways.clone(), number, false),
                pump(server_read, client_write, ways, number, true),
            );
        });
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    Ways { mut mode, mut held, .. }: Ways,
    number: u64,
    answers: bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let is_held = |mode: &Mode| *mode == Mode::Hold || (answers && *mode == Mode::HoldAnswers);
        if mode.wait_for(|mode| !is_held(mode)).await.is_err() {
            return;
        }
        let passes = |held: &Option<Held>| {
            answers || !held.as_ref().is_some_and(|held| held.holds(number, &buffer[..read]))
        };
        if held.wait_for(passes).await.is_err() {
            return;
        }
        let delay = match *mode.borrow() {
            Mode::DelayAnswers(delay) if answers => delay,
            _ => Duration::ZERO,
        };
        tokio::time::sleep(delay).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
    // The other side learns of the end; if it is gone already, so much the better.
    drop(to.shutdown().await);
}
