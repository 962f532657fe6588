#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;

use crate::http::testing::{Answer, App, PASSWORD, Who};

const NEW: &str = "staple of my own";

async fn change(app: &App, path: &str, who: &Who, body: &Value) -> Answer {
    app.call(Method::PATCH, path).bearer(&who.token).json(body).send().await
}

fn new_password() -> Value {
    json!({"oldPassword": PASSWORD, "userPassword": NEW})
}

//
#[sqlx::test(migrations = "./migrations")]
async fn what_is_named_changes_and_the_others_are_told_of_changes_alone(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    app.clock.advance(Duration::minutes(1));
    let body = json!({"userMobile": "010-111-1111", "userEmail": "one@sk.com", "language": "en", "unknown": 1});
    let answer = change(&app, "/customers/me", &who, &body).await;
    assert_eq!((answer.status, answer.header("etag")), (200, Some("\"2\"")), "{}", answer.text);
    assert_eq!(
        (&answer.body["userMobile"], &answer.body["userName"]),
        (&json!("010-111-1111"), &json!("유은상"))
    );
    assert_eq!(answer.body["changedAt"], "2026-11-21T08:01:00Z");
    let path = format!("/customers/{}", who.id);
    assert_eq!(app.get(&path, &who).send().await.body, answer.body);
    let outbox = app.outbox().await;
    assert_eq!(
        (outbox.len(), outbox[0].0.as_str(), &outbox[0].1),
        (1, "CustomerChanged", &who.id.to_string())
    );
    assert_eq!(
        outbox[0].2,
        json!({
            "customerId": who.id, "userId": "1@sk.com", "userName": "유은상", "userMobile": "010-111-1111",
            "userEmail": "one@sk.com", "language": "en", "changedAt": "2026-11-21T08:01:00Z",
        })
    );
    // The same again, and nothing at all, is no change.
    for same in
        [body, json!({}), json!({"userId": "1@SK.COM"}), json!({"oldPassword": "whatever it was"})]
    {
        assert_eq!(change(&app, &path, &who, &same).await.header("etag"), Some("\"2\""));
    }
    assert_eq!(app.outbox().await.len(), 1);
    // Null takes the address away.
    let answer = change(&app, &path, &who, &json!({"userEmail": null})).await;
    assert_eq!((answer.header("etag"), answer.body.get("userEmail")), (Some("\"3\""), None));
}

//
#[sqlx::test(migrations = "./migrations")]
async fn a_change_after_the_clock_was_set_back_is_told_as_the_later_one(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    app.clock.advance(Duration::minutes(5));
    for (language, back) in [("en", Duration::minutes(-4)), ("ko", Duration::ZERO)] {
        let answer = change(&app, "/customers/me", &who, &json!({"language": language})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        app.clock.advance(back);
    }
    let told: Vec<_> = app.outbox().await.into_iter().map(|event| event.2).collect();
    assert_eq!((&told[0]["language"], &told[1]["language"]), (&json!("en"), &json!("ko")));
    let at = |event: &Value| event["changedAt"].as_str().unwrap().to_owned();
    assert_eq!(at(&told[0]), "2026-11-21T08:05:00Z");
    assert_eq!(at(&told[1]), "2026-11-21T08:05:00.000001Z");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_new_name_is_the_one_to_be_given_from_then_on(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    assert_eq!(app.certify(&app.question(&who)).await.outcome(), "certified");
    assert_eq!(
        change(&app, "/customers/me", &who, &json!({"userName": "유은지"})).await.status,
        200
    );
    assert_eq!(app.certify(&app.question(&who)).await.outcome(), "refused");
    let renamed = Who { user_name: "유은지".to_owned(), ..who };
    assert_eq!(app.certify(&app.question(&renamed)).await.outcome(), "certified");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_new_password_ends_what_came_of_the_old_one_at_once(pool: PgPool) {
    let app = App::new(pool);
    let other = app.another();
    let who = app.customer("1@sk.com").await;
    // The old one is remembered on both instances.
    assert_eq!(app.certify(&app.question(&who)).await.outcome(), "certified");
    assert_eq!(other.certify(&other.question(&who)).await.outcome(), "certified");
    let login = app.log_in("1@sk.com", PASSWORD).await;
    let answer = change(&app, "/customers/me", &who, &new_password()).await;
    assert_eq!((answer.status, answer.header("etag")), (200, Some("\"2\"")), "{}", answer.text);
    // The old password, on every instance.
    assert_eq!(app.certify(&app.question(&who)).await.outcome(), "refused");
    assert_eq!(other.certify(&other.question(&who)).await.outcome(), "refused");
    // The old token: applying and changing at once, reading until it expires.
    let mut by_token = json!({"token": who.token});
    for (field, value) in app.question(&who).as_object().unwrap() {
        if !field.starts_with("userP") {
            by_token[field] = value.clone();
        }
    }
    assert_eq!(app.certify(&by_token).await.outcome(), "refused");
    let stale = change(&app, "/customers/me", &who, &json!({"language": "en"})).await;
    assert_eq!((stale.status, stale.code()), (401, "unauthenticated"));
    let stale = app.call(Method::DELETE, "/customers/me").bearer(&who.token).send().await;
    assert_eq!(stale.status, 401);
    assert_eq!(app.get("/customers/me", &who).send().await.status, 200);
    assert_eq!(app.get("/loanAuths", &who).send().await.status, 200);
    app.clock.advance(Duration::minutes(11));
    assert_eq!(app.get("/customers/me", &who).send().await.status, 401);
    // The refresh token.
    let refresh =
        json!({"grant_type": "refresh_token", "refresh_token": login.body["refresh_token"]});
    let refreshed = app.post("/auth/token").json(&refresh).send().await;
    assert_eq!((refreshed.status, &refreshed.body["error"]), (400, &json!("invalid_grant")));
    // The new one is good, and nobody else is told.
    assert_eq!(app.log_in("1@sk.com", NEW).await.status, 200);
    let told = app.count("SELECT count(*) FROM outbox WHERE event_type LIKE 'Customer%'").await;
    assert_eq!(told, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_new_password_needs_the_old_one_and_wrong_ones_are_counted(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    let missing = change(&app, "/customers/me", &who, &json!({"userPassword": NEW})).await;
    assert_eq!((missing.status, &missing.body["errors"][0]["field"]), (422, &json!("oldPassword")));
    let weak = json!({"oldPassword": PASSWORD, "userPassword": "12345678"});
    assert_eq!(change(&app, "/customers/me", &who, &weak).await.status, 422);
    for _ in 0..10 {
        let wrong = json!({"oldPassword": "wrong horse battery", "userPassword": NEW});
        let answer = change(&app, "/customers/me", &who, &wrong).await;
        assert_eq!((answer.status, answer.code()), (403, "wrong-credentials"));
    }
    let throttled = change(&app, "/customers/me", &who, &new_password()).await;
    assert_eq!((throttled.status, throttled.code()), (429, "too-many-failures"));
    assert_eq!(throttled.header("retry-after"), Some("1"));
    assert_eq!(app.count("SELECT max(credential_version) FROM person").await, 1);
    // What needs no password can still be changed.
    assert_eq!(change(&app, "/customers/me", &who, &json!({"language": "en"})).await.status, 200);
}

// another customer's id opens nothing, an officer may look and not touch.
#[sqlx::test(migrations = "./migrations")]
async fn only_oneself(pool: PgPool) {
    let app = App::new(pool);
    let (one, two, officer) =
        (app.customer("1@sk.com").await, app.customer("2@sk.com").await, app.officer().await);
    let path = format!("/customers/{}", two.id);
    let nobody = format!("/customers/{}", app.new_request());
    let body = json!({"userMobile": "010-666-6666"});
    let mut seen = Vec::new();
    for path in [path.as_str(), nobody.as_str()] {
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            let answer = app.call(method, path).bearer(&one.token).json(&body).send().await;
            seen.push((answer.status, answer.text.replace(path, "")));
        }
    }
    seen.dedup();
    assert_eq!((seen.len(), seen[0].0), (1, 404), "{seen:?}");
    for odd in ["1", "ME", "%00", "me%20", "1'--"] {
        assert_eq!(app.get(&format!("/customers/{odd}"), &one).send().await.status, 404, "{odd}");
    }
    assert_eq!(app.get(&path, &officer).send().await.body["userId"], "2@sk.com");
    assert_eq!(app.get(&format!("/customers/{}", officer.id), &one).send().await.status, 404);
    assert_eq!(
        app.get("/customers/me", &officer).send().await.body["userId"],
        "officer@bank.example"
    );
    for path in [path.as_str(), nobody.as_str()] {
        assert_eq!(change(&app, path, &officer, &body).await.status, 403);
        assert_eq!(app.call(Method::DELETE, path).bearer(&officer.token).send().await.status, 403);
    }
    assert_eq!(
        app.call(Method::DELETE, "/customers/me").bearer(&officer.token).send().await.status,
        403
    );
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        assert_eq!(app.call(method, "/customers/me").json(&body).send().await.status, 401);
    }
    assert_eq!(app.count("SELECT count(*) FROM person WHERE version = 1").await, 3);
    assert_eq!(app.outbox().await, []);
    // An officer's own change is nobody's event.
    assert_eq!(
        change(&app, "/customers/me", &officer, &json!({"userName": "Other"})).await.status,
        200
    );
    assert_eq!(app.outbox().await, []);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_wrong_is_named_and_what_was_not_seen_is_412(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    for (field, bad) in [
        ("userId", json!("other@sk.com")),
        ("userName", json!("a\0b")),
        ("userName", Value::Null),
        ("userMobile", json!("a\r\nb")),
        ("userMobile", Value::Null),
        ("userEmail", json!("x")),
        ("language", json!("fr")),
        ("language", Value::Null),
        ("userPassword", json!(12_345_678)),
    ] {
        let answer = change(&app, "/customers/me", &who, &json!({field: bad})).await;
        assert_eq!(
            (answer.status, &answer.body["errors"][0]["field"]),
            (422, &json!(field)),
            "{}",
            answer.text
        );
    }
    let with = |tag: &'static str, mobile: &'static str| {
        let call =
            app.call(Method::PATCH, "/customers/me").bearer(&who.token).header("if-match", tag);
        call.json(&json!({"userMobile": mobile})).send()
    };
    assert_eq!(with("\"1\"", "010-111-1111").await.status, 200);
    let stale = with("\"1\"", "010-222-2222").await;
    assert_eq!((stale.status, stale.header("etag")), (412, Some("\"2\"")));
    assert_eq!(with("\"2\"", "010-333-3333").await.status, 200);
    assert_eq!(app.count("SELECT version FROM person").await, 3);
}
