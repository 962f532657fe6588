#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use common::clock::Clock;
use common::event::ReceivedEvent;
use common::test_support::Operators;
use serde_json::json;
use sqlx::PgPool;

use super::*;
use crate::events::subscriptions;
use crate::events::testing::Story;
use crate::usecases::Rules;

fn admin(db: Db) -> Admin {
    Admin { db, clock: Clock::system(), rules: Rules::default() }
}

#[sqlx::test(migrations = "./migrations")]
async fn the_events_that_were_written_about_are_listed_by_request(pool: PgPool) {
    let db = Db::from_pool(pool);
    let (first, second) = (Story::new(), Story::new());
    let told = [
        ReceivedEvent::for_test(&second.received()),
        ReceivedEvent::for_test(&first.received()),
        ReceivedEvent::for_test(&first.executed()),
    ];
    for event in &told {
        subscriptions(&Clock::system(), &Rules::default()).deliver(&db, event).await.unwrap();
    }
    let operators = Operators::of(router(admin(db)));
    let page = operators.get("/admin/messages?size=1").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(page["items"][0]["loanRequestId"], json!(first.loan_id));
    let ids = page["items"][0]["eventIds"].as_array().unwrap();
    assert!(ids.len() == 2 && ids.contains(&json!(told[1].id)) && ids.contains(&json!(told[2].id)));
    assert!(page["items"][0].get("body").is_none(), "nothing of the texts");
    let next = format!("/admin/messages?size=1&after={}", page["next"].as_str().unwrap());
    assert_eq!(operators.get(&next).await["items"][0]["eventIds"], json!([told[0].id]));
    let this = format!("/admin/messages?ids={}", second.loan_id);
    assert_eq!(operators.get(&this).await["items"].as_array().unwrap().len(), 1);
}
