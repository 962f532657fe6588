//! Requests that mean to be read in two ways.

use super::*;

// what is inside stays inside, however it is spelled.
#[tokio::test]
async fn no_spelling_of_a_path_reaches_what_is_inside() {
    let world = World::start().await;
    for line in [
        "POST /loanAuths",
        "POST /loanAuths/1/void",
        "POST //loanAuths",
        "POST /./loanAuths",
        "POST /loanAuths/.",
        "POST /loanAuths/",
        "POST /loanAuths;x=y",
        "POST /%6coanAuths",
        "POST /loanRequests/../loanAuths",
        "POST /loanRequests/%2e%2e/loanAuths",
        "POST /loanRequests/%2E%2E%2floanAuths",
        "POST /loanRequests/..%2floanAuths",
        "POST /loanRequests%2f..%2floanAuths",
        "POST /loanRequests/..;/loanAuths",
        "POST /customers/../loanAuths/1/void",
        "POST /customers/%2e%2e/loanAuths/1/void",
        "POST /customers/.%2e/loanAuths/1/void",
        "POST /customers/%252e%252e/loanAuths/1/void",
        "POST /customers/..%5cloanAuths",
        "POST /customers/..\\loanAuths",
        "GET /loanRequests/../metrics",
        "GET /loanRequests/%2e%2e/metrics",
        "GET /loanAuths/%2e%2e/metrics",
        "GET /loanStatus/..%2f..%2fmetrics",
        "GET //metrics",
        "GET /metrics",
        "GET /loanRequests//admin",
        "GET /docs/../loanAuths",
        "GET /loanRequests/%00",
        "OPTIONS *",
        "CONNECT 127.0.0.1:9291",
        "POST http://127.0.0.1/loanAuths",
        "GET http://127.0.0.1:9290/metrics",
    ] {
        let answer = world.raw_line(line).await;
        assert!(matches!(status_of(&answer), 400 | 404 | 405), "{line}: {answer}");
    }
    assert_eq!(world.seen_by_anyone(), 0, "something arrived inside");
}

#[tokio::test]
async fn the_method_can_t_be_overridden() {
    let world = World::start().await;
    for name in [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
    ] {
        world.get("/loanAuths").header(name, "POST").send().await.unwrap();
        let seen = world.fake(Upstream::Auth).seen().pop().unwrap();
        assert_eq!(seen.method, Method::GET);
        assert!(!seen.headers.contains_key(name), "{name} went on");
    }
}

#[tokio::test]
async fn bodies_with_two_lengths_are_refused_or_read_in_one_way() {
    let world = World::start().await;
    let smuggled =
        "POST /loanAuths/1/void HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    for head in [
        // Two lengths.
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: -1",
        // An encoding that is not one.
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: identity",
    ] {
        let bytes = format!(
            "POST /loanRequests HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\nhello{smuggled}"
        );
        let answer = world.raw(bytes).await;
        assert_eq!(status_of(&answer), 400, "{head}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head} was answered twice");
    }
    assert_eq!(world.seen_by_anyone(), 0);
}

/// RFC 9112, 6.1: the encoding wins, and the connection is not used any further.
#[tokio::test]
async fn with_an_encoding_and_a_length_the_encoding_counts_and_only_it_goes_on() {
    for head in [
        "Content-Length: 60\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
    ] {
        let world = World::start().await;
        let smuggled = "POST /loanAuths/1/void HTTP/1.1\r\nHost: localhost\r\n\
                        Connection: close\r\nContent-Length: 0\r\n\r\n";
        let bytes = format!(
            "POST /loanRequests HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n\
             3\r\nabc\r\n0\r\n\r\n{smuggled}"
        );
        let answer = world.raw(bytes).await;
        assert_eq!(status_of(&answer), 200, "{answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "what followed was taken for a request: {answer}"
        );
        let seen = world.fake(Upstream::Request).only();
        assert_eq!(seen.body, "abc");
        assert_eq!(seen.headers["content-length"], "3");
        assert!(!seen.headers.contains_key("transfer-encoding"));
        assert_eq!(world.seen_by_anyone(), 1);
    }
}

#[tokio::test]
async fn heads_with_two_readings_are_refused() {
    let world = World::start().await;
    for head in [
        "Host: localhost\r\nHost: other.example",
        "X-Nothing: 1",
        "Host: user@localhost",
        "Host: localhost/loanAuths",
        "Host: localhost\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b",
        "Host: localhost\r\nX-A: b\r\n folded: c",
        "Host: localhost\r\nX-A\0: b",
    ] {
        let answer = world
            .raw(format!("GET /loanRequests HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n"))
            .await;
        assert_eq!(status_of(&answer), 400, "{head:?}: {answer}");
    }
    assert_eq!(world.seen_by_anyone(), 0);
    // The request line's host wins over the header's (RFC 9112, 3.2.2).
    let line = "GET http://bank.example/loanRequests HTTP/1.1\r\n\
                Host: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(status_of(&world.raw(line).await), 200);
    let seen = world.fake(Upstream::Request).only();
    assert_eq!(
        (&seen.headers["host"], &seen.headers["x-forwarded-host"]),
        (&"bank.example".parse().unwrap(), &"bank.example".parse().unwrap())
    );
    assert_eq!(seen.path_and_query, "/loanRequests");
}

#[tokio::test]
async fn a_connection_is_not_upgraded() {
    let world = World::start().await;
    let answer = world
        .raw(
            "GET /loanStatus HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\n\
             Upgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    assert_eq!(status_of(&answer), 200);
    let seen = world.fake(Upstream::Status).only();
    assert!(!seen.headers.contains_key("upgrade") && !seen.headers.contains_key("connection"));
}

#[tokio::test]
async fn a_request_that_comes_back_is_not_sent_round_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let own = TcpListener::bind(address).await.unwrap();
    let mut config = Config::try_parse_from(["gateway"]).unwrap();
    set_url(&mut config, Upstream::Request, address);
    let tokens = TestTokens::new();
    let stop = CancellationToken::new();
    tokio::spawn(crate::run::answer(
        config,
        tokens.verifier(),
        Clock::system(),
        own,
        Shutdown::new(),
        stop,
    ));
    let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let response = http.get(format!("http://{address}/loanRequests")).send().await.unwrap();
    assert_eq!(response.status(), 508);
}
