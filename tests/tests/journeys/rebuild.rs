//! the read model is made anew from the topics, beside the one that is
//! served.

use std::cell::Cell;
use std::time::Duration;

use anyhow::Result;
use journeys::client::Credentials;
use journeys::harness::Journey;
use journeys::read_your_writes::write_then_read;
use journeys::rebuild::Builder;
use loan_status::store::rebuild::Rebuild;
use loan_status::usecases::order_rebuild::{Plan, Refused};

use crate::consumer_facts::replay::busy_journey;
use crate::plumbing::until;

const WITHIN: Duration = Duration::from_secs(90);

/// Everything that is served, with its numbers in the feed.
const SERVED: &str = "SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
    SELECT to_jsonb(loan)::text FROM loan_status.loan
    UNION ALL SELECT to_jsonb(entry)::text FROM loan_status.entry
    UNION ALL SELECT to_jsonb(cancellation)::text FROM loan_status.cancellation
    UNION ALL SELECT to_jsonb(feed_counter)::text FROM loan_status.feed_counter) AS served(line)";

async fn served(journey: &Journey) -> Result<String> {
    Ok(sqlx::query_scalar(SERVED).fetch_one(&journey.db).await?)
}

fn differing(rebuild: &Rebuild) -> Option<i64> {
    rebuild.difference.map(|difference| difference.total())
}

/// All that loan-manager and loan-request have told is shown.
async fn settled() -> Result<Journey> {
    let journey = busy_journey().await?;
    let sent = journey.count("SELECT count(*) FROM loan_manager.outbox").await?;
    journey.wait_count("SELECT count(*) FROM loan_status.entry", sent).await?;
    journey.wait_count("SELECT count(*) FROM loan_status.cancellation", 2).await?;
    Ok(journey)
}

//
#[tokio::test]
async fn damage_is_found_and_gone_after_the_rebuild() -> Result<()> {
    let journey = settled().await?;
    let builder = Builder::start(&journey.stack).await?;
    let whole = served(&journey).await?;
    let verified = builder.rebuild(true, WITHIN).await?;
    assert_eq!(differing(&verified), Some(0), "{verified:?}");
    let told = "SELECT (SELECT count(*) FROM loan_manager.outbox) + (SELECT count(*) FROM loan_request.outbox)";
    // What a relay has sent twice is read twice.
    assert!(verified.events_read >= journey.count(told).await?, "{verified:?}");
    assert_eq!((verified.events_total, verified.left_out), (verified.events_read, 0));
    assert_eq!(differing(&builder.rebuild(false, WITHIN).await?), Some(0));
    assert_eq!(served(&journey).await?, whole, "nothing was amiss, and nothing has changed");
    for damage in [
        "DELETE FROM loan_status.loan WHERE loan_status = '01'",
        "UPDATE loan_status.loan SET outstanding = 1 WHERE outstanding = 30000",
        "UPDATE loan_status.entry SET request_name = 'damaged' WHERE loan_status = '04'",
        "DELETE FROM loan_status.entry WHERE id = (SELECT max(id) FROM loan_status.entry)",
        "UPDATE loan_status.cancellation SET cancelled_at = now()",
    ] {
        assert!(sqlx::query(damage).execute(&journey.db).await?.rows_affected() > 0, "{damage}");
    }
    let damaged = served(&journey).await?;
    let found = differing(&builder.rebuild(true, WITHIN).await?);
    assert!(found > Some(5), "{found:?}");
    assert_eq!(served(&journey).await?, damaged, "verifying changes nothing");
    assert_eq!(differing(&builder.rebuild(false, WITHIN).await?), found);
    assert_eq!(differing(&builder.rebuild(true, WITHIN).await?), Some(0));
    Ok(())
}

//
#[tokio::test]
async fn nothing_goes_unless_that_was_ordered() -> Result<()> {
    let journey = settled().await?;
    let builder = Builder::start(&journey.stack).await?;
    let whole = served(&journey).await?;
    let stranger = "INSERT INTO loan_status.cancellation VALUES (gen_random_uuid(), now())";
    sqlx::query(stranger).execute(&journey.db).await?;
    let strange = served(&journey).await?;
    let refused = builder.rebuild(false, WITHIN).await;
    let reason = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(reason.starts_with("1 rows would go; order with dropSurplus"), "{reason}");
    let drop = Plan { drop_surplus: true, ..Plan::default() };
    // An event that was worked on is not in the topics: these are not the same.
    let unheard = "INSERT INTO loan_status.inbox (event_id, topic)
         VALUES (gen_random_uuid(), 'loan.manager')";
    sqlx::query(unheard).execute(&journey.db).await?;
    let refused = builder.follow(drop, WITHIN).await;
    let reason = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(reason.contains("the topics lack 1 events"), "{reason}");
    assert_eq!(served(&journey).await?, strange, "nothing was changed");
    let forget = "UPDATE loan_status.inbox SET dead_lettered_at = now()
         WHERE event_id NOT IN (SELECT event_id FROM loan_manager.outbox
                                UNION SELECT event_id FROM loan_request.outbox)";
    sqlx::query(forget).execute(&journey.db).await?;
    assert_eq!(differing(&builder.follow(drop, WITHIN).await?), Some(1));
    // The feed has become another one; all else is as it was.
    let without_feed = |served: &str| -> Vec<String> {
        let lines = served.lines().filter(|line| !line.contains("\"epoch\""));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(without_feed(&served(&journey).await?), without_feed(&whole));
    Ok(())
}

// whoever uses the system meanwhile notices nothing.
#[tokio::test]
async fn what_comes_meanwhile_is_neither_lost_nor_doubled() -> Result<()> {
    let journey = Journey::start().await?;
    let builder = Builder::start(&journey.stack).await?;
    // Somebody's loan that nobody asks for.
    let loan = journey.client.apply(&Credentials::demo(), 10_000).await?;
    journey.wait_count("SELECT count(*) FROM loan_status.loan", 1).await?;
    let rebuilds = Cell::new(0_u32);
    let rebuilding = async {
        loop {
            let rebuild = builder.rebuild(false, WITHIN).await?;
            assert_eq!(differing(&rebuild), Some(0), "{rebuild:?}");
            rebuilds.set(rebuilds.get() + 1);
            // It is lost now and then, and comes back.
            sqlx::query("DELETE FROM loan_status.loan WHERE loan_id = $1::uuid")
                .bind(&loan)
                .execute(&journey.db)
                .await?;
            let rebuild = builder.rebuild(false, WITHIN).await?;
            assert_eq!(differing(&rebuild), Some(1), "{rebuild:?}");
            rebuilds.set(rebuilds.get() + 1);
        }
        #[expect(unreachable_code, reason = "it says what the block gives")]
        anyhow::Ok(())
    };
    let writing = async {
        let mut stale = vec![];
        // Until both kinds were done while something came.
        for round in 0_u32.. {
            let name = format!("rebuild-{round}");
            stale.extend(write_then_read(&journey.client, 200, &name, 4).await?.stale);
            if rebuilds.get() > 1 {
                break;
            }
        }
        anyhow::Ok(stale)
    };
    let stale = tokio::select! {
        stale = writing => stale?,
        ended = rebuilding => {
            ended?;
            unreachable!("it goes on for ever")
        }
    };
    assert_eq!(stale, Vec::<String>::new());
    journey.finish().await?;
    // One that was under way is over.
    let next = builder.begin_at_last(true, WITHIN).await?;
    builder.done(next, WITHIN).await?;
    builder.rebuild(false, WITHIN).await?;
    let last = builder.rebuild(true, WITHIN).await?;
    assert_eq!(differing(&last), Some(0));
    let told = journey.count("SELECT count(*) FROM loan_manager.outbox").await?;
    journey.wait_count("SELECT count(*) FROM loan_status.entry", told).await?;
    journey.wait_count("SELECT count(DISTINCT event_id) FROM loan_status.entry", told).await
}

// with two instances.
#[tokio::test]
async fn one_at_a_time_and_one_that_is_killed_leaves_nothing() -> Result<()> {
    let journey = settled().await?;
    let (first, second) =
        (Builder::start(&journey.stack).await?, Builder::start(&journey.stack).await?);
    let damage = "UPDATE loan_status.entry SET request_name = 'damaged'";
    sqlx::query(damage).execute(&journey.db).await?;
    let damaged = served(&journey).await?;
    // Nothing can be swapped while somebody writes.
    let mut writing = journey.db.begin().await?;
    sqlx::query("SELECT 1 FROM loan_status.feed_counter FOR UPDATE")
        .fetch_one(&mut *writing)
        .await?;
    first.begin(false).await?;
    until("it compares", async || Ok(first.standing().await?.phase == "comparing")).await?;
    for builder in [&first, &second] {
        assert!(matches!(builder.begin(false).await, Err(Refused::UnderWay)));
    }
    drop(first);
    writing.rollback().await?;
    let mut id = None;
    until("the other one can begin", async || {
        id = second.begin(false).await.ok();
        Ok(id.is_some())
    })
    .await?;
    assert_eq!(second.standing().await?.phase, "reading");
    let rebuilt = second.done(id.unwrap_or_default(), WITHIN).await?;
    assert!(differing(&rebuilt) > Some(0), "the first had changed nothing");
    assert_ne!(served(&journey).await?, damaged);
    assert_eq!(differing(&second.rebuild(true, WITHIN).await?), Some(0));
    Ok(())
}
