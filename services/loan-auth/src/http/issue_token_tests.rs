#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use common::token::CLOCK_SKEW_SECONDS;
use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;

use crate::http::testing::{Answer, App, PASSWORD};
use crate::usecases::{remove_officer, reset_password};

async fn renew(app: &App, token: &Value) -> Answer {
    let body = json!({"grant_type": "refresh_token", "refresh_token": token});
    app.post("/auth/token").json(&body).send().await
}

fn error(answer: &Answer) -> (u16, &str) {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.body["error_description"].is_string(), "{}", answer.text);
    (answer.status, answer.body["error"].as_str().unwrap())
}

fn claims(token: &Value) -> Value {
    use base64::Engine as _;
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    let json = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&json).unwrap()
}

#[sqlx::test(migrations = "./migrations")]
async fn a_password_gets_tokens_as_json_and_as_a_form(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    let officer = app.officer().await;
    let answer = app.log_in("1@SK.com", PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        (answer.header("cache-control"), answer.header("pragma")),
        (Some("no-store"), Some("no-cache"))
    );
    assert_eq!(
        (&answer.body["token_type"], &answer.body["expires_in"]),
        (&json!("Bearer"), &json!(600))
    );
    assert_eq!(answer.body["refresh_expires_in"], 43_200);
    let said = claims(&answer.body["access_token"]);
    let iat = app.clock.now().unix_timestamp();
    assert_eq!(
        said,
        json!({
            "iss": "https://issuer.test", "aud": "test", "sub": who.id, "iat": iat, "exp": iat + 600,
            "roles": ["customer"], "preferred_username": "1@sk.com", "credential_version": 1, "jti": said["jti"],
        })
    );
    let token = answer.body["access_token"].as_str().unwrap();
    let me = app.call(axum::http::Method::GET, "/customers/me").bearer(token).send().await;
    assert_eq!(me.body["customerId"], json!(who.id));
    let form = "grant_type=password&username=officer%40bank.example&password=correct+horse+battery&scope=all";
    let answer = app
        .post("/auth/token")
        .body("application/x-www-form-urlencoded; charset=utf-8", form)
        .send()
        .await;
    let said = claims(&answer.body["access_token"]);
    assert_eq!(
        (&said["sub"], &said["roles"], &said["name"]),
        (&json!(officer.id), &json!(["officer"]), &json!("Officer"))
    );
    assert_eq!((&answer.body["expires_in"], &said["exp"]), (&json!(120), &json!(iat + 120)));
}

// R-32: every service checks tokens by itself, so the life of an officer's is how
// long a removal may take to bite.
#[sqlx::test(migrations = "./migrations")]
async fn an_officer_who_was_removed_has_two_minutes_at_most(pool: PgPool) {
    let app = App::new(pool);
    let officer = app.officer().await;
    let login = app.log_in(&officer.user_id, PASSWORD).await.body;
    let login = renew(&app, &login["refresh_token"]).await.body;
    let work = async |tx: &mut _| remove_officer(tx, &app.clock, officer.id).await;
    app.db.in_tx("test", work).await.unwrap();
    assert_eq!(error(&renew(&app, &login["refresh_token"]).await), (400, "invalid_grant"));
    let again = app.log_in(&officer.user_id, PASSWORD).await;
    assert_eq!(error(&again), (400, "invalid_grant"));

    let token = login["access_token"].as_str().unwrap();
    let is_good = || app.api.verifier.verify(token).is_ok();
    app.clock.advance(Duration::seconds(120 + CLOCK_SKEW_SECONDS - 1));
    assert!(is_good(), "to the end of its life");
    app.clock.advance(Duration::seconds(1));
    assert!(!is_good(), "and not a second longer");
}

#[sqlx::test(migrations = "./migrations")]
async fn an_officer_whose_password_was_reset_renews_no_more(pool: PgPool) {
    let app = App::new(pool);
    let officer = app.officer().await;
    let login = app.log_in(&officer.user_id, PASSWORD).await.body;
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$b3RoZXI";
    let work = async |tx: &mut _| reset_password(tx, &app.clock, officer.id, hash).await;
    app.db.in_tx("test", work).await.unwrap();
    assert_eq!(error(&renew(&app, &login["refresh_token"]).await), (400, "invalid_grant"));
    assert_eq!(app.count("SELECT count(*) FROM refresh_family").await, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn failures_are_in_the_shape_of_oauth(pool: PgPool) {
    let app = App::new(pool);
    app.customer("1@sk.com").await;
    assert_eq!(error(&app.log_in("1@sk.com", "wrong horse battery").await), (400, "invalid_grant"));
    let unknown = app.log_in("nobody@sk.com", PASSWORD).await;
    assert_eq!(error(&unknown), (400, "invalid_grant"));
    assert_eq!(
        unknown.text,
        app.log_in("1@sk.com", "wrong horse battery").await.text,
        "the same for nobody"
    );
    let json_type = "application/json";
    let form_type = "application/x-www-form-urlencoded";
    for (media_type, body, expected) in [
        (json_type, "{}", "invalid_request"),
        (json_type, r#"{"grant_type": "client_credentials"}"#, "unsupported_grant_type"),
        (json_type, r#"{"grant_type": "password", "username": "1@sk.com"}"#, "invalid_request"),
        (json_type, r#"{"grant_type": "password", "password": "x"}"#, "invalid_request"),
        (
            json_type,
            r#"{"grant_type": "password", "username": "a\u0000b", "password": "x"}"#,
            "invalid_request",
        ),
        (
            json_type,
            r#"{"grant_type": "password", "username": "a\r\nb", "password": "x"}"#,
            "invalid_request",
        ),
        (
            json_type,
            r#"{"grant_type": "password", "username": "1@sk.com", "password": 98765}"#,
            "invalid_request",
        ),
        (json_type, r#"{"grant_type": "refresh_token"}"#, "invalid_request"),
        (json_type, r#"{"grant_type": "refresh_token", "refresh_token": "x"}"#, "invalid_grant"),
        (json_type, "{", "invalid_request"),
        (
            form_type,
            "grant_type=password&password=98765&password=98765&username=1",
            "invalid_request",
        ),
        (form_type, "grant_type=%FF", "unsupported_grant_type"),
        (form_type, "%00=%00", "invalid_request"),
        ("text/plain", "grant_type=password", "invalid_request"),
    ] {
        let answer = app.post("/auth/token").body(media_type, body).send().await;
        assert_eq!(error(&answer), (400, expected), "{body}");
        assert!(!answer.text.contains("98765"), "{}", answer.text);
    }
    for media_type in [json_type, form_type] {
        let large = app.post("/auth/token").body(media_type, &"x".repeat(70_000)).send().await;
        assert_eq!(error(&large), (413, "invalid_request"));
    }
    assert_eq!(app.call(axum::http::Method::GET, "/auth/token").send().await.status, 405);
    assert_eq!(app.count("SELECT count(*) FROM refresh_family").await, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_refresh_token_is_good_once_and_its_second_use_ends_the_login(pool: PgPool) {
    let app = App::new(pool);
    app.customer("1@sk.com").await;
    let first = app.log_in("1@sk.com", PASSWORD).await.body;
    let bystander = app.log_in("1@sk.com", PASSWORD).await.body;
    app.clock.advance(Duration::hours(1));
    let second = renew(&app, &first["refresh_token"]).await;
    assert_eq!(second.status, 200, "{}", second.text);
    assert_eq!(second.body["refresh_expires_in"], 11 * 3_600, "the login ends when it was to end");
    let third = renew(&app, &second.body["refresh_token"]).await;
    assert_eq!(third.status, 200);
    // Someone has the first one too.
    assert_eq!(error(&renew(&app, &first["refresh_token"]).await), (400, "invalid_grant"));
    assert_eq!(error(&renew(&app, &third.body["refresh_token"]).await), (400, "invalid_grant"));
    assert_eq!(renew(&app, &bystander["refresh_token"]).await.status, 200, "another login goes on");
    assert_eq!(app.count("SELECT count(*) FROM refresh_family").await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn of_two_uses_at_the_same_moment_at_most_one_is_good_and_the_login_ends(pool: PgPool) {
    let app = App::new(pool);
    let other = app.another();
    app.customer("1@sk.com").await;
    for _ in 0..10 {
        let login = app.log_in("1@sk.com", PASSWORD).await.body;
        let token = &login["refresh_token"];
        let answers =
            join_all([renew(&app, token), renew(&other, token), renew(&app, token)]).await;
        let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(good.len(), 1);
        assert_eq!(renew(&app, &good[0].body["refresh_token"]).await.status, 400);
    }
    assert_eq!(app.count("SELECT count(*) FROM refresh_family").await, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_login_ends_after_its_time_and_the_oldest_gives_way(pool: PgPool) {
    let app = App::new(pool);
    app.customer("1@sk.com").await;
    let mut logins = Vec::new();
    for _ in 0..4 {
        logins.push(app.log_in("1@sk.com", PASSWORD).await.body["refresh_token"].clone());
        app.clock.advance(Duration::minutes(1));
    }
    assert_eq!(renew(&app, &logins[0]).await.status, 400, "a person has three logins at most here");
    let last = renew(&app, &logins[3]).await;
    assert_eq!(last.status, 200);
    app.clock.advance(Duration::hours(12));
    assert_eq!(error(&renew(&app, &last.body["refresh_token"]).await), (400, "invalid_grant"));
}

#[sqlx::test(migrations = "./migrations")]
async fn the_keys_are_published_and_check_the_tokens(pool: PgPool) {
    let app = App::new(pool);
    app.customer("1@sk.com").await;
    let answer = app.call(axum::http::Method::GET, "/.well-known/jwks.json").send().await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("public, max-age=300")));
    let keys = answer.body["keys"].as_array().unwrap();
    assert_eq!(
        (keys.len(), &keys[0]["crv"], &keys[0]["alg"]),
        (1, &json!("Ed25519"), &json!("EdDSA"))
    );
    assert_eq!(keys[0].get("d"), None, "the private half stays here");
    let verifier =
        common::token::TokenVerifier::new("https://issuer.test", "test", app.clock.clone());
    assert!(verifier.install(&answer.text));
    let token = app.log_in("1@sk.com", PASSWORD).await.body["access_token"].clone();
    assert!(verifier.verify(token.as_str().unwrap()).is_ok());
}
