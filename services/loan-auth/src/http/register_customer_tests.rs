#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;

use crate::http::testing::{Answer, App, PASSWORD};

fn somebody() -> Value {
    json!({
        "userId": "New@sk.com", "userName": "유은상", "userPassword": PASSWORD, "userMobile": "010-000-0000",
        "userEmail": "new@sk.com", "language": "en", "unknown": {"ignored": true},
    })
}

async fn register(app: &App, body: &Value) -> Answer {
    app.post("/customers").json(body).send().await
}

async fn register_as(app: &App, key: &str, body: &Value) -> Answer {
    app.post("/customers").header("idempotency-key", key).json(body).send().await
}

//
#[sqlx::test(migrations = "./migrations")]
async fn somebody_registers_and_the_others_are_told(pool: PgPool) {
    let app = App::new(pool);
    let answer = register(&app, &somebody()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let id = answer.body["customerId"].as_str().unwrap().to_owned();
    let address = format!("http://localhost/customers/{id}");
    assert_eq!(answer.header("location"), Some(address.as_str()));
    assert_eq!(
        (answer.header("etag"), answer.header("idempotency-replayed")),
        (Some("\"1\""), None)
    );
    assert_eq!(
        answer.body,
        json!({
            "customerId": id, "userId": "New@sk.com", "userName": "유은상", "userMobile": "010-000-0000",
            "userEmail": "new@sk.com", "language": "en", "registeredAt": "2026-11-21T08:00:00Z",
            "changedAt": "2026-11-21T08:00:00Z", "_links": {"self": {"href": address}},
        })
    );
    let outbox = app.outbox().await;
    assert_eq!((outbox.len(), outbox[0].0.as_str(), &outbox[0].1), (1, "CustomerRegistered", &id));
    assert_eq!(
        outbox[0].2,
        json!({
            "customerId": id, "userId": "New@sk.com", "userName": "유은상", "userMobile": "010-000-0000",
            "userEmail": "new@sk.com", "language": "en", "registeredAt": "2026-11-21T08:00:00Z",
        })
    );
    assert_eq!(app.log_in("new@SK.com", PASSWORD).await.status, 200);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_login_name_belongs_to_one_person_whatever_its_case(pool: PgPool) {
    let app = App::new(pool);
    assert_eq!(register(&app, &somebody()).await.status, 201);
    for taken in ["New@sk.com", "nEW@SK.COM"] {
        let mut body = somebody();
        body["userId"] = json!(taken);
        let answer = register(&app, &body).await;
        assert_eq!((answer.status, answer.code()), (409, "user-id-taken"));
    }
    // At the same moment, on two instances: one.
    let other = app.another();
    let mut body = somebody();
    body["userId"] = json!("race@sk.com");
    let answers =
        join_all((0..8).map(|n| register(if n % 2 == 0 { &app } else { &other }, &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.code() == "user-id-taken").count(), 7);
    assert_eq!(app.outbox().await.len(), 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_wrong_is_named_and_leaves_nothing(pool: PgPool) {
    let app = App::new(pool);
    for (field, bad) in [
        ("userId", json!("ab")),
        ("userId", json!("a b c")),
        ("userId", json!("nul\u{0}byte")),
        ("userId", json!("a".repeat(255))),
        ("userName", json!("")),
        ("userName", json!("crlf\r\nSet-Cookie: a=b")),
        ("userName", json!("유".repeat(101))),
        ("userPassword", json!("1234")),
        ("userPassword", json!("password")),
        ("userPassword", json!("new@sk.com")),
        ("userPassword", json!("x".repeat(129))),
        ("userPassword", json!(1_234_567_890)),
        ("userPassword", Value::Null),
        ("userMobile", json!("'; DROP TABLE person; --")),
        ("userMobile", json!(["010"])),
        ("userEmail", json!("nobody")),
        ("language", json!("de")),
    ] {
        let mut body = somebody();
        body[field] = bad.clone();
        let answer = register(&app, &body).await;
        assert_eq!((answer.status, answer.code()), (422, "invalid"), "{field}: {}", answer.text);
        assert_eq!(answer.body["errors"][0]["field"], field, "{}", answer.text);
        // not even what is wrong about a password is quoted.
        if field == "userPassword" {
            assert!(
                !answer.text.contains("1234567890") && !answer.text.contains("xxxx"),
                "{}",
                answer.text
            );
        }
    }
    for missing in ["userId", "userName", "userPassword", "userMobile"] {
        let mut body = somebody();
        body.as_object_mut().unwrap().remove(missing);
        let answer = register(&app, &body).await;
        assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (422, &json!(missing)));
    }
    let both = json!({"userId": "ab", "userName": "", "userPassword": "short", "userMobile": "x"});
    assert_eq!(register(&app, &both).await.body["errors"].as_array().unwrap().len(), 4);
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    for (media_type, body, status) in [
        ("application/json", "{", 400),
        ("application/json", deep.as_str(), 400),
        ("text/plain", "{}", 415),
        ("application/json", &format!("\"{}\"", "x".repeat(70_000)), 413),
    ] {
        assert_eq!(app.post("/customers").body(media_type, body).send().await.status, status);
    }
    assert_eq!(app.count("SELECT count(*) FROM person").await, 0);
    assert_eq!(app.outbox().await, []);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_same_key_registers_once_and_needs_the_password(pool: PgPool) {
    let app = App::new(pool);
    let first = register_as(&app, "key-1", &somebody()).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None));
    let again = register_as(&app, "key-1", &somebody()).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!((&again.body, again.header("location")), (&first.body, first.header("location")));
    // A stranger who has guessed the key learns nothing, and is counted.
    let mut wrong = somebody();
    wrong["userPassword"] = json!("wrong horse battery");
    let answer = register_as(&app, "key-1", &wrong).await;
    assert_eq!((answer.status, answer.code()), (403, "wrong-credentials"));
    assert_eq!(app.count("SELECT count(*) FROM login_failure").await, 1);
    // Another body, another key, another caller.
    let mut other = somebody();
    other["userMobile"] = json!("010-999-9999");
    let answer = register_as(&app, "key-1", &other).await;
    assert_eq!((answer.status, answer.code()), (422, "idempotency-key-reused"));
    other["userPassword"] = json!("wrong horse battery");
    let answer = register_as(&app, "key-1", &other).await;
    assert_eq!((answer.status, answer.code()), (403, "wrong-credentials"), "nor that it is there");
    other["userPassword"] = somebody()["userPassword"].clone();
    assert_eq!(register_as(&app, "key-2", &somebody()).await.code(), "user-id-taken");
    other["userId"] = json!("other@sk.com");
    assert_eq!(register_as(&app, "key-1", &other).await.status, 201);
    for bad in ["", "a b", &"k".repeat(256)] {
        assert_eq!(register_as(&app, bad, &somebody()).await.status, 400);
    }
    assert_eq!(app.count("SELECT count(*) FROM person").await, 2);
    assert_eq!(app.outbox().await.len(), 2);
    // The answer is the customer as they are now.
    app.run(
        "UPDATE person SET user_mobile = '010-111-1111', version = 2 WHERE user_key = 'new@sk.com'",
    )
    .await;
    let later = register_as(&app, "key-1", &somebody()).await;
    assert_eq!((later.status, later.header("etag")), (201, Some("\"2\"")));
    assert_eq!(later.body["userMobile"], "010-111-1111");
    // After a day the key is free, and the name is not.
    app.clock.advance(Duration::hours(24));
    assert_eq!(register_as(&app, "key-1", &somebody()).await.code(), "user-id-taken");
    assert_eq!(app.count("SELECT count(*) FROM idempotency WHERE scope LIKE '%sk.com%'").await, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_same_key_at_the_same_moment_registers_once(pool: PgPool) {
    let app = App::new(pool);
    let other = app.another();
    let body = somebody();
    let answers =
        join_all((0..6).map(|n| register_as(if n % 2 == 0 { &app } else { &other }, "key", &body)))
            .await;
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    let fresh =
        answers.iter().filter(|answer| answer.header("idempotency-replayed").is_none()).count();
    assert_eq!(fresh, 1);
    assert_eq!(app.count("SELECT count(*) FROM person").await, 1);
    assert_eq!(app.outbox().await.len(), 1);
}

/// What came of `count` registrations, one after the other, from an address.
async fn from(app: &App, address: &str, count: usize) -> Vec<Answer> {
    let mut answers = Vec::new();
    for _ in 0..count {
        let mut body = somebody();
        body["userId"] = json!(format!("{}@sk.com", app.new_request()));
        answers.push(app.post("/customers").from(address).json(&body).send().await);
    }
    answers
}

//
#[sqlx::test(migrations = "./migrations")]
async fn an_address_registers_so_many_and_no_more(pool: PgPool) {
    let app = App::new(pool);
    let answers = from(&app, "2001:db8:0:1::1", 60).await;
    assert!(answers.iter().all(|answer| answer.status == 201));
    // The same network, on another instance too.
    for (app, after) in [(&app, "1"), (&app, "2"), (&app, "4"), (&app.another(), "1")] {
        let refused = from(app, "2001:db8:0:1::2", 1).await.remove(0);
        assert_eq!((refused.status, refused.code()), (429, "too-many-registrations"));
        assert_eq!(refused.header("retry-after"), Some(after));
    }
    assert_eq!(app.count("SELECT count(*) FROM person").await, 60);
    assert_eq!(app.count("SELECT count(*) FROM registration_attempt").await, 60);
    // Elsewhere there is room, and whoever is there already may log in.
    assert_eq!(from(&app, "2001:db8:0:2::1", 1).await.remove(0).status, 201);
    let who = answers[0].body["userId"].as_str().unwrap();
    assert_eq!(app.log_in(who, PASSWORD).await.status, 200);
    app.clock.advance(Duration::minutes(10));
    assert_eq!(from(&app, "2001:db8:0:1::1", 1).await.remove(0).status, 201);
}

// What is not taken counts too, for it costs as much; what is not read does not.
#[sqlx::test(migrations = "./migrations")]
async fn a_registration_counts_whatever_comes_of_it(pool: PgPool) {
    let app = App::new(pool);
    assert_eq!(register(&app, &somebody()).await.status, 201);
    assert_eq!(register(&app, &somebody()).await.status, 409);
    let mut wrong = somebody();
    wrong["userPassword"] = json!("short");
    assert_eq!(register(&app, &wrong).await.status, 422);
    assert_eq!(app.count("SELECT count(*) FROM registration_attempt").await, 2);
}
