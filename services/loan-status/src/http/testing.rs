//! For the tests of the endpoints: the router with its stack, tokens that are
//! signed for real, the reader of the feed, and entries that came by events.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream, to_bytes};
use axum::http::{HeaderMap, Request, Response};
use common::clock::Clock;
use common::db::Db;
use common::event::{Event, ReceivedEvent};
use common::test_support::TestTokens;
use futures::StreamExt as _;
use sqlx::PgPool;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt as _;
use uuid::Uuid;

use super::stream_loan_status::follow_feed::{FollowFeed, follow_feed};
use super::stream_loan_status::hub::Hub;
use super::until_shown::waiting_room::WaitingRoom;
use super::until_shown::watch_versions::{WatchVersions, watch_versions};
use super::{Api, router};
use crate::config::{StreamSettings, VersionSettings};
use crate::store;

/// How long a test waits for something that has to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who sends a request.
#[derive(Clone, Copy)]
pub(crate) struct Who {
    pub(crate) id: Uuid,
    pub(crate) roles: &'static [&'static str],
    /// For how long the token is valid.
    pub(crate) seconds: i64,
}

impl Who {
    pub(crate) fn customer() -> Self {
        Self { id: Clock::system().new_id(), roles: &["customer"], seconds: 600 }
    }

    pub(crate) fn officer() -> Self {
        Self { roles: &["officer"], ..Self::customer() }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: serde_json::Value,
}

/// The service, as its clients see it.
pub(crate) struct App {
    router: Router,
    tokens: TestTokens,
    pub(crate) db: Db,
    pub(crate) hub: std::sync::Arc<Hub>,
    pub(crate) shutdown: CancellationToken,
    _end: DropGuard,
}

/// Small figures, so that a test can reach them.
pub(crate) fn small() -> StreamSettings {
    StreamSettings {
        streams_per_customer_max: 5,
        streams_per_officer_max: 2,
        streams_max: 8,
        stream_buffer_entries_max: 3,
        stream_lag_seconds_max: 1,
        stream_heartbeat_seconds: 1,
        stream_catch_ups_max: 2,
        feed_poll_ms: 50,
    }
}

/// As in production, but few places.
pub(crate) fn versions() -> VersionSettings {
    VersionSettings {
        version_wait_ms: 2_000,
        version_wait_seconds_max: 3,
        version_waits_max: 3,
        version_waits_per_customer_max: 2,
        version_poll_ms: 50,
    }
}

impl App {
    pub(crate) async fn new(pool: PgPool) -> Self {
        Self::with(pool, small()).await
    }

    pub(crate) async fn with(pool: PgPool, settings: StreamSettings) -> Self {
        Self::with_versions(pool, settings, versions()).await
    }

    pub(crate) async fn with_versions(
        pool: PgPool,
        settings: StreamSettings,
        versions: VersionSettings,
    ) -> Self {
        let db = Db::from_pool(pool);
        let clock = Clock::system();
        let shutdown = CancellationToken::new();
        let position = store::feed_counter::position(db.pool()).await.unwrap();
        let hub = Hub::new(settings.limits(), position);
        let follower = FollowFeed {
            pool: db.pool().clone(),
            hub: hub.clone(),
            clock: clock.clone(),
            commits: db.commits(),
            poll: settings.feed_poll(),
        };
        tokio::spawn(follow_feed(follower, shutdown.clone()));
        let room = WaitingRoom::new(versions.waits_max());
        let watcher = WatchVersions {
            pool: db.pool().clone(),
            room: room.clone(),
            commits: db.commits(),
            poll: versions.poll(),
        };
        tokio::spawn(watch_versions(watcher, shutdown.clone()));
        let tokens = TestTokens::new();
        let end = shutdown.clone();
        let api = Api::new(db.clone(), clock, hub.clone(), &settings, room, &versions, end);
        let (router, _) = router(api).split_for_parts();
        let router = common::http::test_layers(router, tokens.verifier());
        Self { router, tokens, db, hub, shutdown: shutdown.clone(), _end: shutdown.drop_guard() }
    }

    /// Has something shown, as an event does.
    pub(crate) async fn deliver<E: Event>(&self, payload: &E) {
        let event = ReceivedEvent::for_test(payload);
        crate::events::subscriptions("loan-status").deliver(&self.db, &event).await.unwrap();
    }

    async fn send(
        &self,
        address: &str,
        who: Option<Who>,
        headers: &[(&str, &str)],
    ) -> Response<Body> {
        let mut request = Request::get(address.strip_prefix("http://localhost").unwrap_or(address));
        if let Some(who) = who {
            let mut claims = self.tokens.claims(who.id, who.roles, None, None);
            claims.exp = claims.iat + who.seconds;
            request =
                request.header("authorization", format!("Bearer {}", self.tokens.sign(&claims)));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    pub(crate) async fn get(&self, address: &str, who: Option<Who>) -> Answer {
        self.get_with(address, who, None).await
    }

    pub(crate) async fn get_with(
        &self,
        address: &str,
        who: Option<Who>,
        header: Option<(&str, &str)>,
    ) -> Answer {
        self.get_with_all(address, who, header.as_slice()).await
    }

    pub(crate) async fn get_with_all(
        &self,
        address: &str,
        who: Option<Who>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let (parts, body) = self.send(address, who, headers).await.into_parts();
        let bytes =
            tokio::time::timeout(PATIENCE, to_bytes(body, usize::MAX)).await.unwrap().unwrap();
        let body = if bytes.is_empty() {
            serde_json::Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap()
        };
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn stream(&self, query: &str, who: Who, last_event_id: Option<&str>) -> Sse {
        let header = last_event_id.map(|id| ("last-event-id", id));
        let response =
            self.send(&format!("/loanStatus/stream{query}"), Some(who), header.as_slice()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Sse { data: Box::pin(response.into_body().into_data_stream()), text: String::new() }
    }
}

/// The client's end of a stream.
pub(crate) struct Sse {
    data: Pin<Box<BodyDataStream>>,
    text: String,
}

/// What the stream sent.
#[derive(Debug, PartialEq)]
pub(crate) enum Sent {
    /// An event: its name, its id, its data.
    Event(String, String, serde_json::Value),
    Comment,
}

impl Sse {
    /// The next thing that is sent; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(parse(&block));
            }
            let data =
                tokio::time::timeout(PATIENCE, self.data.next()).await.expect("nothing came")?;
            self.text.push_str(std::str::from_utf8(&data.unwrap()).unwrap());
        }
    }

    /// The next event, past the comments; `None` at the end.
    pub(crate) async fn event(&mut self) -> Option<(String, String, serde_json::Value)> {
        loop {
            if let Sent::Event(name, id, data) = self.next().await? {
                return Some((name, id, data));
            }
        }
    }

    /// The next entry's id in the feed, and its event's type.
    pub(crate) async fn entry(&mut self) -> (String, String) {
        let (name, id, data) = self.event().await.expect("the stream ended");
        assert_eq!((name.as_str(), &data["id"]), ("loanStatus", &serde_json::json!(id)));
        (id, data["eventType"].as_str().unwrap().to_owned())
    }

    /// Reads until the stream is live: until a heartbeat shows that nothing is left.
    pub(crate) async fn live(&mut self) {
        assert_eq!(self.next().await, Some(Sent::Comment), "something goes out at once");
        assert_eq!(self.next().await, Some(Sent::Comment), "a heartbeat");
    }
}

fn parse(block: &str) -> Sent {
    let field = |name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
    };
    match field("data:") {
        data if data.is_empty() => Sent::Comment,
        data => Sent::Event(field("event:"), field("id:"), serde_json::from_str(&data).unwrap()),
    }
}
