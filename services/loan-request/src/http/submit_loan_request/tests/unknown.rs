//! The answer of loan-auth did not come: nobody is told a guess.

use super::*;

#[sqlx::test(migrations = "./migrations")]
async fn too_slow_is_voided_and_never_certified_later(pool: PgPool) {
    //
    let world = World::new(pool).await;
    world.wire.certify_always(Some(Act::WaitThenDecide(Duration::from_millis(900))));
    let answer = world.submit_under("key", &World::application()).await;
    answer.must_be_problem(503, "certification-unavailable");
    answer.must_say_when_to_come_back();
    assert!(answer.took >= Duration::from_millis(600), "{:?}", answer.took);
    // With some slack for a busy machine.
    assert!(answer.took < Duration::from_millis(860 + 140), "{:?}", answer.took);
    let row = world.only_row().await;
    assert_eq!((row.standing, row.reason.as_deref()), (Standing::Withdrawn, Some("voided")));
    assert_eq!(world.keys().await, 0);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(world.wire.decided(row.id), Some(Decided::Voided));
    assert_eq!(world.row(row.id).await.standing, Standing::Withdrawn);
    assert!(world.outbox().await.is_empty());
}

#[sqlx::test(migrations = "./migrations")]
async fn a_lost_certification_is_found_by_the_void(pool: PgPool) {
    //
    let world = World::new(pool).await;
    world.wire.certify_always(Some(Act::DecideThenWait(LONG)));
    let answer = world.submit(&World::application()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(world.only_row().await.standing, Standing::Certified(world.customer()));
    assert_eq!(world.wire.voided(), [answer.id()]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_lost_refusal_is_found_by_the_void(pool: PgPool) {
    let world = World::new(pool).await;
    world.wire.certify_always(Some(Act::DecideThenWait(LONG)));
    let answer = world.submit_under("key", &World::application_with("userPassword", "wrong")).await;
    answer.must_be_problem(403, "not-certified");
    assert_eq!(world.only_row().await.standing, Standing::Refused);
    assert_eq!(world.keys().await, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_cut_connection_is_tried_again_within_the_time(pool: PgPool) {
    //
    let world = World::new(pool).await;
    for decide in [true, false] {
        world.wire.certify([Act::Cut { decide }]);
        assert_eq!(world.submit(&World::application()).await.status, 201);
    }
    assert_eq!(world.wire.certified().len(), 4);
    assert!(world.wire.voided().is_empty());
    // Cut again: the void decides, whatever the first attempts have done.
    world.wire.certify([Act::Cut { decide: false }, Act::Cut { decide: false }]);
    let answer = world.submit(&World::application()).await;
    answer.must_be_problem(503, "certification-unavailable");
    world.wire.certify([Act::Cut { decide: true }, Act::Cut { decide: false }]);
    assert_eq!(world.submit(&World::application()).await.status, 201);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_second_attempt_that_is_throttled_says_nothing_of_the_first(pool: PgPool) {
    let world = World::new(pool).await;
    let throttled = || Act::Say(200, json!({ "outcome": "throttled", "retryAfterSeconds": 9 }));
    world.wire.certify([Act::Cut { decide: true }, throttled()]);
    assert_eq!(world.submit(&World::application()).await.status, 201);
    world.wire.certify([Act::Cut { decide: false }, Act::Say(401, json!({}))]);
    let answer = world.submit(&World::application()).await;
    answer.must_be_problem(503, "certification-unavailable");
    assert_eq!(world.wire.voided().len(), 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn an_error_or_nonsense_from_loan_auth_is_voided(pool: PgPool) {
    let world = World::new(pool).await;
    for act in [
        Act::Say(500, json!({})),
        Act::Say(200, json!({ "outcome": "certified" })),
        Act::Say(200, json!({ "outcome": "perhaps" })),
        Act::Say(302, json!({})),
    ] {
        world.wire.certify([act]);
        let answer = world.submit(&World::application()).await;
        answer.must_be_problem(503, "certification-unavailable");
    }
    assert_eq!(world.wire.voided().len(), 4);
}

#[sqlx::test(migrations = "./migrations")]
async fn not_known_in_time_is_accepted_for_decision(pool: PgPool) {
    let world = World::new(pool).await;
    world.wire.certify([Act::DecideThenWait(LONG)]);
    world.wire.void([Act::DecideThenWait(LONG)]);
    let answer = world.submit_under("key", &World::application()).await;
    assert_eq!(answer.status, 202);
    assert!(answer.took < Duration::from_millis(860 + 140), "{:?}", answer.took);
    let id = answer.id();
    let address = format!("/loanRequests/{id}");
    assert_eq!(answer.header("location"), format!("http://localhost{address}"));
    assert_eq!(answer.header("loan-version").parse(), Ok(LoanVersion::Request(id)));
    // Nothing that its caller, who is not proven, has not sent.
    assert_eq!(answer.body["requestStatus"], "인증대기");
    assert_eq!(answer.body.as_object().unwrap().len(), 4);
    assert_eq!(world.row(id).await.standing, Standing::Undecided);
    assert_eq!(world.keys().await, 1);
    // Due at once, and not only at its first deadline.
    let due: bool = sqlx::query_scalar("SELECT decide_after <= $1 FROM loan_request")
        .bind(world.clock.now())
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert!(due);

    // Its address shows it to who was claimed, and to nobody else; no list does.
    let customer = world.token();
    assert_eq!(world.get(&address, &customer).await.body["requestStatus"], "인증대기");
    assert_eq!(world.get("/loanRequests", &customer).await.body["page"]["totalElements"], 0);
    let stranger = world.token_of(world.clock.new_id().into(), Some("2@sk.com"));
    assert_eq!(world.get(&address, &stranger).await.status, 404);
}

#[sqlx::test(migrations = "./migrations")]
async fn whoever_decides_later_both_sides_agree(pool: PgPool) {
    // The answer that comes after another instance has asked.
    let world = World::new(pool).await;
    world.wire.certify([Act::WaitThenDecide(Duration::from_millis(300))]);
    let application = World::application();
    let (answer, ()) = tokio::join!(world.submit(&application), async {
        asked(&world, 1).await;
        let id = world.only_row().await.id;
        let decided = crate::usecases::decide_loan_request(&world.another(), id).await.unwrap();
        assert!(decided.is_some());
    });
    answer.must_be_problem(503, "certification-unavailable");
    assert_eq!(world.only_row().await.standing, Standing::Withdrawn);

    // And one that found it certified.
    world.wire.certify([Act::DecideThenWait(Duration::from_millis(300))]);
    let (answer, ()) = tokio::join!(world.submit(&application), async {
        asked(&world, 2).await;
        let id = world.wire.certified()[1]["loanRequestId"].as_str().unwrap().parse().unwrap();
        crate::usecases::decide_loan_request(&world.another(), id).await.unwrap();
        assert_eq!(world.row(id).await.standing, Standing::Certified(world.customer()));
    });
    assert_eq!(answer.status, 201);
    assert_eq!(world.row(answer.id()).await.standing, Standing::Certified(world.customer()));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_database_that_hangs_does_not_hold_up_what_was_decided(pool: PgPool) {
    let world = World::new(pool).await;
    let (right, wrong) = (World::application(), World::application_with("userPassword", "wrong"));
    for (place, (application, status)) in (1..).zip([(&right, 201), (&wrong, 403)]) {
        world.wire.certify([Act::WaitThenDecide(Duration::from_millis(300))]);
        let both = futures::future::join(world.submit(application), async {
            asked(&world, place).await;
            let mut rival = world.pool.begin().await.unwrap();
            let rows = "SELECT 1 FROM loan_request FOR UPDATE";
            sqlx::query(rows).execute(&mut *rival).await.unwrap();
            rival
        });
        let (answer, rival) = tokio::time::timeout(LONG, both).await.unwrap();
        assert_eq!(answer.status, status);
        let id =
            world.wire.certified()[place - 1]["loanRequestId"].as_str().unwrap().parse().unwrap();
        assert_eq!(world.row(id).await.standing, Standing::Undecided, "so it hung");
        rival.rollback().await.unwrap();
        crate::usecases::decide_loan_request(&world.another(), id).await.unwrap();
        let expected = match status {
            201 => Standing::Certified(world.customer()),
            _ => Standing::Refused,
        };
        assert_eq!(world.row(id).await.standing, expected);
    }
}

/// loan-auth has been asked so often, and has had the time to decide.
async fn asked(world: &World, times: usize) {
    while world.wire.certified().len() < times {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
}
