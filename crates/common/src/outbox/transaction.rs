//! What of the outbox is in the transaction that is open with the broker.

use std::time::Duration;

use tokio::time::Instant;

use super::rows::Row;

/// How long a transaction is held open for what comes next. Ending one takes about
/// as long as sending does, and meanwhile nothing is sent; and each partition's first
/// message in one waits until the broker knows of it. Our consumers see a message
/// before its end. What was sent in one that never ends is sent again.
const OPEN_MAX: Duration = Duration::from_secs(1);

/// The events of the open transaction, in the order of sending. The broker has
/// them, and they do not count as sent before its end.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    rows: Vec<Row>,
    since: Option<Instant>,
}

impl Transaction {
    pub(super) fn add(&mut self, rows: impl Iterator<Item = Row>) {
        self.rows.extend(rows);
        if !self.rows.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn ids(&self) -> Vec<i64> {
        self.rows.iter().map(|row| row.id).collect()
    }

    /// How long it may stay open yet; as long as one likes while nothing is in it. It
    /// is full with `events_max`: as many lie once more in the topics when a relay is
    /// killed.
    pub(super) fn remaining(&self, events_max: u32) -> Duration {
        if u32::try_from(self.rows.len()).is_ok_and(|events| events < events_max) {
            self.left()
        } else {
            Duration::ZERO
        }
    }

    fn left(&self) -> Duration {
        self.since.map_or(Duration::MAX, |since| OPEN_MAX.saturating_sub(since.elapsed()))
    }

    /// What was in it; the next one is empty.
    pub(super) fn take(&mut self) -> Vec<Row> {
        self.since = None;
        std::mem::take(&mut self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn its_time_runs_from_its_first_event() {
        let mut transaction = Transaction::default();
        transaction.add(std::iter::empty());
        assert_eq!(transaction.remaining(500), Duration::MAX);
        transaction.add(std::iter::once(Row::for_test("notes", "a")));
        tokio::time::advance(OPEN_MAX - Duration::from_millis(1)).await;
        transaction.add(std::iter::once(Row::for_test("notes", "b")));
        assert_eq!(transaction.remaining(500), Duration::from_millis(1));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(transaction.remaining(500), Duration::ZERO);
        assert_eq!(transaction.take().len(), 2);
        assert!(transaction.is_empty());
        assert_eq!(transaction.remaining(500), Duration::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_full_is_at_its_end() {
        let mut transaction = Transaction::default();
        transaction.add((0..3).map(|_| Row::for_test("notes", "a")));
        assert_eq!(transaction.remaining(4), OPEN_MAX);
        assert_eq!(transaction.remaining(3), Duration::ZERO);
    }
}
