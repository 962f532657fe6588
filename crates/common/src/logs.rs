//! Logs: one JSON object on a line, with the trace id in each.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
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
use tracing_subscriber::{EnvFilter, Layer};

use crate::clock::Clock;

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object on a line, for machines.
    Json,
    /// Lines for eyes.
    Pretty,
}

/// What libraries say is only wanted where it is a warning, whatever our own
/// level; the operator's filter comes after it and has the last word. rdkafka's
/// client repeats each of librdkafka's errors, several times a second while a
/// broker is away, and our own contexts tell them too.
const LIBRARIES: &str = "hyper=warn,hyper_util=warn,h2=warn,sqlx=warn,rdkafka=warn,rdkafka::client=off,\
    librdkafka=warn,reqwest=warn,rustls=warn,tower=warn,tower_http=warn,opentelemetry=warn,\
    opentelemetry_sdk=warn,axum_reverse_proxy=warn";

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter can't be read.
    #[error("LOG_LEVEL has a wrong value: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Someone has started logs before.
    #[error("logs were started twice")]
    Twice(#[from] tracing::dispatcher::SetGlobalDefaultError),
}

/// Starts the logs of this process, on standard output. Once for a process.
pub fn start(service: &'static str, format: LogFormat, level: &str) -> Result<(), LogsError> {
    let dispatch = dispatch(service, format, level, std::io::stdout)?;
    tracing::dispatcher::set_global_default(dispatch)?;
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // The place and not the message, which may hold what was worked on.
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a panic");
        if format == LogFormat::Pretty {
            default(panic);
        }
    }));
    Ok(())
}

fn dispatch<W>(
    service: &'static str,
    format: LogFormat,
    level: &str,
    writer: W,
) -> Result<Dispatch, LogsError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Spans are there whatever is logged: a warning wants its trace id also where
    // nothing less is written, and the trace must reach those who work on for us.
    let is_span = || filter_fn(|metadata| metadata.is_span() && *metadata.level() <= Level::INFO);
    let filter = EnvFilter::try_new(format!("{LIBRARIES},{level}"))?.or(is_span());
    // Spans are made, with their ids, and go nowhere yet: an exporter is added to
    // the provider.
    let provider = SdkTracerProvider::builder().build();
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
        .with(spans.with_filter(is_span()))
        .with(KnowsDispatch(own))
        .with(lines.with_filter(filter));
    Ok(Dispatch::new(subscriber))
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
