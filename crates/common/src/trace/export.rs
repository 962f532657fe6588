//! Spans that leave the process: to a collector, by OTLP over HTTP.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, Protocol, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use url::Url;

/// Where a collector takes spans, below its address (OTLP specification, "OTLP/HTTP Request").
const SPANS_PATH: &str = "v1/traces";

/// A collector takes a batch within this time, or it is lost: traces are for looking, and
/// nothing waits for them.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// The end of the process waits this long for the last batch.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes spans, and with an `endpoint` sends those of sampled traces there. Must be called
/// outside of an asynchronous runtime: the sender is a thread with a blocking client.
pub(crate) fn provider(
    service: &'static str,
    endpoint: Option<&Url>,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let Some(endpoint) = endpoint else {
        return Ok(SdkTracerProvider::builder().build());
    };
    let base = endpoint.as_str().trim_end_matches('/');
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{base}/{SPANS_PATH}"))
        .with_timeout(SEND_TIMEOUT)
        .build()?;
    // What OTEL_RESOURCE_ATTRIBUTES says is added: the pod's name, the cluster's.
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_service_name(service).with_attribute(version).build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

/// Sends what is left.
pub(crate) fn end(provider: &SdkTracerProvider) {
    // Without a collector there is nothing to send, and one that is away is no failure of
    // the process: what could not be sent has been said.
    let _ = provider.shutdown_with_timeout(END_TIMEOUT);
}
