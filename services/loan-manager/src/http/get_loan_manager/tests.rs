#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::LoanStatus;
use axum::http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::http::shapes::examples;
use crate::http::testing::Desk;

#[sqlx::test(migrations = "./migrations")]
async fn an_application_is_shown_with_its_next_steps(pool: PgPool) {
    //
    let desk = Desk::new(pool);
    let id = desk.apply(10_000).await;
    let answer = desk.get(&format!("/loanManagers/{id}")).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"1\""));
    let own = format!("http://localhost/loanManagers/{id}");
    assert_eq!(
        answer.body,
        json!({
            "loanRequestId": id, "loanId": id, "requestId": "01", "requestName": "Deposit",
            "customerId": desk.customer, "userId": "1@sk.com", "userName": "유은상",
            "userMobile": "010-000-0000", "accountNo": "1111", "amountOfMoney": 10_000,
            "currency": "KRW", "loanStatus": "00", "allowed": ["01"], "language": "ko",
            "receivedAt": "2026-11-21T09:00:00Z", "changedAt": "2026-11-21T09:00:00Z",
            "_links": {
                "self": {"href": &own},
                "review": {"href": &own},
                "repayments": {"href": format!(
                    "http://localhost/loanManagers?loanStatus=all&requestId=02&loanId={id}"
                )},
            },
        })
    );
}

/// The description's examples are answers as they are given.
#[sqlx::test(migrations = "./migrations")]
async fn the_examples_are_true(pool: PgPool) {
    fn shape(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), shape(value))).collect()
            }
            Value::Array(items) => items.iter().map(shape).collect(),
            _ => Value::Null,
        }
    }
    let desk = Desk::new(pool);
    let id = desk.apply(10_000).await;
    let answer = desk.get(&format!("/loanManagers/{id}")).await;
    assert_eq!(shape(&answer.body), shape(&examples::item()));
    let page = desk.get("/loanManagers").await;
    assert_eq!(shape(&page.body), shape(&examples::page()));
    let not_found = desk.get(&format!("/loanManagers/{}", desk.clock.new_id())).await;
    assert_eq!(shape(&not_found.body), shape(&examples::not_found()));
    let wrong_query = desk.get("/loanManagers?size=201").await;
    assert_eq!(shape(&wrong_query.body), shape(&examples::wrong_query()));
    let not_allowed = desk.set(id, "04").await;
    assert_eq!(shape(&not_allowed.body), shape(&examples::not_allowed()));
    let body = json!({"loanStatus": "01"});
    let stale = desk.patch(id, body, &[("if-match", "\"9\"")]).await;
    assert_eq!(shape(&stale.body), shape(&examples::stale()));
    let body = json!({"loanStatus": "01", "admComment": "a".repeat(1_001)});
    let invalid = desk.patch(id, body, &[]).await;
    assert_eq!(invalid.body["errors"], examples::invalid()["errors"]);
    let loan = desk.loan(10_000, LoanStatus::Executed).await;
    let late = desk.repay(loan, 6_000).await;
    let first = desk.repay(loan, 6_000).await;
    desk.set(first, "05").await;
    let mut exceeds = desk.set(late, "05").await.body;
    exceeds["instance"] = examples::exceeds_outstanding()["instance"].clone();
    assert_eq!(exceeds, examples::exceeds_outstanding());
}

/// Nothing that the description points to is missing from it.
#[test]
fn the_description_is_whole() {
    let document = serde_json::to_value(crate::openapi()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let text = document.to_string();
    let pointers: Vec<&str> = text
        .split("#/components/schemas/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(!pointers.is_empty());
    for pointer in pointers {
        assert!(schemas.contains_key(pointer), "{pointer}");
    }
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let content = answer["content"].as_object().unwrap().values().next().unwrap();
                let told = content.get("example").or_else(|| content.get("examples"));
                assert!(told.is_some(), "{method} {path} {status} has no example");
            }
        }
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn the_links_follow_the_state(pool: PgPool) {
    let desk = Desk::new(pool);
    let id = desk.apply(10_000).await;
    for (step, relations) in [
        ("01", &["approve", "refuse", "repayments", "self"][..]),
        ("02", &["execute", "repayments", "self"]),
        ("04", &["repay", "repayments", "self"]),
    ] {
        desk.set(id, step).await;
        let answer = desk.get(&format!("/loanManagers/{id}")).await;
        let links: Vec<&String> = answer.body["_links"].as_object().unwrap().keys().collect();
        assert_eq!(links, relations, "{step}");
    }
    let repayment = desk.repay(id.into(), 4_000).await;
    let answer = desk.get(&format!("/loanManagers/{repayment}")).await;
    let own = format!("http://localhost/loanManagers/{repayment}");
    assert_eq!(
        answer.body["_links"],
        json!({
            "self": {"href": &own}, "refuse": {"href": &own}, "book": {"href": &own},
            "loan": {"href": format!("http://localhost/loanManagers/{id}")},
        })
    );
}

#[sqlx::test(migrations = "./migrations")]
async fn a_repayment_that_was_rejected_on_receipt_can_be_read(pool: PgPool) {
    let desk = Desk::new(pool);
    let id = desk.deliver(&desk.repayment(None, 500)).await;
    let answer = desk.get(&format!("/loanManagers/{id}")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["loanStatus"], "03");
    assert_eq!(answer.body["reason"], "no-executed-loan");
    assert_eq!(answer.body["allowed"], json!([]));
    assert!(answer.body.get("loanId").is_none());
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_not_there_is_not_found(pool: PgPool) {
    let desk = Desk::new(pool);
    for id in [desk.clock.new_id().to_string(), "1".to_owned(), "x'--".to_owned()] {
        assert_eq!(
            desk.get(&format!("/loanManagers/{id}")).await.problem(),
            (404, "not-found"),
            "{id}"
        );
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn only_officers_may_read(pool: PgPool) {
    // the same answer for what is there and what is not.
    let desk = Desk::new(pool.clone());
    let id = desk.loan(10_000, LoanStatus::Executed).await;
    let token = desk.customer_token.clone();
    // Without a database nothing can be looked up: it is not even tried.
    pool.close().await;
    for path in [
        format!("/loanManagers/{id}"),
        format!("/loanManagers/{}", desk.clock.new_id()),
        "/loanManagers/x".to_owned(),
        "/loanManagers".to_owned(),
        "/loanManagers?size=0".to_owned(),
    ] {
        let answer = desk.send(Method::GET, &path, Some(&token), &[], String::new()).await;
        assert_eq!(answer.problem(), (403, "officers-only"), "{path}");
        let answer = desk.send(Method::GET, &path, None, &[], String::new()).await;
        assert_eq!(answer.problem(), (401, "unauthenticated"), "{path}");
    }
    // The same without a role at all is answered before the host is looked at.
    let odd_host = [("host", "evil.example")];
    let answer =
        desk.send(Method::GET, "/loanManagers", Some(&token), &odd_host, String::new()).await;
    assert_eq!(answer.status, 403);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_host_that_is_not_ours_makes_no_links(pool: PgPool) {
    let desk = Desk::new(pool);
    let id = desk.apply(10_000).await;
    let host = [("host", "evil.example")];
    for path in [format!("/loanManagers/{id}"), "/loanManagers".to_owned()] {
        let answer = desk.send(Method::GET, &path, Some(&desk.officer), &host, String::new()).await;
        assert_eq!(answer.problem(), (421, "misdirected-request"));
    }
}
