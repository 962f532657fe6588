//! Promises that are broken on demand, in builds made for that alone: a checker
//! that has never seen a fault proves nothing.

use std::sync::LazyLock;

/// Which promise this process breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The relay marks events as sent before the broker has them.
    RelayMarksBeforeAck,
    /// The consumer stores the offsets before the work is committed.
    OffsetBeforeCommit,
    /// Every delivery counts as the first.
    InboxOff,
    /// A question that timed out is not taken back.
    VoidLeftOut,
}

static CHOSEN: LazyLock<Option<Sabotage>> = LazyLock::new(chosen);

/// Whether this process breaks that promise.
#[must_use]
pub fn breaks(promise: Sabotage) -> bool {
    *CHOSEN == Some(promise)
}

#[expect(clippy::disallowed_methods, reason = "no setting: --help must not offer it")]
fn chosen() -> Option<Sabotage> {
    let word = std::env::var("SABOTAGE").ok()?;
    Some(match word.as_str() {
        "relay-marks-before-ack" => Sabotage::RelayMarksBeforeAck,
        "offset-before-commit" => Sabotage::OffsetBeforeCommit,
        "inbox-off" => Sabotage::InboxOff,
        "void-left-out" => Sabotage::VoidLeftOut,
        // A check would pass that checks nothing.
        other => panic!("there is no sabotage {other:?}"),
    })
}
