#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sqlx::PgPool;

use super::*;
use crate::http::testing::World;

#[sqlx::test(migrations = "./migrations")]
async fn refused_requests_go_after_thirty_days_and_nothing_else_does(pool: PgPool) {
    //
    let world = World::with(pool, &["--refused-purge-batch-max=2"]).await;
    let wrong = World::application_with("userPassword", "wrong");
    for _ in 0..5 {
        assert_eq!(world.submit(&wrong).await.status, 403);
    }
    assert_eq!(world.submit(&World::application()).await.status, 201);
    world.left_undecided(world.clock.now()).await;
    let shutdown = Shutdown::new();
    let figures = world.config.background.purge_refused();
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
    let figures = world.config.background.purge_refused();
    let task = tokio::spawn(purge_refused(world.another(), figures, shutdown.clone()));
    shutdown.begin();
    task.await.unwrap().unwrap();
}
