#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

use super::*;

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    abort: CancellationToken,
    running: JoinHandle<()>,
}

async fn start(router: Router, connections_max: usize) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
    let limits = ServerLimits { connections_max };
    let running = tokio::spawn(serve(listener, router, limits, stop.clone(), abort.clone()));
    Server { address, stop, abort, running }
}

/// Sends these bytes and reads until the server closes.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A server that refuses closes before it has read everything: reset is an end.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn router() -> Router {
    let peer = get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string());
    let slow = get(async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        "done"
    });
    Router::new().route("/peer", peer).route("/slow", slow)
}

#[tokio::test]
async fn a_handler_learns_the_peers_address() {
    let server = start(router(), 10).await;
    let answer =
        exchange(server.address, b"GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let server = start(router(), 10).await;
    let head = |size: usize| {
        format!(
            "GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: {}\r\n\r\n",
            "x".repeat(size)
        )
    };
    let answer = exchange(server.address, head(HEADER_BYTES_MAX - 1_000).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = exchange(server.address, head(HEADER_BYTES_MAX + 1_000).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_stop_lets_a_running_request_finish_and_takes_no_new_one() {
    let server = start(router(), 10).await;
    let address = server.address;
    let running =
        tokio::spawn(
            async move { exchange(address, b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await },
        );
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.cancel();
    let answer = running.await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    server.running.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_abort_waits_for_nothing() {
    let router = Router::new().route("/never", get(std::future::pending::<()>));
    let server = start(router, 10).await;
    let address = server.address;
    let running =
        tokio::spawn(
            async move { exchange(address, b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await },
        );
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.cancel();
    server.abort.cancel();
    server.running.await.unwrap();
    assert_eq!(running.await.unwrap(), "");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_their_turn() {
    let server = start(router(), 1).await;
    let address = server.address;
    let request = b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let first = tokio::spawn(async move { exchange(address, request).await });
    let second = tokio::spawn(async move { exchange(address, request).await });
    assert!(first.await.unwrap().ends_with("done"));
    assert!(second.await.unwrap().ends_with("done"));
}
