#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use futures::stream;
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::http::test_layers;
use crate::test_support::TestTokens;

#[derive(serde::Deserialize)]
struct Item {
    #[serde(rename = "amountOf")]
    amount_of: u32,
}

#[derive(serde::Deserialize)]
struct Form {
    name: String,
    #[serde(default)]
    items: Vec<Item>,
    #[serde(default)]
    any: Value,
}

async fn handler(Json(form): Json<Form>) -> Json<Value> {
    let amounts: Vec<_> = form.items.iter().map(|item| item.amount_of).collect();
    Json(serde_json::json!({ "name": form.name, "amounts": amounts, "any": form.any }))
}

async fn send(media_type: Option<&str>, body: Body) -> (StatusCode, Value) {
    let mut request = http::Request::post("/forms");
    if let Some(media_type) = media_type {
        request = request.header(header::CONTENT_TYPE, media_type);
    }
    answered(request.body(body).unwrap()).await
}

async fn send_coded(media_type: &str, coding: Option<&str>) -> (StatusCode, Value) {
    let mut request = http::Request::post("/forms").header(header::CONTENT_TYPE, media_type);
    if let Some(coding) = coding {
        request = request.header(header::CONTENT_ENCODING, coding);
    }
    answered(request.body(Body::from(r#"{"name":"x"}"#)).unwrap()).await
}

async fn answered(request: http::Request<Body>) -> (StatusCode, Value) {
    let router = Router::new().route("/forms", post(handler));
    let router = test_layers(router, TestTokens::new().verifier());
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1_000_000).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn json(body: impl Into<Body>) -> (StatusCode, Value) {
    send(Some("application/json"), body.into()).await
}

#[tokio::test]
async fn json_goes_in_and_comes_out() {
    for media_type in ["application/json", "Application/JSON; charset=utf-8", "application/a+json"]
    {
        let body = r#"{"name":"유은상","items":[{"amountOf":7}],"other":1}"#;
        let (status, body) = send(Some(media_type), Body::from(body)).await;
        assert_eq!(status, StatusCode::OK, "{media_type}");
        assert_eq!(body["name"], "유은상");
        assert_eq!(body["amounts"][0], 7);
    }
}

#[tokio::test]
async fn another_media_type_is_415() {
    for media_type in [None, Some("text/plain"), Some("application/xml"), Some("text/json")] {
        let (status, body) = send(media_type, Body::from(r#"{"name":"x"}"#)).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{media_type:?}");
        assert_eq!(body["code"], "unsupported-media-type");
        assert_eq!(body["instance"], "/forms");
    }
}

#[tokio::test]
async fn a_body_in_another_charset_or_compressed_is_415_and_says_so() {
    for (media_type, coding) in [
        ("application/json; charset=utf-16", None),
        ("application/json;charset=\"euc-kr\"", None),
        ("application/json; charset=utf-8; charset=utf-16", None),
        ("application/json; CharSet=ISO-8859-1", None),
        ("application/json", Some("gzip")),
        ("application/json", Some("identity, gzip")),
        ("application/json", Some("br")),
        ("application/json", Some("")),
    ] {
        let (status, problem) = send_coded(media_type, coding).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{media_type} {coding:?}");
        assert_eq!(problem["code"], "unsupported-media-type");
        let wanted = if coding.is_some() { "Content-Encoding" } else { "UTF-8" };
        assert!(problem["detail"].as_str().unwrap().contains(wanted), "{problem}");
    }
    for (media_type, coding) in [
        ("application/json; charset=UTF-8", Some("identity")),
        ("application/json;charset=\"utf-8\"; v=1", None),
        ("application/json; charset=utf8", None),
        ("application/json; charset=us-ascii", Some("Identity")),
        ("application/json; boundary=x", None),
    ] {
        assert_eq!(
            send_coded(media_type, coding).await.0,
            StatusCode::OK,
            "{media_type} {coding:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_json_is_400() {
    for body in ["", "{", "{\"name\":\"x\"} {}", "{\"name\":1", "{'name':'x'}", "\u{feff}{}", "NaN"]
    {
        let (status, problem) = json(body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body:?}");
        assert_eq!(problem["code"], "malformed-body");
    }
}

#[tokio::test]
async fn what_is_not_utf_8_is_400() {
    let (status, problem) = json(b"{\"name\":\"\xff\"}".to_vec()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(problem["detail"], "The body is not UTF-8.");
}

#[tokio::test]
async fn depth_32_passes_and_33_is_400() {
    let nested = |depth: usize| {
        // The body itself is the first level.
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        format!(r#"{{"name":"[[[\"[{{","any":{open}{close}}}"#)
    };
    let (status, body) = json(nested(DEPTH_MAX)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let (status, _) = json(nested(DEPTH_MAX + 1)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = json("[".repeat(60_000)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_wrong_field_is_422_with_its_path() {
    for (body, field) in [
        (r#"{"name":"x","items":[{"amountOf":1},{"amountOf":"2"}]}"#, "items[1].amountOf"),
        (r#"{"name":"x","items":[{}]}"#, "items[0].amountOf"),
        (r#"{"items":[]}"#, "name"),
        (r#"{"name":null}"#, "name"),
        ("[1]", ""),
        (r#"["x",[]]"#, ""),
        ("7", ""),
    ] {
        let (status, problem) = json(body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(problem["code"], "invalid");
        assert_eq!(problem["errors"][0]["field"], field, "{body}: {problem}");
        let message = problem["errors"][0]["message"].as_str().unwrap();
        assert!(!message.is_empty() && !message.contains("line"), "{message}");
    }
}

#[tokio::test]
async fn a_wrong_field_says_what_is_asked_for_and_not_what_was_sent() {
    for (body, message) in [
        (r#"{"name":73918264}"#, "must be a string"),
        (r#"{"name":["hunter2"]}"#, "must be a string"),
        (r#"{"name":"x","items":"hunter2, expected a map"}"#, "must be a list"),
        (r#"{"name":"x","items":[{"amountOf":"hunter2"}]}"#, "must be an integer"),
        (r#""hunter2""#, "must be an object"),
        (r#"{}"#, "is missing"),
    ] {
        let (status, problem) = json(body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(problem["errors"][0]["message"], message, "{body}: {problem}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_however_it_is_sent() {
    let body = |size: usize| {
        let frame = r#"{"name":""}"#.len();
        format!(r#"{{"name":"{}"}}"#, "x".repeat(size - frame))
    };
    let (status, _) = json(body(BODY_BYTES_MAX)).await;
    assert_eq!(status, StatusCode::OK);
    let (status, problem) = json(body(BODY_BYTES_MAX + 1)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(problem["code"], "body-too-large");

    // Without a length it is noticed while it is read.
    let text = body(BODY_BYTES_MAX + 1).into_bytes();
    let chunks: Vec<_> =
        text.chunks(10_000).map(<[u8]>::to_vec).map(Ok::<_, std::io::Error>).collect();
    let (status, problem) = json(Body::from_stream(stream::iter(chunks))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(problem["code"], "body-too-large");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_400() {
    let chunks = vec![
        Ok(b"{\"name\"".to_vec()),
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
    ];
    let (status, _) = json(Body::from_stream(stream::iter(chunks))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}
