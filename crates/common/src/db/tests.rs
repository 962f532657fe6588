#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use sqlx::PgPool;
use tower::ServiceExt as _;

use super::*;

mod lost;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("database")]
    Database(#[from] sqlx::Error),
    #[error("refused")]
    Refused,
}

impl Retryable for Failure {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_retryable())
    }
}

impl axum::response::IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        axum::http::StatusCode::IM_A_TEAPOT.into_response()
    }
}

async fn note_table(pool: &PgPool) {
    sqlx::query("CREATE TABLE note (id bigint PRIMARY KEY, body text NOT NULL)")
        .execute(pool)
        .await
        .unwrap();
}

async fn count(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM note").fetch_one(pool).await.unwrap()
}

async fn insert(tx: &mut PgConnection, id: i64, body: &str) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO note (id, body) VALUES ($1, $2)")
        .bind(id)
        .bind(body)
        .execute(tx)
        .await?
        .expect_rows(1)
}

/// A handler as the services write them: the closure refers to what the request
/// brought, and calls another function with the transaction.
async fn handler(
    State(db): State<Db>,
    Json(bodies): Json<Vec<String>>,
) -> Result<Json<Vec<i64>>, Failure> {
    let prefix = format!("{}:", bodies.len());
    let ids = db
        .in_tx("handler", async |tx| {
            let mut ids = Vec::new();
            for (id, body) in (1_i64..).zip(&bodies) {
                if body == "refused" {
                    return Err(Failure::Refused);
                }
                insert(tx, id, &format!("{prefix}{body}")).await?;
                ids.push(id);
            }
            Ok(ids)
        })
        .await?;
    Ok(Json(ids))
}

async fn call(db: &Db, body: &str) -> axum::http::StatusCode {
    let router: Router = Router::new().route("/", post(handler)).with_state(db.clone());
    let request = axum::http::Request::post("/")
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body.to_owned()))
        .unwrap();
    router.oneshot(request).await.unwrap().status()
}

#[sqlx::test]
async fn a_handler_commits_or_leaves_nothing(pool: PgPool) {
    note_table(&pool).await;
    let db = Db::from_pool(pool.clone());
    assert_eq!(call(&db, r#"["a","refused"]"#).await.as_u16(), 418);
    assert_eq!(count(&pool).await, 0);
    assert_eq!(call(&db, r#"["a","b"]"#).await.as_u16(), 200);
    assert_eq!(count(&pool).await, 2);
}

#[sqlx::test]
async fn the_relay_is_woken_after_a_commit_only(pool: PgPool) {
    note_table(&pool).await;
    let db = Db::from_pool(pool);
    let rung = db.committed();
    let failed: Result<(), Failure> = db.in_tx("fails", async |_| Err(Failure::Refused)).await;
    assert!(failed.is_err());
    let waiting = tokio::time::timeout(Duration::from_millis(50), rung.notified());
    assert!(waiting.await.is_err());
    db.in_tx("works", async |tx| insert(tx, 1, "x").await).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(50), rung.notified());
    assert!(waiting.await.is_ok());
}

#[sqlx::test]
async fn a_serialisation_failure_runs_again_and_another_error_does_not(pool: PgPool) {
    let db = Db::from_pool(pool);
    let runs = AtomicU32::new(0);
    db.in_tx("again", async |tx| {
        let run = runs.fetch_add(1, Ordering::Relaxed) + 1;
        if run < 3 {
            sqlx::query("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$").execute(&mut *tx).await?;
        }
        Ok::<_, sqlx::Error>(())
    })
    .await
    .unwrap();
    assert_eq!(runs.into_inner(), 3);

    let runs = AtomicU32::new(0);
    let outcome: Result<(), sqlx::Error> = db
        .in_tx("never", async |tx| {
            runs.fetch_add(1, Ordering::Relaxed);
            sqlx::query("SELECT 1 / 0").execute(&mut *tx).await?;
            Ok(())
        })
        .await;
    assert!(outcome.is_err());
    assert_eq!(runs.into_inner(), 1);
}

#[sqlx::test]
async fn runs_again_have_a_limit(pool: PgPool) {
    let db = Db::from_pool(pool);
    let runs = AtomicU32::new(0);
    let outcome: Result<(), sqlx::Error> = db
        .in_tx("deadlock", async |tx| {
            runs.fetch_add(1, Ordering::Relaxed);
            sqlx::query("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$").execute(&mut *tx).await?;
            Ok(())
        })
        .await;
    assert!(outcome.unwrap_err().is_retryable());
    assert_eq!(runs.into_inner(), TX_ATTEMPTS_MAX);
}

#[sqlx::test]
async fn an_unexpected_number_of_rows_is_an_error(pool: PgPool) {
    note_table(&pool).await;
    let db = Db::from_pool(pool.clone());
    let outcome: Result<(), sqlx::Error> = db
        .in_tx("update", async |tx| {
            insert(tx, 1, "x").await?;
            sqlx::query("UPDATE note SET body = 'y' WHERE id = 2")
                .execute(&mut *tx)
                .await?
                .expect_rows(1)
        })
        .await;
    assert!(outcome.is_err());
    assert_eq!(count(&pool).await, 0, "the whole transaction is undone");
}

#[tokio::test]
async fn a_connection_that_ends_while_it_is_made_is_nobodys_bug() {
    use tokio::io::AsyncReadExt as _;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // The question whether TLS is spoken here; then the end.
            drop(stream.read_exact(&mut [0; 8]).await);
        }
    });
    let options = PgConnectOptions::new().host("127.0.0.1").port(address.port());
    let error = <PgConnection as sqlx::Connection>::connect_with(&options).await.unwrap_err();
    assert!(is_infrastructure(&error), "{error}");
}

/// How many sessions with this database are in a transaction and do nothing.
/// Asked over a connection of its own: one of the pool may be what is looked for.
async fn left_open(looking: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
    )
    .fetch_one(looking)
    .await
    .unwrap()
}

#[sqlx::test]
async fn a_caller_that_goes_away_leaves_no_transaction_open(pool: PgPool) {
    let db = Db::from_pool(pool.clone());
    let mut looking =
        <PgConnection as sqlx::Connection>::connect_with(&pool.connect_options()).await.unwrap();
    // Wherever it waits: at its first answer, its second, and so on.
    for answers in 1..20 {
        let mut transaction = Box::pin(db.in_tx("example", async |tx: &mut PgConnection| {
            sqlx::query("SELECT 1").execute(tx).await?;
            Ok::<_, Failure>(())
        }));
        for _ in 0..answers {
            if futures::poll!(&mut transaction).is_ready() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        drop(transaction);
        // Sooner than the pool of a test closes what is idle: after a second.
        let until = Instant::now() + Duration::from_millis(600);
        while left_open(&mut looking).await > 0 {
            assert!(Instant::now() < until, "left open after {answers} answers");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
