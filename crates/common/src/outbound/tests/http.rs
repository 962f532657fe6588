//! The same over real connections: what reqwest says, told apart.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;
use url::Url;

use super::super::*;

fn outbound(port: u16) -> Outbound {
    let base = Url::parse(&format!("http://127.0.0.1:{port}/inner/")).unwrap();
    let retry = RetrySettings { retries_max: 0, ..RetrySettings::default() };
    let settings = OutboundSettings { retry, ..OutboundSettings::default() };
    Outbound::new("test", base, settings, reqwest::Client::builder().build().unwrap())
}

async fn call(outbound: &Outbound, path: &str) -> Result<Answer, CallError> {
    let request = outbound.request(::http::Method::POST, path).body("{\"a\":1}").build().unwrap();
    outbound.reserve()?.send(request).await
}

async fn serve() -> u16 {
    let router = Router::new()
        .route("/inner/echo", post(|headers: HeaderMap, body: Bytes| async { (headers, body) }))
        .route("/inner/invalid", post(|| async { (StatusCode::UNPROCESSABLE_ENTITY, "no") }))
        .route("/inner/broken", post(|| async { StatusCode::BAD_GATEWAY }))
        .route("/inner/long", post(|| async { vec![b'x'; 2 * 1024 * 1024] }))
        .route("/inner/slow", post(|| tokio::time::sleep(Duration::from_secs(30))));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

#[tokio::test]
async fn answers_are_told_from_failures() {
    let outbound = outbound(serve().await);
    let answer = call(&outbound, "/echo").await.unwrap();
    assert_eq!(answer.json::<serde_json::Value>().unwrap(), serde_json::json!({ "a": 1 }));
    let answer = call(&outbound, "invalid").await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (422, &b"no"[..]));
    let broken = call(&outbound, "broken").await.unwrap_err();
    assert_eq!(broken, CallError::Status(StatusCode::BAD_GATEWAY));
    assert_eq!(call(&outbound, "slow").await.unwrap_err(), CallError::Unknown);
    assert_eq!(call(&outbound, "long").await.unwrap_err(), CallError::Unknown);
}

// So that it works no longer on what nobody waits for.
#[tokio::test]
async fn the_other_side_is_told_how_long_is_waited() {
    let answer = call(&outbound(serve().await), "echo").await.unwrap();
    let told: u64 = answer.headers["x-request-timeout-ms"].to_str().unwrap().parse().unwrap();
    assert!((1..=610).contains(&told), "{told}");
}

#[tokio::test]
async fn nobody_there_is_not_sent() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert_eq!(call(&outbound(port), "echo").await.unwrap_err(), CallError::NotSent);
}

#[tokio::test]
async fn a_connection_that_is_cut_leaves_it_open() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // It has read the request; then it is gone.
        let mut some = [0; 16];
        tokio::io::AsyncReadExt::read(&mut stream, &mut some).await.unwrap();
    });
    assert_eq!(call(&outbound(port), "echo").await.unwrap_err(), CallError::Unknown);
}
