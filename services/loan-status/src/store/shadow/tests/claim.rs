//! One session rebuilds at a time.

use super::*;

#[sqlx::test(migrations = "./migrations")]
async fn there_is_one_at_a_time_and_its_end_leaves_nothing(pool: PgPool) {
    let options = pool.connect_options();
    let (first, second) = (open(&options).await.unwrap(), open(&options).await.unwrap());
    assert!(be_the_only_one(&first).await.unwrap());
    assert!(!be_the_only_one(&second).await.unwrap());
    let pid: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(first.pool()).await.unwrap();
    // It is killed half way.
    sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&pool).await.unwrap();
    let until = tokio::time::Instant::now() + Duration::from_secs(5);
    while !be_the_only_one(&second).await.unwrap() {
        assert!(tokio::time::Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let left: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'
            AND relnamespace <> (SELECT relnamespace FROM pg_class WHERE oid = 'pg_temp.entry'::regclass)",
    )
    .fetch_one(second.pool())
    .await
    .unwrap();
    assert_eq!(left, 0);
    // And it does not go on with a model that is empty.
    let gone = sqlx::query("SELECT 1 FROM entry").execute(first.pool()).await;
    assert!(gone.is_err());
}

#[sqlx::test(migrations = "./migrations")]
async fn whoever_waits_for_the_claim_begins_after_the_end_is_told(pool: PgPool) {
    let options = pool.connect_options();
    let (first, second) = (open(&options).await.unwrap(), open(&options).await.unwrap());
    for _ in 0..20 {
        assert!(be_the_only_one(&first).await.unwrap(), "the one before has given it up");
        let now = common::clock::Clock::system().now();
        store::rebuild::begin(&pool, new_id(), true, false, now).await.unwrap();
        let mut ended = store::rebuild::find(&pool).await.unwrap().unwrap();
        ended.phase = "done".to_owned();
        let next = async {
            while !be_the_only_one(&second).await.unwrap() {}
            let id = new_id();
            store::rebuild::begin(&pool, id, true, false, now).await.unwrap();
            id
        };
        let (told, next) = tokio::join!(store::rebuild::end(first.pool(), &ended), next);
        told.expect("the next one has not taken its row before");
        let mut begun = store::rebuild::find(&pool).await.unwrap().unwrap();
        assert_eq!((begun.rebuild_id, begun.phase.as_str()), (next, "reading"));
        begun.phase = "done".to_owned();
        store::rebuild::end(second.pool(), &begun).await.unwrap();
    }
}
