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
    let limits = ServerLimits { connections_max, per_client: None };
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

/// Less patient than the real one, in the same order.
const IMPATIENT: Patience = Patience {
    idle: Duration::from_millis(400),
    stuck: Duration::from_millis(1_500),
    close: Duration::from_millis(200),
    age: Duration::from_millis(1_000),
    ping_every: Duration::from_millis(150),
    pong_within: Duration::from_millis(150),
};

/// A server that is soon fed up, and a connection to it on which these were sent.
async fn impatient(sent: &[u8]) -> (TcpStream, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let limits = ServerLimits { connections_max: 10, per_client: None };
    let never = get(std::future::pending::<()>);
    let silent = get(async || axum::body::Body::from_stream(futures::stream::pending::<Nothing>()));
    let router = router().route("/never", never).route("/silent", silent);
    let abort = CancellationToken::new();
    tokio::spawn(serve_with(IMPATIENT, listener, router, limits, stop.clone(), abort));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent).await.unwrap();
    (stream, stop)
}

type Nothing = Result<bytes::Bytes, Infallible>;

/// What an HTTP/2 client begins with: the preface and no settings of its own.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// The preface and one request.
fn http2_request(path: &str) -> Vec<u8> {
    [PREFACE, &http2_headers(path, 1)].concat()
}

/// A request without a body on this stream.
fn http2_headers(path: &str, stream: u8) -> Vec<u8> {
    // The static table's `GET` and `http`; then path and authority by name.
    let mut block = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend_from_slice(path.as_bytes());
    block.extend_from_slice(b"\x01\x01x");
    // HEADERS with the ends of the stream and of the headers.
    let mut request = vec![0, 0, u8::try_from(block.len()).unwrap(), 1, 5, 0, 0, 0, stream];
    request.extend_from_slice(&block);
    request
}

/// Reads the server's frames until it closes or `patience` is over. Says which
/// kinds came, and when it closed.
async fn watch(
    mut stream: TcpStream,
    answers_pings: bool,
    patience: Duration,
) -> (Vec<u8>, Option<Duration>) {
    let begun = std::time::Instant::now();
    let mut kinds = Vec::new();
    let reading = async {
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).await.is_err() {
                return;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            stream.read_exact(&mut payload).await.unwrap();
            kinds.push(head[3]);
            if head[3] == PING && answers_pings {
                head[4] = 1;
                let _ = stream.write_all(&[&head[..], &payload].concat()).await;
            }
        }
    };
    let closed = tokio::time::timeout(patience, reading).await.is_ok();
    (kinds, closed.then(|| begun.elapsed()))
}

/// Above and around the time of `limit`.
fn is_about(took: Option<Duration>, limit: Duration) -> bool {
    took.is_some_and(|took| took >= limit && took < limit * 2 + Duration::from_millis(500))
}

#[tokio::test]
async fn a_connection_that_asks_for_nothing_is_closed() {
    for sent in [&b""[..], b"PRI * HT", b"GET / HT"] {
        let (stream, _) = impatient(sent).await;
        let (_, closed) = watch(stream, false, Duration::from_secs(3)).await;
        assert!(is_about(closed, IMPATIENT.idle), "{closed:?} after {sent:?}");
    }
}

#[tokio::test]
async fn an_http2_connection_without_a_request_is_closed_however_alive() {
    for sent in [PREFACE.to_vec(), http2_request("/peer")] {
        let (stream, _) = impatient(&sent).await;
        let (kinds, closed) = watch(stream, true, Duration::from_secs(3)).await;
        assert!(is_about(closed, IMPATIENT.idle), "{closed:?} {kinds:?}");
        assert!(kinds.contains(&PING) && kinds.contains(&GOAWAY), "{kinds:?}");
    }
}

#[tokio::test]
async fn an_http2_client_that_gives_no_sign_of_life_is_cut_off_with_its_request() {
    let (stream, _) = impatient(&http2_request("/never")).await;
    let (kinds, closed) = watch(stream, false, Duration::from_secs(3)).await;
    assert!(is_about(closed, IMPATIENT.ping_every + IMPATIENT.pong_within), "{closed:?} {kinds:?}");
}

#[tokio::test]
async fn a_request_keeps_its_connection_but_not_if_nothing_comes_of_it_for_ever() {
    for path in ["/never", "/silent"] {
        let (stream, _) = impatient(&http2_request(path)).await;
        let (kinds, closed) = watch(stream, true, Duration::from_secs(5)).await;
        assert!(is_about(closed, IMPATIENT.stuck), "{closed:?} {kinds:?}");
    }
}

//
#[tokio::test]
async fn a_connection_that_is_used_all_the_time_ends_with_an_answer_when_it_is_old() {
    let (mut stream, _) = impatient(b"").await;
    let begun = std::time::Instant::now();
    let mut answers = 0;
    let last = loop {
        stream.write_all(b"GET /peer HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"127.0.0.1") {
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
            answer.extend_from_slice(&byte);
        }
        answers += 1;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        if answer.contains("connection: close") {
            break begun.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(answers > 3 && last >= IMPATIENT.age / 100 * 75 && last < IMPATIENT.age * 2);
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

//
#[tokio::test]
async fn an_old_http2_connection_is_told_to_go_and_what_was_asked_is_answered() {
    let (stream, _) = impatient(PREFACE).await;
    let (read, mut write) = stream.into_split();
    // A client that is told opens no stream on this connection any more.
    let told = CancellationToken::new();
    let heard = told.clone();
    let asking = tokio::spawn(async move {
        let mut asked = 0;
        for stream in (1..=199).step_by(2).take_while(|_| !heard.is_cancelled()) {
            write.write_all(&http2_headers("/peer", stream)).await.unwrap();
            asked += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        asked
    });
    let mut read = tokio::io::BufReader::new(read);
    let mut answered = 0;
    loop {
        let mut head = [0; 9];
        if read.read_exact(&mut head).await.is_err() {
            break;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        read.read_exact(&mut payload).await.unwrap();
        answered += usize::from(head[3] == 1);
        if head[3] == GOAWAY {
            told.cancel();
        }
    }
    let asked = asking.await.unwrap();
    assert!(asked > 3 && asked < 100, "{asked}");
    assert_eq!(answered, asked);
}

#[tokio::test]
async fn a_client_that_takes_no_notice_of_the_end_does_not_hold_it_up() {
    let (stream, stop) = impatient(PREFACE).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    stop.cancel();
    let (kinds, closed) = watch(stream, false, Duration::from_secs(3)).await;
    assert!(closed.unwrap() < IMPATIENT.idle, "{closed:?} {kinds:?}");
}

//
#[tokio::test]
async fn one_client_has_so_many_connections_and_a_proxy_any_number() {
    for (proxies, expected) in [(vec![], 2), (vec!["127.0.0.0/8".parse().unwrap()], 3)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let per_client = Some(PerClient { connections_max: 2, proxies });
        let limits = ServerLimits { connections_max: 10, per_client };
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(serve(listener, router(), limits, stop, abort));
        let mut held = Vec::new();
        let mut answered = 0;
        for _ in 0..3 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /peer HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let mut first = [0; 4];
            answered += usize::from(stream.read_exact(&mut first).await.is_ok());
            held.push(stream);
        }
        assert_eq!(answered, expected);
        // Whoever goes makes room.
        held.clear();
        let until = tokio::time::Instant::now() + Duration::from_secs(5);
        let ask = b"GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        while !exchange(address, ask).await.starts_with("HTTP/1.1 200") {
            assert!(tokio::time::Instant::now() < until);
        }
    }
}
