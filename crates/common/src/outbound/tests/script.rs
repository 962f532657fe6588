//! An other side that does as it is told, on tokio's clock.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};
use tower::Service;
use url::Url;

use super::super::call::{Answer, Call, CallError};
use super::super::{Outbound, OutboundSettings, Shared, stack};

/// What the other side does on one attempt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Status(u16),
    After(Duration, u16),
    NotSent,
    Cut,
    CutAfter(Duration),
    Hang,
}

#[derive(Debug, Default)]
struct Told {
    next: VecDeque<Step>,
    default: Option<Step>,
    attempts: usize,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Script(Arc<Mutex<Told>>);

impl Script {
    /// What it does on the next attempt, after those that were told before.
    pub(super) fn next(&self, step: Step) {
        self.0.lock().unwrap().next.push_back(step);
    }

    /// What it does when it was told nothing else.
    pub(super) fn always(&self, step: Step) {
        self.0.lock().unwrap().default = Some(step);
    }

    pub(super) fn attempts(&self) -> usize {
        self.0.lock().unwrap().attempts
    }
}

impl Service<Call> for Script {
    type Response = Answer;
    type Error = CallError;
    type Future = BoxFuture<'static, Result<Answer, CallError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _call: Call) -> Self::Future {
        let mut told = self.0.lock().unwrap();
        told.attempts += 1;
        let step = told.next.pop_front().or(told.default).unwrap_or(Step::Status(200));
        Box::pin(async move {
            match step {
                Step::Status(status) => answer(status),
                Step::After(time, status) => {
                    tokio::time::sleep(time).await;
                    answer(status)
                }
                Step::NotSent => Err(CallError::NotSent),
                Step::Cut => Err(CallError::Unknown),
                Step::CutAfter(time) => {
                    tokio::time::sleep(time).await;
                    Err(CallError::Unknown)
                }
                Step::Hang => std::future::pending().await,
            }
        })
    }
}

fn answer(status: u16) -> Result<Answer, CallError> {
    let status = StatusCode::from_u16(status).unwrap();
    if status.is_server_error() {
        return Err(CallError::Status(status));
    }
    Ok(Answer {
        status,
        headers: HeaderMap::new(),
        body: "{}".into(),
        may_have_arrived_before: false,
    })
}

/// The whole stack over a script.
pub(super) fn outbound(settings: &OutboundSettings) -> (Outbound, Script) {
    let script = Script::default();
    let outbound = Outbound {
        stack: stack::build("test", settings, script.clone()),
        shared: Arc::new(Shared {
            name: "test",
            base: Url::parse("http://other.test/").unwrap(),
            settings: settings.clone(),
            client: reqwest::Client::builder().build().unwrap(),
        }),
    };
    (outbound, script)
}

/// A request that is not idempotent by its method.
pub(super) fn post() -> reqwest::Request {
    let mut request =
        reqwest::Request::new(Method::POST, Url::parse("http://other.test/").unwrap());
    *request.body_mut() = Some("{}".into());
    request
}
