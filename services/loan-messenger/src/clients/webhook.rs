//! A customer's web-hook, signed (Standard Webhooks 1.0.0).

use std::time::Duration;

use common::clock::Clock;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use reqwest::redirect::Policy;

use super::circuits::Target;
use super::targets::{Forbidden, PublicNames};
use super::{Destination, Outcome, Way, standard_webhooks};
use crate::domain::address;
use crate::domain::letter::Letter;

/// What is read of an answer, at most; nothing of it is used.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Addresses that customers have set.
pub struct Webhook {
    client: reqwest::Client,
    clock: Clock,
    allows_any: bool,
}

/// The client of all that is sent signed: follows nobody anywhere, uses no proxy that
/// the environment names, and gives up in time.
///
/// # Errors
/// If TLS can't be set up.
pub fn client(timeout: Duration, allows_any: bool) -> Result<reqwest::Client, reqwest::Error> {
    let builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(timeout)
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(4)
        .user_agent(concat!("online-loan/", env!("CARGO_PKG_VERSION")));
    if allows_any {
        return builder.build();
    }
    builder.https_only(true).dns_resolver(PublicNames::default()).build()
}

impl Webhook {
    /// With [`client`]. `allows_any` allows http and addresses inside: for trying.
    #[must_use]
    pub fn new(client: reqwest::Client, clock: Clock, allows_any: bool) -> Self {
        Self { client, clock, allows_any }
    }
}

impl Way for Webhook {
    fn target(&self, destination: &Destination) -> Target {
        // What the address of a web-hook is was checked when it was set.
        let url = url::Url::parse(&destination.address).ok();
        let host = url.as_ref().and_then(url::Url::host_str).unwrap_or_default();
        let port = url.as_ref().and_then(url::Url::port_or_known_default).unwrap_or_default();
        Target::Theirs(format!("{host}:{port}"))
    }

    fn send<'a>(
        &'a self,
        letter: &'a Letter,
        destination: &'a Destination,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            if address::check_webhook(&destination.address, self.allows_any).is_err() {
                return Outcome::Refused { detail: "address-not-allowed".to_owned() };
            }
            let body = serde_json::to_value(letter.envelope()).unwrap_or_default();
            post(&self.client, &self.clock, destination, &letter.key, body).await
        })
    }
}

/// Posts a body, signed.
pub(super) async fn post(
    client: &reqwest::Client,
    clock: &Clock,
    destination: &Destination,
    id: &str,
    body: serde_json::Value,
) -> Outcome {
    let body = body.to_string();
    let timestamp = clock.now().unix_timestamp();
    let signature = standard_webhooks::signature(&destination.secrets, id, timestamp, &body);
    let request = client
        .post(&destination.address)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signature)
        .body(body);
    match request.send().await {
        Ok(mut response) => {
            let outcome = classify(response.status(), response.headers(), clock);
            drain(&mut response).await;
            outcome
        }
        Err(error) => failed(&error),
    }
}

/// Reads the answer, so that the connection can be used again; a long one is cut off.
async fn drain(response: &mut reqwest::Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > ANSWER_BYTES_MAX {
            return;
        }
    }
}

/// Any 2xx is a yes, 410 a no for ever; all else may change (the specification's rules).
fn classify(status: StatusCode, headers: &HeaderMap, clock: &Clock) -> Outcome {
    if status.is_success() {
        return Outcome::Sent;
    }
    if status == StatusCode::GONE {
        return Outcome::Gone;
    }
    Outcome::Failed {
        detail: status.as_u16().to_string(),
        retry_after: retry_after(headers, clock),
        is_unknown: false,
        // Another 4xx is about this address, which may share its host with others.
        is_targets: status.is_server_error()
            || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS),
    }
}

fn failed(error: &reqwest::Error) -> Outcome {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.downcast_ref::<Forbidden>().is_some() {
            return Outcome::failed("address-not-allowed");
        }
        source = cause.source();
    }
    if error.is_connect() {
        Outcome::failed("connection")
    } else if error.is_timeout() {
        Outcome::unknown("timeout")
    } else {
        Outcome::unknown("connection-lost")
    }
}

/// `Retry-After` (RFC 9110 10.2.3), in seconds or as a date.
fn retry_after(headers: &HeaderMap, clock: &Clock) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    date.duration_since(clock.now().into()).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use time::macros::datetime;

    use super::*;

    fn classified(status: u16, retry_after: Option<&str>) -> Outcome {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(RETRY_AFTER, text.parse().unwrap());
        }
        let clock = Clock::fixed(datetime!(2026-11-21 08:00 UTC));
        classify(StatusCode::from_u16(status).unwrap(), &headers, &clock)
    }

    #[test]
    fn only_2xx_is_a_yes_and_only_410_a_no_for_ever() {
        assert_eq!(
            [200, 202, 204].map(|status| classified(status, None)),
            [const { Outcome::Sent }; 3]
        );
        assert_eq!(classified(410, None), Outcome::Gone);
        for status in [408, 429, 500, 503] {
            assert!(classified(status, None).is_failure(), "{status}");
        }
        for status in [301, 308, 400, 401, 404, 422] {
            let outcome = classified(status, None);
            assert!(matches!(outcome, Outcome::Failed { is_targets: false, .. }), "{status}");
        }
    }

    #[test]
    fn the_receivers_wish_is_read_in_both_forms() {
        for (text, seconds) in [
            ("120", Some(120)),
            ("Sat, 21 Nov 2026 08:01:00 GMT", Some(60)),
            ("Sat, 21 Nov 2026 07:00:00 GMT", None),
            ("soon", None),
            ("-1", None),
        ] {
            let Outcome::Failed { retry_after, .. } = classified(503, Some(text)) else {
                panic!("{text}");
            };
            assert_eq!(retry_after, seconds.map(Duration::from_secs), "{text}");
        }
    }
}
