#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::http::Method;
use common::test_support::Operators;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::*;
use crate::http::testing::App;

/// An operator of this service.
struct Desk {
    operators: Operators,
    db: Db,
}

impl Desk {
    fn new(pool: PgPool) -> Self {
        let app = App::new(pool);
        let admin =
            Admin { db: app.db.clone(), clock: app.clock.clone(), hasher: app.api.hasher.clone() };
        Self { operators: Operators::of(router(admin)), db: app.db }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        self.operators.call(method, path, body).await
    }

    async fn add(&self, user_id: &str) -> (u16, Value) {
        let body = json!({"userId": user_id, "userName": "An Officer", "userPassword": "correct horse battery"});
        self.call(Method::POST, "/admin/officers", body).await
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.db.pool()).await.unwrap()
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn officers_are_added_listed_and_removed(pool: PgPool) {
    let desk = Desk::new(pool);
    let (status, first) = desk.add("first@bank.example").await;
    assert_eq!(status, 201, "{first}");
    assert_eq!(desk.add("FIRST@bank.example").await.0, 409, "the login name is taken");
    assert_eq!(desk.add("second@bank.example").await.0, 201);
    let (_, page) = desk.call(Method::GET, "/admin/officers?size=1", Value::Null).await;
    let next = format!("/admin/officers?size=1&after={}", page["next"].as_str().unwrap());
    let (_, rest) = desk.call(Method::GET, &next, Value::Null).await;
    // The clock stands still, and so the order of the ids is any.
    let mut listed = [&page, &rest].map(|page| page["items"][0]["userId"].as_str().unwrap());
    listed.sort_unstable();
    assert_eq!(listed, ["first@bank.example", "second@bank.example"]);

    let path = format!("/admin/officers/{}", first["officerId"].as_str().unwrap());
    assert_eq!(desk.call(Method::DELETE, &path, Value::Null).await.0, 204);
    assert_eq!(desk.call(Method::DELETE, &path, Value::Null).await.0, 404);
    let (_, page) = desk.call(Method::GET, "/admin/officers", Value::Null).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(desk.count("SELECT count(*) FROM outbox").await, 0, "officers are told to nobody");
    assert_eq!(
        desk.count("SELECT count(*) FROM person WHERE password_hash LIKE '$argon2id$%'").await,
        1
    );
}

// whoever mends data does not make officers, and the other way round.
#[sqlx::test(migrations = "./migrations")]
async fn officers_are_made_and_seen_with_a_credential_for_accounts_alone(pool: PgPool) {
    let desk = Desk::new(pool.clone());
    let (_, officer) = desk.add("first@bank.example").await;
    let path = format!("/admin/officers/{}", officer["officerId"].as_str().unwrap());
    let reset = format!("{path}/password");
    let app = App::new(pool);
    let admin =
        Admin { db: app.db.clone(), clock: app.clock.clone(), hasher: app.api.hasher.clone() };
    let people = [
        (Method::GET, "/admin/officers"),
        (Method::POST, "/admin/officers"),
        (Method::POST, reset.as_str()),
        (Method::DELETE, path.as_str()),
    ];
    let data =
        [(Method::GET, "/admin/certifications"), (Method::POST, "/admin/certifications/republish")];
    for (scope, closed) in [("repair", people.as_slice()), ("accounts", &data)] {
        let operators = Operators::with_scope(scope, router(admin.clone()));
        for (method, path) in closed {
            let (status, body) = operators.call(method.clone(), path, json!({})).await;
            assert_eq!(
                (status, &body["code"]),
                (403, &json!("admin-scope-missing")),
                "{scope} {path}"
            );
        }
    }
    assert_eq!(desk.count("SELECT count(*) FROM person WHERE removed_at IS NULL").await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn an_officers_password_follows_the_same_rules_as_a_customers(pool: PgPool) {
    let desk = Desk::new(pool);
    for (password, field) in [("1234", "userPassword"), ("password", "userPassword")] {
        let body =
            json!({"userId": "o@bank.example", "userName": "An Officer", "userPassword": password});
        let (status, problem) = desk.call(Method::POST, "/admin/officers", body).await;
        assert_eq!(status, 422);
        assert_eq!(problem["errors"][0]["field"], field);
        assert!(!problem.to_string().contains(&format!("\"{password}\"")), "{problem}");
    }
    let body =
        json!({"userId": "o@bank.example", "userName": "An Officer", "userPassword": 12_345_678});
    let (status, problem) = desk.call(Method::POST, "/admin/officers", body).await;
    assert_eq!(status, 422);
    assert!(!problem.to_string().contains("12345678"), "{problem}");
}

#[sqlx::test(migrations = "./migrations")]
async fn another_password_ends_every_login_of_an_officer_and_of_nobody_else(pool: PgPool) {
    let desk = Desk::new(pool);
    let (_, officer) = desk.add("o@bank.example").await;
    let id: uuid::Uuid = officer["officerId"].as_str().unwrap().parse().unwrap();
    for owner in [id, uuid::Uuid::from_u128(7)] {
        sqlx::query(
            "INSERT INTO refresh_family VALUES (gen_random_uuid(), $1, 'x', 1, now(), now(), now())",
        )
        .bind(owner)
        .execute(desk.db.pool())
        .await
        .unwrap();
    }
    let path = format!("/admin/officers/{id}/password");
    let body = json!({"userPassword": "short"});
    assert_eq!(desk.call(Method::POST, &path, body).await.0, 422);
    assert_eq!(desk.count("SELECT count(*) FROM refresh_family").await, 2);
    let body = json!({"userPassword": "another horse battery"});
    assert_eq!(desk.call(Method::POST, &path, body.clone()).await.0, 204);
    assert_eq!(desk.count("SELECT count(*) FROM refresh_family").await, 1);
    assert_eq!(desk.count("SELECT credential_version FROM person").await, 2);
    let nobody = format!("/admin/officers/{}/password", uuid::Uuid::from_u128(7));
    assert_eq!(desk.call(Method::POST, &nobody, body).await.0, 404);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_certification_is_told_of_again_under_the_same_id(pool: PgPool) {
    let desk = Desk::new(pool.clone());
    let app = App::new(pool);
    let customer = app.customer("1@sk.com").await;
    let question = app.question(&customer);
    assert_eq!(app.certify(&question).await.outcome(), "certified");
    let id: uuid::Uuid = question["loanRequestId"].as_str().unwrap().parse().unwrap();
    let told = app.outbox().await;
    let first: uuid::Uuid =
        sqlx::query_scalar("SELECT event_id FROM outbox").fetch_one(app.db.pool()).await.unwrap();

    let listed = desk.operators.get("/admin/certifications").await;
    assert_eq!(listed["items"][0]["outcome"], "certified");
    assert_eq!(listed["items"][0]["eventId"], json!(first));
    assert!(!listed.to_string().contains("1@sk.com"), "nothing personal: {listed}");

    // Whether the row is still there, or purged long ago.
    for forget in ["UPDATE outbox SET sent_at = now()", "DELETE FROM outbox"] {
        app.run(forget).await;
        let path = "/admin/certifications/republish";
        let stranger = uuid::Uuid::from_u128(7);
        let answer = desk.operators.post_ids(path, &[id, stranger]).await;
        assert_eq!(answer, json!({"republished": [id], "left": [stranger]}));
        assert_eq!(app.outbox().await, told, "the same words");
        let again: uuid::Uuid =
            sqlx::query_scalar("SELECT event_id FROM outbox WHERE sent_at IS NULL")
                .fetch_one(app.db.pool())
                .await
                .unwrap();
        assert_eq!(again, first, "under the same id");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_believed_of_loans_is_listed(pool: PgPool) {
    let desk = Desk::new(pool.clone());
    let app = App::new(pool);
    let customer = app.customer("1@sk.com").await;
    let question = app.question(&customer);
    assert_eq!(app.certify(&question).await.outcome(), "certified");
    let listed = desk.operators.get("/admin/open-loans").await;
    let loan = &listed["items"][0];
    assert_eq!(
        (&loan["loanId"], &loan["customerId"], &loan["isOpen"], &loan["loanVersion"]),
        (&question["loanRequestId"], &json!(customer.id), &json!(true), &json!(0))
    );
    app.run("UPDATE open_loan SET cancelled_at = now()").await;
    let path = format!("/admin/open-loans?ids={}", question["loanRequestId"].as_str().unwrap());
    assert_eq!(desk.operators.get(&path).await["items"][0]["isOpen"], false, "closed for good");
}

#[sqlx::test(migrations = "./migrations")]
async fn nothing_is_told_of_a_customer_who_has_left(pool: PgPool) {
    let desk = Desk::new(pool.clone());
    let app = App::new(pool);
    let customer = app.customer("1@sk.com").await;
    let mut question = app.question(&customer);
    question["userMobile"] = json!("010-999-9999");
    assert_eq!(app.certify(&question).await.outcome(), "certified");
    app.run("UPDATE open_loan SET is_open = false").await;
    app.run("DELETE FROM outbox").await;
    let gone = app.call(Method::DELETE, "/customers/me").bearer(&customer.token).send().await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    let id: uuid::Uuid = question["loanRequestId"].as_str().unwrap().parse().unwrap();
    let answer = desk.operators.post_ids("/admin/certifications/republish", &[id]).await;
    assert_eq!(answer, json!({"republished": [], "left": [id]}));
    assert!(!app.dump().await.contains("010-999-9999"), "nor is anything of them kept");
}
