//! One trace from the client's request to the last service that hears of it, as a collector
//! of OpenTelemetry gets it: over HTTP, decoded with OpenTelemetry's own messages.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use axum::body::Bytes;
use journeys::client::{Client, Credentials, id_of};
use journeys::harness::{Journey, SEEN_WITHIN};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use reqwest::Method;
use standalone::Service;
use tokio::net::TcpListener;

/// The client's trace, and its own span in it.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENTS_SPAN: &str = "00f067aa0ba902b7";

/// SERVER, CLIENT, PRODUCER and CONSUMER of OpenTelemetry's protocol.
const KINDS: [(i32, &str); 4] = [(2, "server"), (3, "client"), (4, "producer"), (5, "consumer")];

/// A span, and the service that reported it.
#[derive(Clone)]
struct Reported {
    service: String,
    span: Span,
}

impl Reported {
    /// `loan-auth server POST /loanAuths`.
    fn said(&self) -> String {
        let kind = KINDS.iter().find(|(number, _)| *number == self.span.kind);
        let kind = kind.map_or("internal", |(_, name)| name);
        format!("{} {kind} {}", self.service, self.span.name)
    }
}

/// A collector.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Reported>>>);

impl Collector {
    /// Takes spans from now on; where.
    async fn start(&self) -> Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let collector = self.clone();
        let take = axum::routing::post(async move |body: Bytes| {
            collector.take(ExportTraceServiceRequest::decode(body).unwrap());
        });
        let router = axum::Router::new().route("/v1/traces", take);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Ok(address)
    }

    fn take(&self, request: ExportTraceServiceRequest) {
        for resource in request.resource_spans {
            let attributes = resource.resource.unwrap_or_default().attributes;
            let name = attributes.iter().find(|one| one.key == "service.name");
            let name = name.and_then(|one| one.value.clone()?.value);
            let Some(Value::StringValue(service)) = name else { panic!("spans of nobody") };
            for scope in resource.scope_spans {
                let spans = scope.spans.into_iter();
                let spans = spans.map(|span| Reported { service: service.clone(), span });
                self.0.lock().unwrap().extend(spans);
            }
        }
    }

    fn all(&self) -> Vec<Reported> {
        self.0.lock().unwrap().clone()
    }

    fn of_trace(&self, trace: &str) -> Vec<Reported> {
        let mut all = self.all();
        all.retain(|reported| hex(&reported.span.trace_id) == trace);
        all
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Applies as a client that has begun a trace.
async fn apply(client: &Client, flags: &str) -> Result<String> {
    let body = Credentials::demo().application(10_000);
    let request = client
        .request(Method::POST, "/loanRequests")
        .header("traceparent", format!("00-{TRACE}-{CLIENTS_SPAN}-{flags}"))
        .json(&body);
    id_of(client.send(request).await?.expect(201)?.header("location"))
}

//
#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_one_trace_through_all_services() -> Result<()> {
    let collector = Collector::default();
    let endpoint = collector.start().await?;
    let journey =
        Journey::start_with(|stack| stack.env_for_all("OTLP_ENDPOINT", &endpoint)).await?;
    let unreported = apply(&journey.client, "00").await?;
    let officer = journey.client.officer().await?;
    journey.waits(&officer, &unreported).await?;
    apply(&journey.client, "01").await?;
    let expected = [
        "gateway server POST /loanRequests",
        "loan-request server POST /loanRequests",
        "loan-request client loan-auth certify",
        "loan-auth server POST /loanAuths",
        "loan-auth producer send loan.auth",
        "loan-manager consumer process loan.auth",
        "loan-manager producer send loan.manager",
        "loan-request consumer process loan.manager",
        "loan-messenger consumer process loan.manager",
        "loan-status consumer process loan.manager",
    ];
    let until = Instant::now() + SEEN_WITHIN;
    let spans = loop {
        let spans = collector.of_trace(TRACE);
        let said: BTreeSet<String> = spans.iter().map(Reported::said).collect();
        if expected.iter().all(|one| said.contains(*one)) {
            break spans;
        }
        ensure!(Instant::now() < until, "{said:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    // The trace that its client did not want reported is in none of them.
    let applications = spans.iter().filter(|one| one.said() == expected[0]).count();
    ensure!(applications == 1, "{applications}");
    // One tree: everybody's parent is there, and the first one's is the client's.
    let known: BTreeSet<String> = spans.iter().map(|one| hex(&one.span.span_id)).collect();
    for one in &spans {
        let parent = hex(&one.span.parent_span_id);
        let is_first = one.said() == expected[0];
        ensure!(
            if is_first { parent == CLIENTS_SPAN } else { known.contains(&parent) },
            one.said()
        );
    }
    // A batch belongs to no trace, and leads to those that it worked on.
    let linked = collector.all().into_iter().filter(|one| {
        one.span.name == "batch" && one.span.links.iter().any(|link| hex(&link.trace_id) == TRACE)
    });
    let linked: BTreeSet<String> = linked.map(|one| one.service).collect();
    ensure!(linked.contains("loan-manager") && linked.contains("loan-status"), "{linked:?}");
    // Ids, and nothing about the person.
    let told = format!("{:?}", collector.all().iter().map(|one| &one.span).collect::<Vec<_>>());
    for personal in ["1@sk.com", "유은상", "010-000-0000", "officer@bank.example"] {
        ensure!(!told.contains(personal), "{personal} is in a span");
    }
    journey.finish().await
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_takes_nothing_holds_nobody_up() -> Result<()> {
    // It accepts connections, in the kernel, and never reads.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", silent.local_addr()?);
    let mut journey =
        Journey::start_with(|stack| stack.env_for_all("OTLP_ENDPOINT", &endpoint)).await?;
    let officer = journey.client.officer().await?;
    for _ in 0..20 {
        let loan = apply(&journey.client, "01").await?;
        journey.waits(&officer, &loan).await?;
    }
    journey.finish().await?;
    let begun = Instant::now();
    journey.stack.service_mut(Service::LoanAuth).terminate().await?;
    // An export may be on its way (5 s) when the end begins; the end waits for 2 s of it.
    ensure!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    Ok(())
}
