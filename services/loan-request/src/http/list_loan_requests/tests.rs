#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::{CustomerId, LoanRequestId};
use serde_json::Value;
use sqlx::PgPool;

use crate::domain::standing::{Standing, Verdict, Withdrawal};
use crate::http::testing::{Answer, World};
use crate::store::loan_request::{self, Change};

fn ids(answer: &Answer) -> Vec<LoanRequestId> {
    let entries = answer.body["_embedded"]["loanRequests"].as_array().unwrap();
    entries.iter().map(|entry| entry["id"].as_str().unwrap().parse().unwrap()).collect()
}

fn next(answer: &Answer) -> Option<String> {
    let href = answer.body["_links"]["next"]["href"].as_str()?;
    Some(href.strip_prefix("http://localhost").unwrap().to_owned())
}

/// Follows `next` to the end.
async fn all(world: &World, address: &str, token: &str) -> Vec<LoanRequestId> {
    let mut found = Vec::new();
    let mut address = Some(address.to_owned());
    while let Some(page) = address {
        let answer = world.get(&page, token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        found.extend(ids(&answer));
        address = next(&answer);
    }
    found
}

#[sqlx::test(migrations = "./migrations")]
async fn everybody_sees_what_is_theirs_to_see(pool: PgPool) {
    //
    let world = World::new(pool).await;
    let other = CustomerId::from(world.clock.new_id());
    let own = world.settled(Verdict::Certified(world.customer())).await;
    let compensated = world.settled(Verdict::Certified(world.customer())).await;
    let change = Change {
        standing: Standing::Compensated(world.customer()),
        loan_id: None,
        reason: Some("no-such-loan"),
        comment: None,
        at: world.clock.now(),
    };
    let mut connection = world.pool.acquire().await.unwrap();
    loan_request::write(&mut connection, compensated, change).await.unwrap();
    drop(connection);
    let others = world.settled(Verdict::Certified(other)).await;
    let refused = world.settled(Verdict::Refused).await;
    world.settled(Verdict::Withdrawn(Withdrawal::Voided)).await;
    world.clock.advance(time::Duration::milliseconds(1));
    let undecided = world.left_undecided(world.clock.now()).await;

    assert_eq!(all(&world, "/loanRequests", &world.token()).await, [own]);
    let officer = world.get("/loanRequests", &world.officer_token()).await;
    assert_eq!(ids(&officer), [undecided, refused, others, own]);
    assert_eq!(officer.body["page"]["totalElements"], 4);
    let nobody = world.token_of(world.clock.new_id().into(), None);
    let empty = world.get("/loanRequests", &nobody).await;
    assert_eq!(empty.body["_embedded"]["loanRequests"], Value::Array(Vec::new()));
    world.get("/loanRequests", "x").await.must_be_problem(401, "unauthenticated");
    world.get("/loanRequests", &world.token_with(&[])).await.must_be_problem(403, "no-role");
}

#[sqlx::test(migrations = "./migrations")]
async fn pages_go_on_where_they_ended(pool: PgPool) {
    let world = World::new(pool).await;
    let mut submitted = Vec::new();
    for _ in 0..7 {
        submitted.push(world.settled(Verdict::Certified(world.customer())).await);
    }
    let token = world.token();
    let oldest_first = all(&world, "/loanRequests?size=3&sort=submittedAt,asc", &token).await;
    assert_eq!(oldest_first, submitted);
    let newest_first = all(&world, "/loanRequests?size=2", &token).await;
    assert!(newest_first.iter().eq(submitted.iter().rev()));

    // A new one in between neither repeats nor skips an entry.
    let first = world.get("/loanRequests?size=3", &token).await;
    world.settled(Verdict::Certified(world.customer())).await;
    let second = world.get(&next(&first).unwrap(), &token).await;
    assert_eq!(ids(&second), [submitted[3], submitted[2], submitted[1]]);

    let third = world.get("/loanRequests?size=3&page=2", &token).await;
    assert_eq!(ids(&third).len(), 2);
    assert_eq!(third.body["page"]["totalPages"], 3);
    assert_eq!(next(&third), None);
    for bad in ["sort=userId", "size=0", "size=201", "page=x", "cursor=x", "page=101&size=100"] {
        let answer = world.get(&format!("/loanRequests?{bad}"), &token).await;
        answer.must_be_problem(400, "invalid-query");
    }
}
