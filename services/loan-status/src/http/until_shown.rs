//! `minVersion`: a read that waits until what its client has written is shown.
//!
//! * [`waiting_room`]: who waits on this instance, in memory and bounded.
//! * [`watch_versions`]: the one who looks for all of them.

pub mod waiting_room;
pub mod watch_versions;

use std::time::Duration;

use ::events::LoanVersion;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use common::problem::Problem;
use serde::Deserialize;

use super::Api;
use crate::domain::viewer::Viewer;
use crate::error::Error;
use crate::store::entry::{Wanted, shown};

static PREFER: HeaderName = HeaderName::from_static("prefer");
static PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What the client asks for: the version that it wants to see, and how long it
/// would wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MinVersion {
    version: Option<LoanVersion>,
    wait: Option<Duration>,
}

/// What the answer says about the client's preference (RFC 7240), if there was
/// one that could be followed.
pub(crate) type Applied = Option<[(HeaderName, HeaderValue); 2]>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    min_version: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for MinVersion {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let wrong = |message: String| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "invalid-query",
                "The query string has a wrong parameter.",
            )
            .with_error("minVersion", message)
        };
        let Query(named) = Query::<Named>::try_from_uri(&parts.uri)
            .map_err(|_| wrong("is not readable".to_owned()))?;
        let version = match named.min_version {
            Some(text) => Some(text.parse().map_err(|error| wrong(format!("{error}")))?),
            None => None,
        };
        Ok(Self { version, wait: preferred_wait(&parts.headers) })
    }
}

/// `Prefer: wait=n`. A preference that cannot be read is none (RFC 7240, 2), and
/// of several only the first counts.
fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers
        .get_all(&PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    for preference in preferences {
        // Parameters of a preference follow it, and `wait` has none.
        let preference = preference.split(';').next().unwrap_or_default();
        let Some((name, seconds)) = preference.split_once('=') else { continue };
        if name.trim().eq_ignore_ascii_case("wait") {
            let seconds = seconds.trim().trim_matches('"');
            let digits = seconds.bytes().all(|byte| byte.is_ascii_digit());
            // More seconds than a number can hold are as many as one gets.
            return (digits && !seconds.is_empty())
                .then(|| Duration::from_secs(seconds.parse().unwrap_or(u64::MAX)));
        }
    }
    None
}

/// Waits until the version that was asked for is shown to this viewer, and says
/// which preference was followed. Without one it does nothing.
///
/// # Errors
/// [`Error::NotShownYet`] when the time is over, when as many wait as can, or
/// when this instance ends; or what the database says.
pub(super) async fn until_shown(
    api: &Api,
    viewer: Viewer,
    asked: MinVersion,
) -> Result<Applied, Error> {
    let Some(version) = asked.version else { return Ok(None) };
    let wait = asked.wait.map(|wait| wait.min(api.waits.wait_max));
    let applied = wait.map(applied);
    let wanted = [Wanted { version, only: viewer.only() }];
    let pool = api.db.pool();
    if !shown(pool, &wanted).await?.is_empty() {
        count("at-once");
        return Ok(applied);
    }
    let Some(mut place) = api.waits.room.enter(wanted[0]) else {
        count("no-place");
        return Err(Error::NotShownYet(Box::new(applied)));
    };
    let came = tokio::select! {
        biased;
        came = place.shown() => came,
        () = tokio::time::sleep(wait.unwrap_or(api.waits.wait)) => false,
        () = api.shutdown.cancelled() => false,
    };
    // One last look of its own: whoever looked for it may have met a database
    // that was away, and then that is the answer.
    if came || !shown(pool, &wanted).await?.is_empty() {
        count("after-waiting");
        return Ok(applied);
    }
    count("not-yet");
    Err(Error::NotShownYet(Box::new(applied)))
}

fn applied(wait: Duration) -> [(HeaderName, HeaderValue); 2] {
    let said = HeaderValue::from_str(&format!("wait={}", wait.as_secs()));
    // Digits are always a valid header.
    let said = said.unwrap_or_else(|_| HeaderValue::from_static("wait"));
    [(PREFERENCE_APPLIED.clone(), said), (header::VARY, HeaderValue::from_static("prefer"))]
}

fn count(outcome: &'static str) {
    metrics::counter!("loan_status_version_reads_total", "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests;
