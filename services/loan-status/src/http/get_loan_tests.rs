#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::{LoanRequestId, LoanStatus};
use common::clock::Clock;
use sqlx::PgPool;

use crate::events::testing::Story;
use crate::http::testing::{Answer, App, Who};
use crate::usecases::rederive_loan::rederive_loan;

fn request() -> LoanRequestId {
    Clock::system().new_id().into()
}

fn tag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}

#[sqlx::test(migrations = "./migrations")]
async fn a_loan_with_its_timeline(pool: PgPool) {
    //
    let app = App::new(pool).await;
    let who = Who::customer();
    let story = Story::of(who.id.into());
    let part = request();
    app.deliver(&story.received()).await;
    app.deliver(&story.judged(LoanStatus::UnderReview, 2)).await;
    app.deliver(&story.judged(LoanStatus::Approved, 3)).await;
    app.deliver(&story.executed()).await;
    app.deliver(&story.repayment_received(part, 5)).await;
    app.deliver(&story.repaid(part, 600, 6)).await;
    let address = format!("/loanStatus/loans/{}", story.loan_id);
    let loan = app.get(&address, Some(who)).await;
    assert_eq!(loan.status, 200);
    assert_eq!(loan.body["loanStatus"], "대출실행");
    assert_eq!(loan.body["loanStatusCode"], "04");
    assert_eq!(loan.body["outstanding"], 600);
    assert_eq!(loan.body["amountOfMoney"], 1_000);
    assert_eq!(loan.body["requestName"], "Deposit");
    let timeline = loan.body["timeline"].as_array().unwrap();
    let codes: Vec<_> =
        timeline.iter().map(|entry| entry["loanStatusCode"].as_str().unwrap()).collect();
    assert_eq!(codes, ["00", "01", "02", "04", "00", "04"]);
    assert_eq!(timeline[2]["admComment"], "well");
    assert_eq!(loan.body["_links"]["self"]["href"], format!("http://localhost{address}"));
    assert_eq!(loan.body["_links"]["repay"]["href"], "http://localhost/loanRequests");
    let text = loan.body.to_string();
    assert!(
        !text.contains("userMobile") && !text.contains("userName") && !text.contains("accountNo"),
        "{text}"
    );
    app.deliver(&story.repaid(request(), 0, 7)).await;
    let repaid = app.get(&address, Some(who)).await;
    assert_eq!(
        (repaid.body["loanStatusCode"].as_str(), repaid.body["outstanding"].as_i64()),
        (Some("05"), Some(0))
    );
    assert_eq!(repaid.body["_links"].get("repay"), None, "nothing is left to repay");
}

#[sqlx::test(migrations = "./migrations")]
async fn anothers_loan_is_one_that_never_was(pool: PgPool) {
    //
    let app = App::new(pool).await;
    let (owner, stranger) = (Who::customer(), Who::customer());
    let story = Story::of(owner.id.into());
    app.deliver(&story.received()).await;
    // The stranger has even asked to repay it, and was rejected.
    app.deliver(&Story::of(stranger.id.into()).rejected(request(), Some(story.loan_id))).await;
    let address = format!("/loanStatus/loans/{}", story.loan_id);
    let own = app.get(&address, Some(owner)).await;
    assert_eq!(own.body["timeline"].as_array().unwrap().len(), 1, "nothing of the stranger");
    let officers = app.get(&address, Some(Who::officer())).await;
    assert_eq!(officers.body["timeline"], own.body["timeline"]);
    assert_eq!(
        officers.body["_links"]["manage"]["href"],
        format!("http://localhost/loanManagers/{}", story.loan_id)
    );
    let anothers = app.get(&address, Some(stranger)).await;
    let never =
        app.get("/loanStatus/loans/018f2c3e-0000-7000-8000-000000000001", Some(stranger)).await;
    assert_eq!((anothers.status, never.status), (404, 404));
    let mut same = anothers.body.clone();
    same["instance"] = never.body["instance"].clone();
    assert_eq!(same, never.body);
    // Nor does its tag open it.
    let with_tag = app.get_with(&address, Some(stranger), Some(("if-none-match", "*"))).await;
    assert_eq!(with_tag.status, 404);
    assert_eq!(app.get("/loanStatus/loans/7", Some(owner)).await.status, 404);
    assert_eq!(app.get(&address, None).await.status, 401);
    assert_eq!(app.get(&address, Some(Who { roles: &["auditor"], ..owner })).await.status, 403);
}

#[sqlx::test(migrations = "./migrations")]
async fn whatever_is_shown_anew_has_another_tag(pool: PgPool) {
    let app = App::new(pool).await;
    let who = Who::customer();
    let story = Story::of(who.id.into());
    let address = format!("/loanStatus/loans/{}", story.loan_id);
    let refused = request();
    app.deliver(&story.executed()).await;
    let mut tags = vec![tag(&app.get(&address, Some(who)).await)];
    // Later, older, of the request only, and the mark of a cancellation.
    app.deliver(&story.repaid(request(), 600, 6)).await;
    tags.push(tag(&app.get(&address, Some(who)).await));
    app.deliver(&story.received()).await;
    tags.push(tag(&app.get(&address, Some(who)).await));
    app.deliver(&story.rejected(refused, Some(story.loan_id))).await;
    tags.push(tag(&app.get(&address, Some(who)).await));
    app.deliver(&story.cancelled(refused)).await;
    let last = tag(&app.get(&address, Some(who)).await);
    tags.push(last.clone());
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 5, "{tags:?}");
    // Nothing happened, or not to this loan.
    app.deliver(&Story::of(who.id.into()).received()).await;
    for known in [last.clone(), format!("\"x\", W/{last}")] {
        let same = app.get_with(&address, Some(who), Some(("if-none-match", &known))).await;
        assert_eq!((same.status, tag(&same)), (304, last.clone()), "{known}");
        assert!(same.body.is_null());
    }
    let older = app.get_with(&address, Some(who), Some(("if-none-match", "\"x\""))).await;
    assert_eq!(older.status, 200);
    // Whoever has read what was wrong, which an operator has had mended.
    let wrong = "UPDATE loan SET loan_status = '01', outstanding = 7 WHERE loan_id = $1";
    sqlx::query(wrong).bind(story.loan_id).execute(app.db.pool()).await.unwrap();
    let wrong = tag(&app.get(&address, Some(who)).await);
    let mending = app.db.in_tx("test", async |tx| rederive_loan(tx, story.loan_id).await);
    assert!(mending.await.unwrap());
    let mended = app.get_with(&address, Some(who), Some(("if-none-match", &wrong))).await;
    assert_eq!((mended.status, tag(&mended)), (200, last));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_long_timeline_ends_with_the_last(pool: PgPool) {
    let app = App::new(pool).await;
    let who = Who::customer();
    let story = Story::of(who.id.into());
    app.deliver(&story.received()).await;
    sqlx::query(
        "INSERT INTO entry
         SELECT 100 + n, gen_random_uuid(), 'LoanRequestReceived', gen_random_uuid(), $1, $2, '02', '', 1, 'KRW', NULL,
                '00', NULL, NULL, n, now()
           FROM generate_series(2, 301) AS n",
    )
    .bind(story.loan_id)
    .bind(who.id)
    .execute(app.db.pool())
    .await
    .unwrap();
    let loan = app.get(&format!("/loanStatus/loans/{}", story.loan_id), Some(who)).await;
    let timeline = loan.body["timeline"].as_array().unwrap();
    assert_eq!(timeline.len(), 200);
    assert_eq!(
        (&timeline[0]["loanVersion"], &timeline[199]["loanVersion"]),
        (&102.into(), &301.into())
    );
}
