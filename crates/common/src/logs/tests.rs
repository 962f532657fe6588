#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::sync::Mutex;

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn read(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn started(level: &str, lines: Lines) -> (Dispatch, level::Changeable) {
    let provider = SdkTracerProvider::builder().build();
    dispatch("test", LogFormat::Json, level, &provider, lines).unwrap()
}

fn logged(level: &str, f: impl FnOnce()) -> Vec<Value> {
    let lines = Lines::default();
    let dispatch = started(level, lines.clone()).0;
    tracing::dispatcher::with_default(&dispatch, f);
    lines.read()
}

//
#[test]
fn a_line_is_json_with_the_trace_and_the_fields_of_its_spans() {
    let lines = logged("info", || {
        let span = tracing::info_span!("request", otel.name = "GET /x", request_id = "r-1");
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        crate::trace::attach(&span, Some(parent));
        span.in_scope(|| {
            tracing::info_span!("inner", topic = "t").in_scope(|| {
                tracing::info!(count = 3, name = "n", "it \"happened\"\nhere");
            });
        });
    });
    let line = &lines[0];
    assert_eq!(line["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(line["message"], "it \"happened\"\nhere");
    assert_eq!(line["service"], "test");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["count"], 3);
    assert_eq!(line["topic"], "t");
    assert_eq!(line["request_id"], "r-1");
    assert!(line["time"].as_str().unwrap().ends_with('Z'));
    assert!(line.get("otel.name").is_none());
}

#[test]
fn a_trace_is_there_where_only_warnings_are_written() {
    let lines = logged("warn", || {
        let span = tracing::info_span!("request", request_id = "r-1");
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        crate::trace::attach(&span, Some(parent));
        span.in_scope(|| {
            assert!(crate::trace::current_traceparent().unwrap().contains(&parent[3..35]));
            tracing::info!("not written");
            tracing::warn!("written");
        });
    });
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(lines[0]["request_id"], "r-1");
}

#[test]
fn a_line_outside_of_any_trace_is_written_too() {
    let lines = logged("info", || tracing::warn!("alone"));
    assert_eq!(lines[0]["message"], "alone");
    assert!(lines[0].get("trace_id").is_none());
}

#[test]
fn libraries_are_quiet_unless_asked() {
    let say = || {
        tracing::info!(target: "sqlx::query", "a statement");
        tracing::info!(target: "common::db", "ours");
        tracing::debug!(target: "common::db", "detail");
    };
    assert_eq!(logged("info", say).len(), 1);
    assert_eq!(logged("debug", say).len(), 2);
    assert_eq!(logged("info,sqlx=debug", say).len(), 2);
    assert!(level::filter("a=b=c").is_err() && level::filter(&"a".repeat(501)).is_err());
}

//
#[test]
fn what_is_logged_can_be_changed_while_the_process_runs() {
    let lines = Lines::default();
    let (dispatch, changeable) = started("warn", lines.clone());
    tracing::dispatcher::with_default(&dispatch, || {
        let say = || tracing::info!("said");
        say();
        changeable.reload(level::filter("info").unwrap()).unwrap();
        say();
        changeable.reload(level::filter("error").unwrap()).unwrap();
        say();
    });
    assert_eq!(lines.read().len(), 1);
}

#[test]
fn an_error_is_told_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::fmt::Error);

    let lines = logged("info", || {
        let error: &(dyn std::error::Error + 'static) = &Outer(std::fmt::Error);
        tracing::error!(error, "failed");
    });
    let text = lines[0]["error"].as_str().unwrap();
    assert!(text.starts_with("outer: an error"), "{text}");
}

/// A whole request with all that must not be in a log.
#[tokio::test]
async fn a_request_is_one_line_without_query_body_or_token() {
    use tower::ServiceExt as _;

    let tokens = crate::test_support::TestTokens::new();
    let router = axum::Router::new().route("/notes/{id}", axum::routing::post(async || "ok"));
    let router = crate::http::test_layers(router, tokens.verifier());
    let lines = Lines::default();
    let dispatch = started("info", lines.clone()).0;
    let guard = tracing::dispatcher::set_default(&dispatch);
    let request =
        http::Request::post("/notes/018f2c3e-0000-7000-8000-000000000001?userName=hunter2")
            .header("authorization", "Bearer hunter2")
            .header("idempotency-key", "hunter2")
            .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .body(axum::body::Body::from("hunter2"))
            .unwrap();
    let response = router.oneshot(request).await.unwrap();
    drop(guard);
    assert_eq!(response.status(), 200);
    let lines = lines.read();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["path"], "/notes/018f2c3e-0000-7000-8000-000000000001");
    assert_eq!(lines[0]["http.route"], "/notes/{id}");
    assert_eq!(lines[0]["status"], 200);
    assert_eq!(lines[0]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert!(!Value::from(lines).to_string().contains("hunter2"));
}

#[test]
fn a_mistyped_level_is_refused_and_does_not_silence_everything() {
    for right in
        ["info", "INFO", "off", "info,sqlx=debug", "info,common::db=trace", "", "[span]=debug"]
    {
        level::filter(right).unwrap();
    }
    for (wrong, named) in
        [("dbug", "`dbug`"), ("info,verbose", "`verbose`"), ("sqlx=", "``"), ("sqlx=all", "`all`")]
    {
        let told = level::filter(wrong).unwrap_err().to_string();
        assert!(told.contains(named) && told.contains("debug, trace"), "{told}");
    }
}
