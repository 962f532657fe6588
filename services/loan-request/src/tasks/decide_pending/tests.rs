#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;
use sqlx::PgPool;

use super::*;
use crate::clients::loan_auth::testing::{Act, Decided};
use crate::domain::standing::Standing;
use crate::http::testing::World;

fn figures(world: &World) -> DecidePending {
    world.config.background.decide_pending()
}

async fn once(world: &World) {
    round(&world.desk, figures(world), &Shutdown::new()).await.unwrap();
}

#[sqlx::test(migrations = "./migrations")]
async fn what_an_instance_left_when_it_died_is_decided(pool: PgPool) {
    //
    let world = World::new(pool).await;
    let due = world.clock.now() + Span::seconds(5);
    let never_asked = world.left_undecided(due).await;
    let certified = world.left_undecided(due).await;
    world.wire.decide(certified, Decided::Certified);
    let refused = world.left_undecided(due).await;
    world.wire.decide(refused, Decided::Refused);
    once(&world).await;
    assert!(world.wire.voided().is_empty(), "it may still be answered");

    world.clock.advance(Span::seconds(5));
    once(&world).await;
    assert_eq!(world.row(never_asked).await.standing, Standing::Withdrawn);
    assert_eq!(world.row(never_asked).await.reason.as_deref(), Some("voided"));
    assert_eq!(world.row(certified).await.standing, Standing::Certified(world.customer()));
    assert_eq!(world.row(refused).await.standing, Standing::Refused);
    assert!(world.outbox().await.is_empty());

    world.clock.advance(Span::hours(1));
    once(&world).await;
    assert_eq!(world.wire.voided().len(), 3, "what is decided is not asked for again");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_key_is_freed_with_the_decision(pool: PgPool) {
    let world = World::new(pool).await;
    world.wire.certify([Act::Say(500, json!({}))]);
    world.wire.void([Act::Say(500, json!({}))]);
    let id = {
        let answer = world.submit_under("key", &World::application()).await;
        assert_eq!(answer.status, 202);
        answer.id()
    };
    assert_eq!(world.keys().await, 1);
    once(&world).await;
    assert_eq!(world.row(id).await.standing, Standing::Withdrawn);
    assert_eq!(world.keys().await, 0);
    let answer = world.get(&format!("/loanRequests/{id}"), &world.token()).await;
    assert_eq!(answer.status, 404);
}

#[sqlx::test(migrations = "./migrations")]
async fn it_asks_on_as_long_as_it_takes_and_ever_more_seldom(pool: PgPool) {
    //
    let mut world =
        World::with(pool, &["--breaker-open-min-ms=10", "--breaker-open-max-ms=10"]).await;
    let id = world.left_undecided(world.clock.now()).await;
    world.wire.go_away().await;
    let mut pauses = Vec::new();
    for _ in 0..6 {
        once(&world).await;
        assert_eq!(world.row(id).await.standing, Standing::Undecided);
        let due: time::OffsetDateTime = sqlx::query_scalar("SELECT decide_after FROM loan_request")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        pauses.push((due - world.clock.now()).whole_seconds());
        world.clock.advance(due - world.clock.now());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
    world.wire.come_back().await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    once(&world).await;
    assert_eq!(world.row(id).await.standing, Standing::Withdrawn);
}

#[sqlx::test(migrations = "./migrations")]
async fn instances_share_the_work(pool: PgPool) {
    //
    let world = World::with(pool, &["--decide-batch-max=10"]).await;
    for _ in 0..45 {
        world.left_undecided(world.clock.now()).await;
    }
    let other = world.another();
    let (figures, shutdown) = (figures(&world), Shutdown::new());
    let (one, two) =
        tokio::join!(round(&world.desk, figures, &shutdown), round(&other, figures, &shutdown));
    one.unwrap();
    two.unwrap();
    let mut asked = world.wire.voided();
    assert_eq!(asked.len(), 45);
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), 45);
    let left = loan_request::undecided(&world.pool, world.clock.now() + Span::HOUR).await.unwrap();
    assert_eq!(left, Undecided { count: 0, oldest_at: None });
}

#[sqlx::test(migrations = "./migrations")]
async fn it_ends_with_the_process(pool: PgPool) {
    let world = World::with(pool, &["--decide-poll-ms=10"]).await;
    let id = world.left_undecided(world.clock.now()).await;
    let shutdown = Shutdown::new();
    let task = tokio::spawn(decide_pending(world.another(), figures(&world), shutdown.clone()));
    while world.row(id).await.standing == Standing::Undecided {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    shutdown.begin();
    task.await.unwrap().unwrap();
}
