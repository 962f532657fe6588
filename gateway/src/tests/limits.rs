//! How much, how large, how many, and for whom.

use std::time::Instant;

use super::*;

const BODY_MAX: usize = 64 * 1024;

fn chunked(bytes: usize) -> reqwest::Body {
    let chunks = (0..bytes.div_ceil(1024)).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1024]));
    reqwest::Body::wrap_stream(futures::stream::iter(chunks))
}

#[tokio::test]
async fn a_body_up_to_the_limit_passes_and_one_byte_more_does_not() {
    let world = World::start().await;
    let post = |body: reqwest::Body| world.post("/loanRequests").body(body).send();
    assert_eq!(post("x".repeat(BODY_MAX).into()).await.unwrap().status(), 200);
    assert_eq!(post(chunked(BODY_MAX)).await.unwrap().status(), 200);
    let seen = world.fake(Upstream::Request).seen();
    assert!(seen.iter().all(|seen| seen.body.len() == BODY_MAX));
    assert!(
        seen.iter().all(|seen| seen.headers["content-length"] == "65536"),
        "a length was counted for each"
    );

    assert_problem(post("x".repeat(BODY_MAX + 1).into()).await.unwrap(), 413, "body-too-large")
        .await;
    assert_problem(post("x".repeat(800 * 1024).into()).await.unwrap(), 413, "body-too-large").await;
    assert_problem(post(chunked(BODY_MAX + 1)).await.unwrap(), 413, "body-too-large").await;
    assert_problem(post(chunked(800 * 1024)).await.unwrap(), 413, "body-too-large").await;
    assert_eq!(world.fake(Upstream::Request).seen().len(), 2, "what is too large goes nowhere");
}

#[tokio::test]
async fn half_a_body_goes_nowhere() {
    let world = World::start().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = "POST /loanRequests HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf";
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(stream);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.seen_by_anyone(), 0);
}

#[tokio::test]
async fn a_body_that_comes_slowly_has_no_more_time_than_a_slow_answer() {
    let world = World::with(|config| config.request_timeout_seconds = 1).await;
    let started = Instant::now();
    let head = "POST /loanRequests HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf";
    let answer = world.raw(head).await;
    assert_eq!(status_of(&answer), 504);
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(world.seen_by_anyone(), 0);
}

// who sends slowly takes no place of those who ask.
#[tokio::test]
async fn bodies_that_come_slowly_are_no_requests_to_a_service() {
    let world = World::with(|config| {
        config.upstream_concurrency_max = 2;
        config.bodies_per_client_max = 8;
        config.body_timeout_seconds = 2;
    })
    .await;
    let head = "POST /loanRequests HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf";
    let slow = futures::future::join_all((0..8).map(|_| world.raw(head)));
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(world.get("/loanRequests").send().await.unwrap().status(), 200);
        // A ninth body of this client is one too many.
        assert_eq!(status_of(&world.raw(head).await), 429);
    };
    let (answers, ()) = tokio::join!(slow, meanwhile);
    assert!(answers.iter().all(|answer| status_of(answer) == 408), "{answers:?}");
    assert_eq!(world.post("/loanRequests").body("{}").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_by_the_parser() {
    let world = World::start().await;
    let fits =
        world.get("/loanRequests").header("x-large", "x".repeat(15 * 1024)).send().await.unwrap();
    assert_eq!(fits.status(), 200);
    let too_large =
        world.get("/loanRequests").header("x-large", "x".repeat(17 * 1024)).send().await.unwrap();
    assert_eq!(too_large.status(), 431);
    assert_eq!(world.seen_by_anyone(), 1);
}

//
#[tokio::test]
async fn a_client_beyond_its_rate_is_told_when_to_come_back_and_the_others_are_not_concerned() {
    let world = World::with(|config| {
        config.rate_limit_per_second = 3.try_into().unwrap();
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let from = |client: &'static str, path: &'static str| {
        world.get(path).header("x-forwarded-for", client).send()
    };
    let first = from("203.0.113.1", "/loanStatus").await.unwrap();
    assert_eq!(first.headers()["ratelimit-policy"], "\"client\";q=3;w=1");
    assert_eq!(first.headers()["ratelimit"], "\"client\";r=2;t=1");

    let (refused, passed) = until_refused(3, || from("203.0.113.1", "/loanStatus")).await;
    let headers = assert_problem(refused, 429, "rate-limited").await;
    assert_eq!(headers["retry-after"], "1");
    assert_eq!(headers["ratelimit"], "\"client\";r=0;t=1");
    assert_eq!(world.seen_by_anyone(), passed + 1, "what is refused goes nowhere");

    let other = from("203.0.113.2", "/loanStatus").await.unwrap();
    assert_eq!(
        (other.status().as_u16(), &other.headers()["ratelimit"]),
        (200, &first.headers()["ratelimit"])
    );
    // Looking for addresses that are not there is limited too; asking whether it is up is not.
    until_refused(3, || from("203.0.113.1", "/nothing")).await;
    for _ in 0..10 {
        assert_eq!(from("203.0.113.1", "/actuator/health").await.unwrap().status(), 200);
    }
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(from("203.0.113.1", "/loanStatus").await.unwrap().status(), 200);
}

//
#[tokio::test]
async fn tokens_have_a_rate_of_their_own_and_the_client_may_still_read() {
    let world =
        World::with(|config| config.rate_limit_costly_per_second = 2.try_into().unwrap()).await;
    let ask = || world.post("/auth/token").body("grant_type=password").send();
    let first = ask().await.unwrap();
    assert_eq!(first.headers()["ratelimit-policy"], "\"client\";q=100000;w=1, \"route\";q=2;w=1");
    assert!(first.headers()["ratelimit"].to_str().unwrap().ends_with("\"route\";r=1;t=1"));
    let (refused, _) = until_refused(2, ask).await;
    assert!(refused.headers()["ratelimit"].to_str().unwrap().ends_with("\"route\";r=0;t=1"));
    assert_eq!(refused.headers()["retry-after"], "1");
    // Another costly route has its own, and the others have none.
    assert_eq!(world.get("/customers/me").send().await.unwrap().status(), 200);
    for _ in 0..10 {
        assert_eq!(world.get("/loanStatus").send().await.unwrap().status(), 200);
    }
}

//
#[tokio::test]
async fn one_client_has_a_part_of_the_places_and_the_others_have_the_rest() {
    let world = World::with(|config| {
        config.upstream_concurrency_max = 3;
        config.upstream_concurrency_per_client_max = 2;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let from = |client: &'static str| world.get("/loanStatus").header("x-forwarded-for", client);
    let waiting: Vec<_> =
        (0..2).map(|_| tokio::spawn(from("203.0.113.1").header("behave", "wait").send())).collect();
    world.fake(Upstream::Status).wait_for(2).await;
    let refused = from("203.0.113.1").send().await.unwrap();
    let headers = assert_problem(refused, 429, "rate-limited").await;
    assert_eq!(headers["retry-after"], "1");
    let started = Instant::now();
    assert_eq!(from("203.0.113.2").send().await.unwrap().status(), 200);
    assert!(started.elapsed() < Duration::from_secs(1));
    world.fake(Upstream::Status).go.add_permits(2);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(from("203.0.113.1").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn who_asks_for_a_token_is_refused_in_oauths_shape() {
    let world = World::with(|config| config.rate_limit_per_second = 2.try_into().unwrap()).await;
    let ask = || world.post("/auth/token").body("grant_type=password").send();
    let (refused, _) = until_refused(2, ask).await;
    assert_eq!(refused.headers()["content-type"], "application/json");
    assert_eq!(refused.headers()["retry-after"], "1");
    let json: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(json["error"], "slow_down");
    assert!(json["error_description"].is_string() && json.get("code").is_none(), "{json}");
}

/// Asks until it is refused for the rate; the refusal, and how many passed. Not more may pass than
/// the rate allows in the time that it took.
async fn until_refused<F>(per_second: u32, mut ask: impl FnMut() -> F) -> (reqwest::Response, usize)
where
    F: Future<Output = reqwest::Result<reqwest::Response>>,
{
    let started = Instant::now();
    for passed in 0.. {
        let allowed = f64::from(per_second) * (1.0 + started.elapsed().as_secs_f64()) + 1.0;
        assert!(f64::from(passed) <= allowed, "{passed} passed");
        let response = ask().await.unwrap();
        if response.status() == 429 {
            return (response, usize::try_from(passed).unwrap());
        }
    }
    unreachable!("the loop has no end of its own");
}

#[tokio::test]
async fn a_stranger_can_t_choose_whose_rate_is_used() {
    let world = World::with(|config| config.rate_limit_per_second = 2.try_into().unwrap()).await;
    let mut number = 0;
    until_refused(2, || {
        number += 1;
        world.get("/loanStatus").header("x-forwarded-for", format!("203.0.113.{number}")).send()
    })
    .await;
}

// the status can be read whatever the load on the rest.
#[tokio::test]
async fn a_full_service_is_a_503_at_once_and_the_status_and_health_go_on() {
    let world = World::with(|config| config.upstream_concurrency_max = 2).await;
    let waiting: Vec<_> = (0..2)
        .map(|_| tokio::spawn(world.get("/loanRequests").header("behave", "wait").send()))
        .collect();
    world.fake(Upstream::Request).wait_for(2).await;
    let started = Instant::now();
    let response = world.get("/loanRequests").send().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1));
    let headers = assert_problem(response, 503, "unavailable").await;
    assert_eq!(headers["retry-after"], "1");
    for path in ["/loanStatus", "/actuator/health", "/loanManagers", "/docs/openapi.json"] {
        assert_eq!(world.get(path).send().await.unwrap().status(), 200, "{path}");
    }
    world.fake(Upstream::Request).go.add_permits(2);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(world.get("/loanRequests").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn pages_of_allowed_origins_may_call_and_read_refusals_too() {
    let world = World::with(|config| {
        config.cors_origins = vec!["http://localhost:*".parse().unwrap()];
        config.rate_limit_per_second = 2.try_into().unwrap();
    })
    .await;
    let ask = |origin: &'static str| {
        world
            .request(Method::OPTIONS, "/loanRequests")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,idempotency-key")
            .send()
    };
    let answer = ask("http://localhost:3000").await.unwrap();
    assert_eq!(answer.status(), 200);
    let headers = answer.headers();
    assert_eq!(headers["access-control-allow-origin"], "http://localhost:3000");
    assert!(headers["access-control-allow-headers"].to_str().unwrap().contains("idempotency-key"));
    assert!(headers["access-control-allow-methods"].to_str().unwrap().contains("PATCH"));
    let foreign = ask("http://evil.example").await.unwrap();
    assert!(!foreign.headers().contains_key("access-control-allow-origin"));
    assert_eq!(world.seen_by_anyone(), 0, "a preliminary question is answered here");

    let readable = |response: &reqwest::Response| {
        let headers = response.headers();
        assert_eq!(headers["access-control-allow-origin"], "http://localhost:3000");
        let exposed = headers["access-control-expose-headers"].to_str().unwrap();
        assert!(exposed.contains("retry-after"), "{exposed}");
    };
    let call = || world.get("/loanStatus").header("origin", "http://localhost:3000").send();
    let answered = call().await.unwrap();
    assert_eq!(answered.status(), 200);
    readable(&answered);
    let (refused, _passed) = until_refused(2, call).await;
    readable(&refused);
}

#[tokio::test]
async fn without_the_setting_no_page_of_another_origin_may_call() {
    let world = World::start().await;
    let response =
        world.get("/loanStatus").header("origin", "http://localhost:3000").send().await.unwrap();
    assert!(!response.headers().contains_key("access-control-allow-origin"));
    let ask = world
        .request(Method::OPTIONS, "/loanRequests")
        .header("origin", "http://localhost:3000")
        .send()
        .await;
    assert_problem(ask.unwrap(), 405, "method-not-allowed").await;
}
