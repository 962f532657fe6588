#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;
use sqlx::PgPool;

use crate::clients::loan_auth::testing::USER_ID;
use crate::http::testing::World;

#[sqlx::test(migrations = "./migrations")]
async fn a_request_is_shown_to_its_owner_and_to_officers(pool: PgPool) {
    let world = World::new(pool).await;
    let id = world.submit(&World::application()).await.id();
    let address = format!("/loanRequests/{id}");
    for token in [world.token(), world.officer_token()] {
        let answer = world.get(&address, &token).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body["id"], json!(id));
        assert_eq!(answer.body["userId"], USER_ID);
        assert_eq!(answer.body["_links"]["self"]["href"], format!("http://localhost{address}"));
        assert_eq!(answer.body["_links"].get("loanStatus"), None);
        assert_eq!(answer.header("etag"), "\"2\"");
    }
    sqlx::query("UPDATE loan_request SET status = '요청완료', received_at = now(), version = 3")
        .execute(&world.pool)
        .await
        .unwrap();
    let answer = world.get(&address, &world.token()).await;
    assert_eq!(answer.body["requestStatus"], "요청완료");
    assert_eq!(
        answer.body["_links"]["loanStatus"]["href"],
        format!("http://localhost/loanStatus/loans/{id}")
    );
    assert_eq!(answer.header("etag"), "\"3\"");
}

#[sqlx::test(migrations = "./migrations")]
async fn anothers_looks_like_none(pool: PgPool) {
    //
    let world = World::new(pool).await;
    let id = world.submit(&World::application()).await.id();
    // The same login name does not help: it may have changed hands.
    let stranger = world.token_of(world.clock.new_id().into(), Some(USER_ID));
    let never = world.clock.new_id().to_string();
    let mut answers = Vec::new();
    for id in [id.to_string(), never, "17".to_owned()] {
        let answer = world.get(&format!("/loanRequests/{id}"), &stranger).await;
        answer.must_be_problem(404, "not-found");
        let mut body = answer.body;
        body["instance"] = json!(null);
        answers.push(body);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    world
        .get(&format!("/loanRequests/{id}"), "no.such.token")
        .await
        .must_be_problem(401, "unauthenticated");
    let roleless = world.token_with(&["auditor"]);
    world.get(&format!("/loanRequests/{id}"), &roleless).await.must_be_problem(403, "no-role");
}
