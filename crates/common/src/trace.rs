//! W3C trace context: one trace from the client's request through the database
//! and Kafka to the last consumer.

pub(crate) mod export;

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::header;
use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header that carries the trace context, in HTTP and in Kafka.
pub const TRACEPARENT: &str = "traceparent";

/// The trace context of what runs now, to be given to whoever works on for us:
/// the outbox, an outgoing call. `None` outside of any trace.
#[must_use]
pub fn current_traceparent() -> Option<String> {
    traceparent_of(&Span::current())
}

fn traceparent_of(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| {
        format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8())
    })
}

/// Reads a trace context. `None` if it is none (W3C Trace Context, 3.2).
#[must_use]
pub fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.trim().split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // A later version may have more parts; version ff is forbidden.
    let is_known = version.len() == 2 && version != "ff" && is_lower_hex(version);
    if !is_known || (version == "00" && parts.next().is_some()) {
        return None;
    }
    if trace.len() != 32 || span.len() != 16 || flags.len() != 2 {
        return None;
    }
    if ![trace, span, flags].into_iter().all(is_lower_hex) {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Makes a span go on with the trace that came from outside. To be called before
/// the span is entered; without a readable context it begins a trace of its own.
pub fn attach(span: &Span, traceparent: Option<&str>) {
    let Some(parent) = traceparent.and_then(parse) else {
        return;
    };
    // Fails only where no subscriber listens, and then nobody asks.
    let _ = span.set_parent(Context::new().with_remote_span_context(parent));
}

/// The span, log line and measurement of each request.
pub(crate) async fn middleware(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route =
        request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    // Never the query string, which may hold anything.
    let path = ids_only(request.uri().path(), |segment| route.split('/').any(|own| own == segment));
    let request_id = header_text(&request, "x-request-id").to_owned();
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        otel.name = %format_args!("{method} {route}"),
        http.request.method = %method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
        request_id,
    );
    attach(&span, Some(header_text(&request, TRACEPARENT)));
    let started = Instant::now();
    let answered = span.clone();
    async move {
        let response = next.run(request).await;
        let seconds = started.elapsed().as_secs_f64();
        let status = response.status().as_u16();
        let ms = (seconds * 10_000.0).round() / 10.0;
        if status == 503 && response.headers().contains_key(header::RETRY_AFTER) {
            // They come in thousands a second when they come, and are counted.
            tracing::debug!(path, status, ms, "answered");
        } else if status >= 500 {
            tracing::warn!(path, status, ms, "answered");
        } else {
            tracing::info!(path, status, ms, "answered");
        }
        note_status(&answered, status);
        metrics::histogram!(
            "http_server_request_seconds",
            "method" => method_label(&method),
            "route" => route,
            "status" => status.to_string(),
        )
        .record(seconds);
        response
    }
    .instrument(span)
    .await
}

/// Tells a request's span what was answered. After the log line, which says it itself.
pub fn note_status(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
    if status >= 500 {
        // Semantic conventions for HTTP spans: of a server only 5xx is an error.
        span.record("otel.status_code", "ERROR");
    }
}

/// A path as a log may hold it: what is known of it, and ids. The rest is the
/// caller's, and may be a name or a password that has gone astray.
#[must_use]
pub fn ids_only(path: &str, is_known: impl Fn(&str) -> bool) -> String {
    let shown = path.split('/').map(|segment| {
        let is_harmless =
            segment.is_empty() || is_known(segment) || uuid::Uuid::try_parse(segment).is_ok();
        if is_harmless { segment } else { "…" }
    });
    shown.collect::<Vec<_>>().join("/")
}

fn header_text<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A caller may send any word as a method; a metric has few labels.
fn method_label(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests;
