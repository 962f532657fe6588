//! Who may, with what in hand, and what a request must look like.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::LoanStatus;
use axum::http::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::http::testing::Desk;

const JSON: (&str, &str) = ("content-type", "application/json");

#[sqlx::test(migrations = "./migrations")]
async fn only_officers_may_take_a_step(pool: PgPool) {
    let desk = Desk::new(pool);
    let id = desk.apply(10_000).await;
    let other = desk.clock.new_id();
    for path in [format!("/loanManagers/{id}"), format!("/loanManagers/{other}")] {
        for body in [r#"{"loanStatus":"01"}"#, "{", ""] {
            let token = Some(desk.customer_token.as_str());
            let answer = desk.send(Method::PATCH, &path, token, &[JSON], body.to_owned()).await;
            assert_eq!(answer.problem(), (403, "officers-only"), "{path} {body}");
            let answer = desk.send(Method::PATCH, &path, None, &[JSON], body.to_owned()).await;
            assert_eq!(answer.problem(), (401, "unauthenticated"), "{path} {body}");
        }
    }
    assert_eq!(desk.item(id).await.version, 1);
    assert_eq!(desk.published(0).await, ["LoanRequestReceived"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn who_acts_is_who_the_token_says(pool: PgPool) {
    // R-12
    let desk = Desk::new(pool);
    let id = desk.apply(10_000).await;
    let body = json!({"loanStatus": "01", "procId": desk.customer, "procName": "someone else"});
    assert_eq!(desk.patch(id, body, &[]).await.status, 200);
    let item = desk.item(id).await;
    assert_eq!((item.proc_id, item.proc_name.as_deref()), (Some(desk.officer_id), Some("김대리")));
}

#[sqlx::test(migrations = "./migrations")]
async fn an_old_version_is_told_before_the_step_is_looked_at(pool: PgPool) {
    // R-12
    let desk = Desk::new(pool);
    let id = desk.apply(10_000).await;
    let step = |to: &str| json!({"loanStatus": to});
    let answer = desk.patch(id, step("01"), &[("if-match", "\"1\"")]).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"2\""));
    // Neither the listed nor the unlisted step: the officer looks at something old.
    for to in ["02", "05"] {
        let answer = desk.patch(id, step(to), &[("if-match", "\"1\"")]).await;
        assert_eq!(answer.problem(), (412, "precondition-failed"), "{to}");
        assert_eq!(answer.header("etag"), "\"2\"");
    }
    let answer = desk.patch(id, step("05"), &[("if-match", "\"2\"")]).await;
    assert_eq!(answer.problem(), (409, "step-not-allowed"));
    assert_eq!(desk.patch(id, step("02"), &[("if-match", "*")]).await.status, 200);
    assert_eq!(desk.published(1).await.len(), 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_repayment_has_a_version_of_its_own(pool: PgPool) {
    let desk = Desk::new(pool);
    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    let before = desk.item(loan).await.version;
    let repayment = desk.repay(loan, 4_000).await;
    assert_eq!(desk.item(loan).await.version, before, "the loan is what it was");
    let body = json!({"loanStatus": "05"});
    let answer = desk.patch(repayment, body.clone(), &[("if-match", "\"2\"")]).await;
    assert_eq!(answer.problem(), (412, "precondition-failed"));
    let answer = desk.patch(repayment, body, &[("if-match", "\"1\"")]).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"2\""));
    assert_eq!(desk.item(loan).await.version, before + 1, "it owes less now");
    let rejected = desk.deliver(&desk.repayment(Some(desk.clock.new_id().into()), 1)).await;
    let answer = desk.patch(rejected, json!({"loanStatus": "05"}), &[("if-match", "\"7\"")]).await;
    assert_eq!(answer.problem(), (412, "precondition-failed"));
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_not_there_is_not_found(pool: PgPool) {
    let desk = Desk::new(pool);
    let answer = desk
        .patch(desk.clock.new_id(), json!({"loanStatus": "01"}), &[("if-match", "\"9\"")])
        .await;
    assert_eq!(answer.problem(), (404, "not-found"));
    let body = r#"{"loanStatus":"01"}"#.to_owned();
    let answer =
        desk.send(Method::PATCH, "/loanManagers/1", Some(&desk.officer), &[JSON], body).await;
    assert_eq!(answer.problem(), (404, "not-found"));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_wrong_body_says_what_is_wrong(pool: PgPool) {
    let desk = Desk::new(pool);
    let id = desk.apply(10_000).await;
    let long = "가".repeat(1_001);
    for (body, field) in [
        (json!({}), "loanStatus"),
        (json!({"loanStatus": "06"}), "loanStatus"),
        (json!({"loanStatus": 1}), "loanStatus"),
        (json!({"loanStatus": "심사진행"}), "loanStatus"),
        (json!({"loanStatus": "01", "admComment": 1}), "admComment"),
        (json!({"loanStatus": "01", "admComment": long}), "admComment"),
        (json!({"loanStatus": "01", "admComment": "a\u{0}b"}), "admComment"),
        (json!({"loanStatus": "01", "admComment": "ok\u{202e}ko ton"}), "admComment"),
    ] {
        let answer = desk.patch(id, body.clone(), &[]).await;
        assert_eq!(answer.problem(), (422, "invalid"), "{body}");
        assert_eq!(answer.body["errors"][0]["field"], field, "{body}");
    }
    let path = format!("/loanManagers/{id}");
    for (kind, body, expected) in [
        ("application/json", "{".to_owned(), (400, "malformed-body")),
        ("application/json", "[".repeat(40), (400, "malformed-body")),
        ("text/plain", "{}".to_owned(), (415, "unsupported-media-type")),
        ("application/json", " ".repeat(65 * 1024), (413, "body-too-large")),
    ] {
        let headers = [("content-type", kind)];
        let answer = desk.send(Method::PATCH, &path, Some(&desk.officer), &headers, body).await;
        assert_eq!(answer.problem(), expected);
    }
    assert_eq!(desk.item(id).await.version, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_comment_of_full_length_is_kept_and_a_blank_one_is_none(pool: PgPool) {
    let desk = Desk::new(pool);
    let id = desk.apply(10_000).await;
    let long = format!("{}\n끝", "가".repeat(998));
    assert_eq!(
        desk.patch(id, json!({"loanStatus": "01", "admComment": long}), &[]).await.status,
        200
    );
    assert_eq!(desk.item(id).await.adm_comment.unwrap(), long);
    let answer = desk.patch(id, json!({"loanStatus": "02", "admComment": " \n "}), &[]).await;
    assert_eq!(answer.status, 200);
    assert!(desk.outbox().await.pop().unwrap().payload.get("admComment").is_none());
}

#[sqlx::test(migrations = "./migrations")]
async fn a_database_that_is_away_is_a_503(pool: PgPool) {
    let desk = Desk::new(pool.clone());
    let id = desk.apply(10_000).await;
    pool.close().await;
    let answer = desk.set(id, "01").await;
    assert_eq!(answer.problem(), (503, "unavailable"));
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(desk.get("/loanManagers").await.status, 503);
}
