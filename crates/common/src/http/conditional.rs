//! Versions of what is shown, and changes that name the version they mean.

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

use crate::problem::Problem;

/// The entity tag of a version, for `ETag`.
#[must_use]
pub fn etag(version: i64) -> HeaderValue {
    let tag = format!("\"{version}\"");
    // A number in quotes is always a valid header.
    HeaderValue::from_str(&tag).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// `If-Match`: the versions that a change is meant for; none is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfMatch(pub Option<String>);

impl IfMatch {
    /// 412 if the request named versions and this one is not among them. Asked
    /// before whether the change is allowed: who looks at an old state must learn
    /// that first.
    pub fn check(&self, version: i64) -> Result<(), Problem> {
        let Some(named) = &self.0 else { return Ok(()) };
        let current = format!("\"{version}\"");
        // A weak tag (`W/"…"`) never matches here: RFC 9110, 13.1.1.
        let matches = named.split(',').map(str::trim).any(|tag| tag == "*" || tag == current);
        if matches {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition-failed",
            "It has changed since the version that `If-Match` names.",
        )
        .with_header(header::ETAG, etag(version)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut named = Vec::new();
        for value in parts.headers.get_all(header::IF_MATCH) {
            let value = value.to_str().map_err(|_| {
                Problem::new(
                    StatusCode::BAD_REQUEST,
                    "invalid-header",
                    "`If-Match` is not readable.",
                )
            })?;
            named.push(value.to_owned());
        }
        Ok(Self((!named.is_empty()).then(|| named.join(","))))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    async fn if_match(values: &[&str]) -> IfMatch {
        let mut request = http::Request::builder();
        for value in values {
            request = request.header(header::IF_MATCH, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        IfMatch::from_request_parts(&mut parts, &()).await.unwrap()
    }

    #[tokio::test]
    async fn no_header_is_any_version() {
        assert!(if_match(&[]).await.check(3).is_ok());
    }

    #[tokio::test]
    async fn the_current_version_passes() {
        assert_eq!(etag(3), "\"3\"");
        for good in [&["\"3\""][..], &["*"], &["\"1\", \"3\""], &["\"1\"", "\"3\""]] {
            assert!(if_match(good).await.check(3).is_ok(), "{good:?}");
        }
    }

    #[tokio::test]
    async fn another_version_a_weak_one_and_a_bare_one_are_412() {
        for bad in ["\"2\"", "W/\"3\"", "3", "", "\"33\""] {
            let problem = if_match(&[bad]).await.check(3).unwrap_err();
            assert_eq!(problem.status(), StatusCode::PRECONDITION_FAILED, "{bad}");
        }
    }
}
