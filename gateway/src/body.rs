//! A request's body is read to its end before any of it goes on. So a body without a length is
//! measured too, no service sees half a body, the length that a service is told is the one that was
//! counted here, and a request can be sent again.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::rescue::Failure;

/// What is read and thrown away of a body that is too large, so that a client which writes it all
/// before it reads gets to read the answer.
const DISCARD_MAX_BYTES: usize = 1024 * 1024;
const DISCARD_MAX: Duration = Duration::from_secs(1);

/// Reads a body of at most so many bytes.
///
/// # Errors
/// [`Failure::BodyTooLarge`], or [`Failure::BodyUnreadable`] where the client went away or sent
/// nonsense.
pub(crate) async fn read(body: Body, limit_bytes: usize) -> Result<Bytes, Failure> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let limit = u64::try_from(limit_bytes).unwrap_or(u64::MAX);
    if body.size_hint().exact().is_some_and(|length| length > limit) {
        discard(body).await;
        return Err(Failure::BodyTooLarge { limit_bytes });
    }
    let mut body = body;
    match Limited::new(&mut body, limit_bytes).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            discard(body).await;
            Err(Failure::BodyTooLarge { limit_bytes })
        }
        Err(error) => {
            tracing::debug!(%error, "a client's body could not be read");
            Err(Failure::BodyUnreadable)
        }
    }
}

async fn discard(body: Body) {
    let mut body = Limited::new(body, DISCARD_MAX_BYTES);
    let read = async { while let Some(Ok(_frame)) = body.frame().await {} };
    // Either way the answer follows: whoever sends more than that may miss it.
    let _enough = tokio::time::timeout(DISCARD_MAX, read).await;
}
