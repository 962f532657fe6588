//! The whole gateway on a real socket before real small services on real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod failures;
mod hostile;
mod limits;
mod passing;
mod streams;
mod tokens;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use clap::Parser;
use common::clock::Clock;
use common::shutdown::Shutdown;
use common::test_support::TestTokens;
use common::token::TokenVerifier;
use http::{HeaderMap, Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::routes::Upstream;

/// Nothing here takes longer than this, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request as a service saw it.
#[derive(Debug, Clone)]
struct Seen {
    method: Method,
    path_and_query: String,
    headers: HeaderMap,
    body: String,
}

/// A service: it remembers what it saw and does what the header `behave` says.
#[derive(Clone)]
struct Fake {
    name: &'static str,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// What waits here goes on with each permit that is added.
    go: Arc<Semaphore>,
    /// Requests whose work was dropped before its end.
    given_up: Arc<AtomicUsize>,
    connections: Arc<Mutex<usize>>,
}

impl Fake {
    fn new(name: &'static str) -> Fake {
        Fake {
            name,
            seen: Arc::default(),
            go: Arc::new(Semaphore::new(0)),
            given_up: Arc::default(),
            connections: Arc::default(),
        }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{} saw {seen:?}", self.name);
        seen.into_iter().next().unwrap()
    }

    async fn wait_for(&self, count: usize) {
        let arrived = async {
            while self.seen().len() < count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, arrived).await.expect("the service saw too little");
    }

    async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let connections = Arc::clone(&self.connections);
        let listener = axum::serve::ListenerExt::tap_io(listener, move |stream| {
            *connections.lock().unwrap() += 1;
            stream.set_nodelay(true).unwrap();
        });
        let router = Router::new().fallback(answer).with_state(self);
        axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await.unwrap();
    }
}

/// Counts one that ends before it says that it has not.
struct GivenUp(Option<Arc<AtomicUsize>>);

impl GivenUp {
    fn not(mut self) {
        self.0 = None;
    }
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn answer(State(fake): State<Fake>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let behave = parts.headers.get("behave").map(|value| value.to_str().unwrap().to_owned());
    let seen = Seen {
        method: parts.method,
        path_and_query: parts.uri.to_string(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    fake.seen.lock().unwrap().push(seen);
    match behave.as_deref() {
        None => Json(serde_json::json!({"service": fake.name})).into_response(),
        Some("wait") => {
            let unless_dropped = GivenUp(Some(Arc::clone(&fake.given_up)));
            fake.go.acquire().await.unwrap().forget();
            unless_dropped.not();
            "waited".into_response()
        }
        Some("problem") => (
            StatusCode::CONFLICT,
            [("content-type", "application/problem+json"), ("retry-after", "7"), ("etag", "\"3\"")],
            r#"{"code":"theirs","allowed":["02"]}"#,
        )
            .into_response(),
        Some("stream") => events(fake.go),
        Some("large") => "x".repeat(300 * 1024).into_response(),
        Some(other) => panic!("no such behaviour: {other}"),
    }
}

/// An event at once, and another for each permit.
fn events(go: Arc<Semaphore>) -> Response {
    let events = futures::stream::unfold(0, move |number| {
        let go = Arc::clone(&go);
        async move {
            if number > 0 {
                go.acquire().await.unwrap().forget();
            }
            let event = format!("id: {number}\nevent: loanStatus\ndata: {{}}\n\n");
            Some((Ok::<_, std::convert::Infallible>(event), number + 1))
        }
    });
    ([("content-type", "text/event-stream")], Body::from_stream(events)).into_response()
}

/// The gateway and the five services behind it.
struct World {
    address: SocketAddr,
    fakes: [Fake; 5],
    http: reqwest::Client,
    tokens: TestTokens,
    shutdown: Shutdown,
    stop: CancellationToken,
    gateway: JoinHandle<()>,
}

impl World {
    async fn start() -> World {
        World::with(|_config| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> World {
        let tokens = TestTokens::new();
        let verifier = tokens.verifier();
        World::with_verifier(tokens, verifier, change).await
    }

    async fn with_verifier(
        tokens: TestTokens,
        verifier: TokenVerifier,
        change: impl FnOnce(&mut Config),
    ) -> World {
        let mut config = Config::try_parse_from([
            "gateway",
            "--rate-limit-per-second=100000",
            "--rate-limit-costly-per-second=100000",
        ])
        .unwrap();
        let fakes = Upstream::ALL.map(|upstream| Fake::new(upstream.name()));
        let mut addresses = Vec::new();
        for fake in &fakes {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses.push(listener.local_addr().unwrap());
            tokio::spawn(fake.clone().serve(listener, CancellationToken::new()));
        }
        for (upstream, address) in Upstream::ALL.into_iter().zip(addresses) {
            set_url(&mut config, upstream, address);
        }
        change(&mut config);

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, stop) = (Shutdown::new(), CancellationToken::new());
        let answering = crate::run::answer(
            config,
            verifier,
            Clock::system(),
            listener,
            shutdown.clone(),
            stop.clone(),
        );
        let gateway = tokio::spawn(answering);
        World {
            address,
            fakes,
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            tokens,
            shutdown,
            stop,
            gateway,
        }
    }

    fn fake(&self, upstream: Upstream) -> &Fake {
        &self.fakes[upstream as usize]
    }

    fn seen_by_anyone(&self) -> usize {
        self.fakes.iter().map(|fake| fake.seen().len()).sum()
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address)).timeout(PATIENCE)
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.request(Method::GET, path)
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.request(Method::POST, path)
    }

    /// Sends bytes as they are and reads until the gateway closes.
    async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        // Whether the end comes by FIN or RST does not matter here.
        let _end = tokio::time::timeout(PATIENCE, read).await.expect("the gateway did not close");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A request line as it is, with a plain head.
    async fn raw_line(&self, line: &str) -> String {
        self.raw(format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await
    }
}

fn set_url(config: &mut Config, upstream: Upstream, address: SocketAddr) {
    let url = format!("http://{address}").parse().unwrap();
    match upstream {
        Upstream::Request => config.request_url = url,
        Upstream::Auth => config.auth_url = url,
        Upstream::Manager => config.manager_url = url,
        Upstream::Messenger => config.messenger_url = url,
        Upstream::Status => config.status_url = url,
    }
}

/// The status of a raw answer.
fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

/// Checks that an answer is a problem of this kind.
async fn assert_problem(response: reqwest::Response, status: u16, code: &str) -> HeaderMap {
    assert_eq!(response.status().as_u16(), status);
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "application/problem+json");
    let path = response.url().path().to_owned();
    let problem: serde_json::Value = response.json().await.unwrap();
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["instance"], path);
    headers
}
