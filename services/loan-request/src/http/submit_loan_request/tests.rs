//! What a submission comes to: the answer, the rows, and that nothing is
//! published. Replays, tokens and what is not known in time have files of their own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use ::events::codes::RequestStatus;
use ::events::{Amount, Currency, LoanRequestReceived, LoanVersion, RequestKind};
use axum::body::Body;
use axum::http::{Request, header};
use serde_json::json;
use sqlx::PgPool;

use crate::clients::loan_auth::testing::{Act, CREDENTIAL, Decided, PASSWORD, USER_ID, USER_NAME};
use crate::domain::standing::Standing;
use crate::http::testing::World;

mod replays;
mod tokens;
mod unknown;

const LONG: Duration = Duration::from_secs(5);

#[sqlx::test(migrations = "./migrations")]
async fn a_certified_application_is_accepted(pool: PgPool) {
    // R-01, R-03
    let world = World::new(pool).await;
    let answer = world.submit(&World::application()).await;
    assert_eq!(answer.status, 201);
    let id = answer.id();
    let address = format!("http://localhost/loanRequests/{id}");
    assert_eq!(answer.header("location"), address);
    // R-08
    assert_eq!(answer.header("loan-version").parse(), Ok(LoanVersion::Request(id)));
    assert_eq!(answer.header("idempotency-replayed"), "");
    assert_eq!(answer.body["_links"]["self"]["href"], address);
    assert_eq!(answer.body["requestStatus"], "인증대기");
    assert_eq!(answer.body["loanId"], json!(id));
    assert_eq!(answer.body["customerId"], json!(world.customer()));
    assert_eq!(answer.body["amountOfMoney"], 10_000);

    let row = world.row(id).await;
    assert_eq!(row.standing, Standing::Certified(world.customer()));
    assert_eq!(
        (row.user_id.as_deref(), row.user_name.as_deref()),
        (Some(USER_ID), Some(USER_NAME))
    );
    assert_eq!(row.certified_at, Some(world.clock.now()));
    assert_eq!(world.keys().await, 0);
    // From here on loan-auth's event carries it.
    assert!(world.outbox().await.is_empty());

    let asked = world.wire.certified();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0],
        json!({
            "loanRequestId": id, "loanId": id, "requestId": "01", "requestName": "Deposit",
            "amountOfMoney": 10_000, "currency": "KRW", "accountNo": "1111", "userId": USER_ID,
            "userName": USER_NAME, "userPassword": PASSWORD, "clientAddress": "127.0.0.1",
        })
    );
}

#[sqlx::test(migrations = "./migrations")]
async fn a_repayment_names_its_loan_or_none(pool: PgPool) {
    // R-02
    let world = World::new(pool).await;
    let loan = world.clock.new_id();
    for field in ["loanId", "loanRequestId"] {
        let mut body = World::application_with("requestId", "02");
        body[field] = json!(loan);
        let answer = world.submit(&body).await;
        assert_eq!(answer.status, 201);
        assert_eq!(answer.body["loanId"], json!(loan));
        assert_ne!(answer.body["id"], json!(loan));
        // R-08: of the request, because what number it gets is not known here.
        assert_eq!(answer.header("loan-version").parse(), Ok(LoanVersion::Request(answer.id())));
    }
    let answer = world.submit(&World::application_with("requestId", "02")).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("loan-version").parse(), Ok(LoanVersion::Request(answer.id())));
    assert_eq!(answer.body.get("loanId"), None);
    let asked = world.wire.certified();
    assert_eq!(asked[0]["loanId"], json!(loan));
    assert_eq!(asked[2].get("loanId"), None);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_wrong_proof_is_refused_and_kept_for_officers(pool: PgPool) {
    // R-03
    let world = World::new(pool).await;
    let wrong = World::application_with("userPassword", "wrong");
    let answer = world.submit_under("key", &wrong).await;
    answer.must_be_problem(403, "not-certified");
    let row = world.only_row().await;
    assert_eq!(row.standing, Standing::Refused);
    assert_eq!(row.reason.as_deref(), Some("wrong-proof"));
    assert!(world.outbox().await.is_empty());
    assert_eq!(world.keys().await, 0);

    let address = format!("/loanRequests/{}", row.id);
    let customer = world.token();
    assert_eq!(world.get(&address, &customer).await.status, 404);
    let list = world.get("/loanRequests", &customer).await;
    assert_eq!(list.body["page"]["totalElements"], 0);
    let officer = world.get(&address, &world.officer_token()).await;
    assert_eq!(officer.body["requestStatus"], "인증실패");
    assert_eq!(officer.body["reason"], "wrong-proof");

    // The key is free: the right password is a new request.
    let answer = world.submit_under("key", &World::application()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("idempotency-replayed"), "");
}

#[sqlx::test(migrations = "./migrations")]
async fn too_many_failures_are_told_to_wait(pool: PgPool) {
    // R-33
    let world = World::new(pool).await;
    world.wire.certify([Act::Say(200, json!({ "outcome": "throttled", "retryAfterSeconds": 17 }))]);
    let answer = world.submit_under("key", &World::application()).await;
    answer.must_be_problem(429, "too-many-failures");
    assert_eq!(answer.header("retry-after"), "17");
    // Nothing is left of it, or a flood would fill the table.
    assert_eq!((world.rows().await, world.keys().await), (0, 0));
    assert!(world.wire.voided().is_empty());
    assert_eq!(world.submit_under("key", &World::application()).await.status, 201);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_busy_loan_auth_is_no_failure_that_shuts_everybody_out(pool: PgPool) {
    // R-22
    let world =
        World::with(pool, &["--breaker-failures-in-a-row=2", "--breaker-failing-for-ms=0"]).await;
    let busy = || Act::Say(200, json!({ "outcome": "busy", "retryAfterSeconds": 2 }));
    for _ in 0..30 {
        world.wire.certify([busy()]);
        let answer = world.submit_under("key", &World::application()).await;
        answer.must_be_problem(503, "certification-unavailable");
        assert_eq!(answer.header("retry-after"), "2");
    }
    assert_eq!((world.rows().await, world.keys().await), (0, 0));
    assert!(world.wire.voided().is_empty());
    // Asked once each, and the others are certified as before.
    assert_eq!(world.wire.certified().len(), 30);
    let first = world.submit_under("key", &World::application()).await;
    assert_eq!(first.status, 201);
    world.wire.certify([busy()]);
    let again = world.submit_under("key", &World::application()).await;
    again.must_be_problem(503, "certification-unavailable");
    assert_eq!(world.submit_under("key", &World::application()).await.id(), first.id());
}

#[sqlx::test(migrations = "./migrations")]
async fn while_loan_auth_is_down_nothing_is_accepted_and_nothing_is_left(pool: PgPool) {
    // R-21, R-22
    let settings = [
        "--breaker-open-min-ms=1000",
        "--breaker-failures-in-a-row=4",
        "--breaker-failing-for-ms=0",
    ];
    let mut world = World::with(pool, &settings).await;
    world.wire.go_away().await;
    let answer = world.submit_under("key", &World::application()).await;
    answer.must_be_problem(503, "certification-unavailable");
    answer.must_say_when_to_come_back();
    assert!(answer.took < Duration::from_millis(300), "{:?}", answer.took);
    let row = world.only_row().await;
    assert_eq!(
        (row.standing, row.reason.as_deref()),
        (Standing::Withdrawn, Some("auth-unreachable"))
    );
    assert_eq!(world.keys().await, 0);
    for token in [world.token(), world.officer_token()] {
        assert_eq!(world.get(&format!("/loanRequests/{}", row.id), &token).await.status, 404);
        assert_eq!(world.get("/loanRequests", &token).await.body["page"]["totalElements"], 0);
    }

    // The breaker opens; then nothing is even written, and within milliseconds.
    for _ in 0..3 {
        world.submit(&World::application()).await.must_be_problem(503, "certification-unavailable");
    }
    let rows = world.rows().await;
    let answer = world.submit_under("key", &World::application()).await;
    answer.must_be_problem(503, "certification-unavailable");
    answer.must_say_when_to_come_back();
    assert!(answer.took < Duration::from_millis(50), "{:?}", answer.took);
    assert_eq!((world.rows().await, world.keys().await), (rows, 0));

    // By itself.
    world.wire.come_back().await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(world.submit_under("key", &World::application()).await.status, 201);
    assert!(world.outbox().await.is_empty());
}

#[sqlx::test(migrations = "./migrations")]
async fn a_full_bulkhead_refuses_at_once_and_writes_nothing(pool: PgPool) {
    // R-22
    let world = World::with(pool, &["--certify-concurrency-max=1"]).await;
    world.wire.certify([Act::DecideThenWait(Duration::from_millis(400))]);
    let application = World::application();
    let (first, second) = tokio::join!(world.submit(&application), async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        world.submit_under("key", &application).await
    });
    assert_eq!(first.status, 201);
    second.must_be_problem(503, "certification-unavailable");
    second.must_say_when_to_come_back();
    assert!(second.took < Duration::from_millis(50), "{:?}", second.took);
    assert_eq!((world.rows().await, world.keys().await), (1, 0));
    assert_eq!(world.submit(&application).await.status, 201);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_loan_auth_does_not_read_is_not_accepted(pool: PgPool) {
    let world = World::new(pool).await;
    for status in [401, 403, 422] {
        world.wire.certify([Act::Say(status, json!({ "code": "no" }))]);
        let answer = world.submit(&World::application()).await;
        answer.must_be_problem(503, "certification-unavailable");
    }
    let reasons: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT DISTINCT reason, customer_id::text FROM loan_request")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(reasons, [("auth-unreachable".to_owned(), None)]);
    assert!(world.wire.voided().is_empty());
}

#[sqlx::test(migrations = "./migrations")]
async fn many_at_the_same_moment_are_all_accepted(pool: PgPool) {
    // R-24
    let world = World::new(pool).await;
    let application = World::application();
    let answers = futures::future::join_all((0..40).map(|_| world.submit(&application))).await;
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert_eq!(world.rows().await, 40);
}

#[sqlx::test(migrations = "./migrations")]
async fn an_event_may_be_faster_than_the_answer(pool: PgPool) {
    // R-04
    let world = World::new(pool).await;
    world.wire.certify([Act::DecideThenWait(Duration::from_millis(300))]);
    let application = World::application();
    let (answer, ()) = tokio::join!(world.submit(&application), async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let id = world.only_row().await.id;
        let received = LoanRequestReceived {
            loan_request_id: id,
            loan_id: id.into(),
            request_id: RequestKind::Apply,
            request_name: "Deposit".to_owned(),
            customer_id: world.customer(),
            amount_of_money: Amount::try_new(10_000).unwrap(),
            currency: Currency::KRW,
            outstanding: None,
            loan_version: 1,
            language: ::events::Language::Ko,
            received_at: world.clock.now(),
        };
        world.deliver(&received).await;
    });
    assert_eq!(answer.status, 201);
    let row = world.only_row().await;
    assert_eq!(row.standing, Standing::Received(world.customer()));
    assert_eq!(row.standing.status(), RequestStatus::Received);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_database_that_fails_after_the_certification_takes_nothing_back(pool: PgPool) {
    let world = World::new(pool).await;
    break_updates(&world.pool).await;
    let answer = world.submit_under("key", &World::application()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(world.only_row().await.standing, Standing::Undecided);
    assert_eq!(world.wire.decided(answer.id()), Some(Decided::Certified));
    // A wrong proof is told so too.
    let wrong = World::application_with("userPassword", "wrong");
    world.submit(&wrong).await.must_be_problem(403, "not-certified");
    // Later the row comes to it: by the event, or by asking (see the task's tests).
    sqlx::query("DROP TRIGGER fails ON loan_request").execute(&world.pool).await.unwrap();
    world.clock.advance(time::Duration::seconds(2));
    let answer = world.submit_under("key", &World::application()).await;
    assert_eq!((answer.status.as_u16(), answer.header("idempotency-replayed")), (201, "true"));
    assert_eq!(world.row(answer.id()).await.standing, Standing::Certified(world.customer()));
}

/// From now on every update fails as if the database were shutting down.
async fn break_updates(pool: &PgPool) {
    for statement in [
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'shutting down' USING ERRCODE = '57P01'; END $$",
        "CREATE TRIGGER fails BEFORE UPDATE ON loan_request FOR EACH ROW EXECUTE FUNCTION fail()",
    ] {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_password_is_nowhere(pool: PgPool) {
    // R-32
    let world = World::new(pool).await;
    let answer = world.submit_under("key", &World::application()).await;
    assert_eq!(answer.status, 201);
    assert!(!answer.body.to_string().contains(PASSWORD));
    for dump in [
        "SELECT coalesce(string_agg(r::text, ' '), '') FROM loan_request r",
        "SELECT coalesce(string_agg(i::text, ' '), '') FROM idempotency i",
        "SELECT coalesce(string_agg(o::text, ' '), '') FROM outbox o",
    ] {
        let text: String = sqlx::query_scalar(dump).fetch_one(&world.pool).await.unwrap();
        assert!(!text.contains(PASSWORD) && !text.contains(CREDENTIAL), "{text}");
    }
    // Of who it was only a digest is kept with the key.
    let scopes: Vec<String> =
        sqlx::query_scalar("SELECT scope FROM idempotency").fetch_all(&world.pool).await.unwrap();
    assert!(scopes.len() == 1 && !scopes[0].contains(USER_ID), "{scopes:?}");
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_no_request_is_refused_by_its_kind(pool: PgPool) {
    // R-01
    let world = World::new(pool).await;
    let send = async |content_type: &str, body: Vec<u8>| {
        let request = Request::post("/loanRequests").header(header::CONTENT_TYPE, content_type);
        world.send(request.body(Body::from(body)).unwrap()).await
    };
    let json = "application/json";
    send("text/plain", b"{}".to_vec()).await.must_be_problem(415, "unsupported-media-type");
    send(json, b"{".to_vec()).await.must_be_problem(400, "malformed-body");
    send(json, vec![b'"', 0xff, b'"']).await.must_be_problem(400, "malformed-body");
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    send(json, deep.into_bytes()).await.must_be_problem(400, "malformed-body");
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(70_000));
    send(json, large.into_bytes()).await.must_be_problem(413, "body-too-large");
    let answer = world.submit(&json!({ "amountOfMoney": 0 })).await;
    answer.must_be_problem(422, "invalid");
    let fields: Vec<&str> = answer.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        ["requestId", "requestName", "amountOfMoney", "userId", "userName", "userPassword"]
    );
    let foreign = Request::post("/loanRequests")
        .header(header::CONTENT_TYPE, json)
        .header(header::HOST, "evil.example");
    let body = Body::from(World::application().to_string());
    world.send(foreign.body(body).unwrap()).await.must_be_problem(421, "misdirected-request");
    assert_eq!(world.rows().await, 0);
    assert!(world.wire.certified().is_empty());
}
