#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::http::testing::{App, Who};

fn with(mut question: Value, field: &str, value: &str) -> Value {
    question[field] = json!(value);
    question
}

#[sqlx::test(migrations = "./migrations")]
async fn those_who_come_together_are_told_apart_and_wait_for_nobody(pool: PgPool) {
    let app = App::new(pool.clone());
    let one = app.customer("1@sk.com").await;
    let two = app.customer("2@sk.com").await;
    let held = app.customer("3@sk.com").await;
    // Where they are is noted with the first of each, which is certified alone.
    for who in [&one, &two, &held] {
        assert_eq!(app.certify(&app.question(who)).await.outcome(), "certified");
    }
    // Somebody is about to remove the third, or to change the password.
    let mut removal = pool.begin().await.unwrap();
    sqlx::query("SELECT FROM person WHERE user_key = '3@sk.com' FOR UPDATE")
        .execute(&mut *removal)
        .await
        .unwrap();
    let twice = app.question(&one);
    let questions = [
        app.question(&one),
        app.question(&two),
        twice.clone(),
        with(app.question(&two), "userPassword", "another"),
        twice,
        with(app.question(&one), "userId", "nobody@sk.com"),
        app.question(&two),
    ];
    let held_up = app.question(&held);
    let (late, answers) = tokio::join!(app.certify(&held_up), async {
        let answers = join_all(questions.iter().map(|question| app.certify(question))).await;
        removal.rollback().await.unwrap();
        answers
    });
    let certified = |who: &Who| json!({"outcome": "certified", "customerId": who.id});
    let refused = json!({"outcome": "refused"});
    let expected = [&one, &two, &one, &two, &one, &one, &two].map(certified);
    for (number, answer) in answers.iter().enumerate() {
        let expected = if [3, 5].contains(&number) { &refused } else { &expected[number] };
        assert_eq!(answer.body, *expected, "{number}");
    }
    assert_eq!(late.body, certified(&held));
    let told = app.count("SELECT count(*) FROM outbox WHERE event_type = 'AuthCertified'").await;
    assert_eq!(told, 3 + 4 + 1, "each once");
}
