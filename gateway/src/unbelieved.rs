//! Forwarding headers of a hop that is not trusted. They are overwritten, which is right for a
//! stranger's; but if the hop is a proxy of our own that `TRUSTED_PROXIES` does not name, then all
//! its clients share one rate, and nothing else would say so.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use metrics::Counter;
use tokio::time::Instant;

/// There is one line in the log at most in this time: whoever can reach us can send such headers.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// Counts requests with headers that were not believed, and warns of them now and then.
pub(crate) struct Unbelieved {
    counter: Counter,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    last: Option<Instant>,
    since: u64,
}

/// Whether a request claims to have been passed on by somebody.
pub(crate) fn claims(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        let name = name.as_str();
        name == "forwarded" || name.starts_with("x-forwarded-")
    })
}

impl Unbelieved {
    pub(crate) fn new() -> Unbelieved {
        let counter = metrics::counter!("gateway_forwarded_untrusted_total");
        // There from the start, so that a rule about its growth has something to look at.
        counter.increment(0);
        Unbelieved { counter, told: Mutex::default() }
    }

    /// Counts one, and warns if it is time to. The line names no address: it may be a person's.
    pub(crate) fn note(&self) {
        self.counter.increment(1);
        if let Some(requests) = self.due(Instant::now()) {
            tracing::warn!(
                requests,
                "forwarding headers (X-Forwarded-*, Forwarded) came from addresses that \
                 TRUSTED_PROXIES does not name, and were overwritten; if a proxy of ours sends \
                 them, name its network there, else all its clients share one rate"
            );
        }
    }

    /// How many there were since the last line, if it is time for another.
    fn due(&self, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.since += 1;
        if told.last.is_some_and(|last| now.duration_since(last) < WARN_INTERVAL) {
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.since))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn what_claims_to_have_been_passed_on_is_known() {
        let has = |name: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_static("x"));
            claims(&headers)
        };
        for name in ["X-Forwarded-For", "x-forwarded-host", "x-forwarded-port", "Forwarded"] {
            assert!(has(name), "{name}");
        }
        for name in ["host", "x-forwardedfor", "via", "x-real-ip"] {
            assert!(!has(name), "{name}");
        }
    }

    #[tokio::test]
    async fn one_line_in_an_interval_says_how_many_there_were() {
        let unbelieved = Unbelieved::new();
        let start = Instant::now();
        assert_eq!(unbelieved.due(start), Some(1));
        for seconds in [0, 1, 59] {
            assert_eq!(unbelieved.due(start + Duration::from_secs(seconds)), None);
        }
        assert_eq!(unbelieved.due(start + WARN_INTERVAL), Some(4));
        assert_eq!(unbelieved.due(start + WARN_INTERVAL), None);
    }
}
