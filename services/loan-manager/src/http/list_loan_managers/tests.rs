#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::{LoanRequestId, LoanStatus};
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;

use crate::http::testing::{Answer, Desk};

/// Follows the pages to their end.
async fn walk(desk: &Desk, path: &str) -> Vec<LoanRequestId> {
    let mut ids = Vec::new();
    let mut page = desk.get(path).await;
    loop {
        assert_eq!(page.status, 200, "{}", page.body);
        ids.extend(page.ids());
        let Some(next) = next_of(&page) else { return ids };
        page = desk.get(&next).await;
    }
}

fn next_of(page: &Answer) -> Option<String> {
    let next = page.body["_links"]["next"]["href"].as_str()?;
    Some(next.strip_prefix("http://localhost").unwrap().to_owned())
}

/// Applications, one a second; every other one came in the same instant as its neighbour.
async fn applications(desk: &Desk, number: usize) -> Vec<LoanRequestId> {
    let mut ids = Vec::new();
    for place in 0..number {
        if place % 2 == 0 {
            desk.clock.advance(Duration::seconds(1));
        }
        ids.push(desk.apply(1_000).await);
    }
    let mut pairs: Vec<_> = ids.chunks(2).map(<[LoanRequestId]>::to_vec).collect();
    pairs.iter_mut().for_each(|pair| pair.sort());
    pairs.concat()
}

#[sqlx::test(migrations = "./migrations")]
async fn the_queue_is_what_waits_oldest_first(pool: PgPool) {
    //
    let desk = Desk::new(pool);
    let mut loans = Vec::new();
    for status in LoanStatus::ALL {
        desk.clock.advance(Duration::seconds(1));
        loans.push(LoanRequestId::from(desk.loan(10_000, *status).await));
    }
    desk.clock.advance(Duration::seconds(1));
    let waiting = desk.repay(loans[4].into(), 100).await;
    desk.clock.advance(Duration::seconds(1));
    let booked = desk.repay(loans[4].into(), 100).await;
    desk.set(booked, "05").await;
    desk.clock.advance(Duration::seconds(1));
    let rejected = desk.deliver(&desk.repayment(Some(desk.clock.new_id().into()), 100)).await;

    let cases = [
        ("", vec![loans[0], loans[1], loans[2], waiting]),
        ("?loanStatus=", vec![loans[0], loans[1], loans[2], waiting]),
        ("?loanStatus=00", vec![loans[0], waiting]),
        ("?loanStatus=05,04,04", vec![loans[4], loans[5], booked]),
        ("?loanStatus=03", vec![loans[3], rejected]),
        ("?requestId=02", vec![waiting]),
        ("?requestId=01&loanStatus=00", vec![loans[0]]),
        ("?requestId=02&loanStatus=all", vec![waiting, booked, rejected]),
        ("?sort=receivedAt,desc", vec![waiting, loans[2], loans[1], loans[0]]),
    ];
    for (query, expected) in cases {
        let answer = desk.get(&format!("/loanManagers{query}")).await;
        assert_eq!(answer.ids(), expected, "{query}");
        assert_eq!(answer.body["page"]["totalElements"], expected.len(), "{query}");
    }
    let all = desk.get("/loanManagers?loanStatus=all").await;
    assert_eq!(all.ids(), [&loans[..], &[waiting, booked, rejected]].concat());
    let of_loan = desk.get(&format!("/loanManagers?loanStatus=all&loanId={}", loans[4])).await;
    assert_eq!(of_loan.ids(), [loans[4], waiting, booked]);
}

#[sqlx::test(migrations = "./migrations")]
async fn pages_and_cursors_show_each_item_once(pool: PgPool) {
    let desk = Desk::new(pool);
    let ids = applications(&desk, 7).await;
    assert_eq!(walk(&desk, "/loanManagers?size=2").await, ids);
    assert_eq!(walk(&desk, "/loanManagers?size=7&loanStatus=00&requestId=01").await, ids);
    let newest: Vec<_> = ids.iter().copied().rev().collect();
    assert_eq!(walk(&desk, "/loanManagers?size=3&sort=receivedAt,desc").await, newest);

    let page = desk.get("/loanManagers?size=2&page=3").await;
    assert_eq!(page.ids(), ids[6..]);
    assert_eq!(
        page.body["page"],
        json!({"size": 2, "totalElements": 7, "totalPages": 4, "number": 3})
    );
    assert_eq!(page.body["_links"]["next"], Value::Null);
    let beyond = desk.get("/loanManagers?size=2&page=4").await;
    assert_eq!((beyond.status, beyond.ids()), (200, Vec::new()));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_cursor_neither_skips_nor_repeats_while_the_queue_moves(pool: PgPool) {
    let desk = Desk::new(pool);
    let ids = applications(&desk, 6).await;
    let first = desk.get("/loanManagers?size=2").await;
    let next = next_of(&first).unwrap();
    // What was shown leaves the queue, and something comes in behind.
    for step in ["01", "03"] {
        desk.set(ids[0], step).await;
    }
    desk.clock.advance(Duration::seconds(1));
    let late = desk.apply(1_000).await;
    let rest = walk(&desk, &next).await;
    assert_eq!(rest, [&ids[2..], &[late]].concat());
}

#[sqlx::test(migrations = "./migrations")]
async fn a_wrong_parameter_is_named(pool: PgPool) {
    let desk = Desk::new(pool);
    for (query, field) in [
        ("loanStatus=06", "loanStatus"),
        ("loanStatus=00,", "loanStatus"),
        ("loanStatus=ALL", "loanStatus"),
        ("requestId=03", "requestId"),
        ("loanId=1", "loanId"),
        ("size=0", "size"),
        ("size=201", "size"),
        ("size=-1", "size"),
        ("page=101&size=100", "page"),
        ("sort=userName", "sort"),
        ("sort=receivedAt,sideways", "sort"),
        ("cursor=%21", "cursor"),
        ("cursor=e30", "cursor"),
    ] {
        let answer = desk.get(&format!("/loanManagers?{query}")).await;
        assert_eq!(answer.problem(), (400, "invalid-query"), "{query}");
        assert_eq!(answer.body["errors"][0]["field"], field, "{query}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_long_queue_is_counted_up_to_a_bound(pool: PgPool) {
    let desk = Desk::new(pool);
    desk.apply(1_000).await;
    sqlx::query(
        "INSERT INTO item
         SELECT (jsonb_populate_record(item, jsonb_build_object('loan_request_id', id, 'loan_id', id))).*
           FROM item, LATERAL (SELECT gen_random_uuid() AS id FROM generate_series(1, 10000)) AS ids",
    )
    .execute(desk.db.pool())
    .await
    .unwrap();
    let answer = desk.get("/loanManagers?size=200&page=49").await;
    assert_eq!(answer.body["page"]["totalElements"], 10_000);
    assert_eq!(answer.body["page"]["totalIsLowerBound"], true);
    assert!(answer.body["_links"]["next"]["href"].as_str().unwrap().contains("cursor="));
    assert_eq!(walk(&desk, &next_of(&answer).unwrap()).await.len(), 1);
}
