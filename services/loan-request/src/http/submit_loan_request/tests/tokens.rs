//! A bearer token in place of the credentials, or beside them. One that is not good
//! names nobody: 401, and nothing is left. One that is good and does not entitle
//! names a person: 403, and the refused request is kept for audit.

use ::events::LoanRequestId;

use super::*;

#[sqlx::test(migrations = "./migrations")]
async fn a_bearer_token_takes_the_place_of_credentials(pool: PgPool) {
    //
    let world = World::new(pool).await;
    let token = world.token();
    let bearer = format!("Bearer {token}");
    let body = json!({ "requestId": "01", "requestName": "Deposit", "amountOfMoney": "10000" });
    let answer = world.submit_with(&body, &[("authorization", &bearer)]).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let row = world.row(answer.id()).await;
    assert_eq!(row.claimed_customer_id, Some(world.customer()));
    assert_eq!(
        (row.user_id.as_deref(), row.user_name.as_deref()),
        (Some(USER_ID), Some(USER_NAME))
    );
    let asked = world.wire.certified();
    assert_eq!(asked[0]["token"], json!(token));
    assert_eq!(asked[0].get("userId"), None);

    // Both: they must be the same person's.
    let both = World::application();
    assert_eq!(world.submit_with(&both, &[("authorization", &bearer)]).await.status, 201);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_token_that_is_not_good_leaves_nothing(pool: PgPool) {
    //
    let world = World::new(pool).await;
    let body = json!({ "requestId": "01", "requestName": "Deposit", "amountOfMoney": 10_000 });
    let invalid = "Bearer error=\"invalid_token\"";
    for (what, authorization, challenge) in [
        ("malformed", "Bearer x.y.z".to_owned(), invalid),
        ("empty", "Bearer ".to_owned(), "Bearer"),
        ("forged", format!("Bearer {}", world.forged_token()), invalid),
        ("expired", format!("Bearer {}", world.expired_token()), invalid),
        ("of another kind", "Basic MUBzay5jb206MTIzNA==".to_owned(), "Bearer"),
    ] {
        // Right credentials beside it change nothing.
        for body in [&body, &World::application()] {
            let headers = [("authorization", &*authorization), ("idempotency-key", "key")];
            let answer = world.submit_with(body, &headers).await;
            answer.must_be_problem(401, "unauthenticated");
            assert!(answer.header("www-authenticate").starts_with(challenge), "{what}");
        }
    }
    assert_eq!((world.rows().await, world.keys().await), (0, 0));
    assert!(world.wire.certified().is_empty());
}

#[sqlx::test(migrations = "./migrations")]
async fn a_good_token_that_does_not_entitle_is_refused_and_kept(pool: PgPool) {
    //
    let world = World::new(pool).await;
    let bare = json!({ "requestId": "01", "requestName": "Deposit", "amountOfMoney": 10_000 });
    let (officer, other) = (world.clock.new_id().into(), world.clock.new_id().into());
    for (what, person, token, body) in [
        ("an officer's", officer, world.officer_token_of(officer), bare.clone()),
        ("another's", other, world.token_of(other, Some("2@sk.com")), World::application()),
        // loan-auth does not know it (any more): of an older password, or of one who has left.
        ("a stale one", world.customer(), world.token_of(world.customer(), Some(USER_ID)), bare),
    ] {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", &*bearer), ("idempotency-key", "key")];
        let answer = world.submit_with(&body, &headers).await;
        answer.must_be_problem(403, "not-certified");
        let refused: Vec<LoanRequestId> = sqlx::query_scalar(
            "SELECT loan_request_id FROM loan_request WHERE claimed_customer_id = $1",
        )
        .bind(person)
        .fetch_all(&world.pool)
        .await
        .unwrap();
        assert_eq!(refused.len(), 1, "{what}");
        let row = world.row(refused[0]).await;
        assert_eq!((row.standing, row.reason.as_deref()), (Standing::Refused, Some("wrong-proof")));
    }
    assert_eq!((world.rows().await, world.keys().await), (3, 0));
    assert!(world.outbox().await.is_empty());
}
