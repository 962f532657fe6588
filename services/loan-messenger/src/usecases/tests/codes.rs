//! The codes that prove addresses.

use sqlx::PgPool;
use time::Duration as Span;

use super::Bench;
use crate::events::testing::Story;
use crate::usecases::confirm_address::{Confirmed, TRIES_MAX};
use crate::usecases::request_verification::{
    CODES_PER_ADDRESS_MAX, CODES_PER_CUSTOMER_MAX, Requested,
};

#[sqlx::test(migrations = "./migrations")]
async fn codes_are_bounded_by_time_customer_and_address(pool: PgPool) {
    let bench = Bench::new(&pool, Vec::new());
    let story = bench.customer(0, false).await;
    assert!(matches!(bench.ask(story.customer_id).await, Requested::TooMany { .. }), "just now");
    for _ in 1..CODES_PER_ADDRESS_MAX {
        bench.office.clock.advance(Span::seconds(61));
        assert_eq!(bench.ask(story.customer_id).await, Requested::OnItsWay);
    }
    bench.office.clock.advance(Span::seconds(61));
    assert!(matches!(bench.ask(story.customer_id).await, Requested::TooMany { .. }));
    // Somebody else who names the same address gets none either.
    let other = bench.customer(0, false).await;
    let sql = "SELECT count(*) FROM verification WHERE customer_id = $1";
    let codes: i64 =
        sqlx::query_scalar(sql).bind(other.customer_id).fetch_one(&pool).await.unwrap();
    assert_eq!(codes, 0);
    const { assert!(CODES_PER_CUSTOMER_MAX > CODES_PER_ADDRESS_MAX) };
    bench.office.clock.advance(Span::days(1));
    assert_eq!(bench.ask(other.customer_id).await, Requested::OnItsWay);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_code_can_be_guessed_only_so_often_and_gets_old(pool: PgPool) {
    let bench = Bench::new(&pool, Vec::new());
    let story = bench.customer(0, false).await;
    let who = story.customer_id;
    for left in (0..TRIES_MAX).rev() {
        // No code has letters.
        assert_eq!(bench.confirm(who, "abcdefgh").await, Confirmed::Wrong { tries_left: left });
    }
    let code: String =
        sqlx::query_scalar("SELECT code FROM verification").fetch_one(&pool).await.unwrap();
    assert_eq!(bench.confirm(who, &code).await, Confirmed::NoCode, "even the right one");
    bench.office.clock.advance(Span::seconds(61));
    assert_eq!(bench.ask(who).await, Requested::OnItsWay);
    bench.office.clock.advance(Span::minutes(31));
    let code: String =
        sqlx::query_scalar("SELECT code FROM verification ORDER BY created_at DESC LIMIT 1")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(bench.confirm(who, &code).await, Confirmed::NoCode, "it is old");
    assert_eq!(bench.confirm(Story::new().customer_id, &code).await, Confirmed::NoCode);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_history_of_the_customers_is_read_without_writing_to_them(pool: PgPool) {
    let bench = Bench::new(&pool, Vec::new());
    bench.office.clock.advance(Span::days(30));
    bench.customer(0, false).await;
    let codes: i64 =
        sqlx::query_scalar("SELECT count(*) FROM verification").fetch_one(&pool).await.unwrap();
    assert_eq!(codes, 0);
}
