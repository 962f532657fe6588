//! What is said of the events that are worked on: spans and figures.

use time::OffsetDateTime;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::event::ReceivedEvent;

/// The span of one transaction. Each event's own belongs to the trace that the event came
/// with; this one belongs to none of them, and leads to all.
pub(super) fn batch_span<'a>(
    events: impl ExactSizeIterator<Item = &'a ReceivedEvent>,
) -> tracing::Span {
    let span = tracing::info_span!("batch", otel.kind = "consumer", events = events.len());
    for event in events {
        if let Some(context) = event.traceparent.as_deref().and_then(crate::trace::parse) {
            span.add_link(context);
        }
    }
    span
}

/// Of one event, in the trace that it came with.
pub(super) fn span(event: &ReceivedEvent) -> tracing::Span {
    let span = tracing::info_span!(
        parent: None,
        "event",
        otel.kind = "consumer",
        otel.name = %format_args!("process {}", event.topic),
        event_id = %event.id,
        event_type = event.event_type,
        topic = event.topic,
        partition = event.partition,
        offset = event.offset,
    );
    crate::trace::attach(&span, event.traceparent.as_deref());
    span
}

/// How old an event is when its effect is there: how far behind its owner this service is for
/// whoever looks.
pub(super) fn note_age(event: &ReceivedEvent, now: OffsetDateTime) {
    let age = (now - event.time).as_seconds_f64().max(0.0);
    metrics::histogram!("consumer_event_age_seconds", "topic" => event.topic.clone()).record(age);
}

/// What came of it.
pub(super) fn count(event: &ReceivedEvent, outcome: &'static str) {
    metrics::counter!(
        "consumer_events_total",
        "topic" => event.topic.clone(),
        "type" => event.event_type.clone(),
        "outcome" => outcome,
    )
    .increment(1);
}
