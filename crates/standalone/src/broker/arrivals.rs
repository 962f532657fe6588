//! Where each partition ends, its newest messages, and a wake-up when it grows.
//!
//! All writes come through this process, so what is known here is true; what
//! is not known yet is asked of the storage. Those who wait at the end of a
//! partition, and that is nearly everybody, get their messages from here: the
//! storage would need some statements for each message and each reader.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tansu_sans_io::record::deflated::Batch;
use tokio::sync::watch;

/// How much of a partition's newest is kept at hand, in bytes of messages. Enough
/// for readers that are some hundred messages behind.
const NEWEST_BYTES_MAX: usize = 256 * 1024;

/// Topic and partition.
pub(super) type Partition = (String, i32);

/// What is known of all partitions that were asked for or written to so far.
#[derive(Clone)]
pub(super) struct Arrivals {
    known: Arc<Mutex<HashMap<Partition, Known>>>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Known {
    /// The offset after the last message.
    end: Option<i64>,
    /// The highest end that was ever known. What says less is late.
    floor: i64,
    /// Late batches without a gap, as their producer sent them. Those at the end, unless
    /// one is about to be reported.
    newest: VecDeque<Batch>,
    bytes: usize,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { known: Arc::default(), changed: watch::Sender::new(()) }
    }
}

impl Arrivals {
    /// The offset after the last message, if it is known.
    pub(super) fn end(&self, partition: &Partition) -> Option<i64> {
        self.lock().get(partition)?.end
    }

    /// The end, and the messages from `offset` on, if they are at hand: at most
    /// `bytes_max` of them. The first batch may begin before `offset`.
    pub(super) fn newest(
        &self,
        partition: &Partition,
        offset: i64,
        bytes_max: usize,
    ) -> Option<(i64, Vec<Batch>)> {
        let known = self.lock();
        let Known { end, newest, .. } = known.get(partition)?;
        let end = (*end)?;
        let first = newest.partition_point(|batch| next(batch) <= offset);
        let is_there = newest.get(first).is_some_and(|batch| batch.base_offset <= offset);
        let mut room = bytes_max;
        is_there.then(|| {
            let wanted = newest.iter().skip(first).take_while(|batch| {
                let fits = batch.record_data.len() <= room;
                room = room.saturating_sub(batch.record_data.len());
                fits
            });
            (end, wanted.cloned().collect())
        })
    }

    /// Notes an end read from the storage; one that a producer has reported
    /// meanwhile is newer and stays.
    pub(super) fn learn(&self, partition: Partition, end: i64) {
        let mut known = self.lock();
        let known = known.entry(partition).or_default();
        if end >= known.floor {
            known.end = Some(end);
            known.floor = end;
        }
    }

    /// Notes that `batch` was appended, and wakes those who wait. It bears the
    /// offset that the storage gave it.
    pub(super) fn appended(&self, partition: Partition, batch: Batch) {
        self.lock().entry(partition).or_default().append(batch);
        self.changed.send_replace(());
    }

    /// Forgets a partition, after a write of which it is not known how far it got.
    pub(super) fn forget(&self, partition: &Partition) {
        if let Some(known) = self.lock().get_mut(partition) {
            known.clear();
            known.end = None;
        }
        self.changed.send_replace(());
    }

    /// Forgets all messages, after some may have been deleted.
    pub(super) fn forget_messages(&self) {
        for known in self.lock().values_mut() {
            known.clear();
        }
    }

    /// Tells of every later change. Take it before looking, or one is missed.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Partition, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn append(&mut self, batch: Batch) {
        let end = next(&batch);
        if self.floor >= end {
            // Another producer's later batch was reported first.
            return;
        }
        if self.newest.back().is_some_and(|last| next(last) != batch.base_offset) {
            self.clear();
        }
        self.end = Some(end);
        self.floor = end;
        self.bytes += batch.record_data.len();
        self.newest.push_back(batch);
        while self.bytes > NEWEST_BYTES_MAX
            && let Some(oldest) = self.newest.pop_front()
        {
            self.bytes -= oldest.record_data.len();
        }
    }

    fn clear(&mut self) {
        self.newest.clear();
        self.bytes = 0;
    }
}

/// The offset after a batch.
fn next(batch: &Batch) -> i64 {
    batch.base_offset + i64::from(batch.last_offset_delta) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> Partition {
        ("notes".to_owned(), 0)
    }

    fn batch(base_offset: i64, messages: i32, bytes: usize) -> Batch {
        Batch {
            base_offset,
            last_offset_delta: messages - 1,
            record_data: vec![0; bytes].into(),
            ..Batch::default()
        }
    }

    fn offsets(arrivals: &Arrivals, from: i64) -> Option<Vec<i64>> {
        let (_, found) = arrivals.newest(&partition(), from, 1_000)?;
        Some(found.iter().map(|batch| batch.base_offset).collect())
    }

    #[test]
    fn the_newest_are_at_hand_from_any_of_their_offsets() {
        let arrivals = Arrivals::default();
        arrivals.learn(partition(), 10);
        assert_eq!(offsets(&arrivals, 9), None);
        for base in [10, 13, 16] {
            arrivals.appended(partition(), batch(base, 3, 100));
        }
        assert_eq!(arrivals.end(&partition()), Some(19));
        assert_eq!(offsets(&arrivals, 9), None);
        assert_eq!(offsets(&arrivals, 10), Some(vec![10, 13, 16]));
        assert_eq!(offsets(&arrivals, 12), Some(vec![10, 13, 16]));
        assert_eq!(offsets(&arrivals, 13), Some(vec![13, 16]));
        assert_eq!(offsets(&arrivals, 18), Some(vec![16]));
        assert_eq!(offsets(&arrivals, 19), None);
        assert_eq!(
            arrivals.newest(&partition(), 10, 250).map(|(end, found)| (end, found.len())),
            Some((19, 2))
        );
    }

    #[test]
    fn behind_a_gap_everything_is_asked_of_the_storage() {
        let arrivals = Arrivals::default();
        arrivals.appended(partition(), batch(10, 1, 1));
        arrivals.appended(partition(), batch(12, 1, 1));
        assert_eq!(offsets(&arrivals, 10), None);
        assert_eq!(offsets(&arrivals, 11), None);
        assert_eq!(offsets(&arrivals, 12), Some(vec![12]));
        // It comes late, and is in the storage.
        arrivals.appended(partition(), batch(11, 1, 1));
        assert_eq!(arrivals.end(&partition()), Some(13));
        assert_eq!(offsets(&arrivals, 11), None);
        assert_eq!(offsets(&arrivals, 12), Some(vec![12]));
    }

    #[test]
    fn what_is_kept_has_a_limit_and_is_forgotten() {
        let arrivals = Arrivals::default();
        let half = NEWEST_BYTES_MAX / 2;
        for base in 0..3 {
            arrivals.appended(partition(), batch(base, 1, half));
        }
        assert_eq!(offsets(&arrivals, 0), None);
        let kept = arrivals.newest(&partition(), 1, usize::MAX);
        assert_eq!(kept.map(|(_, kept)| kept.len()), Some(2));
        arrivals.forget_messages();
        assert_eq!(offsets(&arrivals, 2), None);
        assert_eq!(arrivals.end(&partition()), Some(3));
        arrivals.forget(&partition());
        assert_eq!(arrivals.end(&partition()), None);
        // What was stored before that and is reported only now.
        arrivals.appended(partition(), batch(1, 1, 1));
        arrivals.learn(partition(), 2);
        assert_eq!(arrivals.end(&partition()), None);
        arrivals.learn(partition(), 3);
        assert_eq!(arrivals.end(&partition()), Some(3));
    }
}
