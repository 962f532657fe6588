//! Logs: one JSON object on a line, with the trace id in each.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;
use tracing::dispatcher::WeakDispatch;
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, reload};
use url::Url;

use crate::clock::Clock;
use crate::trace::export;

mod level;

pub use level::{LevelError, level, set_level};

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object on a line, for machines.
    Json,
    /// Lines for eyes.
    Pretty,
}

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter can't be read.
    #[error("LOG_LEVEL has a wrong value: {0}")]
    Filter(#[from] LevelError),
    /// There is no way to the collector.
    #[error("OTLP_ENDPOINT cannot be used: {0}")]
    Endpoint(#[from] ExporterBuildError),
    /// Someone has started logs before.
    #[error("logs were started twice")]
    Twice(#[from] tracing::dispatcher::SetGlobalDefaultError),
}

/// Logs and spans of this process.
#[must_use = "its end sends the last spans"]
pub struct Logs {
    provider: SdkTracerProvider,
}

impl Logs {
    /// Sends the spans that are left. At the end of the process, outside of its runtime.
    pub fn end(self) {
        export::end(&self.provider);
    }
}

/// Starts the logs of this process, on standard output, and sends its spans to the collector
/// at `otlp_endpoint`, if there is one. Once for a process, before its runtime.
pub fn start(
    service: &'static str,
    format: LogFormat,
    level: &str,
    otlp_endpoint: Option<&Url>,
) -> Result<Logs, LogsError> {
    let provider = export::provider(service, otlp_endpoint)?;
    let (dispatch, filter) = dispatch(service, format, level, &provider, std::io::stdout)?;
    tracing::dispatcher::set_global_default(dispatch)?;
    level::keep(level, filter);
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // The place and not the message, which may hold what was worked on.
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a panic");
        if format == LogFormat::Pretty {
            default(panic);
        }
    }));
    Ok(Logs { provider })
}

fn dispatch<W>(
    service: &'static str,
    format: LogFormat,
    level: &str,
    provider: &SdkTracerProvider,
    writer: W,
) -> Result<(Dispatch, level::Changeable), LevelError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Spans are there whatever is logged: a warning wants its trace id also where
    // nothing less is written, and the trace must reach those who work on for us.
    let is_span = || filter_fn(|metadata| metadata.is_span() && *metadata.level() <= Level::INFO);
    let (changeable, handle) = reload::Layer::new(level::filter(level)?);
    let filter = changeable.or(is_span());
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer(service));
    let own = Arc::new(OnceLock::new());
    let lines = match format {
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(JsonLine { service, dispatch: Arc::clone(&own), clock: Clock::system() })
            .with_writer(writer)
            .boxed(),
        LogFormat::Pretty => tracing_subscriber::fmt::layer().with_writer(writer).boxed(),
    };
    let subscriber = tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(spans.with_filter(is_span()))
        .with(KnowsDispatch(own));
    Ok((Dispatch::new(subscriber), handle))
}

type OwnDispatch = Arc<OnceLock<WeakDispatch>>;

/// Tells the formatter which dispatcher it works for: only through it the trace of
/// a span can be asked, and while an event is written there is no current one.
struct KnowsDispatch(OwnDispatch);

impl<S: Subscriber> Layer<S> for KnowsDispatch {
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        // The first is the only one: a subscriber has one dispatcher.
        let _ = self.0.set(dispatch.downgrade());
    }
}

struct JsonLine {
    service: &'static str,
    dispatch: OwnDispatch,
    clock: Clock,
}

impl<S> FormatEvent<S, JsonFields> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut line = Map::new();
        let metadata = event.metadata();
        let now = self.clock.now().format(&Rfc3339).unwrap_or_default();
        line.insert("time".into(), now.into());
        line.insert("level".into(), metadata.level().as_str().into());
        line.insert("service".into(), self.service.into());
        line.insert("target".into(), metadata.target().into());
        if let Some(span) = ctx.lookup_current() {
            if let Some(trace_id) = self.trace_id(&span.id()) {
                line.insert("trace_id".into(), trace_id.into());
            }
            for span in span.scope().from_root() {
                let extensions = span.extensions();
                let fields = extensions.get::<FormattedFields<JsonFields>>();
                let fields = fields.map(|fields| serde_json::from_str(&fields.fields));
                if let Some(Ok(Value::Object(fields))) = fields {
                    let ours = fields.into_iter().filter(|(name, _)| !name.starts_with("otel."));
                    line.extend(ours);
                }
            }
        }
        event.record(&mut Fields(&mut line));
        let text = serde_json::to_string(&line).map_err(|_| std::fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

impl JsonLine {
    fn trace_id(&self, span: &tracing::span::Id) -> Option<String> {
        let dispatch = self.dispatch.get()?.upgrade()?;
        let context = tracing_opentelemetry::get_otel_context(span, &dispatch)?;
        let span = context.span();
        let context = span.span_context();
        context.is_valid().then(|| context.trace_id().to_string())
    }
}

/// Writes an event's fields into a JSON object.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(error) = source {
            // Writing to a String can't fail.
            let _ = write!(text, ": {error}");
            source = error.source();
        }
        self.put(field, text.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests;
