//! The innermost service: reqwest, its answer read to the end, its errors told
//! apart by whether anything was sent.

use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use tower::Service;

use super::call::{Answer, Call, CallError};

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Http {
    client: reqwest::Client,
}

impl Http {
    pub(super) fn new(client: reqwest::Client) -> Self {
        Self { client }
    }
}

impl Service<Call> for Http {
    type Response = Answer;
    type Error = CallError;
    type Future = BoxFuture<'static, Result<Answer, CallError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let sending = self.client.execute(call.request);
        Box::pin(async move {
            let mut response = sending.await.map_err(|error| classify(&error))?;
            let status = response.status();
            let headers = std::mem::take(response.headers_mut());
            let body = read(response).await?;
            if status.is_server_error() {
                Err(CallError::Status(status))
            } else {
                // The fallback knows of earlier attempts; here there is one.
                Ok(Answer { status, headers, body, may_have_arrived_before: false })
            }
        })
    }
}

fn classify(error: &reqwest::Error) -> CallError {
    // Connecting comes before sending, and building before both.
    if error.is_connect() || error.is_builder() { CallError::NotSent } else { CallError::Unknown }
}

async fn read(mut response: reqwest::Response) -> Result<Bytes, CallError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| CallError::Unknown)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            tracing::warn!(bytes_max = ANSWER_BYTES_MAX, "an answer is longer than any should be");
            return Err(CallError::Unknown);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
