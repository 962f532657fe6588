#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::body::Body;
use metrics_exporter_prometheus::PrometheusBuilder;
use tower::ServiceExt as _;

use sqlx::postgres::PgPoolOptions;

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

    // That all connections of the pool are busy is no reason to be sent nothing.
    let readiness = Readiness::new();
    readiness.set_pool(pool.clone());
    readiness.set_started();
    let mut busy = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        busy.push(pool.acquire().await.unwrap());
    }
    assert_eq!(ask(&readiness, "/readyz").await.0, 200);

    let readiness = Readiness::new();
    let nowhere = "postgres://nobody@127.0.0.1:1/nothing";
    readiness.set_pool(PgPoolOptions::new().connect_lazy(nowhere).unwrap());
    readiness.set_started();
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

const SECRET: &str = "a-secret-of-operators-in-tests";

async fn call(api: &AdminApi, method: &str, path: &str, shown: Option<&str>) -> (u16, String) {
    let router = api.clone().into_router();
    let mut request = axum::http::Request::builder().method(method).uri(path);
    if let Some(shown) = shown {
        request = request.header(header::AUTHORIZATION, shown);
    }
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn guarded() -> AdminApi {
    let setting = crate::config::Secret::from(format!("night-shift:repair:{SECRET}"));
    AdminApi::new(Credentials::try_new(Some(&setting)).unwrap())
}

#[tokio::test]
async fn without_a_setting_the_admin_api_is_off_and_says_so() {
    let (status, body) = call(&AdminApi::default(), "GET", "/admin/outbox", Some("Bearer x")).await;
    assert_eq!(status, 404);
    assert!(body.contains("admin-api-off") && body.contains("ADMIN_CREDENTIAL"), "{body}");
}

#[tokio::test]
async fn only_a_credential_opens_the_admin_api() {
    let api = guarded();
    let good = format!("Bearer {SECRET}");
    assert_eq!(call(&api, "GET", "/admin/who", Some(&good)).await.0, 503, "not started yet");
    let who = get(async |operator: Operator| operator.name().to_owned());
    api.set_routes(Router::new().route("/who", who).into(), |router| router);
    let named = format!("Bearer night-shift:repair:{SECRET}");
    let basic = format!("Basic {SECRET}");
    for wrong in [None, Some(""), Some("Bearer"), Some("Bearer x"), Some(&*named), Some(&*basic)] {
        let (status, body) = call(&api, "GET", "/admin/who", wrong).await;
        assert_eq!(status, 401, "{wrong:?}");
        assert!(body.contains("unauthenticated"), "{body}");
    }
    assert_eq!(call(&api, "GET", "/admin/who", Some(&good)).await, (200, "night-shift".to_owned()));
    assert_eq!(call(&api, "GET", "/admin/other", Some(&good)).await.0, 404);
    assert_eq!(call(&api, "GET", "/administrator", Some(&good)).await.0, 404);
}

// R-44: a credential opens what it is for, and nothing else.
#[tokio::test]
async fn a_credential_opens_what_its_scope_covers() {
    use crate::test_support::Operators;
    use http::Method;

    let thing = || get(async || "seen").post(async || "changed").delete(async || "gone");
    let calls = [
        (Method::GET, "/admin/data"),
        (Method::HEAD, "/admin/data"),
        (Method::POST, "/admin/data"),
        (Method::DELETE, "/admin/data"),
        (Method::GET, "/admin/accounts"),
        (Method::POST, "/admin/accounts"),
    ];
    for (scope, open) in [
        ("read", [true, true, false, false, false, false]),
        ("repair", [true, true, true, true, false, false]),
        ("accounts", [false, false, false, false, true, true]),
        ("read+accounts", [true, true, false, false, true, true]),
        ("repair+accounts", [true; 6]),
    ] {
        let data = Router::new().route("/data", thing());
        let accounts = Router::new().route("/accounts", thing());
        let operators = Operators::with_scope(scope, AdminRoutes { data, accounts });
        for ((method, path), is_open) in calls.clone().into_iter().zip(open) {
            let (status, body) =
                operators.call(method.clone(), path, serde_json::Value::Null).await;
            assert_eq!(status, if is_open { 200 } else { 403 }, "{scope}: {method} {path}");
            if !is_open && method != Method::HEAD {
                assert_eq!(body["code"], "admin-scope-missing");
                let needed =
                    if path.ends_with("data") { ["read", "repair"] } else { ["accounts"; 2] };
                assert_eq!(
                    body["scope"],
                    needed[usize::from(method == Method::POST || method == Method::DELETE)]
                );
            }
        }
    }
}

#[tokio::test]
async fn a_change_goes_on_to_its_end_though_its_caller_hangs_up() {
    let api = guarded();
    let done = Arc::new(tokio::sync::Notify::new());
    let told = Arc::clone(&done);
    let slow = axum::routing::post(async move || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        told.notify_one();
    });
    let panics = axum::routing::post(async || -> String { panic!("too much") });
    let routes = Router::new().route("/slow", slow).route("/panics", panics);
    api.set_routes(routes.into(), |router| router);
    let good = format!("Bearer {SECRET}");
    let call_slow = call(&api, "POST", "/admin/slow", Some(&good));
    tokio::time::timeout(Duration::from_millis(20), call_slow).await.unwrap_err();
    tokio::time::timeout(Duration::from_secs(10), done.notified()).await.unwrap();
    assert_eq!(call(&api, "POST", "/admin/panics", Some(&good)).await.0, 500);
}

#[sqlx::test(migrations = false)]
async fn the_outbox_is_told_to_operators(pool: PgPool) {
    let tables = include_str!("../../migrations/plumbing.sql");
    sqlx::raw_sql(tables).execute(&pool).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO outbox (event_id, topic, key, event_type, source, subject, occurred_at, created_at, sent_at)
         SELECT gen_random_uuid(), 'notes', 'k', 'Noted', '/s', 's', now(), now() - interval '1 minute',
                CASE WHEN place < 3 THEN now() END
         FROM generate_series(1, 5) AS place",
    )
    .execute(&pool)
    .await
    .unwrap();
    let api = guarded();
    let active = Arc::new(AtomicBool::new(true));
    let routes = plumbing::router(crate::db::Db::from_pool(pool), active);
    api.set_routes(routes.into(), |router| router);
    let (status, body) =
        call(&api, "GET", "/admin/outbox", Some(&format!("Bearer {SECRET}"))).await;
    assert_eq!(status, 200, "{body}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&body["unsent"], &body["kept"], &body["isRelay"]),
        (&3.into(), &5.into(), &true.into())
    );
    assert!(body["oldestUnsentSeconds"].as_f64().unwrap() >= 60.0, "{body}");
}
