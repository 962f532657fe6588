#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn traced<T>(f: impl FnOnce() -> T) -> T {
    let provider = SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), f)
}

#[test]
fn a_trace_goes_on_under_a_new_span() {
    traced(|| {
        let span = tracing::info_span!("work");
        attach(&span, Some(PARENT));
        let inside = span.in_scope(current_traceparent).unwrap();
        assert_eq!(inside[3..35], PARENT[3..35], "the same trace");
        assert_ne!(inside[36..52], PARENT[36..52], "another span");
        assert!(parse(&inside).is_some());
    });
}

#[test]
fn without_a_readable_parent_a_new_trace_begins() {
    traced(|| {
        for parent in [None, Some("nonsense"), Some("")] {
            let span = tracing::info_span!("work");
            attach(&span, parent);
            let inside = span.in_scope(current_traceparent).unwrap();
            assert_ne!(inside[3..35], PARENT[3..35]);
            assert!(parse(&inside).is_some());
        }
    });
}

#[test]
fn outside_of_any_trace_there_is_none() {
    traced(|| assert_eq!(current_traceparent(), None));
    assert_eq!(current_traceparent(), None);
}

#[test]
fn only_a_trace_context_is_read() {
    assert!(parse(PARENT).is_some());
    let later = PARENT.replacen("00", "01", 1) + "-more";
    assert!(parse(&later).is_some(), "a later version may say more");
    for bad in [
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-zz",
        "00-é-b7ad6b7169203331-01",
        "",
    ] {
        assert!(parse(bad).is_none(), "{bad}");
    }
}

#[test]
fn of_a_path_only_what_is_known_and_ids_are_shown() {
    let id = "018f2c3e-0000-7000-8000-000000000001";
    let shown = |path: &str| ids_only(path, |segment| ["notes", "{id}"].contains(&segment));
    assert_eq!(shown(&format!("/notes/{id}")), format!("/notes/{id}"));
    assert_eq!(shown("/notes"), "/notes");
    assert_eq!(shown("/notes/someone@example.com"), "/notes/…");
    assert_eq!(shown("/notes/010-000-0000/%ff"), "/notes/…/…");
    assert_eq!(shown("/hunter2//x"), "/…//…");
    assert_eq!(shown("/"), "/");
}

#[test]
fn a_metric_has_few_methods() {
    assert_eq!(method_label(&http::Method::PATCH), "PATCH");
    assert_eq!(method_label(&"BREW".parse().unwrap()), "other");
}
