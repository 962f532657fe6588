//! Services that are slow, down or cut off.

use std::time::Instant;

use axum::extract::ConnectInfo;
use tower::ServiceExt;

use super::*;
use crate::edge::Edge;
use crate::proxy::{Forward, Forwarding};
use crate::upstream::{Service, Taking};
use common::http::Crowd;

/// What a broken service does with each connection.
#[derive(Clone, Copy)]
enum Broken {
    /// Reads the request and closes.
    BeforeTheHead,
    /// Announces more than it sends.
    InTheBody,
    /// As before, with a body that is too long to be taken whole.
    InALongBody,
    /// Answers the first request of a connection, and closes it at the second.
    AtTheSecondRequest,
}

/// Binds a broken service and counts the requests that it reads.
async fn broken(broken: Broken) -> (SocketAddr, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let read = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&read);
    tokio::spawn(async move {
        while let Ok((stream, _peer)) = listener.accept().await {
            tokio::spawn(misbehave(stream, broken, Arc::clone(&counter)));
        }
    });
    (address, read)
}

async fn misbehave(mut stream: TcpStream, broken: Broken, counter: Arc<Mutex<usize>>) {
    let mut buffer = vec![0; 64 * 1024];
    for number in 0.. {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => *counter.lock().unwrap() += 1,
        }
        let answer = match (broken, number) {
            (Broken::AtTheSecondRequest, 0) => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            (Broken::BeforeTheHead | Broken::AtTheSecondRequest, _) => return,
            (Broken::InTheBody, _) => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
            (Broken::InALongBody, _) => "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhalf",
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
        if !matches!(broken, Broken::AtTheSecondRequest) {
            return;
        }
    }
}

async fn world_with_broken(how: Broken) -> (World, Arc<Mutex<usize>>) {
    let (address, read) = broken(how).await;
    let world = World::with(|config| set_url(config, Upstream::Request, address)).await;
    (world, read)
}

// R-21: at once, and again by itself.
#[tokio::test]
async fn a_service_that_is_down_is_a_503_at_once_and_works_again_by_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let world = World::with(|config| set_url(config, Upstream::Request, address)).await;
    let mut times = Vec::new();
    for _ in 0..21 {
        let started = Instant::now();
        let response = world.post("/loanRequests").body("{}").send().await.unwrap();
        times.push(started.elapsed());
        let headers = assert_problem(response, 503, "unavailable").await;
        assert_eq!(headers["retry-after"], "1");
        // The others are not concerned.
        assert_eq!(world.get("/loanStatus").send().await.unwrap().status(), 200);
    }
    times.sort_unstable();
    assert!(times[10] < Duration::from_millis(50), "the median is {:?}", times[10]);

    let fake = Fake::new("loan-request");
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(fake.clone().serve(listener, CancellationToken::new()));
    let back = async {
        while world.get("/loanRequests").send().await.unwrap().status() != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), back).await.expect("it is back and not used");
    let all = futures::future::join_all((0..20).map(|_| world.get("/loanRequests").send())).await;
    assert!(all.into_iter().all(|response| response.unwrap().status() == 200));
}

#[tokio::test]
async fn an_address_that_swallows_connections_costs_the_first_requests_little_and_the_rest_nothing()
{
    // A listener that accepts nothing, with its queue full, answers no SYN any more.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut fillers = Vec::new();
    while let Ok(Ok(filler)) =
        tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
    {
        fillers.push(filler);
        assert!(fillers.len() < 100, "the queue does not fill");
    }
    let world = World::with(|config| {
        set_url(config, Upstream::Request, address);
        config.connect_timeout_ms = 500;
    })
    .await;
    let ask = async || {
        let started = Instant::now();
        let response = world.get("/loanRequests").send().await.unwrap();
        assert_problem(response, 503, "unavailable").await;
        started.elapsed()
    };
    let first = futures::future::join_all((0..10).map(|_| ask())).await;
    assert!(first.iter().all(|took| *took < Duration::from_secs(3)), "{first:?}");
    let rest = futures::future::join_all((0..10).map(|_| ask())).await;
    let quick = rest.iter().filter(|took| **took < Duration::from_millis(250)).count();
    assert!(quick >= 8, "one now and then tries, the others do not wait: {rest:?}");
    drop((listener, fillers));
}

#[tokio::test]
async fn an_answer_that_is_cut_before_its_head_is_a_502_and_a_post_is_not_sent_again() {
    let (world, read) = world_with_broken(Broken::BeforeTheHead).await;
    assert_problem(
        world.post("/loanRequests").body("{}").send().await.unwrap(),
        502,
        "upstream-cut",
    )
    .await;
    assert_eq!(*read.lock().unwrap(), 1, "a POST was sent twice");
    assert_problem(world.get("/loanRequests").send().await.unwrap(), 502, "upstream-cut").await;
    assert_eq!(*read.lock().unwrap(), 3, "a GET is tried once more and not oftener");
}

#[tokio::test]
async fn an_answer_that_is_cut_in_its_body_is_a_502_and_no_short_200() {
    let (world, read) = world_with_broken(Broken::InTheBody).await;
    assert_problem(
        world.post("/loanRequests").body("{}").send().await.unwrap(),
        502,
        "upstream-cut",
    )
    .await;
    assert_eq!(*read.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_long_answer_that_is_cut_is_seen_to_be_cut() {
    let (address, _read) = broken(Broken::InALongBody).await;
    let world = World::with(|config| {
        set_url(config, Upstream::Request, address);
        config.response_buffer_max_bytes = 256 * 1024;
    })
    .await;
    let response = world.get("/loanRequests").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err(), "half an answer passed for a whole one");
}

#[tokio::test]
async fn a_pooled_connection_that_closes_costs_a_get_nothing_and_repeats_no_post() {
    let (world, read) = world_with_broken(Broken::AtTheSecondRequest).await;
    assert_eq!(world.get("/loanRequests").send().await.unwrap().status(), 200);
    assert_eq!(world.get("/loanRequests").send().await.unwrap().status(), 200);
    assert_eq!(*read.lock().unwrap(), 3, "the second GET is sent again on a new connection");
    assert_problem(
        world.post("/loanRequests").body("{}").send().await.unwrap(),
        502,
        "upstream-cut",
    )
    .await;
    assert_eq!(*read.lock().unwrap(), 4);
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_a_504_in_time() {
    let world = World::with(|config| config.request_timeout_seconds = 1).await;
    let started = Instant::now();
    let response = world.get("/loanRequests").header("behave", "wait").send().await.unwrap();
    let took = started.elapsed();
    assert_problem(response, 504, "timeout").await;
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
}

// R-42
#[tokio::test]
async fn while_it_is_ending_it_answers_and_keeps_no_connection() {
    let world = World::start().await;
    let before = world.get("/loanStatus").send().await.unwrap();
    assert!(!before.headers().contains_key("connection"));
    world.shutdown.begin();
    let after = world.get("/loanStatus").send().await.unwrap();
    assert_eq!(after.status(), 200);
    assert_eq!(after.headers()["connection"], "close");
}

// R-42: what was begun is finished; nothing new is taken.
#[tokio::test]
async fn a_drain_finishes_what_was_begun() {
    let world = World::start().await;
    let slow = tokio::spawn(world.post("/loanRequests").header("behave", "wait").body("{}").send());
    world.fake(Upstream::Request).wait_for(1).await;
    world.stop.cancel();
    let refused = async {
        while TcpStream::connect(world.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("it still takes connections");
    assert!(!world.gateway.is_finished(), "it ended with a request under way");
    world.fake(Upstream::Request).go.add_permits(1);
    assert_eq!(slow.await.unwrap().unwrap().text().await.unwrap(), "waited");
    tokio::time::timeout(PATIENCE, world.gateway).await.expect("it does not end").unwrap();
}

// R-22
#[tokio::test]
async fn what_a_client_has_given_up_is_worked_on_by_nobody_and_its_place_is_free() {
    let world = World::with(|config| config.upstream_concurrency_max = 1).await;
    let body = r#"{"amountOfMoney":1}"#;
    let given_up = world.post("/loanRequests").header("behave", "wait").body(body);
    let given_up = given_up.timeout(Duration::from_millis(300)).send();
    assert!(given_up.await.unwrap_err().is_timeout());
    let fake = world.fake(Upstream::Request);
    let dropped = async {
        while fake.given_up.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, dropped).await.expect("the service still works on it");
    assert_eq!(world.get("/loanRequests").send().await.unwrap().status(), 200);
}

// R-22
#[tokio::test]
async fn repetitions_add_a_tenth_to_a_service_that_breaks_off_and_a_few_and_no_more() {
    struct BreaksOff(Arc<AtomicUsize>);
    impl Forward for BreaksOff {
        fn forward(&self, _request: http::Request<Body>) -> Forwarding<'_> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Err(crate::proxy::Unanswered::Cut) })
        }
    }
    let sent = Arc::new(AtomicUsize::new(0));
    let taking = Taking { buffer_max_bytes: 1, deadline: PATIENCE };
    let forward = Box::new(BreaksOff(Arc::clone(&sent)));
    let service = Service::new(Upstream::Status, forward, Crowd::new(1, 1), taking);
    for _ in 0..1_000 {
        let (parts, _) = http::Request::get("/loanStatus").body(()).unwrap().into_parts();
        let failed = service.send(parts, axum::body::Bytes::new(), crate::routes::Limits::Request);
        assert!(failed.await.is_err());
    }
    let repeated = sent.load(Ordering::Relaxed) - 1_000;
    // A tenth of 1,000, and five a second for the ten seconds that count.
    assert!((100..=150).contains(&repeated), "{repeated}");
}

/// A bug in one request: it ends neither the others nor the connection's task.
#[tokio::test]
async fn a_panic_is_a_500_problem() {
    struct Panics;
    impl Forward for Panics {
        fn forward(&self, _request: http::Request<Body>) -> Forwarding<'_> {
            panic!("a bug");
        }
    }
    let config = Config::try_parse_from(["gateway"]).unwrap();
    let (verifier, token) = (TestTokens::new().verifier(), CancellationToken::new());
    let mut edge = Edge::new(&config, verifier, Clock::system(), token.clone(), token);
    let taking = Taking { buffer_max_bytes: 1, deadline: PATIENCE };
    edge.replace(
        Upstream::Request,
        Service::new(Upstream::Request, Box::new(Panics), Crowd::new(1, 1), taking),
    );
    let stack = crate::stack::build(&Arc::new(edge));
    // Twice: the place of the first must be free again.
    for _ in 0..2 {
        let mut request = http::Request::get("/loanRequests?secret=1")
            .header("host", "localhost")
            .body(Body::empty())
            .unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
        let response = stack.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&problem["code"], &problem["instance"]),
            (&"internal".into(), &"/loanRequests".into())
        );
    }
}
