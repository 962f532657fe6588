//! For the tests of the endpoints: the router with its stack, tokens that are
//! signed for real, and messages that came by events.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::MessageId;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use common::clock::Clock;
use common::db::Db;
use common::event::ReceivedEvent;
use common::test_support::TestTokens;
use serde_json::Value;
use sqlx::PgPool;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::events::testing::Story;
use crate::usecases::Rules;

/// Who sends a request.
#[derive(Clone, Copy)]
pub(crate) struct Who {
    pub(crate) id: Uuid,
    pub(crate) roles: &'static [&'static str],
}

impl Who {
    pub(crate) fn customer() -> Self {
        Self { id: Clock::system().new_id(), roles: &["customer"] }
    }

    pub(crate) fn officer() -> Self {
        Self { id: Clock::system().new_id(), roles: &["officer"] }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: serde_json::Value,
}

/// The service, as its clients see it.
pub(crate) struct App {
    router: Router,
    tokens: TestTokens,
    pub(crate) db: Db,
}

impl App {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self::with(pool, Rules::default())
    }

    pub(crate) fn with(pool: PgPool, rules: Rules) -> Self {
        let db = Db::from_pool(pool);
        let tokens = TestTokens::new();
        let (router, _) =
            super::router(super::Api { db: db.clone(), clock: Clock::system(), rules })
                .split_for_parts();
        Self { router: common::http::test_layers(router, tokens.verifier()), tokens, db }
    }

    pub(crate) async fn get(&self, address: &str, who: Option<Who>) -> Answer {
        self.send(Method::GET, address, None, who).await
    }

    pub(crate) async fn post(&self, address: &str, body: Value, who: Who) -> Answer {
        self.send(Method::POST, address, Some(body), Some(who)).await
    }

    async fn send(
        &self,
        method: Method,
        address: &str,
        body: Option<Value>,
        who: Option<Who>,
    ) -> Answer {
        let path = address.strip_prefix("http://localhost").unwrap_or(address);
        let mut request = Request::builder().method(method).uri(path);
        if let Some(who) = who {
            let token = self.tokens.token(who.id, who.roles, None, None);
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body =
            if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status, body }
    }

    /// Has a message written, as an event does.
    pub(crate) async fn message_to(&self, who: Who) -> MessageId {
        self.message_about(Story::of(who.id.into())).await
    }

    pub(crate) async fn message_about(&self, story: Story) -> MessageId {
        let event = ReceivedEvent::for_test(&story.received());
        crate::events::subscriptions(&Clock::system(), &Rules::default())
            .deliver(&self.db, &event)
            .await
            .unwrap();
        sqlx::query_scalar("SELECT id FROM message WHERE event_id = $1")
            .bind(event.id)
            .fetch_one(self.db.pool())
            .await
            .unwrap()
    }
}
