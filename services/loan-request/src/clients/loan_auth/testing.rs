//! loan-auth's side of the wire, for tests: a real server that decides as
//! loan-auth does (whoever writes a request's row first has decided) and can be
//! told to be slow, to fail, and to go away.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::events::{CustomerId, LoanRequestId};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use common::clock::Clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

/// What this service is known by.
pub(crate) const CREDENTIAL: &str = "the-credential";

/// The one customer of these tests, and what proves them.
pub(crate) const USER_ID: &str = "1@sk.com";
pub(crate) const USER_NAME: &str = "유은상";
pub(crate) const PASSWORD: &str = "not-in-any-table";

/// How a call is taken.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Answer at once with this, whatever was asked, and decide nothing.
    Say(u16, Value),
    /// Decide, and answer only after this time.
    DecideThenWait(Duration),
    /// Decide only after this time, even if nobody waits any more.
    WaitThenDecide(Duration),
    /// Decide or not, and cut the connection instead of answering.
    Cut { decide: bool },
}

/// What is decided of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decided {
    Certified,
    Refused,
    Voided,
}

#[derive(Default)]
struct Inner {
    decided: HashMap<LoanRequestId, Decided>,
    certify: VecDeque<Act>,
    certify_always: Option<Act>,
    void: VecDeque<Act>,
    void_always: Option<Act>,
    certified: Vec<Value>,
    tokens: Vec<String>,
    voided: Vec<LoanRequestId>,
}

#[derive(Clone)]
struct Shared {
    customer: CustomerId,
    inner: Arc<Mutex<Inner>>,
}

/// The server. It goes away with this value.
pub(crate) struct Wire {
    address: SocketAddr,
    shared: Shared,
    server: Option<JoinHandle<()>>,
}

impl Wire {
    pub(crate) async fn start() -> Self {
        let shared = Shared { customer: Clock::system().new_id().into(), inner: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Some(tokio::spawn(serve(listener, shared.clone())));
        Self { address, shared, server }
    }

    /// From now on connections are refused.
    pub(crate) async fn go_away(&mut self) {
        let server = self.server.take().unwrap();
        server.abort();
        assert!(server.await.is_err());
    }

    /// Back at the same address.
    pub(crate) async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.server = Some(tokio::spawn(serve(listener, self.shared.clone())));
    }

    pub(crate) fn url(&self) -> Url {
        format!("http://{}", self.address).parse().unwrap()
    }

    pub(crate) fn customer(&self) -> CustomerId {
        self.shared.customer
    }

    /// A token of the customer's.
    pub(crate) fn knows(&self, token: &str) {
        self.shared.inner.lock().unwrap().tokens.push(token.to_owned());
    }

    /// The next certifications are taken so, one by one.
    pub(crate) fn certify(&self, acts: impl IntoIterator<Item = Act>) {
        self.shared.inner.lock().unwrap().certify.extend(acts);
    }

    pub(crate) fn certify_always(&self, act: Option<Act>) {
        self.shared.inner.lock().unwrap().certify_always = act;
    }

    /// The next voids are taken so, one by one.
    pub(crate) fn void(&self, acts: impl IntoIterator<Item = Act>) {
        self.shared.inner.lock().unwrap().void.extend(acts);
    }

    pub(crate) fn void_always(&self, act: Option<Act>) {
        self.shared.inner.lock().unwrap().void_always = act;
    }

    /// The bodies of all calls to certify so far.
    pub(crate) fn certified(&self) -> Vec<Value> {
        self.shared.inner.lock().unwrap().certified.clone()
    }

    /// The requests of all calls to void so far.
    pub(crate) fn voided(&self) -> Vec<LoanRequestId> {
        self.shared.inner.lock().unwrap().voided.clone()
    }

    /// What is decided of a request.
    pub(crate) fn decided(&self, id: LoanRequestId) -> Option<Decided> {
        self.shared.inner.lock().unwrap().decided.get(&id).copied()
    }

    /// Decides a request, as an instance does whose answer nobody will hear.
    pub(crate) fn decide(&self, id: LoanRequestId, decided: Decided) {
        self.shared.inner.lock().unwrap().decided.insert(id, decided);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

async fn serve(listener: TcpListener, shared: Shared) {
    let router = Router::new()
        .route("/loanAuths", post(certify))
        .route("/loanAuths/{id}/void", post(void))
        .with_state(shared);
    axum::serve(listener, router).await.unwrap();
}

async fn certify(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if !is_known(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let id = body["loanRequestId"].as_str().unwrap().parse().unwrap();
    let is_right = is_right(&body, &shared);
    let act = {
        let mut inner = shared.inner.lock().unwrap();
        inner.certified.push(body);
        inner.certify.pop_front().or_else(|| inner.certify_always.clone())
    };
    let decide = move |shared: &Shared| {
        let wanted = if is_right { Decided::Certified } else { Decided::Refused };
        let mut inner = shared.inner.lock().unwrap();
        match *inner.decided.entry(id).or_insert(wanted) {
            // A wrong proof does not open what another one has.
            Decided::Certified if !is_right => Decided::Refused,
            decided => decided,
        }
    };
    play(shared, act, decide).await
}

async fn void(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(id): Path<LoanRequestId>,
    Json(_): Json<Value>,
) -> Response {
    if !is_known(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let act = {
        let mut inner = shared.inner.lock().unwrap();
        inner.voided.push(id);
        inner.void.pop_front().or_else(|| inner.void_always.clone())
    };
    let decide = move |shared: &Shared| {
        *shared.inner.lock().unwrap().decided.entry(id).or_insert(Decided::Voided)
    };
    play(shared, act, decide).await
}

async fn play(
    shared: Shared,
    act: Option<Act>,
    decide: impl FnOnce(&Shared) -> Decided + Send + 'static,
) -> Response {
    match act {
        None => answer(&shared, decide(&shared)),
        Some(Act::Say(status, body)) => {
            (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
        }
        Some(Act::DecideThenWait(time)) => {
            let decided = decide(&shared);
            tokio::time::sleep(time).await;
            answer(&shared, decided)
        }
        Some(Act::WaitThenDecide(time)) => {
            // Goes on when the caller hangs up, as a transaction does.
            let work = tokio::spawn(async move {
                tokio::time::sleep(time).await;
                let decided = decide(&shared);
                answer(&shared, decided)
            });
            work.await.unwrap()
        }
        Some(Act::Cut { decide: is_decided }) => {
            if is_decided {
                decide(&shared);
            }
            let broken = futures::stream::iter([Err::<String, _>(std::io::Error::other("cut"))]);
            Body::from_stream(broken).into_response()
        }
    }
}

fn answer(shared: &Shared, decided: Decided) -> Response {
    let body = match decided {
        Decided::Certified => json!({ "outcome": "certified", "customerId": shared.customer }),
        Decided::Refused => json!({ "outcome": "refused" }),
        Decided::Voided => json!({ "outcome": "voided" }),
    };
    Json(body).into_response()
}

fn is_known(headers: &HeaderMap) -> bool {
    headers.get(header::AUTHORIZATION).is_some_and(|value| value == &format!("Bearer {CREDENTIAL}"))
}

/// The right credentials, or the customer's token, or both.
fn is_right(body: &Value, shared: &Shared) -> bool {
    let by_credentials = body["userId"].as_str().map(|user_id| {
        user_id == USER_ID && body["userName"] == USER_NAME && body["userPassword"] == PASSWORD
    });
    let by_token = body["token"]
        .as_str()
        .map(|token| shared.inner.lock().unwrap().tokens.iter().any(|known| known == token));
    match (by_credentials, by_token) {
        (None, None) => false,
        (credentials, token) => credentials.unwrap_or(true) && token.unwrap_or(true),
    }
}
