#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use common::shutdown::Shutdown;
use serde_json::json;
use sqlx::PgPool;

use super::*;
use crate::http::testing::{App, PASSWORD};

fn figures() -> PurgeExpired {
    PurgeExpired {
        keep_refused: Span::days(30),
        keep_failures: Span::hours(1),
        keep_registrations: Span::hours(1),
        keep_addresses: Span::days(30),
        every: Duration::from_millis(10),
        batch_max: 2,
    }
}

async fn left(app: &App) -> [i64; 5] {
    [
        app.count("SELECT count(*) FROM certification").await,
        app.count("SELECT count(*) FROM login_failure").await,
        app.count("SELECT count(*) FROM registration_attempt").await,
        app.count("SELECT count(*) FROM known_address").await,
        app.count("SELECT count(*) FROM refresh_family").await,
    ]
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_old_goes_and_what_is_proven_stays(pool: PgPool) {
    let app = App::new(pool);
    let who = app.customer("1@sk.com").await;
    assert_eq!(app.certify(&app.question(&who)).await.outcome(), "certified");
    for _ in 0..5 {
        let mut wrong = app.question(&who);
        wrong["userPassword"] = json!("wrong horse battery");
        assert_eq!(app.certify(&wrong).await.outcome(), "refused");
    }
    assert_eq!(app.void(&json!(app.new_request())).await.outcome(), "voided");
    assert_eq!(app.log_in("1@sk.com", PASSWORD).await.status, 200);
    let taken = json!({
        "userId": "1@sk.com", "userName": "유은상", "userPassword": PASSWORD, "userMobile": "010-000-0000",
    });
    for _ in 0..3 {
        assert_eq!(app.post("/customers").json(&taken).send().await.status, 409);
    }
    assert_eq!(left(&app).await, [7, 5, 3, 2, 1]);
    let shutdown = Shutdown::new();
    let purge = async |passed: Span| {
        app.clock.advance(passed);
        round(&app.db, &app.clock, figures(), &shutdown).await.unwrap()
    };
    assert_eq!(purge(Span::minutes(59)).await, 0);
    assert_eq!(purge(Span::minutes(1)).await, 8);
    assert_eq!(left(&app).await, [7, 0, 0, 2, 1]);
    assert_eq!(purge(Span::hours(11)).await, 1);
    assert_eq!(left(&app).await, [7, 0, 0, 2, 0]);
    assert_eq!(purge(Span::days(29)).await, 0);
    assert_eq!(purge(Span::hours(12)).await, 8);
    assert_eq!(left(&app).await, [1, 0, 0, 0, 0]);
}

#[sqlx::test(migrations = "./migrations")]
async fn purging_ends_with_the_process(pool: PgPool) {
    let app = App::new(pool);
    let shutdown = Shutdown::new();
    let task =
        tokio::spawn(purge_expired(app.db.clone(), app.clock.clone(), figures(), shutdown.clone()));
    app.void(&json!(app.new_request())).await;
    app.clock.advance(Span::days(31));
    while app.count("SELECT count(*) FROM certification").await > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!task.is_finished());
    shutdown.begin();
    task.await.unwrap().unwrap();
}
