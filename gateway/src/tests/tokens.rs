//! The early look at tokens.

use http::header::AUTHORIZATION;
use uuid::Uuid;

use super::*;

async fn get(world: &World, path: &str, authorization: &str) -> reqwest::Response {
    world.get(path).header(AUTHORIZATION, authorization).send().await.unwrap()
}

//
#[tokio::test]
async fn a_token_that_is_not_valid_is_refused_before_any_service_sees_it() {
    let world = World::start().await;
    let customer = Uuid::from_u128(1);
    let valid = world.tokens.token(customer, &["customer"], None, None);
    let mut expired = world.tokens.claims(customer, &["customer"], None, None);
    expired.exp -= 3_600;
    let mut elsewhere = world.tokens.claims(customer, &["customer"], None, None);
    elsewhere.aud = "another-bank".to_owned();
    // The last character holds unused bits, so the change is made before it.
    let changed = format!("{}AA{}", &valid[..valid.len() - 10], &valid[valid.len() - 8..]);
    let mut tokens = vec![
        world.tokens.sign(&expired),
        world.tokens.sign(&elsewhere),
        "nonsense".to_owned(),
        String::new(),
        "a.b.c".to_owned(),
        // {"alg":"none"}
        "eyJhbGciOiJub25lIn0.e30.".to_owned(),
    ];
    if changed != valid {
        tokens.push(changed);
    }
    for token in &tokens {
        for path in
            ["/loanRequests", "/loanStatus", "/loanStatus/stream", "/loanManagers", "/customers/me"]
        {
            let response = get(&world, path, &format!("Bearer {token}")).await;
            let headers = assert_problem(response, 401, "unauthenticated").await;
            assert_eq!(headers["www-authenticate"], "Bearer error=\"invalid_token\"");
        }
    }
    assert_eq!(world.seen_by_anyone(), 0);
}

#[tokio::test]
async fn a_valid_token_passes_with_the_request_and_so_does_none() {
    let world = World::start().await;
    let authorization =
        format!("bearer {}", world.tokens.token(Uuid::from_u128(1), &["customer"], None, None));
    // The second one is remembered.
    for _ in 0..2 {
        assert_eq!(get(&world, "/loanRequests", &authorization).await.status(), 200);
    }
    assert_eq!(world.get("/loanRequests").send().await.unwrap().status(), 200);
    // Another scheme is the service's to refuse.
    assert_eq!(get(&world, "/loanRequests", "Basic YTpi").await.status(), 200);
    let seen = world.fake(Upstream::Request).seen();
    assert_eq!(seen[0].headers[AUTHORIZATION], authorization.as_str());
    assert_eq!(seen[1].headers[AUTHORIZATION], authorization.as_str());
    assert!(!seen[2].headers.contains_key(AUTHORIZATION));
}

#[tokio::test]
async fn where_a_token_is_not_asked_for_it_is_not_looked_at() {
    let world = World::start().await;
    let nonsense = "Bearer nonsense";
    let token = world
        .post("/auth/token")
        .header(AUTHORIZATION, nonsense)
        .body("grant_type=password")
        .send()
        .await;
    assert_eq!(token.unwrap().status(), 200);
    for path in ["/.well-known/jwks.json", "/actuator/health", "/docs/openapi.json"] {
        assert_eq!(get(&world, path, nonsense).await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn what_can_t_be_decided_here_is_left_to_the_services() {
    let tokens = TestTokens::new();
    let without_keys = TokenVerifier::new("issuer", "audience", Clock::system());
    let world = World::with_verifier(tokens, without_keys, |_config| {}).await;
    let token = world.tokens.token(Uuid::from_u128(1), &["customer"], None, None);
    assert_eq!(get(&world, "/loanRequests", &format!("Bearer {token}")).await.status(), 200);
    assert_eq!(
        get(&world, "/loanRequests", "Bearer nonsense").await.status(),
        401,
        "no key makes this a token"
    );

    // The issuer has begun to use a key that is not known here yet.
    let world = World::start().await;
    let newer = TestTokens::new().token(Uuid::from_u128(1), &["customer"], None, None);
    assert_eq!(get(&world, "/loanRequests", &format!("Bearer {newer}")).await.status(), 200);
}
