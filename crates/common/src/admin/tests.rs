#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::body::Body;
use metrics_exporter_prometheus::PrometheusBuilder;
use tower::ServiceExt as _;

use super::*;

async fn ask(readiness: &Readiness, path: &str) -> (u16, String) {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || metrics::counter!("things_total").increment(2));
    let router = router(readiness.clone(), recorder.handle());
    let request = axum::http::Request::get(path).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

// R-41
#[sqlx::test]
async fn ready_between_start_and_end_while_the_database_answers(pool: PgPool) {
    let readiness = Readiness::new();
    readiness.set_pool(pool.clone());
    assert_eq!(ask(&readiness, "/readyz").await.0, 503);
    readiness.set_started();
    assert_eq!(ask(&readiness, "/readyz").await.0, 200);
    readiness.set_draining();
    assert_eq!(ask(&readiness, "/readyz").await.0, 503);

    let readiness = Readiness::new();
    readiness.set_pool(pool.clone());
    readiness.set_started();
    pool.close().await;
    let (status, body) = ask(&readiness, "/readyz").await;
    assert_eq!(status, 503);
    assert!(body.contains("database"), "{body}");
    assert_eq!(ask(&readiness, "/livez").await.0, 200, "alive whatever else is away");
}

#[tokio::test]
async fn figures_are_told_in_the_form_of_prometheus() {
    let (status, body) = ask(&Readiness::new(), "/metrics").await;
    assert_eq!(status, 200);
    assert!(body.contains("things_total 2"), "{body}");
}

#[tokio::test]
async fn clients_of_the_old_system_ask_for_health_as_ever() {
    let request = axum::http::Request::get("/actuator/health").body(Body::empty()).unwrap();
    let response = health_router().oneshot(request).await.unwrap();
    let body = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
    assert_eq!(body, r#"{"status":"UP"}"#);
}
