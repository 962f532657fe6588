//! The real program: how it starts, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use common::test_support::{AUDIENCE, ISSUER, TestTokens};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(10);

/// An address that nobody listens on; whoever asks for it first gets it.
async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn gateway(settings: &[(&str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command
        .env_clear()
        .envs(settings.iter().map(|(name, value)| (*name, value.as_str())))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

async fn until(address: SocketAddr, path: &str, wanted: &str) {
    let wait = async {
        while !get(address, path).await.is_some_and(|answer| answer.contains(wanted)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("no {wanted} at {path}"));
}

async fn terminate(child: &Child) {
    let process = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &process]).status().await.unwrap().success());
}

// SIGTERM ends it in good order, and the request that is under way is answered.
#[tokio::test]
async fn a_sigterm_finishes_what_was_begun_and_ends_with_0() {
    let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (http, admin) = (free_address().await, free_address().await);
    let mut child = gateway(&[
        ("HTTP_ADDR", http.to_string()),
        ("ADMIN_ADDR", admin.to_string()),
        ("REQUEST_URL", format!("http://{}", service.local_addr().unwrap())),
        ("SHUTDOWN_LINGER_SECONDS", "1".to_owned()),
        // What a template left empty is as if it were not there.
        ("CORS_ORIGINS", String::new()),
    ])
    .spawn()
    .unwrap();
    until(admin, "/readyz", "200 OK").await;

    let asked = tokio::spawn(async move { get(http, "/loanRequests").await });
    let (mut upstream, _peer) = service.accept().await.unwrap();
    let mut head = [0; 1_024];
    assert!(upstream.read(&mut head).await.unwrap() > 0);

    terminate(&child).await;
    until(admin, "/readyz", "draining").await;
    // Until balancers have noticed, it goes on.
    let health = get(http, "/actuator/health").await.unwrap();
    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
    let closed = async {
        while TcpStream::connect(http).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.unwrap();
    assert!(child.try_wait().unwrap().is_none(), "it ended with a request under way");
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").await.unwrap();
    assert!(asked.await.unwrap().unwrap().ends_with("late"));
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
}

//
#[tokio::test]
async fn a_linger_that_leaves_no_time_for_the_end_stops_the_start() {
    let child = gateway(&[
        ("HTTP_ADDR", free_address().await.to_string()),
        ("ADMIN_ADDR", free_address().await.to_string()),
        ("SHUTDOWN_LINGER_SECONDS", "25".to_owned()),
    ])
    .spawn()
    .unwrap();
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let expected = "SHUTDOWN_LINGER_SECONDS (25) must be less than SHUTDOWN_BOUND_SECONDS (25)";
    assert!(said.contains(expected) && said.lines().count() == 1, "{said}");
}

// the figures are there from the start, and only on the admin port.
#[tokio::test]
async fn the_admin_port_has_the_figures_and_the_public_one_has_not() {
    let (http, admin, nobody) = (free_address().await, free_address().await, free_address().await);
    let _child = gateway(&[
        ("HTTP_ADDR", http.to_string()),
        ("ADMIN_ADDR", admin.to_string()),
        ("REQUEST_URL", format!("http://{nobody}")),
    ])
    .spawn()
    .unwrap();
    until(admin, "/readyz", "200 OK").await;
    assert!(get(http, "/loanRequests").await.unwrap().starts_with("HTTP/1.1 503 "));
    let figures = get(admin, "/metrics").await.unwrap();
    for wanted in [
        "gateway_requests_total{route=\"/loanRequests\",method=\"GET\",status=\"5xx\"} 1",
        "gateway_failures_total{reason=\"upstream-down\"} 1",
        "gateway_upstream_up{upstream=\"loan-status\"} 1",
        "gateway_request_seconds_bucket{route=\"/loanRequests\"",
    ] {
        assert!(figures.contains(wanted), "{wanted} is not in {figures}");
    }
    assert!(get(http, "/metrics").await.unwrap().starts_with("HTTP/1.1 404 "));
    assert!(get(http, "/readyz").await.unwrap().starts_with("HTTP/1.1 404 "));
}

// An operator who forgot TRUSTED_PROXIES sees it, and no address of a client is in the log.
#[tokio::test]
async fn forwarding_headers_of_a_stranger_are_counted_and_warned_of_once() {
    let (http, admin, nobody) = (free_address().await, free_address().await, free_address().await);
    let mut command = gateway(&[
        ("HTTP_ADDR", http.to_string()),
        ("ADMIN_ADDR", admin.to_string()),
        ("REQUEST_URL", format!("http://{nobody}")),
    ]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    until(admin, "/readyz", "200 OK").await;
    assert!(
        get(admin, "/metrics").await.unwrap().contains("gateway_forwarded_untrusted_total 0"),
        "it is there before the first one"
    );
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    for number in 1..=5 {
        let request = client
            .get(format!("http://{http}/actuator/health"))
            .header("x-forwarded-for", format!("203.0.113.{number}"));
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let figures = get(admin, "/metrics").await.unwrap();
    assert!(figures.contains("gateway_forwarded_untrusted_total 5"), "{figures}");
    terminate(&child).await;
    let (mut log, mut errors) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut log).await.unwrap();
    child.stderr.take().unwrap().read_to_string(&mut errors).await.unwrap();
    let log = log + &errors;
    assert_eq!(log.matches("TRUSTED_PROXIES does not name").count(), 1, "{log}");
    assert!(!log.contains("203.0.113."), "{log}");
}

/// Answers every request on this listener with this JSON.
async fn serve_json(listener: TcpListener, json: String) {
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{json}",
        json.len()
    );
    while let Ok((mut stream, _peer)) = listener.accept().await {
        let mut head = [0; 4_096];
        let _read = stream.read(&mut head).await;
        let _written = stream.write_all(answer.as_bytes()).await;
    }
}

// the keys are fetched, and from then on a token of somebody else's is refused here.
#[tokio::test]
async fn the_keys_are_fetched_and_kept_in_memory() {
    let tokens = TestTokens::new();
    let issuer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (http, admin, nobody) = (free_address().await, free_address().await, free_address().await);
    let keys = issuer.local_addr().unwrap();
    let serving = tokio::spawn(serve_json(issuer, tokens.jwks().to_owned()));
    let _child = gateway(&[
        ("HTTP_ADDR", http.to_string()),
        ("ADMIN_ADDR", admin.to_string()),
        ("REQUEST_URL", format!("http://{nobody}")),
        ("JWKS_URL", format!("http://{keys}/")),
        ("TOKEN_ISSUER", ISSUER.to_owned()),
        ("TOKEN_AUDIENCE", AUDIENCE.to_owned()),
    ])
    .spawn()
    .unwrap();
    until(admin, "/readyz", "200 OK").await;

    let customer = Uuid::from_u128(1);
    let mut claims = tokens.claims(customer, &["customer"], None, None);
    let ours = tokens.sign(&claims);
    claims.aud = "another".to_owned();
    let theirs = tokens.sign(&claims);
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let status = async |token: &str| {
        let request = client.get(format!("http://{http}/loanRequests")).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    let known = async {
        while status(&theirs).await != 401 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, known).await.unwrap();
    // The issuer goes away; what was fetched stays.
    serving.abort();
    assert_eq!(status(&theirs).await, 401);
    // Through to a service that is not there.
    assert_eq!(status(&ours).await, 503);
}

//
#[tokio::test]
async fn a_wrong_setting_stops_the_start_with_one_line() {
    for (name, value) in [
        ("REQUEST_URL", "https://loan-request"),
        ("RATE_LIMIT_PER_SECOND", "many"),
        ("TRUSTED_PROXIES", "the-ingress"),
        ("CORS_ORIGINS", "*"),
    ] {
        let output = gateway(&[(name, value.to_owned())]).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(name), "{said}");
    }
}
