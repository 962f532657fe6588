//! Which pages of other origins may call the API.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::Url;

/// How long a browser may remember the answer to its preliminary question.
const MAX_AGE: Duration = Duration::from_secs(600);

/// An origin, or one with any port: `https://bank.example`, `http://localhost:*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern {
    /// All that comes before the port if `any_port`, else the whole origin.
    start: String,
    any_port: bool,
}

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an origin: expected scheme://host, scheme://host:port or scheme://host:*")]
pub struct NotAnOrigin(String);

impl FromStr for OriginPattern {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NotAnOrigin(text.to_owned());
        let (start, any_port) =
            text.strip_suffix(":*").map_or((text, false), |start| (start, true));
        let url = Url::parse(start).map_err(|_error| wrong())?;
        // What a browser sends is the serialised origin, so a pattern that differs from its own
        // could never match.
        let serialised = url.origin().ascii_serialization();
        let is_one =
            serialised == start && matches!(url.scheme(), "http" | "https") && !start.contains('*');
        if !is_one || (any_port && url.port().is_some()) {
            return Err(wrong());
        }
        Ok(OriginPattern { start: serialised, any_port })
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.start)?;
        if self.any_port { f.write_str(":*") } else { Ok(()) }
    }
}

impl OriginPattern {
    fn matches(&self, origin: &[u8]) -> bool {
        let Some(rest) = origin.strip_prefix(self.start.as_bytes()) else {
            return false;
        };
        match rest {
            [] => true,
            [b':', port @ ..] => {
                self.any_port
                    && (1..=5).contains(&port.len())
                    && port.iter().all(u8::is_ascii_digit)
            }
            _ => false,
        }
    }
}

/// The layer, or none where no page of another origin may call.
pub(crate) fn layer(origins: &[OriginPattern]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let origins = origins.to_vec();
    let header = HeaderName::from_static;
    Some(
        CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(move |origin: &HeaderValue, _request| {
                origins.iter().any(|pattern| pattern.matches(origin.as_bytes()))
            }))
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE])
            .allow_headers([
                ACCEPT,
                AUTHORIZATION,
                CONTENT_TYPE,
                IF_MATCH,
                header("idempotency-key"),
                header("last-event-id"),
                header("prefer"),
                header("traceparent"),
                header("tracestate"),
            ])
            .expose_headers([
                ETAG,
                LOCATION,
                RETRY_AFTER,
                WWW_AUTHENTICATE,
                header("idempotency-replayed"),
                header("loan-version"),
                header("preference-applied"),
                header("ratelimit"),
                header("ratelimit-policy"),
                header("traceparent"),
            ])
            .max_age(MAX_AGE),
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_pattern_matches_its_origin_and_no_other() {
        let any: OriginPattern = "http://localhost:*".parse().unwrap();
        for origin in ["http://localhost", "http://localhost:3000", "http://localhost:65535"] {
            assert!(any.matches(origin.as_bytes()), "{origin}");
        }
        for origin in [
            "https://localhost:3000",
            "http://localhost:3000.evil.example",
            "http://localhost.evil.example",
            "http://localhost:",
            "http://localhost:3000/",
            "http://localhost:3000@evil.example",
            "null",
            "",
            "http://evil.example",
        ] {
            assert!(!any.matches(origin.as_bytes()), "{origin}");
        }
        let one: OriginPattern = "https://bank.example".parse().unwrap();
        assert!(one.matches(b"https://bank.example"));
        assert!(!one.matches(b"https://bank.example:8443"));
        assert!(!one.matches(b"https://bank.example.evil.example"));
    }

    #[test]
    fn what_could_never_match_is_refused_at_the_start() {
        for text in [
            "*",
            "",
            "localhost:3000",
            "http://localhost:3000/",
            "http://localhost/path",
            "http://*.example",
            "http://localhost:3000:*",
            "ftp://localhost",
            "HTTP://LOCALHOST",
            "http://",
            "http://user@host",
            "https://bank.example:443",
        ] {
            assert!(text.parse::<OriginPattern>().is_err(), "{text:?}");
        }
        for text in [
            "http://localhost:*",
            "https://bank.example",
            "http://[::1]:*",
            "https://bank.example:8443",
        ] {
            assert_eq!(text.parse::<OriginPattern>().unwrap().to_string(), text);
        }
    }
}
