//! Events become visible: their entries, and where their loans stand now.

use std::collections::HashSet;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::change::{Change, NewState};
use crate::store;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// All are shown now; those that were shown before stay as they were.
    Applied,
    /// One of the loans is known to be another customer's. The caller must roll back.
    AnothersLoan,
}

/// Adds the entries of events to the feed in their order, and brings each loan into the
/// state that they tell of unless a newer event did so before.
///
/// # Errors
/// What the database says.
pub async fn record_changes(
    tx: &mut PgConnection,
    changes: &[(Uuid, &Change)],
) -> Result<Recorded, sqlx::Error> {
    let new: HashSet<Uuid> = store::entry::append(tx, changes).await?.into_iter().collect();
    let new = changes.iter().filter(|(event_id, _)| new.contains(event_id));
    let states: Vec<_> = new.filter_map(|(_, change)| change.new_state()).collect();
    for round in rounds(&states) {
        if !store::loan::keep(tx, &round).await? {
            return Ok(Recorded::AnothersLoan);
        }
    }
    Ok(Recorded::Applied)
}

/// The states one after the other, in as few rounds as no loan is twice in.
fn rounds<'a, 'b>(states: &'b [NewState<'a>]) -> Vec<Vec<&'b NewState<'a>>> {
    let mut rounds: Vec<Vec<&NewState<'_>>> = Vec::new();
    let mut loans = HashSet::new();
    for state in states {
        if rounds.is_empty() || !loans.insert(state.loan_id) {
            loans = HashSet::from([state.loan_id]);
            rounds.push(Vec::new());
        }
        if let Some(round) = rounds.last_mut() {
            round.push(state);
        }
    }
    rounds
}
