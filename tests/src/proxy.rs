//! A TCP proxy that stands between two processes and misbehaves on demand.

mod targets;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use targets::Targets;

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
    /// What passes comes later by this much, in both directions.
    Delay(Duration),
    /// Open connections are cut, and so is each new one.
    Cut,
}

/// Tells from the first bytes of a connection who is speaking.
pub type Naming = fn(&[u8]) -> Option<String>;

/// What is done with whom: those that are named here by their name, and all others.
#[derive(Clone, Debug)]
struct Modes {
    all: Mode,
    named: BTreeMap<String, Mode>,
}

impl Modes {
    fn of(&self, name: Option<&str>) -> Mode {
        name.and_then(|name| self.named.get(name)).copied().unwrap_or(self.all)
    }
}

/// A proxy; it ends with this value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    targets: Arc<Targets>,
    modes: watch::Sender<Modes>,
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
        Self::start_naming(|_| None).await
    }

    /// The same, knowing its clients apart by what they say first.
    ///
    /// # Errors
    /// If no port is to be had.
    pub async fn start_naming(naming: Naming) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (modes, watched) = watch::channel(Modes { all: Mode::Pass, named: BTreeMap::new() });
        let (held, watched_held) = watch::channel(None);
        let targets = Arc::new(Targets::default());
        let connections = Arc::default();
        let door = Door {
            naming,
            targets: Arc::clone(&targets),
            modes: watched,
            held: watched_held,
            connections: Arc::clone(&connections),
        };
        let accepting = tokio::spawn(door.accept(listener)).abort_handle();
        Ok(Self { address, targets, modes, held, connections, accepting })
    }

    /// The connections that a target did not take, and why: the first twenty.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        self.targets.refused()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address to talk to instead of the target's.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says where it leads (`host:port`, or an `http://` address).
    pub fn lead_to(&self, target: &str) {
        self.lead_to_any(&[target]);
    }

    /// Says where it leads: each new connection to the next of these, and past
    /// those that take none.
    pub fn lead_to_any<T: AsRef<str>>(&self, targets: &[T]) {
        let bare = |target: &T| {
            target.as_ref().trim_start_matches("http://").trim_end_matches('/').to_owned()
        };
        self.targets.set(targets.iter().map(bare).collect());
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
        self.modes.send_modify(|modes| modes.all = mode);
    }

    /// Changes what it does with those of one name.
    pub fn set_for(&self, name: &str, mode: Mode) {
        self.modes.send_modify(|modes| {
            modes.named.insert(name.to_owned(), mode);
        });
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

/// Who calls itself what in Kafka's protocol: the client id, which stands in the
/// head of every request.
#[must_use]
pub fn kafka_client(first: &[u8]) -> Option<String> {
    // Length (4), which request (2), its version (2), its number (4); then the
    // client id, led by its length (2).
    let length = usize::from(u16::from_be_bytes(first.get(12..14)?.try_into().ok()?));
    String::from_utf8(first.get(14..14 + length)?.to_vec()).ok()
}

#[derive(Clone)]
struct Door {
    naming: Naming,
    targets: Arc<Targets>,
    modes: watch::Receiver<Modes>,
    held: watch::Receiver<Option<Held>>,
    connections: Arc<AtomicU64>,
}

impl Door {
    async fn accept(self, listener: TcpListener) {
        while let Ok((client, _)) = listener.accept().await {
            let door = self.clone();
            let number = self.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move { door.pass(client, number).await });
        }
    }

    async fn pass(self, client: TcpStream, number: u64) {
        let mut modes = self.modes;
        if modes.borrow().all == Mode::Cut {
            return;
        }
        let Some(server) = self.targets.connect().await else { return };
        // Small requests and answers are not to wait for more.
        drop((client.set_nodelay(true), server.set_nodelay(true)));
        // Who speaks is known once they have spoken.
        let (name, mut named) = watch::channel(None);
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = server.into_split();
        let pump = |answers| Pump {
            modes: modes.clone(),
            held: self.held.clone(),
            number,
            name: named.clone(),
            answers,
        };
        let (requests, answers) = (pump(false), pump(true));
        let naming = self.naming;
        let learn = move |first: &[u8]| {
            name.send_replace(naming(first));
        };
        let cut = async {
            loop {
                let name = named.borrow_and_update().clone();
                if modes.borrow_and_update().of(name.as_deref()) == Mode::Cut {
                    return;
                }
                // The name comes once and its sender goes with the connection.
                tokio::select! {
                    changed = modes.changed() => if changed.is_err() { return },
                    Ok(()) = named.changed() => {}
                }
            }
        };
        tokio::select! {
            _ = async { tokio::join!(
                requests.run(client_read, server_write, learn),
                answers.run(server_read, client_write, |_: &[u8]| {}),
            ) } => {}
            // Dropping the halves closes both sides.
            () = cut => {}
        }
    }
}

struct Pump {
    modes: watch::Receiver<Modes>,
    held: watch::Receiver<Option<Held>>,
    number: u64,
    name: watch::Receiver<Option<String>>,
    answers: bool,
}

impl Pump {
    async fn run(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, learn: impl Fn(&[u8])) {
        let mut buffer = vec![0; 16 * 1024];
        let mut first = true;
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            if std::mem::take(&mut first) {
                learn(&buffer[..read]);
            }
            let name = self.name.borrow().clone();
            let mode = |modes: &Modes| modes.of(name.as_deref());
            let held =
                |mode: Mode| mode == Mode::Hold || (self.answers && mode == Mode::HoldAnswers);
            if self.modes.wait_for(|modes| !held(mode(modes))).await.is_err() {
                return;
            }
            let (number, answers) = (self.number, self.answers);
            let passes = |held: &Option<Held>| {
                answers || !held.as_ref().is_some_and(|held| held.holds(number, &buffer[..read]))
            };
            if self.held.wait_for(passes).await.is_err() {
                return;
            }
            let delay = match mode(&self.modes.borrow()) {
                Mode::DelayAnswers(delay) if self.answers => delay,
                Mode::Delay(delay) => delay,
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
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// A server that says back what it hears.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    drop(tokio::io::copy(&mut read, &mut write).await);
                });
            }
        });
        address
    }

    async fn says_back(stream: &mut TcpStream, what: &[u8]) -> bool {
        let exchange = async {
            stream.write_all(what).await.ok()?;
            let mut back = vec![0; what.len()];
            stream.read_exact(&mut back).await.ok().map(|_| back == what)
        };
        let patience = Duration::from_millis(500);
        tokio::time::timeout(patience, exchange).await.ok().flatten().unwrap_or(false)
    }

    #[tokio::test]
    async fn a_cut_ends_open_and_new_connections_and_heals() {
        let proxy = Proxy::start().await.unwrap();
        proxy.lead_to(&echo().await.to_string());
        let mut open = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(says_back(&mut open, b"before").await);
        proxy.set(Mode::Cut);
        assert!(!says_back(&mut open, b"cut").await);
        let mut new = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(!says_back(&mut new, b"cut").await);
        proxy.set(Mode::Pass);
        let mut new = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(says_back(&mut new, b"after").await);
    }

    #[tokio::test]
    async fn a_target_that_is_away_is_passed_over() {
        let proxy = Proxy::start().await.unwrap();
        let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        proxy.lead_to_any(&[away.to_string(), echo().await.to_string()]);
        for _ in 0..4 {
            let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
            assert!(says_back(&mut stream, b"hello").await);
        }
    }

    fn from_client(id: &str) -> Vec<u8> {
        let mut head = vec![0, 0, 0, 30, 0, 18, 0, 3, 0, 0, 0, 1];
        head.extend(u16::try_from(id.len()).unwrap().to_be_bytes());
        head.extend(id.as_bytes());
        head
    }

    #[tokio::test]
    async fn a_kafka_client_is_known_by_its_id_and_cut_alone() {
        let proxy = Proxy::start_naming(kafka_client).await.unwrap();
        proxy.lead_to(&echo().await.to_string());
        let mut streams = Vec::new();
        for id in ["loan-auth", "loan-status"] {
            let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
            assert!(says_back(&mut stream, &from_client(id)).await);
            streams.push(stream);
        }
        proxy.set_for("loan-status", Mode::Cut);
        assert!(says_back(&mut streams[0], b"still here").await);
        assert!(!says_back(&mut streams[1], b"gone").await);
        let mut new = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(!says_back(&mut new, &from_client("loan-status")).await);
    }
}
