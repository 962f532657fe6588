//! What goes through, and how it arrives.

use http::header::{ALLOW, HOST};

use super::*;
use crate::routes::{Covers, Found, Goal, ROUTES, find};

const METHODS: [Method; 8] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
];

// R-30: every pair of route and method of the table, through real sockets.
#[tokio::test]
async fn every_route_and_method_goes_where_the_table_says() {
    let world = World::start().await;
    for route in &ROUTES {
        let mut paths = vec![route.path.to_owned()];
        if route.covers == Covers::Tree && !matches!(route.goal, Goal::Docs | Goal::Problems) {
            paths.push(format!("{}/0190a3f0-7b1c-7e61-9b55-1f5b5d3c0001", route.path));
        }
        for (path, method) in
            paths.iter().flat_map(|path| METHODS.iter().map(move |method| (path, method)))
        {
            let before = world.seen_by_anyone();
            let response = world
                .request(method.clone(), &format!("{path}?page=1&size=%32"))
                .send()
                .await
                .unwrap();
            let pair = format!("{method} {path}");
            assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{pair}");
            match (find(method, path), route.goal) {
                (Found::Route(_), Goal::Upstream(upstream)) => {
                    assert_eq!(response.status(), 200, "{pair}");
                    let seen = world.fake(upstream).seen().pop().expect(&pair);
                    assert_eq!(seen.method, method, "{pair}");
                    assert_eq!(seen.path_and_query, format!("{path}?page=1&size=%32"));
                    assert_eq!(
                        world.seen_by_anyone(),
                        before + 1,
                        "{pair} went to more than one service"
                    );
                }
                (Found::Route(_), Goal::Health | Goal::Docs | Goal::Problems) => {
                    assert!(
                        response.status().is_success() || response.status().is_redirection(),
                        "{pair}"
                    );
                    assert_eq!(world.seen_by_anyone(), before, "{pair}");
                }
                (Found::OtherMethod(_) | Found::Nothing, _) => {
                    assert_eq!(response.status(), 405, "{pair}");
                    assert_eq!(response.headers()[ALLOW], route.allow().as_str());
                    if method != Method::HEAD {
                        assert_problem(response, 405, "method-not-allowed").await;
                    }
                    assert_eq!(world.seen_by_anyone(), before, "{pair} reached a service");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_in_the_table_is_a_404_problem() {
    let world = World::start().await;
    for path in
        ["/", "/metrics", "/livez", "/readyz", "/admin", "/loanRequestsX", "/auth", "/actuator"]
    {
        assert_problem(world.get(path).send().await.unwrap(), 404, "not-found").await;
    }
    assert_eq!(world.seen_by_anyone(), 0);
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent_with_true_forwarded_headers() {
    let world = World::start().await;
    let response = world
        .post("/loanRequests?a=%2Fb")
        .header(HOST, "bank.example:8080")
        .header("content-type", "application/json")
        .header("idempotency-key", "k-1")
        .header("x-forwarded-for", "203.0.113.1")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "https")
        .header("forwarded", "for=203.0.113.1")
        .header("x-internal-user", "officer")
        .header("connection", "x-forwarded-for")
        .body(r#"{"requestName":"예금"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let seen = world.fake(Upstream::Request).only();
    assert_eq!(seen.path_and_query, "/loanRequests?a=%2Fb");
    assert_eq!(seen.body, r#"{"requestName":"예금"}"#);
    assert_eq!(seen.headers["idempotency-key"], "k-1");
    assert_eq!(seen.headers["content-length"], seen.body.len().to_string().as_str());
    assert_eq!(seen.headers[HOST], "bank.example:8080");
    assert_eq!(seen.headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen.headers["x-forwarded-host"], "bank.example:8080");
    assert_eq!(seen.headers["x-forwarded-proto"], "http");
    for gone in ["forwarded", "x-internal-user", "connection"] {
        assert!(!seen.headers.contains_key(gone), "{gone}");
    }
    for name in ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "host"] {
        assert_eq!(seen.headers.get_all(name).iter().count(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_says_who_the_client_is() {
    let world =
        World::with(|config| config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    world
        .get("/loanRequests")
        .header("x-forwarded-for", "127.0.0.9, 203.0.113.7")
        .header("x-forwarded-host", "bank.example")
        .header("x-forwarded-proto", "https")
        .send()
        .await
        .unwrap();
    let seen = world.fake(Upstream::Request).only();
    assert_eq!(seen.headers["x-forwarded-for"], "203.0.113.7");
    assert_eq!(seen.headers["x-forwarded-host"], "bank.example");
    assert_eq!(seen.headers["x-forwarded-proto"], "https");
}

// R-43
#[tokio::test]
async fn a_trace_goes_on_and_is_begun_where_there_is_none() {
    let world = World::start().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    world
        .get("/loanRequests")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .header("tracestate", "a=b")
        .send()
        .await
        .unwrap();
    let odd =
        ["00-00000000000000000000000000000000-00f067aa0ba902b7-01", "nonsense", "00-4BF9-1-1"];
    for traceparent in odd {
        world.get("/loanRequests").header("traceparent", traceparent).send().await.unwrap();
    }
    world.get("/loanRequests").send().await.unwrap();
    let seen = world.fake(Upstream::Request).seen();
    let arrived: Vec<&str> =
        seen.iter().map(|seen| seen.headers["traceparent"].to_str().unwrap()).collect();
    assert_eq!(&arrived[0][3..35], trace);
    assert_eq!(seen[0].headers["tracestate"], "a=b");
    let mut traces: Vec<&str> = arrived.iter().map(|traceparent| &traceparent[3..35]).collect();
    assert!(
        arrived.iter().all(|traceparent| common::trace::parse(traceparent).is_some()),
        "{arrived:?}"
    );
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), 5, "two requests share a trace that was begun here: {arrived:?}");
}

#[tokio::test]
async fn a_service_s_own_answer_passes_unchanged() {
    let world = World::start().await;
    let response = world.get("/loanManagers/1").header("behave", "problem").send().await.unwrap();
    assert_eq!(response.status(), 409);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(response.headers()["etag"], "\"3\"");
    assert_eq!(response.text().await.unwrap(), r#"{"code":"theirs","allowed":["02"]}"#);

    let large = world.get("/loanStatus").header("behave", "large").send().await.unwrap();
    assert_eq!(large.text().await.unwrap().len(), 300 * 1024);

    let head = world.request(Method::HEAD, "/loanRequests").send().await.unwrap();
    assert_eq!(
        head.headers()["content-length"],
        r#"{"service":"loan-request"}"#.len().to_string().as_str()
    );
}

// What a client says of it is the services' own word, and is written over.
#[tokio::test]
async fn a_service_is_told_how_long_its_answer_is_waited_for() {
    let world = World::start().await;
    let request = world.request(Method::GET, "/loanStatus/loans");
    request.header("x-request-timeout-ms", "86400000").send().await.unwrap();
    let seen = world.fake(Upstream::Status).only();
    let told: Vec<_> = seen.headers.get_all("x-request-timeout-ms").iter().collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let told: u64 = told[0].to_str().unwrap().parse().unwrap();
    assert!((1..=30_000).contains(&told), "{told}");
}

#[tokio::test]
async fn connections_to_a_service_are_kept_and_renewed() {
    let world = World::with(|config| config.upstream_connection_age_seconds = 1).await;
    let fake = world.fake(Upstream::Request);
    for _ in 0..30 {
        world.get("/loanRequests").send().await.unwrap();
    }
    let first = *fake.connections.lock().unwrap();
    assert!(first <= 3, "{first} connections for 30 requests one after the other");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    world.get("/loanRequests").send().await.unwrap();
    assert!(*fake.connections.lock().unwrap() > first, "an old connection was used");
}

#[tokio::test]
async fn fifty_at_once_all_arrive_once() {
    let world = World::start().await;
    let requests =
        (0..50).map(|number| world.post("/loanRequests").body(format!("{number}")).send());
    for response in futures::future::join_all(requests).await {
        assert_eq!(response.unwrap().status(), 200);
    }
    let mut bodies: Vec<u32> = world
        .fake(Upstream::Request)
        .seen()
        .iter()
        .map(|seen| seen.body.parse().unwrap())
        .collect();
    bodies.sort_unstable();
    assert_eq!(bodies, (0..50).collect::<Vec<u32>>());
}

#[tokio::test]
async fn the_gateway_s_own_pages_answer() {
    let world = World::start().await;
    let health = world.get("/actuator/health").send().await.unwrap();
    assert_eq!(health.text().await.unwrap(), r#"{"status":"UP"}"#);
    let docs = world.get("/docs").send().await.unwrap();
    assert_eq!(
        (docs.status().as_u16(), &docs.headers()["location"]),
        (308, &"/docs/".parse().unwrap())
    );
    let page = world.get("/docs/").send().await.unwrap();
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(
        page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'self'")
    );
    let openapi = world.get("/docs/openapi.json").send().await.unwrap();
    assert_eq!(openapi.headers()["content-type"], "application/json");
    assert_problem(world.get("/docs/nothing").send().await.unwrap(), 404, "not-found").await;
}
