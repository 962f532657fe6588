#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;

use super::some_time;
use crate::config::Delay;
use crate::http::testing::{App, PASSWORD, SERVICE, Who};
use crate::usecases::{Origin, Place, PlaceSettings, Purpose};

fn with(question: &Value, field: &str, value: Value) -> Value {
    let mut question = question.clone();
    question[field] = value;
    question
}

fn without_credentials(question: &Value) -> Value {
    let mut question = question.clone();
    for field in ["userId", "userName", "userPassword"] {
        question.as_object_mut().unwrap().remove(field);
    }
    question
}

async fn outcome_of(app: &App, question: &Value) -> String {
    app.certify(question).await.outcome().to_owned()
}

async fn row(app: &App, question: &Value) -> Option<String> {
    let id: uuid::Uuid = question["loanRequestId"].as_str().unwrap().parse().unwrap();
    sqlx::query_scalar("SELECT outcome FROM certification WHERE loan_request_id = $1")
        .bind(id)
        .fetch_optional(app.db.pool())
        .await
        .unwrap()
}

//
#[sqlx::test(migrations = "./migrations")]
async fn a_proven_customer_is_certified_and_the_others_are_told(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    let question = app.question(&who);
    let answer = app.certify(&question).await;
    assert_eq!(answer.body, json!({"outcome": "certified", "customerId": who.id}));
    assert_eq!(row(&app, &question).await.as_deref(), Some("certified"));
    let id = question["loanRequestId"].as_str().unwrap();
    let (event, key, payload) = app.outbox().await.remove(0);
    assert_eq!((event.as_str(), key.as_str()), ("AuthCertified", id));
    assert_eq!(
        payload,
        json!({
            "loanRequestId": id, "loanId": id, "requestId": "01", "requestName": "Deposit",
            "customerId": who.id, "userId": "1@sk.com", "userName": "유은상", "userMobile": "010-000-0000",
            "accountNo": "1111", "amountOfMoney": 10_000, "currency": "KRW", "language": "ko",
            "certifiedAt": "2026-11-21T08:00:00Z",
        })
    );
    assert_eq!(app.count("SELECT count(*) FROM open_loan WHERE is_open").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM known_address").await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_repayment_opens_no_loan_and_is_keyed_by_the_loan_it_names(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    let loan = app.new_request();
    let repayment = with(&app.question(&who), "requestId", json!("02"));
    let named = with(&with(&repayment, "loanId", json!(loan)), "userMobile", json!("010-999-9999"));
    assert_eq!(outcome_of(&app, &named).await, "certified");
    let unnamed = with(&repayment, "loanRequestId", json!(app.new_request()));
    assert_eq!(outcome_of(&app, &unnamed).await, "certified");
    let outbox = app.outbox().await;
    assert_eq!(outbox[0].1, loan.to_string());
    assert_eq!(outbox[0].2["userMobile"], "010-999-9999");
    assert_eq!(outbox[1].1, unnamed["loanRequestId"].as_str().unwrap());
    assert_eq!(outbox[1].2.get("loanId"), None);
    assert_eq!(app.count("SELECT count(*) FROM open_loan").await, 0);
}

// all three must be right; nothing but rows for audit comes of it.
#[sqlx::test(migrations = "./migrations")]
async fn one_wrong_credential_is_refused_and_nothing_is_published(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    let officer = app.officer().await;
    // The right password is remembered, and a wrong name is refused all the same.
    assert_eq!(outcome_of(&app, &app.question(&who)).await, "certified");
    app.run("DELETE FROM outbox").await;
    for question in [
        with(&app.question(&who), "userPassword", json!("wrong horse battery")),
        with(&app.question(&who), "userName", json!("유은삼")),
        with(&app.question(&who), "userId", json!("2@sk.com")),
        with(&app.question(&who), "userPassword", json!("")),
        app.question(&officer),
    ] {
        assert_eq!(outcome_of(&app, &question).await, "refused", "{question}");
        assert_eq!(row(&app, &question).await.as_deref(), Some("refused"));
        // The first decision stands.
        let right = with(&app.question(&who), "loanRequestId", question["loanRequestId"].clone());
        assert_eq!(outcome_of(&app, &right).await, "refused");
    }
    assert_eq!(app.outbox().await, []);
    assert_eq!(app.count("SELECT count(*) FROM login_failure").await, 4);
    assert_eq!(
        app.count("SELECT count(*) FROM certification WHERE claimed_user_key = '2@sk.com'").await,
        1
    );
}

#[sqlx::test(migrations = "./migrations")]
async fn the_name_is_compared_in_nfc_and_the_login_name_without_case(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("Eins@SK.com").await;
    let decomposed = "\u{110b}\u{1172}\u{110b}\u{1173}\u{11ab}\u{1109}\u{1161}\u{11bc}";
    let question = with(&app.question(&who), "userName", json!(decomposed));
    assert_eq!(
        outcome_of(&app, &with(&question, "userId", json!("eINS@sk.COM"))).await,
        "certified"
    );
}

#[sqlx::test(migrations = "./migrations")]
async fn a_token_proves_its_customer_until_the_credentials_change(pool: PgPool) {
    let app = App::new(pool);
    let (one, two, officer) =
        (app.customer("1@sk.com").await, app.customer("2@sk.com").await, app.officer().await);
    let bare = |who: &Who| {
        let question = without_credentials(&app.question(who));
        with(&question, "token", json!(who.token))
    };
    let answer = app.certify(&bare(&one)).await;
    assert_eq!(answer.body, json!({"outcome": "certified", "customerId": one.id}));
    assert_eq!(outcome_of(&app, &bare(&officer)).await, "refused");
    // Both, and both must be of the same person.
    let both = |who: &Who, token: &str| with(&app.question(who), "token", json!(token));
    assert_eq!(outcome_of(&app, &both(&one, &one.token)).await, "certified");
    assert_eq!(outcome_of(&app, &both(&one, &two.token)).await, "refused");
    assert_eq!(outcome_of(&app, &both(&one, "no.such.token")).await, "refused");
    // A name beside a token must be its bearer's.
    assert_eq!(
        outcome_of(&app, &with(&bare(&one), "userId", json!("1@SK.com"))).await,
        "certified"
    );
    assert_eq!(outcome_of(&app, &with(&bare(&one), "userId", json!("2@sk.com"))).await, "refused");
    // Refused at once after a change of the password.
    app.run("UPDATE person SET credential_version = 2 WHERE user_key = '1@sk.com'").await;
    assert_eq!(outcome_of(&app, &bare(&one)).await, "refused");
    assert_eq!(outcome_of(&app, &both(&one, &one.token)).await, "refused");
    // And when it has expired.
    app.clock.advance(Duration::minutes(11));
    assert_eq!(outcome_of(&app, &bare(&two)).await, "refused");
    assert_eq!(app.count("SELECT count(*) FROM login_failure").await, 0);
}

// Asked again: the same answer to whoever proves it again, and one event.
#[sqlx::test(migrations = "./migrations")]
async fn a_certification_can_be_asked_again_by_its_customer_alone(pool: PgPool) {
    let app = App::new(pool);
    let (one, two) = (app.customer("1@sk.com").await, app.customer("2@sk.com").await);
    let question = app.question(&one);
    for _ in 0..3 {
        assert_eq!(outcome_of(&app, &question).await, "certified");
    }
    let wrong = with(&question, "userPassword", json!("wrong horse battery"));
    assert_eq!(outcome_of(&app, &wrong).await, "refused");
    let other = with(&app.question(&two), "loanRequestId", question["loanRequestId"].clone());
    assert_eq!(outcome_of(&app, &other).await, "refused");
    assert_eq!(row(&app, &question).await.as_deref(), Some("certified"));
    assert_eq!(app.outbox().await.len(), 1);
    // A replay after the request was cancelled still proves its caller.
    app.run("UPDATE certification SET outcome = 'cancelled', cancelled_at = decided_at").await;
    assert_eq!(outcome_of(&app, &question).await, "certified");
    assert_eq!(outcome_of(&app, &wrong).await, "refused");
}

// a hundred requests of one customer at the same moment, cold: one hash, all accepted.
#[sqlx::test(migrations = "./migrations")]
async fn many_requests_of_one_customer_at_once_are_all_certified(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    let questions: Vec<_> = (0..100).map(|_| app.question(&who)).collect();
    let outcomes = join_all(questions.iter().map(|question| outcome_of(&app, question))).await;
    assert!(outcomes.iter().all(|outcome| outcome == "certified"), "{outcomes:?}");
    assert_eq!(app.outbox().await.len(), 100);
    assert_eq!(app.count("SELECT count(*) FROM certification").await, 100);
    assert_eq!(app.count("SELECT count(*) FROM known_address").await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn only_the_service_may_ask(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    let officer = app.officer().await;
    let question = app.question(&who);
    for token in
        [who.token.as_str(), officer.token.as_str(), "", "service-credential-of-test", PASSWORD]
    {
        let answer = app.post("/loanAuths").bearer(token).json(&question).send().await;
        assert_eq!((answer.status, answer.code()), (401, "unauthenticated"), "{token}");
        let path = format!("/loanAuths/{}/void", question["loanRequestId"].as_str().unwrap());
        assert_eq!(app.post(&path).bearer(token).json(&json!({})).send().await.status, 401);
    }
    assert_eq!(app.post("/loanAuths").json(&question).send().await.status, 401);
    // Before the body is looked at.
    let broken = app.post("/loanAuths").bearer("x").body("application/json", "{").send().await;
    assert_eq!(broken.status, 401);
    // The other of the two credentials is as good.
    let other =
        app.post("/loanAuths").bearer("another-service-credential").json(&question).send().await;
    assert_eq!(other.outcome(), "certified");
}

// and nothing that is wrong with a password is quoted.
#[sqlx::test(migrations = "./migrations")]
async fn what_a_database_would_stumble_over_is_422(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    let question = app.question(&who);
    for field in ["requestName", "accountNo", "userMobile", "userId", "userName"] {
        for bad in ["a\0b", "a\r\nX-Injected: 1", "", "a\u{202e}b"] {
            let answer = app.certify(&with(&question, field, json!(bad))).await;
            assert_eq!(answer.status, 422, "{field}: {}", answer.text);
            assert_eq!(answer.body["errors"][0]["field"], field);
        }
    }
    for (field, bad) in [
        ("loanRequestId", json!("1' OR '1'='1")),
        ("requestId", json!("03")),
        ("amountOfMoney", json!(0)),
        ("amountOfMoney", json!(1.5)),
        ("clientAddress", json!("nowhere")),
        ("userPassword", json!(987_654_321)),
        ("token", json!(["987654321"])),
    ] {
        let answer = app.certify(&with(&question, field, bad)).await;
        assert_eq!(answer.status, 422, "{field}: {}", answer.text);
        assert!(!answer.text.contains("987654321"), "{}", answer.text);
    }
    assert_eq!(app.certify(&without_credentials(&question)).await.status, 422);
    // As data these are harmless: nobody is called so.
    for odd in ["' OR 1=1 --", "\"; DROP TABLE person; --", "%", "ς", "𝕯"] {
        let question =
            with(&with(&app.question(&who), "userId", json!(odd)), "userPassword", json!(odd));
        let question = with(&question, "clientAddress", json!("2001:db8::1"));
        assert_eq!(outcome_of(&app, &question).await, "refused");
    }
    let nul = with(&app.question(&who), "userPassword", json!("a\0b"));
    assert_eq!(outcome_of(&app, &nul).await, "refused");
    assert_eq!(app.count("SELECT count(*) FROM person").await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_delay_is_within_its_bounds(pool: PgPool) {
    let mut app = App::new(pool);
    for _ in 0..1_000 {
        let ms = some_time(Delay { min_ms: 400, max_ms: 620 }).as_millis();
        assert!((400..=620).contains(&ms), "{ms}");
    }
    assert_eq!(some_time(Delay { min_ms: 7, max_ms: 7 }).as_millis(), 7);
    // A void is not delayed: it is what a delayed certification ends in.
    let who = app.customer("1@sk.com").await;
    app.api.certify_delay = Some(Delay { min_ms: 300, max_ms: 310 });
    let (router, _) = crate::http::router(app.api.clone()).split_for_parts();
    app.router = common::http::test_layers(router, app.api.verifier.clone());
    let question = app.question(&who);
    let started = std::time::Instant::now();
    let (certified, voided) = tokio::join!(app.certify(&question), async {
        let answer = app.void(&question["loanRequestId"]).await;
        (answer.outcome().to_owned(), started.elapsed().as_millis())
    });
    assert_eq!(voided.0, "voided");
    assert!(voided.1 < 300, "{} ms", voided.1);
    assert!(started.elapsed().as_millis() >= 300);
    assert_eq!(certified.outcome(), "voided");
    assert_eq!(app.post("/loanAuths").bearer(SERVICE).json(&json!({})).send().await.status, 422);
}

/// The places of a computer with two cores, by the defaults.
const FEW: PlaceSettings = PlaceSettings {
    certify_max: 2,
    log_in_max: 1,
    register_max: 1,
    waiting_per_address_max: 16,
    wait: std::time::Duration::from_millis(500),
};

/// The place that whoever floods from this address hashes in now.
async fn taken(app: &App, purpose: Purpose, address: [u8; 4]) -> Place {
    let hasher = &app.api.hasher;
    hasher.place(purpose, &Origin::of(address.into()), hasher.deadline()).await.unwrap()
}

// registrations and logins from everywhere, and guesses from one
// address, more than can be hashed; somebody else applies meanwhile.
#[sqlx::test(migrations = "./migrations")]
async fn a_flood_leaves_the_others_certified_within_their_time(pool: PgPool) {
    const FLOOD: usize = 40;
    let app = App::with(pool, FEW);
    let who = app.customer("1@sk.com").await;
    // As busy as it gets, and for as long as this test likes.
    let _taken = [
        taken(&app, Purpose::Register, [198, 51, 100, 200]).await,
        taken(&app, Purpose::LogIn, [203, 0, 113, 200]).await,
        taken(&app, Purpose::Certify, [192, 0, 2, 1]).await,
    ];
    let registrations = join_all((0..FLOOD).map(|n| {
        let body = json!({
            "userId": format!("new-{n}@sk.com"), "userName": "유은상", "userPassword": PASSWORD,
            "userMobile": "010-000-0000",
        });
        app.post("/customers").from(&format!("198.51.100.{n}")).json(&body).send()
    }));
    let logins = join_all((0..FLOOD).map(|n| {
        let body = json!({"grant_type": "password", "username": "1@sk.com", "password": "wrong"});
        app.post("/auth/token").from(&format!("203.0.113.{n}")).json(&body).send()
    }));
    let guesses = join_all((0..FLOOD).map(|n| {
        let question = with(&app.question(&who), "userId", json!(format!("guess-{n}@sk.com")));
        let app = app.clone();
        async move { app.certify(&question).await }
    }));
    let applying = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let question = with(&app.question(&who), "clientAddress", json!("192.0.2.77"));
        outcome_of(&app, &question).await
    };
    let (registrations, logins, guesses, applied) =
        tokio::join!(registrations, logins, guesses, applying);
    assert_eq!(applied, "certified");
    assert!(registrations.iter().chain(&logins).all(|answer| answer.status == 503));
    assert!(guesses.iter().all(|answer| answer.outcome() == "busy"));
}

#[sqlx::test(migrations = "./migrations")]
async fn who_is_busy_has_decided_nothing(pool: PgPool) {
    let few = PlaceSettings { wait: std::time::Duration::from_millis(50), ..FEW };
    let app = App::with(pool, few);
    let who = app.customer("1@sk.com").await;
    let question = app.question(&who);
    let place = taken(&app, Purpose::Certify, [192, 0, 2, 1]).await;
    let answer = app.certify(&question).await;
    assert_eq!(answer.body, json!({"outcome": "busy", "retryAfterSeconds": 1}));
    assert_eq!(row(&app, &question).await, None);
    drop(place);
    assert_eq!(outcome_of(&app, &question).await, "certified");
}

//
#[sqlx::test(migrations = "./migrations")]
async fn a_place_that_comes_too_late_for_the_caller_is_not_waited_for(pool: PgPool) {
    let wait = std::time::Duration::from_secs(20);
    let app = App::with(pool, PlaceSettings { wait, ..FEW });
    let who = app.customer("1@sk.com").await;
    let question = app.question(&who);
    let _place = taken(&app, Purpose::Certify, [192, 0, 2, 1]).await;
    let asked = app.post("/loanAuths").bearer(SERVICE).header("x-request-timeout-ms", "600");
    let answer = asked.json(&question).send().await;
    assert_eq!(answer.body, json!({"outcome": "busy", "retryAfterSeconds": 1}), "and no 504");
}

// all that the public may have is taken.
#[sqlx::test(migrations = "./migrations")]
async fn what_comes_from_outside_leaves_certifications_their_places(pool: PgPool) {
    let mut app = App::with(pool, FEW);
    let who = app.customer("1@sk.com").await;
    app.api.public_requests_max = 0;
    let (router, _) = crate::http::router(app.api.clone()).split_for_parts();
    app.router = common::http::test_layers(router, app.api.verifier.clone());
    assert_eq!(app.log_in("1@sk.com", PASSWORD).await.status, 503);
    assert_eq!(outcome_of(&app, &app.question(&who)).await, "certified");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_password_that_changes_meanwhile_is_refused_for_good(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    // Remembered, so that nothing but the person's row is waited for.
    assert_eq!(outcome_of(&app, &app.question(&who)).await, "certified");
    let question = app.question(&who);
    let mut change = app.db.pool().acquire().await.unwrap();
    let mut step = async |sql: &'static str| {
        sqlx::query(sql).execute(&mut *change).await.unwrap();
    };
    step("BEGIN").await;
    step("SELECT FROM person WHERE user_key = '1@sk.com' FOR UPDATE").await;
    let certify = tokio::spawn({
        let (app, question) = (app.clone(), question.clone());
        async move { outcome_of(&app, &question).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!certify.is_finished(), "it waits");
    step("UPDATE person SET credential_version = 2 WHERE user_key = '1@sk.com'").await;
    step("COMMIT").await;
    assert_eq!(certify.await.unwrap(), "refused");
    assert_eq!(row(&app, &question).await.as_deref(), Some("refused"));
    assert_eq!(outcome_of(&app, &question).await, "refused");
}
