//! For the tests of the endpoints: the router with its stack, people who have
//! registered, tokens that are signed for real, and a clock that can be moved.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use ::events::{CustomerId, Language, LoanRequestId};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request};
use common::clock::Clock;
use common::config::Secret;
use common::db::Db;
use common::token::TokenVerifier;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::OffsetDateTime;
use time::macros::datetime;
use tower::ServiceExt as _;

use super::{Api, Services};
use crate::domain::brute_force::{Bound, Bounds};
use crate::domain::person::{Person, Role};
use crate::usecases::testing::new_key;
use crate::usecases::{
    Certifier, Hasher, Lifetimes, NewPerson, Origin, PlaceSettings, Prover, ProverSettings,
    Purpose, Registrar, SessionSettings, TokenSigner, register_person,
};

pub(crate) const SERVICE: &str = "service-credential-of-tests";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-21 08:00 UTC);
const ISSUER: &str = "https://issuer.test";
const AUDIENCE: &str = "test";

/// Room for what a test does at once, and time for it on a busy computer.
const PATIENT: PlaceSettings = PlaceSettings {
    certify_max: 2,
    log_in_max: 2,
    register_max: 2,
    waiting_per_address_max: 1_000,
    wait: Duration::from_secs(20),
};

/// The service, as its clients see it.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) api: Api,
    pub(crate) clock: Clock,
    pub(crate) db: Db,
    keys: Secret,
}

/// Somebody with a token.
#[derive(Clone)]
pub(crate) struct Who {
    pub(crate) id: CustomerId,
    pub(crate) user_id: String,
    pub(crate) user_name: String,
    pub(crate) token: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn outcome(&self) -> &str {
        assert_eq!(self.status, 200, "{}", self.text);
        self.body["outcome"].as_str().unwrap()
    }
}

/// A request on its way.
pub(crate) struct Call<'a> {
    app: &'a App,
    request: axum::http::request::Builder,
    body: Body,
}

impl Call<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn from(self, address: &str) -> Self {
        self.header("x-forwarded-for", address)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", &body.to_string())
    }

    pub(crate) fn body(self, media_type: &str, body: &str) -> Self {
        let mut call = self.header("content-type", media_type);
        call.body = Body::from(body.to_owned());
        call
    }

    pub(crate) async fn send(self) -> Answer {
        let request = self.request.body(self.body).unwrap();
        let response = self.app.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text }
    }
}

impl App {
    pub(crate) fn new(pool: PgPool) -> Self {
        let keys = Secret::from(new_key());
        Self::on(pool, Clock::fixed(NOW), keys, PATIENT)
    }

    /// With so many places for hashing.
    pub(crate) fn with(pool: PgPool, places: PlaceSettings) -> Self {
        Self::on(pool, Clock::fixed(NOW), Secret::from(new_key()), places)
    }

    /// A second instance of the service on the same database.
    pub(crate) fn another(&self) -> Self {
        Self::on(self.db.pool().clone(), self.clock.clone(), self.keys.clone(), PATIENT)
    }

    fn on(pool: PgPool, clock: Clock, keys: Secret, places: PlaceSettings) -> Self {
        let db = Db::from_pool(pool);
        let lifetimes = Lifetimes {
            customer: time::Duration::minutes(10),
            officer: time::Duration::minutes(2),
        };
        let signer =
            TokenSigner::try_new(&keys, ISSUER, AUDIENCE, lifetimes, clock.clone()).unwrap();
        let verifier = TokenVerifier::new(ISSUER, AUDIENCE, clock.clone());
        assert!(verifier.install(signer.jwks()));
        let hasher = Hasher::try_new(places).unwrap();
        let bound = |failures_max, minutes| Bound {
            failures_max,
            window: time::Duration::minutes(minutes),
        };
        let bounds = Bounds {
            account_address: bound(10, 5),
            account: bound(100, 60),
            address: bound(60, 1),
            registrations: bound(60, 10),
            known_address: time::Duration::days(30),
            retry_after_max: time::Duration::seconds(60),
        };
        let settings =
            ProverSettings { bounds, remembered: Duration::from_secs(60), remembered_max: 100 };
        let prover = Prover::try_new(db.clone(), clock.clone(), hasher.clone(), settings).unwrap();
        let api = Api {
            db: db.clone(),
            clock: clock.clone(),
            verifier: verifier.clone(),
            services: Services::new(&[
                Secret::from("another-service-credential"),
                Secret::from(SERVICE),
            ]),
            signer,
            hasher: hasher.clone(),
            prover,
            certifier: Certifier::new(db.clone(), clock.clone()),
            registrar: Registrar::new(db.clone(), clock.clone(), hasher, bounds),
            sessions: SessionSettings { lifetime: time::Duration::hours(12), per_person_max: 3 },
            certify_delay: None,
            public_requests_max: 1_000,
        };
        let (router, _) = super::router(api.clone()).split_for_parts();
        Self { router: common::http::test_layers(router, verifier), api, clock, db, keys }
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> Call<'_> {
        let path = path.strip_prefix("http://localhost").unwrap_or(path);
        Call {
            app: self,
            request: Request::builder().method(method).uri(path),
            body: Body::empty(),
        }
    }

    pub(crate) fn get(&self, path: &str, who: &Who) -> Call<'_> {
        self.call(Method::GET, path).bearer(&who.token)
    }

    pub(crate) fn post(&self, path: &str) -> Call<'_> {
        self.call(Method::POST, path)
    }

    /// Adds somebody, whose password is [`PASSWORD`], and forgets their event.
    async fn add(&self, role: Role, user_id: &str, user_name: &str) -> Who {
        let person = NewPerson {
            role,
            user_id: user_id.to_owned(),
            user_name: user_name.to_owned(),
            user_mobile: (role == Role::Customer).then(|| "010-000-0000".to_owned()),
            user_email: None,
            language: Language::Ko,
        };
        let person = person.into_person(&self.clock);
        let hasher = &self.api.hasher;
        let origin = Origin::of([127, 0, 0, 1].into());
        let place = hasher.place(Purpose::Register, &origin, hasher.deadline()).await.unwrap();
        let hash = hasher.hash_password(place, &Secret::from(PASSWORD)).await.unwrap();
        let work = async |tx: &mut _| register_person(tx, &self.clock, &person, &hash, None).await;
        self.db.in_tx("test", work).await.unwrap();
        self.run("DELETE FROM outbox").await;
        self.who(&person)
    }

    /// Somebody with a token of now.
    pub(crate) fn who(&self, person: &Person) -> Who {
        let token = self.api.signer.sign_token(person, self.clock.now()).unwrap();
        Who {
            id: person.id,
            user_id: person.user_id.clone(),
            user_name: person.user_name.clone(),
            token: token.expose_secret().to_owned(),
        }
    }

    pub(crate) async fn customer(&self, user_id: &str) -> Who {
        self.add(Role::Customer, user_id, "유은상").await
    }

    pub(crate) async fn officer(&self) -> Who {
        self.add(Role::Officer, "officer@bank.example", "Officer").await
    }

    /// What loan-request sends.
    pub(crate) fn question(&self, who: &Who) -> Value {
        json!({
            "loanRequestId": self.new_request(), "requestId": "01", "requestName": "Deposit",
            "amountOfMoney": 10_000, "currency": "KRW", "accountNo": "1111", "userId": who.user_id,
            "userName": who.user_name, "userPassword": PASSWORD, "clientAddress": "192.0.2.1",
        })
    }

    pub(crate) fn new_request(&self) -> LoanRequestId {
        self.clock.new_id().into()
    }

    pub(crate) async fn certify(&self, question: &Value) -> Answer {
        self.post("/loanAuths").bearer(SERVICE).json(question).send().await
    }

    pub(crate) async fn void(&self, id: &Value) -> Answer {
        let path = format!("/loanAuths/{}/void", id.as_str().unwrap());
        self.post(&path).bearer(SERVICE).json(&json!({})).send().await
    }

    pub(crate) async fn log_in(&self, user_id: &str, password: &str) -> Answer {
        let body = json!({"grant_type": "password", "username": user_id, "password": password});
        self.post("/auth/token").json(&body).send().await
    }

    /// The types and payloads of all that waits to be sent.
    pub(crate) async fn outbox(&self) -> Vec<(String, String, Value)> {
        let rows: Vec<(String, String, Option<String>)> =
            sqlx::query_as("SELECT event_type, key, payload FROM outbox ORDER BY id")
                .fetch_all(self.db.pool())
                .await
                .unwrap();
        rows.into_iter()
            .map(|(event, key, payload)| {
                (
                    event,
                    key,
                    payload.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap()),
                )
            })
            .collect()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.db.pool()).await.unwrap()
    }

    pub(crate) async fn run(&self, sql: &'static str) {
        sqlx::query(sql).execute(self.db.pool()).await.unwrap();
    }

    /// Everything that is in the database, as text.
    pub(crate) async fn dump(&self) -> String {
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()")
                .fetch_all(self.db.pool())
                .await
                .unwrap();
        assert!(tables.contains(&"person".to_owned()));
        let mut dump = String::new();
        for table in tables {
            let sql = format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM \"{table}\" t");
            let text: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .fetch_one(self.db.pool())
                .await
                .unwrap();
            dump.push_str(&text);
        }
        dump
    }
}
