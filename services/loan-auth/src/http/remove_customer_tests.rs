#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::http::Method;
use futures::future::join_all;
use serde_json::json;
use sqlx::PgPool;

use crate::http::testing::{Answer, App, PASSWORD, Who};

async fn remove(app: &App, who: &Who) -> Answer {
    app.call(Method::DELETE, "/customers/me").bearer(&who.token).send().await
}

async fn close_all(app: &App) {
    app.run("UPDATE open_loan SET is_open = false").await;
}

//
#[sqlx::test(migrations = "./migrations")]
async fn a_removed_customer_is_forgotten_and_the_others_are_told(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("gone@sk.com").await;
    assert_eq!(app.certify(&app.question(&who)).await.outcome(), "certified");
    close_all(&app).await;
    let mut wrong = app.question(&who);
    wrong["userPassword"] = json!("wrong horse battery");
    assert_eq!(app.certify(&wrong).await.outcome(), "refused");
    let login = app.log_in("gone@sk.com", PASSWORD).await;
    app.run("DELETE FROM outbox").await;
    let answer = remove(&app, &who).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let outbox = app.outbox().await;
    let id = who.id.to_string();
    assert_eq!(outbox.len(), 2);
    assert_eq!((outbox[0].0.as_str(), &outbox[0].1), ("CustomerRemoved", &id));
    assert_eq!(outbox[0].2, json!({"customerId": id, "removedAt": "2026-11-21T08:00:00Z"}));
    assert_eq!((outbox[1].0.as_str(), &outbox[1].1), ("Tombstone", &id));
    assert!(outbox[1].2.is_null());
    // Nothing personal is left anywhere, the address of a stranger included.
    let dump = app.dump().await;
    for personal in ["gone@sk.com", "유은상", "010-000-0000", "$argon2", "192.0.2.1"] {
        // Failures are kept for an hour, by a hash of the account and the address.
        let kept = app.count("SELECT count(*) FROM login_failure").await;
        assert!(
            !dump.contains(personal) || (personal == "192.0.2.1" && kept == 1),
            "{personal}: {dump}"
        );
    }
    // And nothing of theirs is good any more.
    assert_eq!(app.get("/customers/me", &who).send().await.status, 404);
    assert_eq!(remove(&app, &who).await.status, 404);
    assert_eq!(app.certify(&app.question(&who)).await.outcome(), "refused");
    assert_eq!(app.log_in("gone@sk.com", PASSWORD).await.status, 400);
    let refresh =
        json!({"grant_type": "refresh_token", "refresh_token": login.body["refresh_token"]});
    assert_eq!(app.post("/auth/token").json(&refresh).send().await.status, 400);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_login_name_is_free_again_and_inherits_nothing(pool: PgPool) {
    let app = App::new(pool);
    let first = app.customer("1@sk.com").await;
    assert_eq!(app.certify(&app.question(&first)).await.outcome(), "certified");
    close_all(&app).await;
    assert_eq!(remove(&app, &first).await.status, 204);
    let second = app.customer("1@sk.com").await;
    assert_ne!(first.id, second.id);
    assert_eq!(app.get("/loanAuths", &second).send().await.body["page"]["totalElements"], 0);
    assert_eq!(app.get(&format!("/customers/{}", first.id), &second).send().await.status, 404);
    // The token of the first is not the second's.
    let by_token = json!({
        "loanRequestId": app.new_request(), "requestId": "01", "requestName": "Deposit", "amountOfMoney": 1,
        "token": first.token, "clientAddress": "192.0.2.1",
    });
    assert_eq!(app.certify(&by_token).await.outcome(), "refused");
    let officer = app.officer().await;
    let history = app.get("/loanAuths", &officer).send().await;
    assert_eq!(history.body["page"]["totalElements"], 2);
    let certified = &history.body["_embedded"]["loanAuths"];
    let certified =
        certified.as_array().unwrap().iter().find(|one| one["authStatus"] == "certified").unwrap();
    assert_eq!((&certified["customerId"], certified.get("userId")), (&json!(first.id), None));
}

#[sqlx::test(migrations = "./migrations")]
async fn an_open_loan_keeps_its_customer(pool: PgPool) {
    let app = App::new(pool);
    let (one, two) = (app.customer("1@sk.com").await, app.customer("2@sk.com").await);
    app.certify(&app.question(&one)).await;
    let answer = remove(&app, &one).await;
    assert_eq!((answer.status, answer.code()), (409, "open-loan"));
    // 412 before 409.
    let call =
        app.call(Method::DELETE, "/customers/me").bearer(&one.token).header("if-match", "\"7\"");
    assert_eq!(call.send().await.status, 412);
    assert_eq!(remove(&app, &two).await.status, 204, "another's loan is no matter");
    close_all(&app).await;
    assert_eq!(remove(&app, &one).await.status, 204);
}

// A removal and certifications at the same moment: never a removed customer with
// an open loan.
#[sqlx::test(migrations = "./migrations")]
async fn no_loan_is_opened_while_its_customer_leaves(pool: PgPool) {
    let app = App::new(pool);
    let other = app.another();
    for round in 0..12 {
        let who = app.customer(&format!("{round}@sk.com")).await;
        // Remembered, so that nothing but the database decides the race.
        let mut warm = app.question(&who);
        warm["requestId"] = json!("02");
        assert_eq!(app.certify(&warm).await.outcome(), "certified");
        let questions: Vec<_> = (0..4).map(|_| app.question(&who)).collect();
        let certify = join_all(questions.iter().map(|question| app.certify(question)));
        let removal = async {
            tokio::time::sleep(std::time::Duration::from_micros(300 * round)).await;
            remove(&other, &who).await
        };
        let (certified, removed) = tokio::join!(certify, removal);
        let certified = certified.iter().filter(|answer| answer.outcome() == "certified").count();
        match removed.status {
            204 => assert_eq!(certified, 0, "round {round}"),
            409 => assert!(certified > 0, "round {round}"),
            other => panic!("round {round}: {other}"),
        }
    }
    let stray = "SELECT count(*) FROM open_loan JOIN person USING (customer_id) WHERE is_open AND removed_at IS NOT NULL";
    assert_eq!(app.count(stray).await, 0);
}
