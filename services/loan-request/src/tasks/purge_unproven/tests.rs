#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sqlx::PgPool;

use super::*;
use crate::domain::standing::{Verdict, Withdrawal};
use crate::http::testing::World;

#[sqlx::test(migrations = "./migrations")]
async fn refused_requests_go_after_thirty_days_and_nothing_else_does(pool: PgPool) {
    //
    let world = World::with(pool, &["--purge-batch-max=2"]).await;
    let wrong = World::application_with("userPassword", "wrong");
    for _ in 0..5 {
        assert_eq!(world.submit(&wrong).await.status, 403);
    }
    assert_eq!(world.submit(&World::application()).await.status, 201);
    world.left_undecided(world.clock.now()).await;
    let shutdown = Shutdown::new();
    let figures = world.config.background.purge_unproven();
    world.clock.advance(Span::days(30));
    assert_eq!(round(&world.desk, figures, &shutdown).await.unwrap(), 0);
    assert_eq!(world.submit(&wrong).await.status, 403);
    world.clock.advance(Span::seconds(1));
    assert_eq!(round(&world.desk, figures, &shutdown).await.unwrap(), 5);
    assert_eq!(world.rows().await, 3);
    world.clock.advance(Span::days(3_000));
    assert_eq!(round(&world.desk, figures, &shutdown).await.unwrap(), 1);
    assert_eq!(world.rows().await, 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn it_ends_with_the_process(pool: PgPool) {
    let world = World::new(pool).await;
    let shutdown = Shutdown::new();
    let figures = world.config.background.purge_unproven();
    let task = tokio::spawn(purge_unproven(world.another(), figures, shutdown.clone()));
    shutdown.begin();
    task.await.unwrap().unwrap();
}

#[sqlx::test(migrations = "./migrations")]
async fn what_was_never_certified_goes_and_what_was_compensated_stays(pool: PgPool) {
    let settings = ["--purge-batch-max=2", "--withdrawn-keep-days=7"];
    let world = World::with(pool, &settings).await;
    for withdrawal in [Withdrawal::Unreachable, Withdrawal::Voided] {
        for _ in 0..2 {
            world.settled(Verdict::Withdrawn(withdrawal)).await;
        }
    }
    // Certified and cancelled since: the customer's own, and kept.
    let own = world.submit(&World::application()).await.id();
    sqlx::query(
        "UPDATE loan_request SET status = '요청취소', cancelled_at = submitted_at, reason = 'x'
         WHERE loan_request_id = $1",
    )
    .bind(own)
    .execute(&world.pool)
    .await
    .unwrap();
    let shutdown = Shutdown::new();
    let figures = world.config.background.purge_unproven();
    world.clock.advance(Span::days(7) - Span::seconds(1));
    assert_eq!(round(&world.desk, figures, &shutdown).await.unwrap(), 0);
    world.clock.advance(Span::seconds(2));
    assert_eq!(round(&world.desk, figures, &shutdown).await.unwrap(), 4);
    assert_eq!(world.only_row().await.id, own);
}

#[sqlx::test(migrations = "./migrations")]
async fn an_index_finds_what_is_to_be_purged(pool: PgPool) {
    let world = World::new(pool).await;
    let mut connection = world.pool.acquire().await.unwrap();
    sqlx::query("SET enable_seqscan = off").execute(&mut *connection).await.unwrap();
    for (condition, index) in [
        ("refused_at < now()", "loan_request_refused"),
        ("cancelled_at < now() AND customer_id IS NULL", "loan_request_withdrawn"),
    ] {
        let explain = format!("EXPLAIN SELECT 1 FROM loan_request WHERE {condition}");
        let plan: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(explain))
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        assert!(plan.join("\n").contains(index), "{plan:?}");
    }
}
