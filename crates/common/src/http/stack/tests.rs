#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::body::Body;
use axum::routing::get;
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::http::{BaseUrl, ClientAddress};
use crate::test_support::TestTokens;
use crate::token::Principal;

fn router() -> Router {
    let router = Router::new()
        .route("/ok", get(async || "fine"))
        .route("/panic", get(async || -> &'static str { panic!("hunter2") }))
        .route("/own", get(async || (StatusCode::BAD_REQUEST, axum::Json("own form"))))
        .route("/bare", get(async || (StatusCode::IM_A_TEAPOT, "bare")))
        .route(
            "/slow",
            get(async || tokio::time::sleep(Duration::from_secs(2 * REQUEST_SECONDS)).await),
        )
        .route(
            "/who",
            get(async |ClientAddress(client): ClientAddress, base: BaseUrl| {
                format!("{client} {}", base.join("/x"))
            }),
        )
        .route("/me", get(async |who: Principal| who.subject.to_string()));
    test_layers(router, TestTokens::new().verifier())
}

async fn get_with(path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = http::Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response) -> String {
    let body = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

async fn problem(response: Response) -> Value {
    assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
    serde_json::from_str(&text(response).await).unwrap()
}

//
#[tokio::test]
async fn one_request_too_many_is_told_to_come_back_and_health_is_answered() {
    let go = Arc::new(Semaphore::new(0));
    let waits = Arc::clone(&go);
    let router = Router::new()
        .route(
            "/wait",
            get(async move || {
                waits.acquire().await.unwrap().forget();
                "waited"
            }),
        )
        .merge(crate::admin::health_router());
    let router = test_layers_with(router, TestTokens::new().verifier(), 1);
    let ask = |path: &str| {
        let request = http::Request::get(path).body(Body::empty()).unwrap();
        router.clone().oneshot(request)
    };
    let first = tokio::spawn(ask("/wait"));
    tokio::task::yield_now().await;
    let second = ask("/wait").await.unwrap();
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(second.headers()[header::RETRY_AFTER], "1");
    assert_eq!(problem(second).await["code"], "unavailable");
    assert_eq!(ask("/actuator/health").await.unwrap().status(), StatusCode::OK);
    go.add_permits(2);
    assert_eq!(first.await.unwrap().unwrap().status(), StatusCode::OK);
    // The place is free again; and whoever gives up leaves it too.
    assert_eq!(ask("/wait").await.unwrap().status(), StatusCode::OK);
    let given_up = tokio::time::timeout(Duration::from_millis(20), ask("/wait")).await;
    assert!(given_up.is_err());
    go.add_permits(1);
    assert_eq!(ask("/wait").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn an_unknown_address_is_a_problem_with_its_path() {
    let response = get_with("/nowhere?secret=1", &[]).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let problem = problem(response).await;
    assert_eq!(problem["code"], "not-found");
    assert_eq!(problem["instance"], "/nowhere", "without the query string");
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_that_keeps_allow() {
    let request = http::Request::delete("/ok").body(Body::empty()).unwrap();
    let response = router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()[header::ALLOW], "GET,HEAD");
    assert_eq!(problem(response).await["code"], "method-not-allowed");
}

#[tokio::test]
async fn a_panic_is_a_500_that_tells_nothing() {
    let response = get_with("/panic", &[]).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let problem = problem(response).await;
    assert_eq!(problem["code"], "internal");
    assert!(!problem.to_string().contains("hunter2"));
}

#[tokio::test]
async fn a_failure_in_a_form_of_its_own_stays_and_a_bare_one_becomes_a_problem() {
    let response = get_with("/own", &[]).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(text(response).await, "\"own form\"");
    let response = get_with("/bare", &[]).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(problem(response).await["status"], 418);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_may_have_been_done() {
    let response = get_with("/slow", &[]).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    let problem = problem(response).await;
    assert_eq!(problem["code"], "timeout");
    assert!(problem["detail"].as_str().unwrap().contains("not known"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn the_work_ends_when_the_caller_has_stopped_waiting() {
    let began = tokio::time::Instant::now();
    let response = get_with("/slow", &[("x-request-timeout-ms", "610")]).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(began.elapsed().as_millis(), 610);
    assert_eq!(problem(response).await["code"], "timeout");
    // Nobody has more time than all, and no time is none.
    let began = tokio::time::Instant::now();
    get_with("/slow", &[("x-request-timeout-ms", "86400000")]).await;
    assert_eq!(began.elapsed().as_secs(), REQUEST_SECONDS);
    let response = get_with("/ok", &[("x-request-timeout-ms", "0")]).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    for odd in ["", "-1", "610ms", "1e9", "99999999999999999999999"] {
        let response = get_with("/ok", &[("x-request-timeout-ms", odd)]).await;
        assert_eq!(response.status(), StatusCode::OK, "{odd}");
    }
}

#[tokio::test]
async fn a_request_has_an_id_and_only_a_plain_one_is_taken_over() {
    let id = async |sent: &[(&str, &str)]| {
        let response = get_with("/ok", sent).await;
        response.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id(&[("x-request-id", "abc-1")]).await, "abc-1");
    let made = id(&[]).await;
    assert_eq!(made.len(), 36);
    assert_eq!(id(&[("x-request-id", "a b\"")]).await.len(), 36);
    assert_eq!(id(&[("x-request-id", &"x".repeat(65))]).await.len(), 36);
}

#[tokio::test]
async fn tests_have_a_peer_and_a_host_unless_they_bring_them() {
    assert_eq!(text(get_with("/who", &[]).await).await, "127.0.0.1 http://localhost/x");
    let headers = [("host", "evil.example")];
    assert_eq!(get_with("/who", &headers).await.status(), StatusCode::MISDIRECTED_REQUEST);
    let headers = [("x-forwarded-for", "192.0.2.7")];
    assert_eq!(text(get_with("/who", &headers).await).await, "192.0.2.7 http://localhost/x");
}

#[tokio::test]
async fn two_hosts_are_refused_and_the_request_lines_own_wins_over_the_headers() {
    let response = get_with("/ok", &[("host", "localhost"), ("host", "127.0.0.1")]).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let problem = problem(response).await;
    assert_eq!(
        (&problem["code"], &problem["instance"]),
        (&"ambiguous-request".into(), &"/ok".into())
    );
    // RFC 9112, 3.2.2.
    let evil = get_with("http://evil.example/who", &[("host", "localhost")]).await;
    assert_eq!(evil.status(), StatusCode::MISDIRECTED_REQUEST);
    let ours = get_with("http://127.0.0.1/who", &[("host", "evil.example")]).await;
    assert_eq!(text(ours).await, "127.0.0.1 http://127.0.0.1/x");
}

#[tokio::test]
async fn an_unknown_caller_is_a_401_problem() {
    let response = get_with("/me", &[]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    assert_eq!(problem(response).await["code"], "unauthenticated");
}
