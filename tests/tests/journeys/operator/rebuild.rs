//! `loanctl status rebuild`.

use std::time::Duration;

use anyhow::{Context as _, Result};
use journeys::harness::{Journey, on_apache_kafka};
use serde_json::{Value, json};
use uuid::Uuid;

use super::loanctl;
use crate::by_hand::{self, assert_same};
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

/// What is served, row by row, without the numbers in the feed.
const SHOWN: &str = "SELECT line FROM (
    SELECT (to_jsonb(entry) - 'id')::text FROM loan_status.entry
    UNION ALL SELECT to_jsonb(loan)::text FROM loan_status.loan
    UNION ALL SELECT to_jsonb(cancellation)::text FROM loan_status.cancellation) AS shown (line) ORDER BY line";

async fn shown(journey: &Journey) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(SHOWN).fetch_all(&journey.db).await?)
}

// what the topics have forgotten comes from its owner; what nobody has kept stays,
// and where it is gone that is said.
#[tokio::test]
async fn what_the_topics_have_forgotten_is_not_lost_in_silence() -> Result<()> {
    if !on_apache_kafka() {
        return Ok(()); // The embedded broker does not let go of messages when it is asked to.
    }
    let journey = busy_journey().await?;
    let sent = journey.count("SELECT count(*) FROM loan_manager.history").await?;
    journey.wait_count("SELECT count(*) FROM loan_status.entry", sent).await?;
    journey.wait_count("SELECT count(*) FROM loan_status.cancellation", 2).await?;
    let whole = shown(&journey).await?;
    for topic in [events::topics::LOAN_MANAGER, events::topics::LOAN_REQUEST] {
        by_hand::forget(journey.stack.bootstrap(), topic).await?;
    }
    for damage in [
        "DELETE FROM loan_status.loan WHERE loan_status = '01'",
        "DELETE FROM loan_status.entry WHERE loan_status IN ('00', '02')",
    ] {
        assert!(sqlx::query(damage).execute(&journey.db).await?.rows_affected() > 0, "{damage}");
    }
    loanctl(&journey, &["status", "rebuild", "--verify"]).await?.expect(1)?;
    let mended = loanctl(&journey, &["status", "rebuild", "--json"]).await?.expect(0)?;
    assert!(mended.err.contains("begins again with what loan-manager keeps"), "{mended:?}");
    assert_eq!(mended.json()?.pop().context("a line")?["fromOwner"], json!(true));
    assert_same(&shown(&journey).await?, &whole, "what is served");
    loanctl(&journey, &["status", "rebuild", "--verify"]).await?.expect(0)?;

    // Two loans are older than what loan-manager has kept, which is of their repayments
    // alone. What is served of them stays.
    let old: Vec<Uuid> = sqlx::query_scalar(
        "DELETE FROM loan_manager.history WHERE loan_request_id IN
             (SELECT loan_id FROM loan_status.loan WHERE outstanding IS NOT NULL)
         RETURNING loan_request_id",
    )
    .fetch_all(&journey.db)
    .await?;
    loanctl(&journey, &["status", "rebuild"]).await?.expect(0)?;
    assert_same(&shown(&journey).await?, &whole, "what is served of old loans");
    // It cannot be made anew.
    for table in ["entry", "loan"] {
        let lost = format!("DELETE FROM loan_status.{table} WHERE loan_id = $1");
        let lost = sqlx::query(sqlx::AssertSqlSafe(lost)).bind(old[0]);
        assert!(lost.execute(&journey.db).await?.rows_affected() > 0);
    }
    let told = loanctl(&journey, &["status", "rebuild"]).await?.expect(1)?;
    assert!(told.err.contains("1 requests of loan-manager are older"), "{told:?}");
    assert!(told.err.contains(&old[0].to_string()), "{told:?}");
    Ok(())
}
