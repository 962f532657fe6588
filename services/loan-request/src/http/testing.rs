//! The service as a test meets it: its router on a real database, and loan-auth
//! at the other end of a real wire.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use ::events::codes::{ROLE_CUSTOMER, ROLE_OFFICER};
use ::events::{CustomerId, LoanRequestId};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use common::clock::Clock;
use common::config::try_load_from;
use common::consumer::{Delivered, HandlerError};
use common::db::Db;
use common::event::{Event, ReceivedEvent};
use common::http::test_layers;
use common::test_support::TestTokens;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::OffsetDateTime;
use tower::ServiceExt as _;

use crate::clients::loan_auth::LoanAuth;
use crate::clients::loan_auth::testing::{CREDENTIAL, PASSWORD, USER_ID, USER_NAME, Wire};
use crate::config::Config;
use crate::domain::standing::{Standing, Verdict};
use crate::store::loan_request::{self, LoanRequest, NewRequest};
use crate::usecases::{Desk, settle_certification};

pub(crate) struct World {
    pub(crate) pool: PgPool,
    pub(crate) clock: Clock,
    pub(crate) wire: Wire,
    pub(crate) config: Config,
    pub(crate) desk: Desk,
    tokens: TestTokens,
    router: Router,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) took: Duration,
}

impl World {
    pub(crate) async fn new(pool: PgPool) -> Self {
        Self::with(pool, &[]).await
    }

    /// With settings of its own.
    pub(crate) async fn with(pool: PgPool, settings: &[&str]) -> Self {
        let wire = Wire::start().await;
        let fixed = [
            "loan-request",
            "--database-url=postgres://unused",
            "--service-credential",
            CREDENTIAL,
        ];
        let args = fixed.iter().chain(settings).map(Into::into);
        let config: Config = try_load_from(args, &[]).unwrap();
        // To the microsecond, as the table keeps it.
        let clock = Clock::fixed(Clock::system().now());
        let desk = desk(&pool, &clock, &wire, &config);
        let tokens = TestTokens::new();
        let router = test_layers(super::router(desk.clone()).into(), tokens.verifier());
        Self { pool, clock, wire, config, desk, tokens, router }
    }

    /// Another instance of the service, on the same database.
    pub(crate) fn another(&self) -> Desk {
        desk(&self.pool, &self.clock, &self.wire, &self.config)
    }

    /// A good application by the customer.
    pub(crate) fn application() -> Value {
        json!({
            "requestId": "01", "requestName": "Deposit", "amountOfMoney": 10_000, "accountNo": "1111",
            "userId": USER_ID, "userName": USER_NAME, "userPassword": PASSWORD,
        })
    }

    /// The same, with one field changed.
    pub(crate) fn application_with(field: &str, value: impl Into<Value>) -> Value {
        let mut body = Self::application();
        body[field] = value.into();
        body
    }

    pub(crate) async fn submit(&self, body: &Value) -> Answer {
        self.submit_with(body, &[]).await
    }

    pub(crate) async fn submit_under(&self, key: &str, body: &Value) -> Answer {
        self.submit_with(body, &[("idempotency-key", key)]).await
    }

    pub(crate) async fn submit_with(&self, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut request =
            Request::post("/loanRequests").header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub(crate) async fn get(&self, address: &str, token: &str) -> Answer {
        let request =
            Request::get(address).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let started = Instant::now();
        let response: Response<Body> = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body, took: started.elapsed() }
    }

    pub(crate) fn customer(&self) -> CustomerId {
        self.wire.customer()
    }

    /// The customer's token, which loan-auth knows too.
    pub(crate) fn token(&self) -> String {
        let token = self.token_of(self.customer(), Some(USER_ID));
        self.wire.knows(&token);
        token
    }

    /// Some customer's token.
    pub(crate) fn token_of(&self, customer: CustomerId, user_id: Option<&str>) -> String {
        self.tokens.token(customer.as_uuid(), &[ROLE_CUSTOMER], Some(USER_NAME), user_id)
    }

    pub(crate) fn officer_token(&self) -> String {
        self.token_with(&[ROLE_OFFICER])
    }

    pub(crate) fn officer_token_of(&self, officer: CustomerId) -> String {
        let officer = officer.as_uuid();
        self.tokens.token(officer, &[ROLE_OFFICER], Some("김대출"), Some("officer@bank.example"))
    }

    pub(crate) fn token_with(&self, roles: &[&str]) -> String {
        self.tokens.token(self.clock.new_id(), roles, Some("김대출"), Some("officer@bank.example"))
    }

    /// The customer's token, which was good once.
    pub(crate) fn expired_token(&self) -> String {
        let customer = self.customer().as_uuid();
        let mut claims =
            self.tokens.claims(customer, &[ROLE_CUSTOMER], Some(USER_NAME), Some(USER_ID));
        claims.exp = claims.iat - 60;
        self.tokens.sign(&claims)
    }

    /// The customer's token, by another hand.
    pub(crate) fn forged_token(&self) -> String {
        let (customer, forger) = (self.customer().as_uuid(), TestTokens::new());
        forger.token(customer, &[ROLE_CUSTOMER], Some(USER_NAME), Some(USER_ID))
    }

    pub(crate) async fn row(&self, id: LoanRequestId) -> LoanRequest {
        loan_request::find(&self.pool, id).await.unwrap().unwrap()
    }

    /// The only row.
    pub(crate) async fn only_row(&self) -> LoanRequest {
        assert_eq!(self.rows().await, 1);
        let id: LoanRequestId = sqlx::query_scalar("SELECT loan_request_id FROM loan_request")
            .fetch_one(&self.pool)
            .await
            .unwrap();
        self.row(id).await
    }

    pub(crate) async fn rows(&self) -> i64 {
        self.count("loan_request").await
    }

    pub(crate) async fn keys(&self) -> i64 {
        self.count("idempotency").await
    }

    async fn count(&self, table: &'static str) -> i64 {
        let mut query = sqlx::QueryBuilder::new("SELECT count(*) FROM ");
        query.push(table);
        query.build_query_scalar().fetch_one(&self.pool).await.unwrap()
    }

    /// What was published, by type and key, with its payload.
    pub(crate) async fn outbox(&self) -> Vec<(String, String, Value)> {
        let rows: Vec<(String, String, String)> =
            sqlx::query_as("SELECT event_type, key, payload FROM outbox ORDER BY id")
                .fetch_all(&self.pool)
                .await
                .unwrap();
        rows.into_iter()
            .map(|(event_type, key, payload)| {
                (event_type, key, serde_json::from_str(&payload).unwrap())
            })
            .collect()
    }

    pub(crate) async fn deliver<E: Event>(&self, payload: &E) -> Delivered {
        self.deliver_event(&ReceivedEvent::for_test(payload)).await.unwrap()
    }

    pub(crate) async fn deliver_event(
        &self,
        event: &ReceivedEvent,
    ) -> Result<Delivered, HandlerError> {
        let db = Db::from_pool(self.pool.clone());
        crate::events::subscriptions(self.clock.clone()).deliver(&db, event).await
    }

    /// An undecided request, as an instance leaves it that dies after its commit.
    pub(crate) async fn left_undecided(&self, decide_after: OffsetDateTime) -> LoanRequestId {
        let id: LoanRequestId = self.clock.new_id().into();
        let request = LoanRequest {
            id,
            kind: ::events::RequestKind::Apply,
            loan_id: Some(id.into()),
            name: "Deposit".to_owned(),
            amount: ::events::Amount::try_new(10_000).unwrap(),
            account_no: None,
            user_mobile: None,
            user_id: Some(USER_ID.to_owned()),
            user_name: Some(USER_NAME.to_owned()),
            claimed_customer_id: None,
            standing: Standing::Undecided,
            reason: None,
            comment: None,
            submitted_at: self.clock.now(),
            certified_at: None,
            received_at: None,
            version: 1,
        };
        loan_request::insert(&self.pool, &[NewRequest { request, decide_after }]).await.unwrap();
        id
    }

    /// A request that was settled so.
    pub(crate) async fn settled(&self, verdict: Verdict) -> LoanRequestId {
        self.clock.advance(time::Duration::milliseconds(1));
        let id = self.left_undecided(self.clock.now()).await;
        let mut connection = self.pool.acquire().await.unwrap();
        settle_certification(&mut connection, id, verdict, self.clock.now()).await.unwrap();
        id
    }
}

fn desk(pool: &PgPool, clock: &Clock, wire: &Wire, config: &Config) -> Desk {
    let http = reqwest::Client::builder()
        .connect_timeout(Duration::from_millis(500))
        .no_proxy()
        .build()
        .unwrap();
    let credential = config.auth.service_credential.clone();
    let auth =
        LoanAuth::new(&wire.url(), credential, config.auth.certify(), config.auth.void(), &http);
    Desk::new(Db::from_pool(pool.clone()), clock.clone(), auth, config.timing())
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The request that the body speaks of.
    pub(crate) fn id(&self) -> LoanRequestId {
        self.body["id"].as_str().unwrap().parse().unwrap()
    }

    /// Status and problem code, or an empty code.
    pub(crate) fn verdict(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or_default())
    }

    pub(crate) fn must_be_problem(&self, status: u16, code: &str) {
        assert_eq!(self.verdict(), (status, code), "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
    }

    pub(crate) fn must_say_when_to_come_back(&self) {
        let seconds: u64 = self.header("retry-after").parse().unwrap();
        assert!(seconds >= 1);
    }
}
