//! The trace of a request: gone on with if the client has begun one, begun here if not.

use common::clock::Clock;
use common::trace::{TRACEPARENT, attach, current_traceparent, parse};
use http::{HeaderMap, HeaderValue};
use tracing::Span;

/// A request's trace.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    /// The gateway's own span. It is off by default: making one costs half as much as passing the
    /// request on, and says little that the service's span does not. `LOG_LEVEL=info,gateway::trace=debug`
    /// turns it on.
    pub(crate) span: Span,
    traceparent: Option<HeaderValue>,
}

/// Sees to it that the services go on with the client's trace, or with a new one.
pub(crate) fn begin(headers: &mut HeaderMap, route: &'static str, clock: &Clock) -> Trace {
    let span = tracing::debug_span!("request", otel.kind = "server", otel.name = route);
    let received = headers.get(TRACEPARENT).filter(|value| is_trace_context(value)).cloned();
    let goes_on = received.is_some();
    let traceparent = if span.is_disabled() {
        received.or_else(|| fresh(clock))
    } else {
        attach(&span, received.as_ref().and_then(|value| value.to_str().ok()));
        let own = span.in_scope(current_traceparent);
        own.and_then(|own| HeaderValue::try_from(own).ok()).or(received)
    };
    match &traceparent {
        Some(value) => headers.insert(TRACEPARENT, value.clone()),
        None => headers.remove(TRACEPARENT),
    };
    if !goes_on {
        // It belongs to a context that was none.
        headers.remove("tracestate");
    }
    Trace { span, traceparent }
}

impl Trace {
    /// The trace's id, for log lines.
    pub(crate) fn id(&self) -> &str {
        self.traceparent
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.split('-').nth(1))
            .unwrap_or_default()
    }
}

fn is_trace_context(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|text| parse(text).is_some())
}

/// A new context, whose first span nobody reports.
fn fresh(clock: &Clock) -> Option<HeaderValue> {
    let mut digits = [0; 32];
    clock.new_id().simple().encode_lower(&mut digits);
    let mut text = *b"00-................................-................-01";
    text[3..35].copy_from_slice(&digits);
    // Unique in a trace that has no other yet.
    text[36..52].copy_from_slice(&digits[16..]);
    HeaderValue::from_bytes(&text).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn begun(pairs: &[(&'static str, &str)]) -> (HeaderMap, Trace) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let trace = begin(&mut headers, "/loanRequests", &Clock::system());
        (headers, trace)
    }

    #[test]
    fn a_context_goes_on_with_its_state_and_what_is_none_is_replaced() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let (headers, trace) = begun(&[(TRACEPARENT, good), ("tracestate", "a=b")]);
        assert_eq!(headers[TRACEPARENT], good);
        assert_eq!(headers["tracestate"], "a=b");
        assert_eq!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");

        for odd in ["", "00-1-2-3", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
            let (headers, trace) = begun(&[(TRACEPARENT, odd), ("tracestate", "a=b")]);
            let own = headers[TRACEPARENT].to_str().unwrap();
            assert!(parse(own).is_some(), "{own}");
            assert_eq!(own[3..35], *trace.id());
            assert!(!headers.contains_key("tracestate"));
        }
    }
}
