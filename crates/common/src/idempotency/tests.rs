#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::post;
use sqlx::PgPool;
use time::macros::datetime;
use tower::ServiceExt as _;

use super::*;
use crate::clock::Clock;

const ROUTE: &str = "POST /notes";
const NOW: OffsetDateTime = datetime!(2026-11-21 08:00 UTC);

async fn tables(pool: &PgPool) {
    sqlx::raw_sql(include_str!("../../migrations/plumbing.sql")).execute(pool).await.unwrap();
}

fn key(key: &str) -> IdempotencyKey {
    IdempotencyKey::try_new(key).unwrap()
}

fn id() -> Uuid {
    Clock::system().new_id()
}

async fn claim_at(pool: &PgPool, body: &str, id: Uuid, now: OffsetDateTime) -> Claim {
    let mut tx = pool.begin().await.unwrap();
    let claim = claim(&mut tx, "me", ROUTE, &key("k"), hash_of(&body), id, now).await.unwrap();
    tx.commit().await.unwrap();
    claim
}

//
#[sqlx::test(migrations = false)]
async fn of_fifty_at_once_one_is_fresh(pool: PgPool) {
    tables(&pool).await;
    let claims = (0..50).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let resource_id = id();
            (resource_id, claim_at(&pool, "body", resource_id, NOW).await)
        })
    });
    let claims = futures::future::try_join_all(claims).await.unwrap();
    let fresh: Vec<_> = claims.iter().filter(|(_, claim)| *claim == Claim::Fresh).collect();
    assert_eq!(fresh.len(), 1);
    let resource_id = fresh[0].0;
    let others = claims.iter().filter(|(_, claim)| *claim == Claim::Existing { resource_id });
    assert_eq!(others.count(), 49);
}

#[sqlx::test(migrations = false)]
async fn who_comes_second_waits_and_gets_the_key_if_the_first_gives_up(pool: PgPool) {
    tables(&pool).await;
    let mut first = pool.begin().await.unwrap();
    claim(&mut first, "me", ROUTE, &key("k"), hash_of(&"a"), id(), NOW).await.unwrap();
    let second = tokio::spawn({
        let pool = pool.clone();
        async move { claim_at(&pool, "b", id(), NOW).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!second.is_finished(), "it waits");
    first.rollback().await.unwrap();
    assert_eq!(second.await.unwrap(), Claim::Fresh);
}

#[sqlx::test(migrations = false)]
async fn a_key_belongs_to_its_body_its_caller_and_its_route(pool: PgPool) {
    tables(&pool).await;
    let resource_id = id();
    assert_eq!(claim_at(&pool, "body", resource_id, NOW).await, Claim::Fresh);
    assert_eq!(claim_at(&pool, "body", id(), NOW).await, Claim::Existing { resource_id });
    assert_eq!(claim_at(&pool, "another", id(), NOW).await, Claim::OtherBody { resource_id });
    let mut connection = pool.acquire().await.unwrap();
    for (scope, route) in [("you", ROUTE), ("me", "POST /others")] {
        let hash = hash_of(&"body");
        let made = claim(&mut connection, scope, route, &key("k"), hash, id(), NOW).await;
        assert_eq!(made.unwrap(), Claim::Fresh);
    }
}

#[sqlx::test(migrations = false)]
async fn who_the_caller_is_is_not_kept(pool: PgPool) {
    tables(&pool).await;
    let mut connection = pool.acquire().await.unwrap();
    for caller in ["user:kim@example.com", "user:lee@example.com"] {
        let (key, hash) = (key("k"), hash_of(&"body"));
        claim(&mut connection, caller, ROUTE, &key, hash, id(), NOW).await.unwrap();
    }
    let scopes: Vec<String> =
        sqlx::query_scalar("SELECT scope FROM idempotency").fetch_all(&pool).await.unwrap();
    assert_eq!(scopes.len(), 2);
    assert!(scopes.iter().all(|scope| scope.len() == 43), "{scopes:?}");
    // Nor is it the digest of the name alone, which other tables may hold.
    assert!(!scopes.contains(&BASE64_URL_SAFE_NO_PAD.encode(hash_of(&"user:kim@example.com"))));
}

#[sqlx::test(migrations = false)]
async fn a_key_is_new_again_after_a_day(pool: PgPool) {
    tables(&pool).await;
    let (first, second) = (id(), id());
    assert_eq!(claim_at(&pool, "body", first, NOW).await, Claim::Fresh);
    let almost = NOW + Duration::hours(24) - Duration::seconds(1);
    assert_eq!(claim_at(&pool, "body", id(), almost).await, Claim::Existing { resource_id: first });
    let after = NOW + Duration::hours(24);
    assert_eq!(claim_at(&pool, "another", second, after).await, Claim::Fresh);
    let existing = Claim::Existing { resource_id: second };
    assert_eq!(claim_at(&pool, "another", id(), after).await, existing);
}

#[sqlx::test(migrations = false)]
async fn a_released_key_is_free(pool: PgPool) {
    tables(&pool).await;
    let resource_id = id();
    claim_at(&pool, "body", resource_id, NOW).await;
    let mut connection = pool.acquire().await.unwrap();
    release(&mut connection, id()).await.unwrap();
    assert_eq!(claim_at(&pool, "body", id(), NOW).await, Claim::Existing { resource_id });
    release(&mut connection, resource_id).await.unwrap();
    assert_eq!(claim_at(&pool, "another", id(), NOW).await, Claim::Fresh);
}

async fn answer(keys: &[&[u8]]) -> (StatusCode, String) {
    let router = Router::new().route(
        "/",
        post(|key: Option<IdempotencyKey>| async move {
            key.map_or_else(|| "none".to_owned(), |key| key.as_str().to_owned())
        }),
    );
    let mut request = Request::post("/");
    for key in keys {
        request = request.header(HEADER, *key);
    }
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 64 * 1024).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_key_is_1_to_255_visible_ascii_characters() {
    assert_eq!(answer(&[]).await, (StatusCode::OK, "none".to_owned()));
    let longest = "k".repeat(255);
    for good in ["k", "8e03978e-40d5-43dd-bc93-6894a57f9324", "~!\"", &longest] {
        assert_eq!(answer(&[good.as_bytes()]).await, (StatusCode::OK, good.to_owned()));
    }
    let too_long = "k".repeat(256);
    for bad in ["", "a b", "키", "a\tb", &too_long] {
        let (status, body) = answer(&[bad.as_bytes()]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(body.contains("bad-idempotency-key"));
    }
    assert_eq!(answer(&[b"one", b"two"]).await.0, StatusCode::BAD_REQUEST);
}

#[test]
fn the_hash_is_that_of_the_json() {
    assert_eq!(hash_of(&("a", 1)), hash_of(&("a", 1)));
    assert_ne!(hash_of(&("a", 1)), hash_of(&("a", 2)));
    assert_eq!(hash_of(&())[..4], [0x74, 0x23, 0x4e, 0x98], "SHA-256 of `null`");
}
