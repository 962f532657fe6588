//! What holds for all routes together: brute force and secrets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;

use super::testing::{Answer, App, PASSWORD, Who};
use crate::usecases::{Origin, Purpose};

async fn log_in_from(app: &App, address: &str, user_id: &str, password: &str) -> Answer {
    let body = json!({"grant_type": "password", "username": user_id, "password": password});
    app.post("/auth/token").from(address).json(&body).send().await
}

fn question_from(app: &App, who: &Who, address: &str, password: &str) -> Value {
    let mut question = app.question(who);
    question["clientAddress"] = json!(address);
    question["userPassword"] = json!(password);
    question
}

fn slow_down(answer: &Answer) -> u32 {
    assert_eq!(
        (answer.status, answer.body["error"].as_str()),
        (429, Some("slow_down")),
        "{}",
        answer.text
    );
    answer.header("retry-after").unwrap().parse().unwrap()
}

const WRONG: &str = "wrong horse battery";

#[sqlx::test(migrations = "./migrations")]
async fn ten_wrong_passwords_in_five_minutes_are_borne_from_one_address(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    // Logging in and applying count together, here and on another instance.
    let other = app.another();
    for _ in 0..5 {
        assert_eq!(log_in_from(&app, "203.0.113.1", "1@sk.com", WRONG).await.status, 400);
        let question = question_from(&app, &who, "203.0.113.1", WRONG);
        assert_eq!(other.certify(&question).await.outcome(), "refused");
    }
    let waits: Vec<u32> = {
        let mut waits = Vec::new();
        for _ in 0..8 {
            waits.push(slow_down(&log_in_from(&app, "203.0.113.1", "1@SK.COM", PASSWORD).await));
        }
        waits
    };
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60], "growing, and bounded");
    let question = question_from(&app, &who, "203.0.113.1", PASSWORD);
    let throttled = other.certify(&question).await;
    assert_eq!(throttled.body, json!({"outcome": "throttled", "retryAfterSeconds": 1}));
    assert_eq!(
        app.count("SELECT count(*) FROM login_failure").await,
        10,
        "what was not looked at does not count"
    );
    assert_eq!(app.count("SELECT count(*) FROM certification").await, 5, "and decides nothing");
    // The owner, from elsewhere, and another person from there.
    assert_eq!(log_in_from(&app, "198.51.100.7", "1@sk.com", PASSWORD).await.status, 200);
    app.customer("2@sk.com").await;
    assert_eq!(log_in_from(&app, "203.0.113.1", "2@sk.com", PASSWORD).await.status, 200);
    // Nobody is a person like any other.
    for _ in 0..10 {
        assert_eq!(log_in_from(&app, "203.0.113.2", "nobody@sk.com", WRONG).await.status, 400);
    }
    slow_down(&log_in_from(&app, "203.0.113.2", "nobody@sk.com", WRONG).await);
    // Five minutes later there is room again.
    app.clock.advance(Duration::minutes(5));
    assert_eq!(log_in_from(&app, "203.0.113.1", "1@sk.com", PASSWORD).await.status, 200);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_hundred_guesses_at_once_are_ten_guesses(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    let answers = join_all((0..100).map(|_| async {
        app.certify(&question_from(&app, &who, "203.0.113.1", WRONG)).await.outcome().to_owned()
    }))
    .await;
    let of = |outcome: &str| answers.iter().filter(|answer| *answer == outcome).count();
    assert_eq!((of("refused"), of("throttled")), (10, 90));
}

// A caller who hangs up before the answer is counted all the same.
#[sqlx::test(migrations = "./migrations")]
async fn hanging_up_is_no_way_to_guess_uncounted(pool: PgPool) {
    let app = App::new(pool);
    app.customer("1@sk.com").await;
    // Until the hash has begun: the places for hashing are taken.
    let hasher = &app.api.hasher;
    let place = async |address: [u8; 4]| {
        let origin = Origin::of(address.into());
        hasher.place(Purpose::LogIn, &origin, hasher.deadline()).await.unwrap()
    };
    let places = (place([192, 0, 2, 1]).await, place([192, 0, 2, 2]).await);
    let attempt = log_in_from(&app, "203.0.113.1", "1@sk.com", WRONG);
    let hung_up = tokio::time::timeout(std::time::Duration::from_millis(300), attempt).await;
    assert!(hung_up.is_err());
    assert_eq!(app.count("SELECT count(*) FROM login_failure").await, 0);
    drop(places);
    let counted = async {
        while app.count("SELECT count(*) FROM login_failure").await == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), counted).await.unwrap();
}

#[sqlx::test(migrations = "./migrations")]
async fn an_account_bears_a_hundred_an_hour_and_its_owner_is_not_locked_out(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    // The owner has been here before.
    assert_eq!(log_in_from(&app, "198.51.100.7", "1@sk.com", PASSWORD).await.status, 200);
    app.clock.advance(Duration::days(29));
    for net in 0..10 {
        for _ in 0..10 {
            let address = format!("203.0.113.{net}");
            let answer = log_in_from(&app, &address, "1@sk.com", WRONG).await;
            assert_eq!(answer.status, 400, "{}", answer.text);
        }
    }
    // From anywhere else there is no more guessing, nor logging in.
    slow_down(&log_in_from(&app, "203.0.113.99", "1@sk.com", WRONG).await);
    slow_down(&log_in_from(&app, "203.0.113.99", "1@sk.com", PASSWORD).await);
    assert_eq!(log_in_from(&app, "198.51.100.7", "1@sk.com", PASSWORD).await.status, 200);
    let question = question_from(&app, &who, "198.51.100.7", PASSWORD);
    assert_eq!(app.certify(&question).await.outcome(), "certified");
    // The owner's address has its own bound.
    for _ in 0..10 {
        assert_eq!(log_in_from(&app, "198.51.100.7", "1@sk.com", WRONG).await.status, 400);
    }
    slow_down(&log_in_from(&app, "198.51.100.7", "1@sk.com", PASSWORD).await);
    app.clock.advance(Duration::hours(1));
    assert_eq!(log_in_from(&app, "203.0.113.99", "1@sk.com", PASSWORD).await.status, 200);
}

#[sqlx::test(migrations = "./migrations")]
async fn an_address_bears_sixty_a_minute_whatever_the_account(pool: PgPool) {
    let app = App::new(pool);
    app.customer("1@sk.com").await;
    for account in 0..60 {
        // One line has a whole network of these.
        let address = format!("2001:db8:1:2::{account}");
        assert_eq!(
            log_in_from(&app, &address, &format!("{account}@nobody.example"), WRONG).await.status,
            400
        );
    }
    slow_down(&log_in_from(&app, "2001:db8:1:2::ffff", "1@sk.com", PASSWORD).await);
    assert_eq!(log_in_from(&app, "2001:db8:1:3::1", "1@sk.com", PASSWORD).await.status, 200);
    app.clock.advance(Duration::minutes(1));
    assert_eq!(log_in_from(&app, "2001:db8:1:2::ffff", "1@sk.com", PASSWORD).await.status, 200);
}

#[sqlx::test(migrations = "./migrations")]
async fn an_address_is_noted_once_a_day_and_nothing_else_is_written_for_a_success(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    let noted = "SELECT extract(epoch FROM max(last_success_at))::bigint FROM known_address";
    let first = app.clock.now().unix_timestamp();
    for hours in [0, 12, 11] {
        app.clock.advance(Duration::hours(hours));
        assert_eq!(app.certify(&app.question(&who)).await.outcome(), "certified");
        assert_eq!(app.count(noted).await, first);
    }
    app.clock.advance(Duration::hours(1));
    assert_eq!(app.certify(&app.question(&who)).await.outcome(), "certified");
    assert_eq!(app.count(noted).await, first + 86_400);
}

// after all that can be done with a password, it is nowhere.
#[sqlx::test(migrations = "./migrations")]
async fn a_password_is_nowhere_but_as_argon2id(pool: PgPool) {
    const FIRST: &str = "first-horse-of-secrets";
    const SECOND: &str = "second-horse-of-secrets";
    let app = App::new(pool);
    let body = json!({
        "userId": "new@sk.com", "userName": "유은상", "userPassword": FIRST, "userMobile": "010-000-0000",
    });
    let registered =
        app.post("/customers").header("idempotency-key", "key").json(&body).send().await;
    let replayed = app.post("/customers").header("idempotency-key", "key").json(&body).send().await;
    let login = app.log_in("new@sk.com", FIRST).await;
    let who = Who {
        id: registered.body["customerId"].as_str().unwrap().parse().unwrap(),
        user_id: "new@sk.com".to_owned(),
        user_name: "유은상".to_owned(),
        token: login.body["access_token"].as_str().unwrap().to_owned(),
    };
    let certified = app.certify(&question_from(&app, &who, "192.0.2.1", FIRST)).await;
    let refused = app.certify(&question_from(&app, &who, "192.0.2.1", SECOND)).await;
    let change = json!({"oldPassword": FIRST, "userPassword": SECOND});
    let changed = app
        .call(axum::http::Method::PATCH, "/customers/me")
        .bearer(&who.token)
        .json(&change)
        .send()
        .await;
    let shown = [&registered, &replayed, &login, &certified, &refused, &changed];
    assert_eq!(shown.map(|answer| answer.status), [201, 201, 200, 200, 200, 200]);
    let mut texts: Vec<String> =
        shown.iter().map(|answer| format!("{} {:?}", answer.text, answer.headers)).collect();
    let dump = app.dump().await;
    assert!(dump.contains("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert!(!texts.iter().any(|text| text.contains("argon2")), "not even the hash leaves");
    texts.push(dump);
    let refresh = login.body["refresh_token"].as_str().unwrap();
    for text in &texts {
        assert!(!text.contains(FIRST) && !text.contains(SECOND), "{text}");
    }
    assert!(!texts.last().unwrap().contains(refresh), "a refresh token is not kept either");
}

#[sqlx::test(migrations = "./migrations")]
async fn the_demo_people_are_there_once_and_can_do_what_they_are_for(pool: PgPool) {
    let app = App::new(pool);
    let other = app.another();
    let seed = |app: &App| {
        let app = app.clone();
        async move {
            crate::usecases::seed_demo_data(&app.db, &app.clock, &app.api.hasher).await.unwrap()
        }
    };
    tokio::join!(seed(&app), seed(&other));
    seed(&app).await;
    assert_eq!(app.count("SELECT count(*) FROM person").await, 2);
    let outbox = app.outbox().await;
    assert_eq!(
        (outbox.len(), outbox[0].0.as_str()),
        (1, "CustomerRegistered"),
        "officers are nobody's event"
    );
    assert_eq!(outbox[0].2["userMobile"], "010-000-0000");
    let question = json!({
        "loanRequestId": app.new_request(), "requestId": "01", "requestName": "Deposit", "amountOfMoney": 10_000,
        "userId": "1@sk.com", "userName": "유은상", "userPassword": "1234", "clientAddress": "127.0.0.1",
    });
    assert_eq!(app.certify(&question).await.outcome(), "certified");
    assert_eq!(app.log_in("officer@bank.example", "officer-1234").await.status, 200);

    // Without DEMO_DATA nothing starts as long as one of them can be anybody.
    let has_them = async || crate::usecases::has_demo_data(&app.db, &app.api.hasher).await.unwrap();
    assert!(has_them().await);
    let leave =
        "UPDATE person SET user_key = NULL, user_id = NULL, user_name = NULL, user_mobile = NULL,
                 password_hash = NULL, removed_at = now() WHERE role = 'officer'";
    sqlx::query(leave).execute(app.db.pool()).await.unwrap();
    assert!(has_them().await, "the customer is there still");
    let another = "UPDATE person SET password_hash = (SELECT $1::text) WHERE role = 'customer'";
    let other = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$0000000000000000000000000000000000000000000";
    sqlx::query(another).bind(other).execute(app.db.pool()).await.unwrap();
    assert!(!has_them().await, "somebody has that name, with another password");
}

#[test]
fn every_route_is_described_with_its_failures() {
    let api = serde_json::to_value(crate::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in
            item.as_object().unwrap().iter().filter(|(_, value)| value["responses"].is_object())
        {
            operations.push(operation["operationId"].as_str().unwrap().to_owned());
            for (status, response) in operation["responses"].as_object().unwrap() {
                let content = response["content"].as_object();
                assert!(
                    status == "204"
                        || content.is_some_and(|all| all.values().all(|one| {
                            one["example"].is_object() || one["examples"].is_object()
                        })),
                    "{method} {path} {status} has no example"
                );
            }
        }
    }
    operations.sort_unstable();
    assert_eq!(
        operations,
        [
            "certify_loan_request",
            "change_customer",
            "get_customer",
            "get_jwks",
            "get_loan_auth",
            "issue_token",
            "list_loan_auths",
            "register_customer",
            "remove_customer",
            "void_certification",
        ]
    );
}
