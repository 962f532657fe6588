#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use sqlx::PgPool;

use crate::events::testing::Story;
use crate::http::testing::{Answer, App, Who};

fn messages(answer: &Answer) -> &Vec<Value> {
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.body["_embedded"]["loanMessengers"].as_array().unwrap()
}

fn ids(answer: &Answer) -> Vec<String> {
    messages(answer).iter().map(|message| message["id"].as_str().unwrap().to_owned()).collect()
}

#[sqlx::test(migrations = "./migrations")]
async fn each_reads_their_own_and_officers_read_all(pool: PgPool) {
    //
    let app = App::new(pool);
    let (one, two) = (Who::customer(), Who::customer());
    let first = app.message_to(one).await.to_string();
    let other = app.message_to(two).await.to_string();
    let second = app.message_to(one).await.to_string();
    let own = app.get("/loanMessengers", Some(one)).await;
    assert_eq!(ids(&own), [second.clone(), first.clone()]);
    assert_eq!(own.body["page"]["totalElements"], 2);
    assert_eq!(messages(&own)[0]["seq"], 2);
    assert_eq!(
        ids(&app.get("/loanMessengers?sort=createdAt,asc", Some(one)).await),
        [first.clone(), second.clone()]
    );
    assert_eq!(ids(&app.get("/loanMessengers", Some(two)).await), std::slice::from_ref(&other));
    assert_eq!(
        ids(&app.get("/loanMessengers", Some(Who::officer())).await),
        [second, other, first]
    );
    assert!(messages(&app.get("/loanMessengers", Some(Who::customer())).await).is_empty());
}

#[sqlx::test(migrations = "./migrations")]
async fn a_filter_never_opens_anothers_messages(pool: PgPool) {
    //
    let app = App::new(pool);
    let (one, two) = (Who::customer(), Who::customer());
    let (mine, theirs) = (Story::of(one.id.into()), Story::of(two.id.into()));
    let my_message = app.message_about(mine).await.to_string();
    app.message_about(Story::of(one.id.into())).await;
    let their_message = app.message_about(theirs).await.to_string();
    let never = "018f2c3e-0000-7000-8000-000000000001";
    for (anothers, never_was) in [
        (format!("customerId={}", two.id), format!("customerId={never}")),
        (format!("loanId={}", theirs.loan_id), format!("loanId={never}")),
        (
            format!("loanId={}&customerId={}", theirs.loan_id, two.id),
            format!("loanId={never}&customerId={never}"),
        ),
    ] {
        let anothers = app.get(&format!("/loanMessengers?{anothers}"), Some(one)).await;
        let never_was = app.get(&format!("/loanMessengers?{never_was}"), Some(one)).await;
        assert!(messages(&anothers).is_empty());
        assert_eq!(anothers.body["page"], never_was.body["page"]);
    }
    let by_loan = format!("/loanMessengers?loanId={}", mine.loan_id);
    assert_eq!(ids(&app.get(&by_loan, Some(one)).await), [my_message]);
    assert_eq!(
        messages(&app.get(&format!("/loanMessengers?customerId={}", one.id), Some(one)).await)
            .len(),
        2
    );
    let officers =
        app.get(&format!("/loanMessengers?customerId={}", two.id), Some(Who::officer())).await;
    assert_eq!(ids(&officers), [their_message]);
    // A cursor is input like any other: it says where, never whose.
    let cursor = common::hal::Cursor::encode(&i64::MAX);
    let own = app.get(&format!("/loanMessengers?cursor={cursor}"), Some(one)).await;
    assert_eq!(messages(&own).len(), 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_pages_hold_everything_once(pool: PgPool) {
    let app = App::new(pool);
    let who = Who::customer();
    let mut written = Vec::new();
    for _ in 0..5 {
        written.push(app.message_to(who).await.to_string());
        app.message_to(Who::customer()).await;
    }
    let mut address = "/loanMessengers?size=2&sort=createdAt,asc".to_owned();
    let mut read = Vec::new();
    loop {
        let page = app.get(&address, Some(who)).await;
        read.extend(ids(&page));
        assert_eq!(page.body["page"]["totalElements"], 5);
        assert_eq!(page.body["page"]["totalPages"], 3);
        // A message that comes in between moves nothing that is behind the cursor.
        match page.body["_links"]["next"]["href"].as_str() {
            Some(next) => address = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(read, written);
    let last = app.get("/loanMessengers?size=2&page=2&sort=createdAt,asc", Some(who)).await;
    assert_eq!(ids(&last), written[4..]);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_out_of_bounds_is_refused(pool: PgPool) {
    let app = App::new(pool);
    let who = Some(Who::customer());
    for query in
        ["size=0", "size=201", "page=501&size=20", "sort=body", "cursor=%21", "loanId=7", "page=-1"]
    {
        let answer = app.get(&format!("/loanMessengers?{query}"), who).await;
        assert_eq!(
            (answer.status, answer.body["code"].as_str()),
            (400, Some("invalid-query")),
            "{query}"
        );
    }
    assert_eq!(app.get("/loanMessengers", None).await.status, 401);
    let nobody = Who { roles: &[], ..Who::customer() };
    assert_eq!(app.get("/loanMessengers", Some(nobody)).await.status, 403);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_total_beyond_ten_thousand_is_a_lower_bound(pool: PgPool) {
    let app = App::new(pool);
    let who = Who::customer();
    sqlx::query("INSERT INTO mailbox VALUES ($1, 10001)")
        .bind(who.id)
        .execute(app.db.pool())
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO message (id, event_id, loan_request_id, customer_id, seq, kind, language, subject, body,
                              channel, created_at)
         SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), $1, n, 'executed', 'ko', '', '', 'mailbox', now()
           FROM generate_series(1, 10001) AS n",
    )
    .bind(who.id)
    .execute(app.db.pool())
    .await
    .unwrap();
    let page = app.get("/loanMessengers?size=1", Some(who)).await;
    assert_eq!(page.body["page"]["totalElements"], 10_000);
    assert_eq!(page.body["page"]["totalIsLowerBound"], true);
    assert_eq!(messages(&page)[0]["seq"], 10_001);
}
