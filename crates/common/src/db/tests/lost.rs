//! Sessions that are silent in a transaction, and commits whose answer is lost.

use sqlx::ConnectOptions as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::problem::Problem;

/// As a service connects, to the database of this test.
async fn connected(url: &str) -> Db {
    Db::connect(&crate::test_support::settings(url)).await.unwrap()
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
    const { assert!(IDLE_IN_TRANSACTION_TIMEOUT_MS < LOCK_TIMEOUT_MS) };
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
    assert!(is_infrastructure(&error) && !is_outcome_unknown(&error), "{error}");
    assert_eq!(Problem::from_sqlx(&error).code(), "unavailable");
    let body: String =
        sqlx::query_scalar("SELECT body FROM note").fetch_one(silent.pool()).await.unwrap();
    assert_eq!(
        body, "x",
        "the pool goes on with another connection, and nothing came of the first"
    );
}

/// Stands before PostgreSQL until a COMMIT passes, or is about to.
async fn cut_at_commit(listener: TcpListener, target: u16, is_passed_on: bool) {
    let (inside, _) = listener.accept().await.unwrap();
    let outside = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
    let (mut from, mut back): (OwnedReadHalf, OwnedWriteHalf) = inside.into_split();
    let (mut answers, mut to) = outside.into_split();
    let answering = tokio::spawn(async move {
        let mut bytes = [0; 4_096];
        while let Ok(count @ 1..) = answers.read(&mut bytes).await {
            if back.write_all(&bytes[..count]).await.is_err() {
                break;
            }
        }
    });
    let mut bytes = [0; 4_096];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let is_commit = bytes[..count].windows(6).any(|word| word == b"COMMIT");
        if is_commit {
            answering.abort();
        }
        if !is_commit || is_passed_on {
            to.write_all(&bytes[..count]).await.unwrap();
        }
        if is_commit {
            // Time to be carried out, should it have come through.
            tokio::time::sleep(Duration::from_millis(300)).await;
            return;
        }
    }
}

#[sqlx::test]
async fn a_commit_whose_answer_is_lost_is_told_from_one_that_was_undone(pool: PgPool) {
    note_table(&pool).await;
    let target = pool.connect_options().get_port();
    for (id, is_passed_on) in [(1, true), (2, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = tokio::spawn(cut_at_commit(listener, target, is_passed_on));
        let options = pool.connect_options().as_ref().clone().host("127.0.0.1").port(port);
        let db = Db::from_pool(PgPool::connect_lazy_with(options));
        let outcome: Result<(), sqlx::Error> =
            db.in_tx("cut", async |tx| insert(tx, id, "x").await).await;
        let error = outcome.unwrap_err();
        cut.await.unwrap();
        assert!(is_outcome_unknown(&error) && is_infrastructure(&error), "{error}");
        assert!(described(&error).starts_with("the answer to COMMIT was lost: "));
        let problem = Problem::from_sqlx(&error);
        assert_eq!((problem.status().as_u16(), problem.code()), (502, "outcome-unknown"));
        let is_there: bool = sqlx::query_scalar("SELECT count(*) > 0 FROM note WHERE id = $1")
            .bind(id)
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(is_there, is_passed_on, "which nobody could have known");
    }

    // A constraint that is looked at in the end undoes all, and says so.
    let deferred = "ALTER TABLE note ADD UNIQUE (body) DEFERRABLE INITIALLY DEFERRED";
    sqlx::query(deferred).execute(&pool).await.unwrap();
    let db = Db::from_pool(pool.clone());
    let outcome: Result<(), sqlx::Error> =
        db.in_tx("deferred", async |tx| insert(tx, 3, "x").await).await;
    assert!(!is_outcome_unknown(&outcome.unwrap_err()));
    assert_eq!(count(&pool).await, 1);
}

#[sqlx::test]
async fn plans_do_not_depend_on_how_large_a_table_was_unless_it_is_to_be_read_whole(pool: PgPool) {
    let url = pool.connect_options().to_url_lossy();
    let planning = async |db: &Db, is_whole: bool| -> Vec<String> {
        let mut tx = db.begin().await.unwrap();
        if is_whole {
            read_whole_tables(&mut tx).await.unwrap();
        }
        let names: Vec<_> = PLANNING.iter().map(|(name, _)| *name).collect();
        let set = "SELECT setting FROM unnest($1::text[]) WITH ORDINALITY AS n(name, place)
                     JOIN pg_settings USING (name) ORDER BY place";
        sqlx::query_scalar(set).bind(names).fetch_all(&mut *tx).await.unwrap()
    };
    let db = connected(url.as_str()).await;
    assert_eq!(planning(&db, false).await, ["off"; 4]);
    assert_eq!(planning(&db, true).await, ["on", "on", "on", "off"]);
    assert_eq!(planning(&db, false).await, ["off"; 4], "for one transaction");
    let mut own = url;
    own.query_pairs_mut().append_pair("options", "-c enable_hashjoin=on");
    let own = connected(own.as_str()).await;
    assert_eq!(planning(&own, false).await, ["off", "on", "off", "off"]);
}
