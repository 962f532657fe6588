//! The same request again, under the same `Idempotency-Key`.

use ::events::codes::RejectionReason;
use ::events::{LoanRequestId, LoanRequestRejected};

use super::*;
use crate::http::testing::Answer;

#[sqlx::test(migrations = "./migrations")]
async fn an_accepted_request_is_shown_as_it_is_now(pool: PgPool) {
    //
    let world = World::new(pool).await;
    let first = world.submit_under("key", &World::application()).await;
    assert_eq!(first.status, 201);
    sqlx::query("UPDATE loan_request SET status = '요청완료', received_at = submitted_at")
        .execute(&world.pool)
        .await
        .unwrap();
    let second = world.submit_under("key", &World::application()).await;
    assert_eq!((second.status.as_u16(), second.id()), (201, first.id()));
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(second.header("location"), first.header("location"));
    assert_eq!(second.header("loan-version"), first.header("loan-version"));
    assert_eq!(second.body["requestStatus"], "요청완료");
    assert_eq!(world.rows().await, 1);
    // Proven again, for the same request.
    let asked = world.wire.certified();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1]);
}

#[sqlx::test(migrations = "./migrations")]
async fn nothing_is_shown_to_who_cannot_prove_it(pool: PgPool) {
    //
    let world = World::new(pool).await;
    let first = world.submit_under("key", &World::application()).await;
    let wrong = World::application_with("userPassword", "wrong");
    let answer = world.submit_under("key", &wrong).await;
    answer.must_be_problem(403, "not-certified");
    assert!(!answer.body.to_string().contains(&first.id().to_string()));
    world.wire.certify([Act::Say(200, json!({ "outcome": "throttled", "retryAfterSeconds": 3 }))]);
    world.submit_under("key", &wrong).await.must_be_problem(429, "too-many-failures");
    world.wire.certify([Act::Say(500, json!({}))]);
    let answer = world.submit_under("key", &World::application()).await;
    answer.must_be_problem(503, "certification-unavailable");
    // Another customer's certification, should one ever come back, opens nothing.
    let other = json!({ "outcome": "certified", "customerId": world.clock.new_id() });
    world.wire.certify([Act::Say(200, other)]);
    world.submit_under("key", &World::application()).await.must_be_problem(403, "not-certified");
    // The request, and its key, are untouched by all of it.
    assert_eq!(world.only_row().await.standing, Standing::Certified(world.customer()));
    assert!(world.wire.voided().is_empty());
    assert_eq!(world.submit_under("key", &World::application()).await.id(), first.id());
}

#[sqlx::test(migrations = "./migrations")]
async fn another_body_is_an_error_and_another_caller_is_not(pool: PgPool) {
    let world = World::new(pool).await;
    let first = world.submit_under("key", &World::application()).await;
    let body = World::application_with("amountOfMoney", 10_001);
    world.submit_under("key", &body).await.must_be_problem(422, "idempotency-key-reused");
    // Whoever cannot prove it is not even told that there is such a key.
    let mut guess = body.clone();
    guess["userPassword"] = json!("wrong");
    world.submit_under("key", &guess).await.must_be_problem(403, "not-certified");
    assert_eq!(world.rows().await, 1);
    // The spelling of the same values is no other body.
    let mut same = World::application_with("amountOfMoney", "10000");
    same["unknown"] = json!([1, 2]);
    assert_eq!(world.submit_under("key", &same).await.id(), first.id());
    // The same key of somebody else stands for something else.
    let other = World::application_with("userId", "2@sk.com");
    world.submit_under("key", &other).await.must_be_problem(403, "not-certified");
    assert_eq!(world.rows().await, 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn while_it_is_answered_the_same_request_is_told_so(pool: PgPool) {
    //
    let world = World::new(pool).await;
    world.wire.certify([Act::DecideThenWait(Duration::from_millis(400))]);
    let application = World::application();
    let (first, second) = tokio::join!(world.submit_under("key", &application), async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        world.submit_under("key", &application).await
    });
    assert_eq!(first.status, 201);
    second.must_be_problem(409, "request-in-flight");
    second.must_say_when_to_come_back();
    assert_eq!(world.submit_under("key", &application).await.id(), first.id());
    assert_eq!(world.rows().await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn however_many_come_at_once_it_is_one_request(pool: PgPool) {
    //
    let world = World::new(pool).await;
    world.wire.certify([Act::DecideThenWait(Duration::from_millis(200))]);
    let application = World::application();
    let answers =
        futures::future::join_all((0..20).map(|_| world.submit_under("key", &application))).await;
    let accepted = answers.iter().filter(|answer| answer.status == 201).count();
    let told =
        answers.iter().filter(|answer| answer.verdict() == (409, "request-in-flight")).count();
    assert!(accepted >= 1 && accepted + told == 20, "{accepted} + {told}");
    assert_eq!(world.rows().await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_compensated_request_is_said_to_be_cancelled_to_its_owner(pool: PgPool) {
    //
    let world = World::new(pool).await;
    let body = World::application_with("requestId", "02");
    let id = world.submit_under("key", &body).await.id();
    world.deliver(&rejected(&world, id)).await;
    world.submit_under("key", &body).await.must_be_problem(404, "request-cancelled");
    let mut wrong = body.clone();
    wrong["userPassword"] = json!("wrong");
    world.submit_under("key", &wrong).await.must_be_problem(403, "not-certified");
    assert_eq!(world.rows().await, 1);
}

fn rejected(world: &World, id: LoanRequestId) -> LoanRequestRejected {
    LoanRequestRejected {
        loan_request_id: id,
        loan_id: None,
        request_id: RequestKind::Repay,
        request_name: "Deposit".to_owned(),
        customer_id: world.customer(),
        amount_of_money: Amount::try_new(10_000).unwrap(),
        currency: Currency::KRW,
        reason: RejectionReason::NoExecutedLoan,
        comment: None,
        loan_version: None,
        language: ::events::Language::Ko,
        rejected_at: world.clock.now(),
    }
}

async fn submit_by(world: &World, bearer: &str, body: &serde_json::Value) -> Answer {
    world.submit_with(body, &[("authorization", bearer), ("idempotency-key", "key")]).await
}

/// Submits under `key` and is answered 202: the certification took this way, and
/// the void was not heard of.
async fn left_pending(world: &World, act: Act) -> LoanRequestId {
    world.wire.certify([act]);
    world.wire.void([Act::Say(500, json!({}))]);
    let answer = world.submit_under("key", &World::application()).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    world.clock.advance(time::Duration::seconds(2));
    answer.id()
}

#[sqlx::test(migrations = "./migrations")]
async fn a_pending_request_that_was_certified_is_shown(pool: PgPool) {
    let world = World::new(pool).await;
    let id = left_pending(&world, Act::DecideThenWait(LONG)).await;
    let answer = world.submit_under("key", &World::application()).await;
    assert_eq!((answer.status.as_u16(), answer.id()), (201, id));
    assert_eq!(answer.header("idempotency-replayed"), "true");
    assert_eq!(world.only_row().await.standing, Standing::Certified(world.customer()));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_pending_request_that_was_not_certified_makes_room_for_a_new_one(pool: PgPool) {
    let world = World::new(pool).await;
    let id = left_pending(&world, Act::Say(500, json!({}))).await;
    let answer = world.submit_under("key", &World::application()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("idempotency-replayed"), "");
    assert_ne!(answer.id(), id);
    assert_eq!(world.row(id).await.standing, Standing::Withdrawn);
    assert_eq!((world.rows().await, world.keys().await), (2, 1));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_pending_request_that_nobody_knows_of_stays_pending(pool: PgPool) {
    let world = World::new(pool).await;
    let id = left_pending(&world, Act::Say(500, json!({}))).await;
    world.wire.void_always(Some(Act::Say(500, json!({}))));
    // A stranger's wrong proof does not decide it.
    let wrong = World::application_with("userPassword", "wrong");
    // Nor is anything of it shown to either: loan-auth cannot tell them apart now.
    for body in [World::application(), wrong] {
        let answer = world.submit_under("key", &body).await;
        answer.must_be_problem(503, "certification-unavailable");
        answer.must_say_when_to_come_back();
        assert_eq!(answer.header("location"), "");
        assert!(!answer.body.to_string().contains(&id.to_string()));
    }
    // A token proves its customer, and shows what it also shows at the address.
    let with = |token: &str| format!("Bearer {token}");
    let (own, stranger) = (
        with(&world.token()),
        with(&world.token_of(world.clock.new_id().into(), Some("2@sk.com"))),
    );
    let answer = submit_by(&world, &own, &World::application()).await;
    assert_eq!((answer.status.as_u16(), answer.id()), (202, id));
    let other = World::application_with("amountOfMoney", 10_001);
    let answer = submit_by(&world, &own, &other).await;
    answer.must_be_problem(422, "idempotency-key-reused");
    // Another's keys are other keys: this is a request of the stranger's own.
    let answer = submit_by(&world, &stranger, &World::application()).await;
    answer.must_be_problem(403, "not-certified");
    assert_eq!(world.wire.decided(id), None);
    assert_eq!(world.row(id).await.standing, Standing::Undecided);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_process_that_died_in_between_blocks_its_key_for_a_moment_only(pool: PgPool) {
    //
    let world = World::new(pool).await;
    // As it is after the commit, before loan-auth was asked.
    let answer = world.submit_under("key", &World::application()).await;
    sqlx::query(
        "UPDATE loan_request SET customer_id = NULL, certified_at = NULL, decide_after = submitted_at + interval '5 s'",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    world
        .submit_under("key", &World::application())
        .await
        .must_be_problem(409, "request-in-flight");
    world.clock.advance(time::Duration::seconds(2));
    // loan-auth had certified it (its answer was lost with the process).
    let again = world.submit_under("key", &World::application()).await;
    assert_eq!((again.status.as_u16(), again.id()), (201, answer.id()));
    assert_eq!(world.rows().await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_key_is_kept_for_a_day_and_must_be_readable(pool: PgPool) {
    let world = World::new(pool).await;
    let first = world.submit_under("key", &World::application()).await;
    world.clock.advance(time::Duration::hours(23));
    assert_eq!(world.submit_under("key", &World::application()).await.id(), first.id());
    world.clock.advance(time::Duration::hours(1));
    let second = world.submit_under("key", &World::application()).await;
    assert_eq!(second.status, 201);
    assert_ne!(second.id(), first.id());
    let rows = world.rows().await;
    for key in ["", "two words", "키", &"k".repeat(256)] {
        let answer = world.submit_under(key, &World::application()).await;
        answer.must_be_problem(400, "bad-idempotency-key");
    }
    assert_eq!(world.rows().await, rows);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_stranger_with_the_key_and_another_body_is_in_nobodys_way_for_long(pool: PgPool) {
    let world = World::new(pool).await;
    let mut wrong = World::application_with("amountOfMoney", 1);
    wrong["userPassword"] = json!("wrong");
    // The stranger's request is not decided.
    world.wire.certify([Act::Say(500, json!({}))]);
    world.wire.void([Act::Say(500, json!({}))]);
    assert_eq!(world.submit_under("key", &wrong).await.status, 202);
    world.clock.advance(time::Duration::milliseconds(859));
    let told = world.submit_under("key", &World::application()).await;
    told.must_be_problem(409, "request-in-flight");
    world.clock.advance(time::Duration::milliseconds(1));
    assert_eq!(world.submit_under("key", &World::application()).await.status, 201);
}
