//! The live stream.

use super::*;

/// Reads chunks until the text holds this.
async fn read_until(response: &mut reqwest::Response, text: &mut String, wanted: &str) {
    let read = async {
        while !text.contains(wanted) {
            let chunk = response.chunk().await.unwrap().expect("the stream has ended");
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the event does not arrive");
}

//
#[tokio::test]
async fn events_arrive_one_by_one_while_the_stream_is_open_beyond_the_time_of_a_request() {
    let world = World::with(|config| config.request_timeout_seconds = 1).await;
    let mut response = world
        .http
        .get(format!("http://{}/loanStatus/stream", world.address))
        .header("behave", "stream")
        .header("last-event-id", "e-7")
        .header("accept-encoding", "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(!response.headers().contains_key("content-encoding"));
    let mut text = String::new();
    read_until(&mut response, &mut text, "id: 0\n").await;
    assert_eq!(world.fake(Upstream::Status).only().headers["last-event-id"], "e-7");
    assert!(!text.contains("id: 1\n"), "the second event has not happened yet");

    tokio::time::sleep(Duration::from_millis(1_300)).await;
    world.fake(Upstream::Status).go.add_permits(1);
    read_until(&mut response, &mut text, "id: 1\n").await;
}

#[tokio::test]
async fn a_drain_ends_the_streams_and_does_not_wait_for_their_clients() {
    let world = World::start().await;
    let mut response =
        world.get("/loanStatus/stream").header("behave", "stream").send().await.unwrap();
    read_until(&mut response, &mut String::new(), "id: 0\n").await;
    world.stop.cancel();
    let end =
        tokio::time::timeout(PATIENCE, response.chunk()).await.expect("the stream stays open");
    assert!(end.unwrap().is_none(), "the end is a proper end");
    tokio::time::timeout(PATIENCE, world.gateway).await.expect("it does not end").unwrap();
}

#[tokio::test]
async fn streams_are_bounded_apart_from_requests_and_a_client_that_leaves_makes_room() {
    let world = World::with(|config| config.streams_max = 1).await;
    let stream = || world.get("/loanStatus/stream").header("behave", "stream").send();
    let first = stream().await.unwrap();
    let headers = assert_problem(stream().await.unwrap(), 503, "unavailable").await;
    assert_eq!(headers["retry-after"], "1");
    assert_eq!(world.get("/loanStatus").send().await.unwrap().status(), 200);
    drop(first);
    let room = async {
        while stream().await.unwrap().status() != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, room).await.expect("the place is not given back");
}
