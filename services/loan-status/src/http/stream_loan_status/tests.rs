#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use ::events::LoanStatus;
use common::db::Db;
use common::event::ReceivedEvent;
use sqlx::PgPool;
use tokio::time::{Instant, timeout};

use crate::config::StreamSettings;
use crate::events::testing::Story;
use crate::http::testing::{App, Sent, Who, small};
use crate::usecases::begin_generation::begin_generation;

const RECEIVED: &str = "LoanRequestReceived";

#[sqlx::test(migrations = "./migrations")]
async fn what_was_and_then_what_comes(pool: PgPool) {
    //
    let app = App::new(pool).await;
    let who = Who::customer();
    let story = Story::of(who.id.into());
    app.deliver(&story.received()).await;
    let mut stream = app.stream("", who, None).await;
    let (first, event_type) = stream.entry().await;
    assert_eq!(event_type, RECEIVED);
    app.deliver(&story.judged(LoanStatus::UnderReview, 2)).await;
    app.deliver(&story.judged(LoanStatus::Approved, 3)).await;
    let (name, second, data) = stream.event().await.unwrap();
    assert_eq!((name.as_str(), &data["loanStatusCode"]), ("loanStatus", &"01".into()));
    assert_eq!(data["loanStatus"], "심사진행");
    assert!(!data.to_string().contains("userMobile"));
    let (third, _) = stream.entry().await;
    assert!(
        first.ends_with("-1") && second.ends_with("-2") && third.ends_with("-3"),
        "{first} {second} {third}"
    );
    // What the list says is what the stream says.
    let list = app.get("/loanStatus?sort=id,asc", Some(who)).await;
    let mut listed = list.body["_embedded"]["loanStatus"][1].clone();
    listed.as_object_mut().unwrap().remove("_links");
    assert_eq!(listed, data);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_stream_goes_on_behind_the_last_event_id(pool: PgPool) {
    //
    let app = App::new(pool).await;
    let who = Who::customer();
    let story = Story::of(who.id.into());
    app.deliver(&story.received()).await;
    app.deliver(&story.executed()).await;
    let mut stream = app.stream("", who, None).await;
    let (first, _) = stream.entry().await;
    drop(stream);
    let mut again = app.stream("", who, Some(&first)).await;
    assert_eq!(again.entry().await.1, "LoanExecuted");
    app.deliver(&story.repaid(story.loan_id.into(), 0, 7)).await;
    let (last, event_type) = again.entry().await;
    assert_eq!(event_type, "LoanRepaid");
    let mut at_the_end = app.stream("", who, Some(&last)).await;
    at_the_end.live().await;
}

#[sqlx::test(migrations = "./migrations")]
async fn a_place_that_is_not_the_callers_begins_anew(pool: PgPool) {
    // unknown, another feed's, another customer's and unreadable look the same.
    let app = App::new(pool).await;
    let (one, two) = (Who::customer(), Who::customer());
    app.deliver(&Story::of(two.id.into()).received()).await;
    app.deliver(&Story::of(one.id.into()).received()).await;
    let (own, _) = app.stream("", one, None).await.entry().await;
    let (theirs, _) = app.stream("", two, None).await.entry().await;
    let (epoch, _) = own.split_once('-').unwrap();
    let strange = [
        theirs.clone(),
        format!("{epoch}-999"),
        "0123456789ab-2".to_owned(),
        "2".to_owned(),
        "ü".to_owned(),
    ];
    for place in &strange {
        let mut stream = app.stream("", one, Some(place)).await;
        let (name, id, _) = stream.event().await.unwrap();
        assert_eq!((name.as_str(), id), ("reset", format!("{epoch}-0")), "{place}");
        assert_eq!(stream.entry().await.0, own, "{place}");
    }
    // An officer has been given all of them.
    let mut officers = app.stream("", Who::officer(), Some(&theirs)).await;
    assert_eq!(officers.entry().await.0, own);
    // Right after a reset: the place before the first entry is a place.
    let mut after_reset = app.stream("", one, Some(&format!("{epoch}-0"))).await;
    assert_eq!(after_reset.entry().await.0, own);
}

#[sqlx::test(migrations = "./migrations")]
async fn each_is_sent_what_is_theirs(pool: PgPool) {
    //
    let app = App::new(pool).await;
    let (one, two, officer) = (Who::customer(), Who::customer(), Who::officer());
    let (mine, theirs) = (Story::of(one.id.into()), Story::of(two.id.into()));
    let mut own = app.stream("", one, None).await;
    let mut all = app.stream("", officer, None).await;
    let mut narrowed = app.stream(&format!("?customerId={}", two.id), officer, None).await;
    let mut spy = app.stream(&format!("?customerId={}", two.id), one, None).await;
    let mut loan_spy = app.stream(&format!("?loanId={}", theirs.loan_id), one, None).await;
    for stream in [&mut own, &mut all, &mut narrowed, &mut spy, &mut loan_spy] {
        stream.live().await;
    }
    app.deliver(&theirs.received()).await;
    app.deliver(&mine.received()).await;
    assert!(own.entry().await.0.ends_with("-2"));
    assert!(all.entry().await.0.ends_with("-1"));
    assert!(all.entry().await.0.ends_with("-2"));
    assert!(narrowed.entry().await.0.ends_with("-1"));
    for stream in [&mut own, &mut all, &mut narrowed, &mut spy, &mut loan_spy] {
        assert_eq!(stream.next().await, Some(Sent::Comment), "and nothing else");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn what_this_instance_commits_is_sent_at_once(pool: PgPool) {
    let settings = StreamSettings { feed_poll_ms: 60_000, ..small() };
    let app = App::with(pool, settings).await;
    let who = Who::customer();
    let mut stream = app.stream("", who, None).await;
    stream.live().await;
    let started = Instant::now();
    app.deliver(&Story::of(who.id.into()).received()).await;
    stream.entry().await;
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[sqlx::test(migrations = "./migrations")]
async fn what_another_instance_commits_is_sent_too(pool: PgPool) {
    //
    let app = App::new(pool.clone()).await;
    let who = Who::customer();
    let mut stream = app.stream("", who, None).await;
    stream.live().await;
    let event = ReceivedEvent::for_test(&Story::of(who.id.into()).received());
    crate::events::subscriptions("loan-status")
        .deliver(&Db::from_pool(pool), &event)
        .await
        .unwrap();
    stream.entry().await;
}

#[sqlx::test(migrations = "./migrations")]
async fn there_are_so_many_streams_and_no_more(pool: PgPool) {
    let app = App::new(pool).await;
    let who = Who::customer();
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(app.stream("", who, None).await);
    }
    let sixth = app.get("/loanStatus/stream", Some(who)).await;
    assert_eq!((sixth.status, sixth.body["code"].as_str()), (429, Some("too-many-streams")));
    assert!(sixth.headers.contains_key("retry-after"));
    let officer = Who::officer();
    for _ in 0..2 {
        open.push(app.stream("", officer, None).await);
    }
    let third = app.get("/loanStatus/stream", Some(officer)).await;
    assert_eq!((third.status, third.body["code"].as_str()), (429, Some("too-many-streams")));
    assert!(third.headers.contains_key("retry-after"));
    open.push(app.stream("", Who::officer(), None).await);
    let ninth = app.get("/loanStatus/stream", Some(Who::officer())).await;
    assert_eq!((ninth.status, ninth.body["code"].as_str()), (503, Some("streams-full")));
    assert!(ninth.headers.contains_key("retry-after"));
    // Whoever closes one may open another.
    open.remove(0);
    open.push(app.stream("", who, None).await);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_stream_ends_with_its_token(pool: PgPool) {
    let app = App::new(pool).await;
    let mut stream = app.stream("", Who { seconds: 2, ..Who::customer() }, None).await;
    let started = Instant::now();
    while stream.next().await.is_some() {}
    assert!(started.elapsed() < Duration::from_secs(4));
    // Within the clocks' skew the token is still good elsewhere, but no stream begins.
    let late = app.get("/loanStatus/stream", Some(Who { seconds: 0, ..Who::customer() })).await;
    assert_eq!(late.status, 401);
}

#[sqlx::test(migrations = "./migrations")]
async fn streams_end_at_the_shutdown(pool: PgPool) {
    //
    let app = App::new(pool).await;
    let who = Who::customer();
    let mut stream = app.stream("", who, None).await;
    stream.live().await;
    app.shutdown.cancel();
    assert_eq!(stream.next().await, None);
    let late = app.get("/loanStatus/stream", Some(who)).await;
    assert_eq!((late.status, late.body["code"].as_str()), (503, Some("unavailable")));
    assert_eq!(
        app.get("/loanStatus", Some(who)).await.status,
        200,
        "reading goes on until the end"
    );
}

/// Waits until so many entries were handed out.
async fn handed_out(app: &App, number: i64) {
    let all = async {
        while app.hub.position().number < number {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(5), all).await.unwrap();
}

#[sqlx::test(migrations = "./migrations")]
async fn a_client_that_falls_behind_gets_the_rest_at_its_own_pace(pool: PgPool) {
    let app = App::with(pool, StreamSettings { stream_lag_seconds_max: 60, ..small() }).await;
    let who = Who::customer();
    let mut stream = app.stream("", who, None).await;
    stream.live().await;
    for _ in 0..10 {
        app.deliver(&Story::of(who.id.into()).received()).await;
    }
    handed_out(&app, 10).await;
    for number in 1..=10 {
        assert!(stream.entry().await.0.ends_with(&format!("-{number}")));
    }
    app.deliver(&Story::of(who.id.into()).received()).await;
    assert!(stream.entry().await.0.ends_with("-11"));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_client_that_does_not_read_is_cut_off_and_loses_nothing(pool: PgPool) {
    let app = App::new(pool).await;
    let who = Who::customer();
    let mut stream = app.stream("", who, None).await;
    stream.live().await;
    for _ in 0..10 {
        app.deliver(&Story::of(who.id.into()).received()).await;
    }
    handed_out(&app, 10).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let mut last = String::new();
    let mut read = 0;
    while let Some((_, id, _)) = stream.event().await {
        last = id;
        read += 1;
    }
    assert_eq!(read, 3, "as many as the buffer holds");
    let mut again = app.stream("", who, Some(&last)).await;
    for number in 4..=10 {
        assert!(again.entry().await.0.ends_with(&format!("-{number}")));
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_long_absence_is_made_up_for_page_by_page(pool: PgPool) {
    let app = App::new(pool).await;
    let who = Who::customer();
    sqlx::query(
        "INSERT INTO entry
         SELECT n, gen_random_uuid(), 'LoanExecuted', gen_random_uuid(), NULL, $1, '01', '', 1, 'KRW', NULL, '04',
                NULL, NULL, 4, now()
           FROM generate_series(1, 1001) AS n",
    )
    .bind(who.id)
    .execute(app.db.pool())
    .await
    .unwrap();
    sqlx::query("UPDATE feed_counter SET last_id = 1001").execute(app.db.pool()).await.unwrap();
    let mut stream = app.stream("", who, None).await;
    for number in 1..=500 {
        assert!(stream.entry().await.0.ends_with(&format!("-{number}")));
    }
    // What comes while the client still reads the past is not lost, nor sent twice.
    app.deliver(&Story::of(who.id.into()).received()).await;
    for number in 501..=1_002 {
        assert!(stream.entry().await.0.ends_with(&format!("-{number}")));
    }
    app.deliver(&Story::of(who.id.into()).received()).await;
    assert!(stream.entry().await.0.ends_with("-1003"));
}

#[sqlx::test(migrations = "./migrations")]
async fn another_feed_ends_the_streams_and_resets_the_clients(pool: PgPool) {
    //
    let app = App::new(pool).await;
    let who = Who::customer();
    let story = Story::of(who.id.into());
    app.deliver(&story.received()).await;
    let mut stream = app.stream("", who, None).await;
    let (old, _) = stream.entry().await;
    app.db.in_tx("begin_generation", async |tx| begin_generation(tx, 2).await).await.unwrap();
    while stream.next().await.is_some() {}
    // The same event is read again, as the new group does.
    app.deliver(&story.received()).await;
    let mut again = app.stream("", who, Some(&old)).await;
    let (name, id, _) = again.event().await.unwrap();
    assert_eq!(name, "reset");
    let (new, event_type) = again.entry().await;
    assert_eq!(event_type, RECEIVED);
    assert!(new.ends_with("-1") && new != old && id != old);
}

#[sqlx::test(migrations = "./migrations")]
async fn without_a_token_or_a_role_there_is_no_stream(pool: PgPool) {
    let app = App::new(pool).await;
    assert_eq!(app.get("/loanStatus/stream", None).await.status, 401);
    let nobody = Who { roles: &[], ..Who::customer() };
    assert_eq!(app.get("/loanStatus/stream", Some(nobody)).await.status, 403);
    assert_eq!(app.get("/loanStatus/stream?loanId=7", Some(Who::customer())).await.status, 400);
}
