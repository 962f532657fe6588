//! `loanctl topics`.

use anyhow::Result;
use journeys::harness::Journey;

use super::{loanctl, loanctl_with};
use crate::lone_broker::LoneBroker;

/// What is made on a broker that is alone.
const ALONE: [&str; 4] = ["--replication-factor", "1", "--min-insync-replicas", "1"];

//
#[tokio::test]
async fn the_topics_of_a_running_system_are_as_declared_and_stay_so() -> Result<()> {
    let journey = Journey::start().await?;
    let listed = loanctl(&journey, &["topics", "list"]).await?.expect(0)?;
    for (name, _) in events::topics::declared() {
        assert!(listed.out.contains(name), "{name}: {listed:?}");
    }
    let create = [&["topics", "create"], &ALONE[..]].concat();
    let again = loanctl(&journey, &create).await?.expect(0)?;
    assert!(!again.out.contains("made"), "{again:?}");
    let wrong = ["topics", "create", "--replication-factor", "1"];
    let refused = loanctl(&journey, &wrong).await?.expect(2)?;
    assert!(refused.err.contains("--min-insync-replicas"), "{refused:?}");
    Ok(())
}

// the embedded broker, whatever the other journeys run on: it starts without a topic.
#[tokio::test]
async fn topics_that_are_not_there_are_made() -> Result<()> {
    let journey = Journey::start().await?;
    let broker = LoneBroker::start(Vec::new(), None).await?;
    let bootstrap = broker.bootstrap();
    let there = [("KAFKA_BOOTSTRAP", bootstrap.as_str())];
    let listed = loanctl_with(&journey, &["topics", "list"], &there, "").await?.expect(1)?;
    assert!(listed.out.contains("loan.auth is not there: loanctl topics create"), "{listed:?}");
    let create = [&["topics", "create"], &ALONE[..]].concat();
    let made = loanctl_with(&journey, &create, &there, "").await?.expect(0)?;
    let names = events::topics::declared();
    assert_eq!(made.out.matches("made ").count(), names.len(), "{made:?}");
    loanctl_with(&journey, &["topics", "list"], &there, "").await?.expect(0)?;
    Ok(())
}
