//! whoever writes reads it.

use anyhow::Result;
use journeys::harness::Journey;
use journeys::read_your_writes::{disturb, write_then_read};
use standalone::Service;

/// Writes of a journey; `./dev bench --read-your-writes` does 10,000.
const TIMES: u32 = 300;

// with two instances, each of which shows half of the loans.
#[tokio::test]
async fn whoever_writes_reads_it() -> Result<()> {
    let mut journey = Journey::start().await?;
    let _second = journey.stack.another(Service::LoanStatus).await?;
    let tally = write_then_read(&journey.client, TIMES, "peace", 5).await?;
    assert_eq!(tally.stale, Vec::<String>::new());
    assert!(tally.writes >= TIMES);
    assert!(tally.plain_stale > 0, "reading without a version would have done as well: {tally:?}");
    journey.finish().await
}

//
#[tokio::test]
async fn also_while_the_status_falls_behind_and_is_killed() -> Result<()> {
    let mut journey = Journey::start().await?;
    let tally = tokio::select! {
        tally = write_then_read(&journey.client, TIMES, "storm", 5) => tally?,
        ended = disturb(&mut journey.stack, &journey.db) => {
            ended?;
            unreachable!("it goes on for ever")
        }
    };
    assert_eq!(tally.stale, Vec::<String>::new());
    assert!(tally.writes >= TIMES);
    assert!(tally.told_to_retry > 0, "it was never behind for longer than the wait: {tally:?}");
    Ok(())
}
