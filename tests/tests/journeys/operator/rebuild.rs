//! `loanctl status rebuild`.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::loanctl;
use crate::consumer_facts::replay::busy_journey;
use crate::plumbing::until;

fn total(difference: &Value) -> i64 {
    let tables = difference.as_object().into_iter().flatten();
    tables
        .flat_map(|(_, rows)| rows.as_object().into_iter().flatten())
        .filter_map(|(_, n)| n.as_i64())
        .sum()
}

#[tokio::test]
async fn the_read_model_is_verified_and_made_anew() -> Result<()> {
    let journey = busy_journey().await?;
    let sent = journey.count("SELECT count(*) FROM loan_manager.history").await?;
    journey.wait_count("SELECT count(*) FROM loan_status.entry", sent).await?;
    journey.wait_count("SELECT count(*) FROM loan_status.cancellation", 2).await?;
    let whole = loanctl(&journey, &["status", "rebuild", "--verify"]).await?.expect(0)?;
    assert!(whole.out.contains("nothing differs"), "{whole:?}");
    for damage in [
        "DELETE FROM loan_status.loan WHERE loan_status = '01'",
        "DELETE FROM loan_status.entry WHERE loan_status = '02'",
        "UPDATE loan_status.loan SET outstanding = 1 WHERE outstanding = 30000",
    ] {
        assert!(sqlx::query(damage).execute(&journey.db).await?.rows_affected() > 0, "{damage}");
    }
    let found = loanctl(&journey, &["status", "rebuild", "--verify", "--json"]).await?.expect(1)?;
    let found = found.json()?.pop().context("a line")?;
    assert!(total(&found["difference"]) >= 3, "{found}");
    // With what loan-manager has kept first: every event is had twice, and counts once.
    let mended =
        loanctl(&journey, &["status", "rebuild", "--from-owner", "--json"]).await?.expect(0)?;
    let mended = mended.json()?.pop().context("a line")?;
    assert_eq!(mended["difference"], found["difference"]);
    assert_eq!(mended["leftOut"], json!(0));
    let topics = found["eventsRead"].as_i64().unwrap_or_default();
    assert_eq!(mended["eventsRead"], json!(topics + sent));
    loanctl(&journey, &["status", "rebuild", "--verify"]).await?.expect(0)?;
    // What no event tells of stays until somebody says that it may go.
    let stranger = "INSERT INTO loan_status.cancellation VALUES (gen_random_uuid(), now())";
    sqlx::query(stranger).execute(&journey.db).await?;
    let refused = loanctl(&journey, &["status", "rebuild"]).await?.expect(2)?;
    assert!(refused.err.contains("--drop-surplus"), "{refused:?}");
    loanctl(&journey, &["status", "rebuild", "--drop-surplus"]).await?.expect(0)?;
    loanctl(&journey, &["status", "rebuild", "--verify"]).await?.expect(0)?;
    // Two at once: nothing can be swapped while somebody writes.
    let mut writing = journey.db.begin().await?;
    sqlx::query("SELECT 1 FROM loan_status.feed_counter FOR UPDATE")
        .fetch_one(&mut *writing)
        .await?;
    let (first, second) = tokio::join!(loanctl(&journey, &["status", "rebuild"]), async {
        let comparing = "SELECT count(*) FROM loan_status.rebuild WHERE phase = 'comparing'";
        until("it compares", async || Ok(journey.count(comparing).await? == 1)).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let second = loanctl(&journey, &["status", "rebuild"]).await?;
        writing.rollback().await?;
        anyhow::Ok(second)
    });
    let second = second?.expect(2)?;
    assert!(second.err.contains("409"), "{second:?}");
    first?.expect(0)?;
    Ok(())
}
