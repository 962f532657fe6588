//! Sessions that are silent in a transaction.

use sqlx::ConnectOptions as _;

use super::*;
use crate::problem::Problem;

#[derive(clap::Parser)]
struct Config {
    #[command(flatten)]
    service: ServiceSettings,
}

/// As a service connects, to the database of this test.
async fn connected(url: &str) -> Db {
    let args = ["test".to_owned(), format!("--database-url={url}")];
    let config: Config = crate::config::try_load_from(args.map(Into::into), &[]).unwrap();
    Db::connect(&config.service).await.unwrap()
}

#[sqlx::test]
async fn a_session_that_is_silent_in_a_transaction_is_ended_sooner_than_others_wait(pool: PgPool) {
    let db = connected(pool.connect_options().to_url_lossy().as_str()).await;
    let setting = async |name: &str| -> String {
        let value = sqlx::query_scalar("SELECT setting FROM pg_settings WHERE name = $1");
        value.bind(name).fetch_one(db.pool()).await.unwrap()
    };
    let silent = setting("idle_in_transaction_session_timeout").await;
    assert_eq!(silent, IDLE_IN_TRANSACTION_TIMEOUT_MS.to_string());
    assert!(IDLE_IN_TRANSACTION_TIMEOUT_MS < LOCK_TIMEOUT_MS);
    assert_eq!(setting("tcp_user_timeout").await, TCP_USER_TIMEOUT_MS.to_string());
    assert_eq!(setting("tcp_keepalives_idle").await, TCP_KEEPALIVE_SECONDS.to_string());
}

#[sqlx::test]
async fn what_a_silent_session_had_locked_is_free_and_its_end_is_nobodys_bug(pool: PgPool) {
    note_table(&pool).await;
    let own = Db::from_pool(pool.clone());
    own.in_tx("note", async |tx| insert(tx, 1, "x").await).await.unwrap();
    let mut url = pool.connect_options().to_url_lossy();
    url.query_pairs_mut().append_pair("options", "-c idle_in_transaction_session_timeout=300");
    let (silent, other) = (connected(url.as_str()).await, connected(url.as_str()).await);
    let lock = async |tx: &mut PgConnection| -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1 FROM note WHERE id = 1 FOR UPDATE").execute(tx).await?;
        Ok(())
    };
    let stopped = async {
        silent
            .in_tx("stopped", async |tx| {
                lock(&mut *tx).await?;
                tokio::time::sleep(Duration::from_secs(2)).await;
                sqlx::query("UPDATE note SET body = 'late'").execute(&mut *tx).await?.expect_rows(1)
            })
            .await
    };
    let waiting = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let began = Instant::now();
        other.in_tx("waits", async |tx| lock(tx).await).await.unwrap();
        began.elapsed()
    };
    let (error, waited) = tokio::join!(stopped, waiting);
    assert!(waited < Duration::from_secs(1), "{waited:?}");
    let error = error.unwrap_err();
    assert!(is_infrastructure(&error), "{error}");
    assert_eq!(Problem::from_sqlx(&error).code(), "unavailable");
    let body: String =
        sqlx::query_scalar("SELECT body FROM note").fetch_one(silent.pool()).await.unwrap();
    assert_eq!(
        body, "x",
        "the pool goes on with another connection, and nothing came of the first"
    );
}
