#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::{LoanRequestId, LoanStatus};
use common::clock::Clock;
use serde_json::Value;
use sqlx::PgPool;

use crate::events::testing::Story;
use crate::http::testing::{Answer, App, Who};

fn entries(answer: &Answer) -> &Vec<Value> {
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.body["_embedded"]["loanStatus"].as_array().unwrap()
}

fn texts(answer: &Answer, field: &str) -> Vec<String> {
    entries(answer).iter().map(|entry| entry[field].as_str().unwrap_or("-").to_owned()).collect()
}

fn request() -> LoanRequestId {
    Clock::system().new_id().into()
}

#[sqlx::test(migrations = "./migrations")]
async fn one_entry_for_each_event_newest_first(pool: PgPool) {
    //
    let app = App::new(pool).await;
    let who = Who::customer();
    let story = Story::of(who.id.into());
    app.deliver(&story.received()).await;
    app.deliver(&story.judged(LoanStatus::UnderReview, 2)).await;
    app.deliver(&story.executed()).await;
    let list = app.get("/loanStatus", Some(who)).await;
    assert_eq!(texts(&list, "eventType"), ["LoanExecuted", "LoanJudged", "LoanRequestReceived"]);
    assert_eq!(texts(&list, "loanStatus"), ["대출실행", "심사진행", "접수"]);
    assert_eq!(texts(&list, "loanStatusCode"), ["04", "01", "00"]);
    assert_eq!(list.body["page"]["totalElements"], 3);
    let executed = &entries(&list)[0];
    assert_eq!(executed["amountOfMoney"], 1_000);
    assert_eq!(executed["outstanding"], 1_000);
    assert_eq!(executed["requestId"], "01");
    assert_eq!(executed["requestStatus"], "요청완료");
    assert_eq!(executed["loanRequestId"], story.loan_id.to_string());
    let loan = format!("http://localhost/loanStatus/loans/{}", story.loan_id);
    assert_eq!(executed["_links"]["loan"]["href"], loan);
    assert_eq!(app.get(&loan, Some(who)).await.status, 200, "the link leads somewhere");
    let oldest_first = app.get("/loanStatus?sort=id,asc", Some(who)).await;
    assert_eq!(texts(&oldest_first, "loanStatusCode"), ["00", "01", "04"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_rejected_request_says_why_and_that_it_was_compensated(pool: PgPool) {
    //
    let app = App::new(pool).await;
    let who = Who::customer();
    let story = Story::of(who.id.into());
    let wrong = request();
    app.deliver(&story.rejected(wrong, None)).await;
    let list = app.get("/loanStatus", Some(who)).await;
    assert_eq!(texts(&list, "loanStatusCode"), ["03"]);
    assert_eq!(texts(&list, "reason"), ["no-such-loan"]);
    assert_eq!(texts(&list, "requestStatus"), ["-"]);
    assert_eq!(entries(&list)[0].get("loanId"), None);
    app.deliver(&story.cancelled(wrong)).await;
    let list = app.get("/loanStatus", Some(who)).await;
    assert_eq!(texts(&list, "requestStatus"), ["요청취소"]);
    assert_eq!(entries(&list).len(), 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn each_sees_their_own_and_officers_see_all(pool: PgPool) {
    //
    let app = App::new(pool).await;
    let (one, two) = (Who::customer(), Who::customer());
    let (mine, theirs) = (Story::of(one.id.into()), Story::of(two.id.into()));
    app.deliver(&mine.received()).await;
    app.deliver(&theirs.received()).await;
    app.deliver(&Story::of(one.id.into()).received()).await;
    assert_eq!(entries(&app.get("/loanStatus", Some(one)).await).len(), 2);
    assert_eq!(
        texts(&app.get("/loanStatus", Some(two)).await, "loanId"),
        [theirs.loan_id.to_string()]
    );
    let officer = Some(Who::officer());
    assert_eq!(entries(&app.get("/loanStatus", officer).await).len(), 3);
    assert!(entries(&app.get("/loanStatus", Some(Who::customer())).await).is_empty());
    let never = "018f2c3e-0000-7000-8000-000000000001";
    for (anothers, never_was) in [
        (format!("customerId={}", two.id), format!("customerId={never}")),
        (format!("loanId={}", theirs.loan_id), format!("loanId={never}")),
        (
            format!("loanId={}&customerId={}", theirs.loan_id, two.id),
            format!("loanId={never}&customerId={never}"),
        ),
    ] {
        let by_officer = app.get(&format!("/loanStatus?{anothers}"), officer).await;
        assert_eq!(texts(&by_officer, "loanId"), [theirs.loan_id.to_string()]);
        let anothers = app.get(&format!("/loanStatus?{anothers}"), Some(one)).await;
        let never_was = app.get(&format!("/loanStatus?{never_was}"), Some(one)).await;
        assert!(entries(&anothers).is_empty());
        assert_eq!(anothers.body["page"], never_was.body["page"]);
    }
    let by_loan = app.get(&format!("/loanStatus?loanId={}", mine.loan_id), Some(one)).await;
    assert_eq!(texts(&by_loan, "loanId"), [mine.loan_id.to_string()]);
    // A cursor is input like any other: it says where, never whose.
    let cursor = common::hal::Cursor::encode(&i64::MAX);
    assert_eq!(
        entries(&app.get(&format!("/loanStatus?cursor={cursor}"), Some(two)).await).len(),
        1
    );
}

#[sqlx::test(migrations = "./migrations")]
async fn the_pages_hold_everything_once(pool: PgPool) {
    let app = App::new(pool).await;
    let who = Who::customer();
    let mut written = Vec::new();
    for _ in 0..5 {
        let story = Story::of(who.id.into());
        app.deliver(&story.received()).await;
        app.deliver(&Story::new().received()).await;
        written.insert(0, story.loan_id.to_string());
    }
    let mut address = "/loanStatus?size=2".to_owned();
    let mut read = Vec::new();
    loop {
        let page = app.get(&address, Some(who)).await;
        read.extend(texts(&page, "loanId"));
        assert_eq!(page.body["page"]["totalPages"], 3);
        // What comes in between is before the first page and moves nothing.
        app.deliver(&Story::new().received()).await;
        match page.body["_links"]["next"]["href"].as_str() {
            Some(next) => address = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(read, written);
    let last = app.get("/loanStatus?size=2&page=2", Some(who)).await;
    assert_eq!(texts(&last, "loanId"), written[4..]);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_out_of_bounds_is_refused(pool: PgPool) {
    let app = App::new(pool).await;
    let who = Some(Who::customer());
    for query in [
        "size=0",
        "size=201",
        "page=501&size=20",
        "sort=customerId",
        "cursor=%21",
        "customerId=7",
        "page=-1",
    ] {
        let answer = app.get(&format!("/loanStatus?{query}"), who).await;
        assert_eq!(
            (answer.status, answer.body["code"].as_str()),
            (400, Some("invalid-query")),
            "{query}"
        );
    }
    assert_eq!(app.get("/loanStatus", None).await.status, 401);
    let nobody = Who { roles: &[], ..Who::customer() };
    assert_eq!(app.get("/loanStatus", Some(nobody)).await.status, 403);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_total_beyond_ten_thousand_is_a_lower_bound(pool: PgPool) {
    let app = App::new(pool).await;
    let who = Who::customer();
    sqlx::query(
        "INSERT INTO entry
         SELECT n, gen_random_uuid(), 'LoanExecuted', gen_random_uuid(), NULL, $1, '01', '', 1, 'KRW', NULL, '04',
                NULL, NULL, 4, now()
           FROM generate_series(1, 10001) AS n",
    )
    .bind(who.id)
    .execute(app.db.pool())
    .await
    .unwrap();
    let page = app.get("/loanStatus?size=1", Some(who)).await;
    assert_eq!(page.body["page"]["totalElements"], 10_000);
    assert_eq!(page.body["page"]["totalIsLowerBound"], true);
}
