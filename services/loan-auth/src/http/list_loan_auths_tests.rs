#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;

use crate::http::testing::{Answer, App};

fn listed(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["_embedded"]["loanAuths"].as_array().unwrap().clone()
}

//
#[sqlx::test(migrations = "./migrations")]
async fn customers_see_their_own_and_officers_all(pool: PgPool) {
    let app = App::new(pool);
    let (one, two, officer) =
        (app.customer("1@sk.com").await, app.customer("2@sk.com").await, app.officer().await);
    let (first, second) = (app.question(&one), app.question(&two));
    app.certify(&first).await;
    app.certify(&second).await;
    // In the name of the first, by a stranger: not in their list.
    let mut wrong = app.question(&one);
    wrong["userPassword"] = json!("wrong horse battery");
    app.certify(&wrong).await;
    let voided = app.question(&one);
    app.void(&voided["loanRequestId"]).await;

    let own = listed(&app.get("/loanAuths", &one).send().await);
    assert_eq!(own.len(), 1);
    let id = first["loanRequestId"].as_str().unwrap();
    assert_eq!(
        own[0],
        json!({
            "loanRequestId": id, "loanId": id, "requestId": "01", "requestName": "Deposit", "amountOfMoney": 10_000,
            "currency": "KRW", "customerId": one.id, "userId": "1@sk.com", "authStatus": "certified",
            "decidedAt": "2026-11-21T08:00:00Z",
            "_links": {
                "self": {"href": format!("http://localhost/loanAuths/{id}")},
                "loanRequest": {"href": format!("http://localhost/loanRequests/{id}")},
            },
        })
    );
    let all = listed(&app.get("/loanAuths", &officer).send().await);
    let mut statuses: Vec<_> = all.iter().map(|one| one["authStatus"].as_str().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, ["certified", "certified", "refused", "voided"]);

    // By id: another's, a refused one and one that never was are the same 404.
    let mut bodies = Vec::new();
    for question in [&second, &wrong, &voided, &app.question(&one)] {
        let id = question["loanRequestId"].as_str().unwrap();
        let answer = app.get(&format!("/loanAuths/{id}"), &one).send().await;
        assert_eq!(answer.status, 404);
        bodies.push(answer.text.replace(id, ""));
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let path = format!("/loanAuths/{id}");
    assert_eq!(app.get(&path, &one).send().await.body, own[0]);
    assert_eq!(app.get(&path, &officer).send().await.body, own[0]);
    let refused = format!("/loanAuths/{}", wrong["loanRequestId"].as_str().unwrap());
    let refused = app.get(&refused, &officer).send().await;
    assert_eq!(
        (refused.body["authStatus"].as_str(), refused.body["userId"].as_str()),
        (Some("refused"), Some("1@sk.com"))
    );
}

#[sqlx::test(migrations = "./migrations")]
async fn a_token_with_a_role_is_needed(pool: PgPool) {
    let app = App::new(pool);
    let one = app.customer("1@sk.com").await;
    for path in ["/loanAuths", "/loanAuths/01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"] {
        let answer = app.call(Method::GET, path).send().await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")));
        assert_eq!(app.call(Method::GET, path).bearer("x").send().await.status, 401);
        let elsewhere = app.get(path, &one).header("host", "evil.example").send().await;
        assert_eq!(elsewhere.status, 421);
    }
    assert_eq!(app.call(Method::DELETE, "/loanAuths").bearer(&one.token).send().await.status, 405);
    assert_eq!(app.get("/loanAuths/1%27--", &one).send().await.status, 404);
}

#[sqlx::test(migrations = "./migrations")]
async fn pages_follow_each_other_in_both_orders(pool: PgPool) {
    let app = App::new(pool);
    let one = app.customer("1@sk.com").await;
    let officer = app.officer().await;
    let mut ids = Vec::new();
    for round in 0..5 {
        let question = app.question(&one);
        app.certify(&question).await;
        ids.push(question["loanRequestId"].clone());
        // Some at the same moment.
        app.clock.advance(Duration::seconds(round % 2));
    }
    for who in [&one, &officer] {
        for sort in ["decidedAt,asc", "decidedAt,desc"] {
            let mut next = Some(format!("/loanAuths?size=2&sort={sort}"));
            let mut seen = Vec::new();
            while let Some(path) = next {
                let answer = app.get(&path, who).send().await;
                seen.extend(listed(&answer).iter().map(|one| one["loanRequestId"].clone()));
                assert_eq!(answer.body["page"]["totalElements"], 5);
                next = answer.body["_links"]["next"]["href"].as_str().map(str::to_owned);
            }
            if sort.ends_with("desc") {
                seen.reverse();
            }
            assert_eq!(seen.len(), 5);
            let mut sorted = seen.clone();
            sorted.sort_by_key(|id| ids.iter().position(|known| known == id));
            // Where two were decided at once the id decides, and every one is there once.
            sorted.dedup();
            assert_eq!(sorted, ids);
        }
        let second = app.get("/loanAuths?page=1&size=2", who).send().await;
        assert_eq!((listed(&second).len(), &second.body["page"]["number"]), (2, &json!(1)));
    }
    for bad in [
        "size=0",
        "size=201",
        "page=-1",
        "page=6000&size=2",
        "sort=userId",
        "cursor=x",
        "sort=decidedAt;DROP",
    ] {
        assert_eq!(app.get(&format!("/loanAuths?{bad}"), &one).send().await.status, 400, "{bad}");
    }
}
