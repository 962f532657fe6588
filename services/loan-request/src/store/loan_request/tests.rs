#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sqlx::PgPool;

use super::*;
use crate::http::testing::World;

#[sqlx::test(migrations = "./migrations")]
async fn the_way_of_nearly_every_request_is_taken_once(pool: PgPool) {
    let world = World::new(pool).await;
    let id = world.left_undecided(world.clock.now()).await;
    let (at, customer) = (world.clock.now(), world.customer());
    let other = CustomerId::from(world.clock.new_id());
    let certify = async |customer| {
        let certified = NewlyCertified { id, customer, at };
        !certify_undecided(&world.pool, &[certified]).await.unwrap().is_empty()
    };
    let receive = async |customer| {
        let received = NewlyReceived { id, customer, loan: id.into(), at };
        let mut connection = world.pool.acquire().await.unwrap();
        !receive_pending(&mut connection, &[received]).await.unwrap().is_empty()
    };
    assert!(certify(customer).await);
    assert!(!certify(customer).await);
    assert!(!certify(other).await);
    assert_eq!(world.row(id).await.standing, Standing::Certified(customer));
    assert!(!receive(other).await);
    assert!(receive(customer).await);
    assert!(!receive(customer).await);
    let row = world.row(id).await;
    assert_eq!((row.standing, row.version), (Standing::Received(customer), 3));
}

#[sqlx::test(migrations = "./migrations")]
async fn to_receive_a_request_touches_no_index(pool: PgPool) {
    let world = World::new(pool).await;
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT a.attname FROM pg_index i
         CROSS JOIN LATERAL unnest(i.indkey::int[]) AS k(attnum)
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
         WHERE i.indrelid = 'loan_request'::regclass",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    let predicates: Vec<Option<String>> = sqlx::query_scalar(
        "SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indrelid = 'loan_request'::regclass",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    for changed in ["status", "loan_id", "received_at", "version"] {
        assert!(!columns.iter().any(|column| column == changed));
        assert!(!predicates.iter().flatten().any(|predicate| predicate.contains(changed)));
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_row_that_cannot_be_is_not_written(pool: PgPool) {
    let world = World::new(pool).await;
    let id = world.left_undecided(world.clock.now()).await;
    for wrong in [
        // Undecided without a deadline: it would wait for ever.
        "decide_after = NULL",
        // Decided, and still asked for.
        "customer_id = gen_random_uuid(), certified_at = now()",
        "status = '요청완료', decide_after = NULL",
        "status = '인증실패', decide_after = NULL",
        "status = '요청취소', cancelled_at = now(), decide_after = NULL",
        "loan_id = gen_random_uuid()",
        "amount = 0",
        "currency = 'USD'",
    ] {
        let mut statement = sqlx::QueryBuilder::new("UPDATE loan_request SET ");
        statement.push(wrong).push(" WHERE loan_request_id = ").push_bind(id);
        let error = statement.build().execute(&world.pool).await.unwrap_err();
        let code = error.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "23514", "{wrong}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn only_what_is_undecided_becomes_due(pool: PgPool) {
    let world = World::new(pool).await;
    let now = world.clock.now();
    let id = world.left_undecided(now + time::Duration::HOUR).await;
    let lease = async || {
        let second = time::Duration::SECOND;
        lease_overdue(&world.pool, now, second, second, 10).await.unwrap()
    };
    assert!(lease().await.is_empty());
    make_due(&world.pool, id, now).await.unwrap();
    assert_eq!(lease().await, [id]);
    assert!(lease().await.is_empty(), "it is leased");
    let certified = NewlyCertified { id, customer: world.customer(), at: now };
    certify_undecided(&world.pool, &[certified]).await.unwrap();
    make_due(&world.pool, id, now).await.unwrap();
    assert!(lease().await.is_empty());
}
