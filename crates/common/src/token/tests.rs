#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{Request, StatusCode, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;
use time::macros::datetime;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use uuid::{Uuid, uuid};

use super::*;
use crate::clock::Clock;
use crate::http::test_layers;
use crate::test_support::{AUDIENCE, ISSUER, TestTokens};

const SUBJECT: Uuid = uuid!("018f2c3e-0000-7000-8000-000000000001");

fn issuer() -> (TestTokens, Clock) {
    let clock = Clock::fixed(datetime!(2026-11-21 08:00 UTC));
    (TestTokens::with_clock(clock.clone()), clock)
}

#[test]
fn a_good_token_is_its_bearer() {
    let (tokens, _) = issuer();
    let jwt = tokens.token(SUBJECT, &["reader"], Some("A Name"), Some("login"));
    let principal = tokens.verifier().verify(&jwt).unwrap();
    assert_eq!(principal.subject, SUBJECT);
    assert!(principal.has_role("reader") && !principal.has_role("read"));
    assert_eq!(principal.name.as_deref(), Some("A Name"));
    assert_eq!(principal.username.as_deref(), Some("login"));
    assert_eq!(principal.credential_version, 1);
}

#[test]
fn a_token_ends_with_its_time_and_not_earlier() {
    let (tokens, clock) = issuer();
    let verifier = tokens.verifier();
    let jwt = tokens.token(SUBJECT, &[], None, None);
    clock.advance(Duration::seconds(600 + CLOCK_SKEW_SECONDS - 1));
    assert!(verifier.verify(&jwt).is_ok());
    clock.advance(Duration::seconds(1));
    assert_eq!(verifier.verify(&jwt).unwrap_err(), TokenError::Expired);
}

#[test]
fn a_token_that_begins_later_is_refused_until_then() {
    let (tokens, clock) = issuer();
    let verifier = tokens.verifier();
    let mut claims = tokens.claims(SUBJECT, &[], None, None);
    claims.nbf = Some(clock.now().unix_timestamp() + 60);
    let jwt = tokens.sign(&claims);
    clock.advance(Duration::seconds(60 - CLOCK_SKEW_SECONDS - 1));
    assert_eq!(verifier.verify(&jwt).unwrap_err(), TokenError::Invalid);
    clock.advance(Duration::seconds(1));
    assert!(verifier.verify(&jwt).is_ok());
    claims.nbf = Some(i64::MIN);
    assert!(verifier.verify(&tokens.sign(&claims)).is_ok());
    claims.nbf = Some(i64::MAX);
    assert!(verifier.verify(&tokens.sign(&claims)).is_err());
}

#[test]
fn claims_that_are_wrong_or_absent_are_refused() {
    let (tokens, _) = issuer();
    let verifier = tokens.verifier();
    let good = serde_json::to_value(tokens.claims(SUBJECT, &[], None, None)).unwrap();
    assert!(verifier.verify(&tokens.sign(&good)).is_ok());
    for (claim, value) in [
        ("iss", json!("https://other.test")),
        ("iss", Value::Null),
        ("aud", json!("other")),
        ("aud", Value::Null),
        ("aud", json!([])),
        ("aud", json!([AUDIENCE])),
        ("aud", json!([AUDIENCE, "other"])),
        ("aud", json!({ AUDIENCE: true })),
        ("iss", json!([ISSUER])),
        ("exp", Value::Null),
        ("exp", json!("tomorrow")),
        ("nbf", json!("today")),
        ("sub", json!("not-an-id")),
        ("sub", Value::Null),
    ] {
        let mut claims = good.clone();
        claims[claim] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(claim);
        }
        let error = verifier.verify(&tokens.sign(&claims)).unwrap_err();
        assert_eq!(error, TokenError::Invalid, "{claim} = {value}");
    }
}

fn encoded(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

#[test]
fn an_unsigned_token_is_refused() {
    let (tokens, _) = issuer();
    let claims = serde_json::to_value(tokens.claims(SUBJECT, &[], None, None)).unwrap();
    for algorithm in ["none", "None", "NONE", ""] {
        let head = encoded(&json!({ "alg": algorithm, "kid": tokens.key_id() }));
        for signature in ["", "AAAA"] {
            let jwt = format!("{head}.{}.{signature}", encoded(&claims));
            let error = tokens.verifier().verify(&jwt).unwrap_err();
            assert_eq!(error, TokenError::Invalid, "{algorithm}");
        }
    }
}

#[test]
fn a_token_signed_with_the_public_key_as_a_password_is_refused() {
    let (tokens, _) = issuer();
    let jwks: Value = serde_json::from_str(tokens.jwks()).unwrap();
    let x = jwks["keys"][0]["x"].as_str().unwrap();
    let public = BASE64_URL_SAFE_NO_PAD.decode(x).unwrap();
    for secret in [public.as_slice(), x.as_bytes(), tokens.jwks().as_bytes()] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let mut head = Header::new(algorithm);
            head.kid = Some(tokens.key_id().to_owned());
            let claims = tokens.claims(SUBJECT, &[], None, None);
            let key = EncodingKey::from_secret(secret);
            let jwt = jsonwebtoken::encode(&head, &claims, &key).unwrap();
            assert_eq!(tokens.verifier().verify(&jwt).unwrap_err(), TokenError::Invalid);
        }
    }
}

#[test]
fn a_token_with_extensions_that_must_be_understood_is_refused() {
    let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
    let key = EncodingKey::from_ed_der(pair.to_pkcs8().unwrap().as_ref());
    let public = aws_lc_rs::signature::KeyPair::public_key(&pair);
    let x = BASE64_URL_SAFE_NO_PAD.encode(public.as_ref());
    let jwks = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k" }] });
    let (tokens, clock) = issuer();
    let verifier = TokenVerifier::for_test(&jwks.to_string(), clock);
    let claims = tokens.claims(SUBJECT, &[], None, None);
    let mut head = Header::new(Algorithm::EdDSA);
    head.kid = Some("k".to_owned());
    let jwt = jsonwebtoken::encode(&head, &claims, &key).unwrap();
    assert!(verifier.verify(&jwt).is_ok());
    head.crit = Some(vec!["b64".to_owned()]);
    let jwt = jsonwebtoken::encode(&head, &claims, &key).unwrap();
    assert_eq!(verifier.verify(&jwt).unwrap_err(), TokenError::Invalid);
}

#[test]
fn a_changed_token_and_what_is_none_are_refused() {
    let (tokens, _) = issuer();
    let jwt = tokens.token(SUBJECT, &[], None, None);
    let parts: Vec<_> = jwt.split('.').collect();
    let claims = tokens.claims(SUBJECT, &["admin"], None, None);
    let raised = format!("{}.{}.{}", parts[0], encoded(&json!(claims)), parts[2]);
    let long = format!("{jwt}{}", "A".repeat(10_000));
    for bad in [raised.as_str(), "", "a.b.c", "..", &jwt[..jwt.len() - 2], &long] {
        assert_eq!(tokens.verifier().verify(bad).unwrap_err(), TokenError::Invalid);
    }
}

#[test]
fn another_issuers_key_is_unknown_and_its_signature_worth_nothing() {
    let (tokens, _) = issuer();
    let (other, _) = issuer();
    let jwt = other.token(SUBJECT, &[], None, None);
    assert_eq!(tokens.verifier().verify(&jwt).unwrap_err(), TokenError::UnknownKey);
    // The other's signature under our key's id.
    let renamed = other.jwks().replace(other.key_id(), tokens.key_id());
    let clock = Clock::fixed(datetime!(2026-11-21 08:00 UTC));
    let verifier = TokenVerifier::for_test(&renamed, clock);
    let jwt = tokens.token(SUBJECT, &[], None, None);
    assert_eq!(verifier.verify(&jwt).unwrap_err(), TokenError::Invalid);
}

#[test]
fn only_ed25519_signing_keys_are_taken_from_a_key_set() {
    let (tokens, clock) = issuer();
    let verifier = TokenVerifier::new(ISSUER, AUDIENCE, clock);
    let jwt = tokens.token(SUBJECT, &[], None, None);
    assert_eq!(verifier.verify(&jwt).unwrap_err(), TokenError::NoKeys);
    let symmetric = json!({ "keys": [{ "kty": "oct", "k": "AAAA", "kid": tokens.key_id() }] });
    for useless in ["", "{}", r#"{"keys":[]}"#, &symmetric.to_string()] {
        assert!(!verifier.install(useless), "{useless}");
    }
    assert!(!verifier.has_keys());
    let mut mixed: Value = serde_json::from_str(tokens.jwks()).unwrap();
    mixed["keys"].as_array_mut().unwrap().push(symmetric["keys"][0].clone());
    assert!(verifier.install(&mixed.to_string()));
    assert!(verifier.verify(&jwt).is_ok());
    assert!(!verifier.install("torn"), "what was there stays");
    assert!(verifier.verify(&jwt).is_ok());
}

/// An issuer's address: what it answers can be changed, and the asking is counted.
struct Published {
    jwks: Mutex<Option<String>>,
    asked: Mutex<u32>,
}

async fn publish(jwks: Option<&str>) -> (Arc<Published>, url::Url) {
    let published =
        Arc::new(Published { jwks: Mutex::new(jwks.map(ToOwned::to_owned)), asked: Mutex::new(0) });
    let answers = Arc::clone(&published);
    let router = Router::new().route(
        "/jwks.json",
        get(async move || {
            *answers.asked.lock().unwrap() += 1;
            let jwks = answers.jwks.lock().unwrap().clone();
            jwks.ok_or(StatusCode::SERVICE_UNAVAILABLE)
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (published, address.parse().unwrap())
}

async fn plumbing(pool: &PgPool) {
    let tables = include_str!("../../migrations/plumbing.sql");
    sqlx::raw_sql(tables).execute(pool).await.unwrap();
}

fn http_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn until_keys(verifier: &TokenVerifier) {
    for _ in 0..100 {
        if verifier.has_keys() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no keys came");
}

#[sqlx::test]
async fn keys_are_fetched_when_the_issuer_is_there_and_kept_for_the_next_start(pool: PgPool) {
    plumbing(&pool).await;
    let (tokens, clock) = issuer();
    let jwt = tokens.token(SUBJECT, &[], None, None);
    let (published, address) = publish(None).await;
    let verifier = TokenVerifier::new(ISSUER, AUDIENCE, clock.clone());
    let refresh = JwksRefresh::new(verifier.clone(), address, http_client(), pool.clone());
    let stop = CancellationToken::new();
    let running = tokio::spawn(refresh.run(stop.clone()));
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(verifier.verify(&jwt).unwrap_err(), TokenError::NoKeys);
    *published.jwks.lock().unwrap() = Some(tokens.jwks().to_owned());
    until_keys(&verifier).await;
    assert!(verifier.verify(&jwt).is_ok());
    stop.cancel();
    running.await.unwrap();

    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM jwks_cache").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, 1);
    // The next process, while the issuer is away.
    let verifier = TokenVerifier::new(ISSUER, AUDIENCE, clock);
    let nowhere = "http://127.0.0.1:1/jwks.json".parse().unwrap();
    let refresh = JwksRefresh::new(verifier.clone(), nowhere, http_client(), pool);
    refresh.load_cached().await.unwrap();
    assert!(verifier.verify(&jwt).is_ok());
}

#[sqlx::test]
async fn an_unknown_key_is_asked_for_once_in_a_while(pool: PgPool) {
    plumbing(&pool).await;
    let (old, clock) = issuer();
    let (new, _) = issuer();
    let (published, address) = publish(Some(old.jwks())).await;
    let verifier = TokenVerifier::new(ISSUER, AUDIENCE, clock);
    let refresh = JwksRefresh::new(verifier.clone(), address, http_client(), pool);
    tokio::spawn(refresh.run(CancellationToken::new()));
    until_keys(&verifier).await;

    *published.jwks.lock().unwrap() = Some(new.jwks().to_owned());
    let jwt = new.token(SUBJECT, &[], None, None);
    let requests = (0..20).map(|_| verifier.verify_fresh(&jwt));
    let outcomes = futures::future::join_all(requests).await;
    assert!(outcomes.iter().all(Result::is_ok), "all learn what one has asked");
    assert_eq!(*published.asked.lock().unwrap(), 2);

    let made_up = issuer().0.token(SUBJECT, &[], None, None);
    for _ in 0..5 {
        let error = verifier.verify_fresh(&made_up).await.unwrap_err();
        assert_eq!(error, TokenError::UnknownKey);
    }
    assert_eq!(*published.asked.lock().unwrap(), 2, "made-up keys don't reach the issuer");
}

async fn ask(verifier: TokenVerifier, authorization: &[&str]) -> (StatusCode, String) {
    let must = get(async |who: Principal| who.subject.to_string());
    let may = get(async |who: Option<Principal>| {
        who.map(|who| who.subject).unwrap_or_default().to_string()
    });
    let router = Router::new().route("/must", must).route("/may", may);
    let router = test_layers(router, verifier);
    let mut answer = String::new();
    let mut status = StatusCode::OK;
    for path in ["/must", "/may"] {
        let mut request = Request::get(path);
        for value in authorization {
            request = request.header(header::AUTHORIZATION, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        if path == "/must" {
            status = response.status();
        }
        answer = format!("{answer} {}", response.status().as_u16());
    }
    (status, answer.trim().to_owned())
}

#[tokio::test]
async fn a_handler_gets_the_caller_or_a_401() {
    let tokens = TestTokens::new();
    let jwt = tokens.token(SUBJECT, &[], None, None);
    let (good, lower) = (format!("Bearer {jwt}"), format!("bearer {jwt}"));
    let outcomes = async |values: &[&str]| ask(tokens.verifier(), values).await.1;
    assert_eq!(outcomes(&[&good]).await, "200 200");
    assert_eq!(outcomes(&[&lower]).await, "200 200");
    assert_eq!(outcomes(&[]).await, "401 200", "who need not say who he is may not say");
    assert_eq!(outcomes(&["Bearer x.y.z"]).await, "401 401");
    assert_eq!(outcomes(&["Basic dXNlcjpwdw=="]).await, "401 401");
    assert_eq!(outcomes(&["Bearer"]).await, "401 401");
    assert_eq!(outcomes(&[&good, &good]).await, "401 401");
}

#[tokio::test(start_paused = true)]
async fn without_any_key_the_caller_is_told_to_come_back() {
    let tokens = TestTokens::new();
    let jwt = tokens.token(SUBJECT, &[], None, None);
    let verifier = TokenVerifier::new(ISSUER, AUDIENCE, Clock::system());
    let (status, _) = ask(verifier, &[&format!("Bearer {jwt}")]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}
