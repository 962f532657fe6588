#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::{LoanId, LoanRequestId, LoanStatus};
use axum::http::HeaderMap;
use common::db::Db;
use common::event::{Event, ReceivedEvent};
use sqlx::PgPool;
use tokio::time::Instant;

use super::*;
use crate::config::VersionSettings;
use crate::events::testing::{Story, new_id};
use crate::http::testing::{Answer, App, Who, small, versions};
use crate::usecases::begin_generation::begin_generation;

/// A wait that ends at once.
const NOT_AT_ALL: Option<(&str, &str)> = Some(("prefer", "wait=0"));

fn of_request(id: LoanRequestId) -> String {
    LoanVersion::Request(id).to_string()
}

fn of_loan(loan_id: LoanId, first: i64, last: i64) -> String {
    LoanVersion::Loan { loan_id, first, last }.to_string()
}

fn list(version: &str) -> String {
    format!("/loanStatus?minVersion={version}")
}

fn verdict(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body["code"].as_str().unwrap_or_default())
}

const NOT_YET: (u16, &str) = (202, "not-shown-yet");

/// As another instance does: this one hears nothing of the commit.
async fn deliver_elsewhere<E: Event>(pool: &PgPool, payload: &E) {
    let event = ReceivedEvent::for_test(payload);
    let elsewhere = Db::from_pool(pool.clone());
    crate::events::subscriptions("loan-status").deliver(&elsewhere, &event).await.unwrap();
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_shown_is_answered_at_once(pool: PgPool) {
    //
    let app = App::new(pool).await;
    let who = Who::customer();
    let story = Story::of(who.id.into());
    app.deliver(&story.received()).await;
    app.deliver(&story.judged(LoanStatus::UnderReview, 2)).await;
    let started = Instant::now();
    let loan = format!("/loanStatus/loans/{}", story.loan_id);
    for version in [of_request(story.loan_id.into()), of_loan(story.loan_id, 2, 2)] {
        let entries = app.get(&list(&version), Some(who)).await;
        assert_eq!((entries.status, &entries.body["page"]["totalElements"]), (200, &2.into()));
        assert!(!entries.body["_links"].to_string().contains("minVersion"), "once is enough");
        let one = app.get(&format!("{loan}?minVersion={version}"), Some(who)).await;
        assert_eq!((one.status, &one.body["loanStatusCode"]), (200, &"01".into()));
        assert!(!one.headers.contains_key("preference-applied"));
        let mut stream = app.stream(&format!("?minVersion={version}"), who, None).await;
        assert_eq!(stream.entry().await.1, "LoanRequestReceived");
        let officers = app.get(&list(&version), Some(Who::officer())).await;
        assert_eq!(officers.status, 200);
    }
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[sqlx::test(migrations = "./migrations")]
async fn what_comes_meanwhile_is_waited_for(pool: PgPool) {
    // by whichever instance it comes, and no longer than needed.
    for elsewhere in [false, true] {
        let slow = VersionSettings { version_poll_ms: 1_000, ..versions() };
        let settings = if elsewhere { versions() } else { slow };
        let app = App::with_versions(pool.clone(), small(), settings).await;
        let who = Who::customer();
        let story = Story::of(who.id.into());
        let loan = format!(
            "/loanStatus/loans/{}?minVersion={}",
            story.loan_id,
            of_loan(story.loan_id, 2, 2)
        );
        app.deliver(&story.received()).await;
        let later = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let judged = story.judged(LoanStatus::UnderReview, 2);
            if elsewhere {
                deliver_elsewhere(&pool, &judged).await;
            } else {
                app.deliver(&judged).await;
            }
            Instant::now()
        };
        let (answer, committed) = tokio::join!(app.get(&loan, Some(who)), later);
        assert_eq!((answer.status, &answer.body["loanStatusCode"]), (200, &"01".into()));
        assert!(committed.elapsed() < Duration::from_millis(800), "{elsewhere}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn what_does_not_come_is_not_waited_for_for_ever(pool: PgPool) {
    // never a stale 200, and no 404 for what is only not there yet.
    let app = App::new(pool).await;
    let who = Who::customer();
    let story = Story::of(who.id.into());
    let version = of_request(story.loan_id.into());
    let loan = format!("/loanStatus/loans/{}", story.loan_id);
    let addresses = [
        list(&version),
        format!("{loan}?minVersion={version}"),
        format!("/loanStatus/stream?minVersion={version}"),
    ];
    for address in &addresses {
        let answer = app.get_with(address, Some(who), NOT_AT_ALL).await;
        assert_eq!(verdict(&answer), NOT_YET);
        assert_eq!(answer.headers["retry-after"], "1");
        assert_eq!(answer.headers["preference-applied"], "wait=0");
        assert_eq!(answer.headers["vary"], "prefer");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.body["instance"], address.split('?').next().unwrap());
    }
    let started = Instant::now();
    let answer = app.get(&addresses[0], Some(who)).await;
    assert_eq!(verdict(&answer), NOT_YET);
    assert!(started.elapsed() >= Duration::from_secs(2), "the default");
    assert!(!answer.headers.contains_key("preference-applied"));
    let started = Instant::now();
    let answer = app.get_with(&addresses[0], Some(who), Some(("prefer", "wait=99"))).await;
    assert_eq!(answer.headers["preference-applied"], "wait=3", "and no more");
    let took = started.elapsed();
    assert!(Duration::from_secs(3) <= took && took < Duration::from_secs(4), "{took:?}");
    assert_eq!(app.get(&loan, Some(who)).await.status, 404);
    // The next step of a loan that is shown.
    app.deliver(&story.received()).await;
    let next = list(&of_loan(story.loan_id, 2, 2));
    assert_eq!(verdict(&app.get_with(&next, Some(who), NOT_AT_ALL).await), NOT_YET);
    let asked = [("prefer", "wait=0"), ("if-none-match", "*")];
    let unchanged = format!("{loan}?minVersion={}", of_loan(story.loan_id, 2, 2));
    assert_eq!(app.get_with_all(&unchanged, Some(who), &asked).await.status, 202);
}

#[sqlx::test(migrations = "./migrations")]
async fn anothers_version_gives_nothing_away(pool: PgPool) {
    //
    let app = App::new(pool).await;
    let (owner, stranger) = (Who::customer(), Who::customer());
    let story = Story::of(owner.id.into());
    app.deliver(&story.received()).await;
    let never = new_id();
    for (theirs, none) in [
        (of_request(story.loan_id.into()), of_request(never.into())),
        (of_loan(story.loan_id, 1, 1), of_loan(never.into(), 1, 1)),
    ] {
        assert_eq!(app.get(&list(&theirs), Some(owner)).await.status, 200);
        let seen = app.get_with(&list(&theirs), Some(stranger), NOT_AT_ALL).await;
        let unseen = app.get_with(&list(&none), Some(stranger), NOT_AT_ALL).await;
        assert_eq!(verdict(&seen), NOT_YET);
        assert_eq!(seen.body, unseen.body);
    }
    let version = of_request(story.loan_id.into());
    assert_eq!(app.get(&list(&version), None).await.status, 401);
    assert_eq!(app.get(&list("x"), None).await.status, 401);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_no_write_has_answered_is_a_bad_request(pool: PgPool) {
    let app = App::new(pool).await;
    let who = Some(Who::customer());
    let id = new_id();
    let good = of_request(id.into());
    for nonsense in
        ["", "1", "%00", "%ff", &id.to_string(), &format!("{good}A"), &"A".repeat(4_000)]
    {
        for path in
            [format!("/loanStatus/loans/{id}"), "/loanStatus".into(), "/loanStatus/stream".into()]
        {
            let answer = app.get(&format!("{path}?minVersion={nonsense}"), who).await;
            assert_eq!(verdict(&answer), (400, "invalid-query"), "{path} {nonsense}");
        }
    }
    let twice = app.get(&format!("/loanStatus?minVersion={good}&minVersion={good}"), who).await;
    assert_eq!(verdict(&twice), (400, "invalid-query"));
    let both = app.get(&format!("/loanStatus?minVersion={good}&size=0"), who).await;
    assert_eq!(both.status, 400, "nobody waits for a page that is none");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_rejected_request_is_shown_as_such(pool: PgPool) {
    // it has no loan and no number, and its writer does not wait for ever.
    let app = App::new(pool).await;
    let who = Who::customer();
    let story = Story::of(who.id.into());
    let wrong = LoanRequestId::from(new_id());
    let address = list(&of_request(wrong));
    assert_eq!(verdict(&app.get_with(&address, Some(who), NOT_AT_ALL).await), NOT_YET);
    app.deliver(&story.rejected(wrong, None)).await;
    let answer = app.get(&address, Some(who)).await;
    assert_eq!(answer.status, 200);
    let entry = &answer.body["_embedded"]["loanStatus"][0];
    assert_eq!(
        (&entry["loanStatusCode"], &entry["reason"]),
        (&"03".into(), &"no-such-loan".into())
    );
    app.deliver(&story.cancelled(wrong)).await;
    let answer = app.get(&address, Some(who)).await;
    assert_eq!(answer.body["_embedded"]["loanStatus"][0]["requestStatus"], "요청취소");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_booking_that_ends_the_loan_is_shown_with_all_of_it(pool: PgPool) {
    //
    let app = App::new(pool).await;
    let who = Who::customer();
    let story = Story::of(who.id.into());
    let (last, waiting) = (LoanRequestId::from(new_id()), LoanRequestId::from(new_id()));
    for received in [story.repayment_received(last, 5), story.repayment_received(waiting, 6)] {
        app.deliver(&received).await;
    }
    let version = of_loan(story.loan_id, 7, 8);
    app.deliver(&story.repaid(last, 0, 7)).await;
    assert_eq!(verdict(&app.get_with(&list(&version), Some(who), NOT_AT_ALL).await), NOT_YET);
    let mut rejected = story.rejected(waiting, Some(story.loan_id));
    rejected.loan_version = Some(8);
    app.deliver(&rejected).await;
    assert_eq!(app.get(&list(&version), Some(who)).await.status, 200);
}

#[sqlx::test(migrations = "./migrations")]
async fn who_finds_no_place_is_told_at_once(pool: PgPool) {
    let app = App::new(pool).await;
    let (one, two) = (Who::customer(), Who::customer());
    let version = of_request(new_id().into());
    let waiting = async || {
        let started = Instant::now();
        let answer = app.get_with(&list(&version), Some(one), Some(("prefer", "wait=2"))).await;
        assert_eq!(verdict(&answer), NOT_YET);
        assert_eq!(answer.headers["preference-applied"], "wait=2");
        started.elapsed()
    };
    let (a, b, c, d) = tokio::join!(waiting(), waiting(), waiting(), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let story = Story::of(two.id.into());
        let address = list(&of_request(story.loan_id.into()));
        let (answer, ()) = tokio::join!(app.get(&address, Some(two)), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            app.deliver(&story.received()).await;
        });
        answer.status
    });
    let at_once = [a, b, c].iter().filter(|took| **took < Duration::from_secs(1)).count();
    assert_eq!(at_once, 1, "two of one customer may wait: {a:?} {b:?} {c:?}");
    assert_eq!(d, 200, "another's place is kept");
}

#[sqlx::test(migrations = "./migrations")]
async fn nobody_waits_for_an_instance_that_ends(pool: PgPool) {
    //
    let app = App::new(pool).await;
    let address = list(&of_request(new_id().into()));
    let started = Instant::now();
    let (answer, ()) = tokio::join!(app.get(&address, Some(Who::customer())), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        app.shutdown.cancel();
    });
    assert_eq!(verdict(&answer), NOT_YET);
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_database_that_goes_away_is_not_taken_for_an_answer(pool: PgPool) {
    let app = App::new(pool.clone()).await;
    let address = list(&of_request(new_id().into()));
    let (answer, ()) = tokio::join!(app.get(&address, Some(Who::customer())), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        pool.close().await;
    });
    assert_eq!(verdict(&answer), (503, "unavailable"));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_read_model_that_is_made_anew_is_behind(pool: PgPool) {
    //
    let app = App::new(pool).await;
    let who = Who::customer();
    let story = Story::of(who.id.into());
    app.deliver(&story.received()).await;
    let address = list(&of_request(story.loan_id.into()));
    assert_eq!(app.get(&address, Some(who)).await.status, 200);
    app.db.in_tx("begin_generation", async |tx| begin_generation(tx, 2).await).await.unwrap();
    assert_eq!(verdict(&app.get_with(&address, Some(who), NOT_AT_ALL).await), NOT_YET);
    app.deliver(&story.received()).await;
    assert_eq!(app.get(&address, Some(who)).await.status, 200);
}

#[test]
fn a_preference_is_read_as_the_standard_says() {
    let wait = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("prefer", value.parse().unwrap());
        }
        preferred_wait(&headers).map(|wait| wait.as_secs())
    };
    assert_eq!(wait(&["wait=5"]), Some(5));
    assert_eq!(wait(&["respond-async, WAIT = \"7\""]), Some(7));
    assert_eq!(wait(&["return=minimal; foo=wait", "wait=0;x=1"]), Some(0));
    assert_eq!(wait(&["wait=3, wait=9", "wait=8"]), Some(3), "the first counts");
    assert_eq!(wait(&["wait=99999999999999999999999"]), Some(u64::MAX));
    for nothing in
        ["", "wait", "wait=", "wait=-1", "wait=1.5", "wait=x", "waiting=5", "wait=\u{7f}"]
    {
        if let Ok(value) = nothing.parse::<HeaderValue>() {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", value);
            assert_eq!(preferred_wait(&headers), None, "{nothing}");
        }
    }
}
