//! The trace of a request: gone on with if the client has begun one, begun here if not.

use common::clock::Clock;
use common::trace::{TRACEPARENT, attach, current_traceparent, note_status, parse};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tracing::Span;

use crate::config::Config;

/// A request's trace.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    /// The gateway's own span, where somebody is to see it: making one costs half as much as
    /// passing the request on. `LOG_LEVEL=info,gateway::trace=debug` shows it in the logs.
    pub(crate) span: Span,
    traceparent: Option<HeaderValue>,
}

/// Which traces are reported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traces {
    /// `None`: there is nobody to report to.
    sampled_percent: Option<u32>,
}

/// The flags of a trace context (W3C Trace Context, 3.2.2.5): whether it is reported.
const SAMPLED: &[u8; 2] = b"01";
const NOT_SAMPLED: &[u8; 2] = b"00";

impl Traces {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            sampled_percent: config.otlp_endpoint.as_ref().map(|_| config.traces_sampled_percent),
        }
    }

    /// Sees to it that the services go on with the client's trace, or with a new one.
    pub(crate) fn begin(
        self,
        method: &Method,
        headers: &mut HeaderMap,
        route: &'static str,
        clock: &Clock,
    ) -> Trace {
        let received = headers.get(TRACEPARENT).filter(|value| is_trace_context(value)).cloned();
        let goes_on = received.is_some();
        let Some(start) = received.or_else(|| self.fresh(clock)) else {
            headers.remove(TRACEPARENT);
            return Trace { span: Span::none(), traceparent: None };
        };
        let span = self.span(&start, method, route);
        let traceparent = if span.is_disabled() {
            start
        } else {
            // One of our own has no span that anybody reports: the gateway's is the first.
            attach(&span, goes_on.then_some(&start).and_then(|value| value.to_str().ok()));
            let own = span.in_scope(current_traceparent);
            own.and_then(|own| HeaderValue::try_from(own).ok()).unwrap_or(start)
        };
        headers.insert(TRACEPARENT, traceparent.clone());
        if !goes_on {
            // It belongs to a context that was none.
            headers.remove("tracestate");
        }
        Trace { span, traceparent: Some(traceparent) }
    }

    fn span(self, start: &HeaderValue, method: &Method, route: &'static str) -> Span {
        if self.sampled_percent.is_none() || !start.as_bytes().ends_with(SAMPLED) {
            return tracing::debug_span!("request", otel.kind = "server", otel.name = route);
        }
        tracing::info_span!(
            "request",
            otel.kind = "server",
            otel.name = %format_args!("{method} {route}"),
            otel.status_code = tracing::field::Empty,
            http.response.status_code = tracing::field::Empty,
            http.request.method = %method,
            http.route = route,
        )
    }

    /// A new context, whose first span nobody reports.
    fn fresh(self, clock: &Clock) -> Option<HeaderValue> {
        let mut digits = [0; 32];
        let id = clock.new_id();
        id.simple().encode_lower(&mut digits);
        let mut text = *b"00-................................-................-..";
        text[3..35].copy_from_slice(&digits);
        // Unique in a trace that has no other yet.
        text[36..52].copy_from_slice(&digits[16..]);
        // The last bytes of an id are random ones.
        let [.., high, low] = *id.as_bytes();
        let is_sampled = self
            .sampled_percent
            .is_none_or(|percent| u32::from(u16::from_be_bytes([high, low])) * 100 < percent << 16);
        text[53..].copy_from_slice(if is_sampled { SAMPLED } else { NOT_SAMPLED });
        HeaderValue::from_bytes(&text).ok()
    }
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

    /// What came of it.
    pub(crate) fn answered(&self, status: StatusCode) {
        note_status(&self.span, status.as_u16());
    }
}

fn is_trace_context(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|text| parse(text).is_some())
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
        let traces = Traces { sampled_percent: None };
        let trace = traces.begin(&Method::POST, &mut headers, "/loanRequests", &Clock::system());
        (headers, trace)
    }

    //
    #[test]
    fn so_many_of_those_that_begin_here_are_reported() {
        for (percent, least, most) in [(0, 0, 0), (10, 20, 250), (100, 1_000, 1_000)] {
            let traces = Traces { sampled_percent: Some(percent) };
            let fresh = || traces.fresh(&Clock::system()).unwrap();
            let sampled = (0..1_000).filter(|_| fresh().as_bytes().ends_with(SAMPLED)).count();
            assert!((least..=most).contains(&sampled), "{percent} %: {sampled}");
        }
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
