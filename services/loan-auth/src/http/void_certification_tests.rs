#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures::future::join_all;
use serde_json::json;
use sqlx::PgPool;

use crate::http::testing::{App, SERVICE};

#[sqlx::test(migrations = "./migrations")]
async fn a_void_is_final_and_published_once(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    let question = app.question(&who);
    let id = &question["loanRequestId"];
    for _ in 0..2 {
        assert_eq!(app.void(id).await.body, json!({"outcome": "voided"}));
    }
    assert_eq!(app.certify(&question).await.outcome(), "voided");
    let mut wrong = question.clone();
    wrong["userPassword"] = json!("wrong horse battery");
    assert_eq!(app.certify(&wrong).await.outcome(), "voided");
    let outbox = app.outbox().await;
    assert_eq!(outbox.len(), 1);
    assert_eq!((outbox[0].0.as_str(), json!(outbox[0].1)), ("AuthCancelled", id.clone()));
    assert_eq!(
        outbox[0].2,
        json!({
            "loanRequestId": id, "reason": "voided", "cancelledAt": "2026-11-21T08:00:00Z",
        })
    );
    assert_eq!(app.count("SELECT count(*) FROM open_loan").await, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_void_that_is_too_late_says_what_is_decided(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    let question = app.question(&who);
    app.certify(&question).await;
    let answer = app.void(&question["loanRequestId"]).await;
    assert_eq!(answer.body, json!({"outcome": "certified", "customerId": who.id}));
    let mut wrong = app.question(&who);
    wrong["userPassword"] = json!("wrong horse battery");
    app.certify(&wrong).await;
    assert_eq!(app.void(&wrong["loanRequestId"]).await.body, json!({"outcome": "refused"}));
    assert_eq!(app.outbox().await.len(), 1, "nothing but the certification");
}

#[sqlx::test(migrations = "./migrations")]
async fn an_id_that_is_none_is_404(pool: PgPool) {
    let app = App::new(pool);
    for bad in ["1", "'%20OR%201=1", "%00", "me"] {
        let answer = app
            .post(&format!("/loanAuths/{bad}/void"))
            .bearer(SERVICE)
            .json(&json!({}))
            .send()
            .await;
        assert_eq!(answer.status, 404, "{bad}");
    }
}

// Certify and void at the same moment, on two instances: whoever is first, both
// say the same, and what is published is what was said.
#[sqlx::test(migrations = "./migrations")]
async fn the_first_writer_wins_a_race(pool: PgPool) {
    let app = App::new(pool);
    let other = app.another();
    let who = app.customer("1@sk.com").await;
    // The password is remembered, so that both are about as fast.
    app.certify(&app.question(&who)).await;
    app.run("DELETE FROM outbox").await;
    let rounds = join_all((0..60).map(|round| {
        let (app, other, question) = (&app, &other, app.question(&who));
        async move {
            let id = question["loanRequestId"].clone();
            let certify = async {
                if round % 3 == 0 {
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                }
                app.certify(&question).await
            };
            let (certified, voided, again) =
                tokio::join!(certify, other.void(&id), app.certify(&question));
            let outcome = certified.outcome().to_owned();
            assert!(outcome == "certified" || outcome == "voided", "{outcome}");
            assert_eq!(voided.outcome(), outcome);
            assert_eq!(again.outcome(), outcome);
            outcome
        }
    }))
    .await;
    let certified =
        i64::try_from(rounds.iter().filter(|outcome| *outcome == "certified").count()).unwrap();
    let voided = 60 - certified;
    for (sql, expected) in [
        ("SELECT count(*) FROM certification WHERE outcome = 'voided'", voided),
        ("SELECT count(*) FROM outbox WHERE event_type = 'AuthCertified'", certified),
        ("SELECT count(*) FROM outbox WHERE event_type = 'AuthCancelled'", voided),
        ("SELECT count(*) - 1 FROM open_loan WHERE is_open", certified),
    ] {
        assert_eq!(app.count(sql).await, expected, "{sql}");
    }
}
