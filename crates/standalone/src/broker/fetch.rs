//! Fetch: answers as soon as there is a message, or when the client's patience
//! ends.
//!
//! Besides the waiting, three things are put right that go wrong in tansu's own
//! where offsets have gaps (a compacted topic): the first message came without
//! its headers, messages were sent twice in one answer, and an offset outside
//! the log was not refused. A partition that does not exist is refused before
//! it reaches the storage, which would panic.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rama::{Context, Service};
use tansu_broker::Error;
use tansu_sans_io::fetch_request::{FetchPartition, FetchTopic};
use tansu_sans_io::fetch_response::{FetchableTopicResponse, PartitionData};
use tansu_sans_io::record::deflated::{Batch, Frame};
use tansu_sans_io::{ErrorCode, FetchRequest, FetchResponse, IsolationLevel};
use tansu_storage::{Storage as _, StorageContainer, TopicId, Topition};
use tokio::time::Instant;

use super::arrivals::Arrivals;
use super::headers;

/// The most that one partition may add to an answer. At least one message of
/// the largest size that a client sends (1 MB) must fit.
const PARTITION_BYTES_MAX: u32 = 2 * 1024 * 1024;
/// The most that an answer may hold.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The longest that a client may have its answer held back.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A topic as it was looked up.
#[derive(Clone)]
struct Topic {
    name: String,
    id: [u8; 16],
    partitions: i32,
}

/// Reads messages, waiting for them if there are none.
#[derive(Clone)]
pub(super) struct Fetch {
    storage: StorageContainer,
    arrivals: Arrivals,
    /// Topics are declared once and never altered, so they are looked up once.
    topics: Arc<Mutex<HashMap<TopicId, Topic>>>,
}

impl Service<(), FetchRequest> for Fetch {
    type Response = FetchResponse;
    type Error = Error;

    async fn serve(&self, _: Context<()>, request: FetchRequest) -> Result<FetchResponse, Error> {
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or_default());
        let deadline = Instant::now() + wait.min(WAIT_MAX);
        let wanted = self.wanted(request.topics.unwrap_or_default()).await?;
        loop {
            let mut changed = self.arrivals.subscribe();
            let (responses, worth_sending) = self.read(&wanted).await?;
            // Only the wait is ever abandoned: a request to the storage that is
            // dropped half way would end the storage's task.
            if worth_sending || tokio::time::timeout_at(deadline, changed.changed()).await.is_err()
            {
                return Ok(FetchResponse::default()
                    .throttle_time_ms(Some(0))
                    .error_code(Some(ErrorCode::None.into()))
                    .session_id(Some(0))
                    .node_endpoints(Some(vec![]))
                    .responses(Some(responses)));
            }
        }
    }
}

impl Fetch {
    pub(super) fn new(storage: StorageContainer, arrivals: Arrivals) -> Self {
        Self { storage, arrivals, topics: Arc::default() }
    }

    async fn wanted(
        &self,
        topics: Vec<FetchTopic>,
    ) -> Result<Vec<(Option<Topic>, FetchTopic)>, Error> {
        let mut wanted = Vec::with_capacity(topics.len());
        for asked in topics {
            wanted.push((self.look_up(&TopicId::from(&asked)).await?, asked));
        }
        Ok(wanted)
    }

    async fn look_up(&self, id: &TopicId) -> Result<Option<Topic>, Error> {
        if let Some(known) = self.topics.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            return Ok(Some(known.clone()));
        }
        let metadata = self.storage.metadata(Some(std::slice::from_ref(id))).await?;
        let found = metadata.topics().first().and_then(|topic| {
            Some(Topic {
                name: topic.name.clone()?,
                id: topic.topic_id?,
                partitions: i32::try_from(topic.partitions.as_ref()?.len()).ok()?,
            })
        });
        let found = found.filter(|topic| topic.partitions > 0);
        if let Some(topic) = &found {
            self.topics
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(id.clone(), topic.clone());
        }
        Ok(found)
    }

    /// What is there now, and whether the client should hear of it at once: a
    /// message or an error.
    async fn read(
        &self,
        wanted: &[(Option<Topic>, FetchTopic)],
    ) -> Result<(Vec<FetchableTopicResponse>, bool), Error> {
        let mut bytes = 0;
        let mut worth_sending = false;
        let mut responses = Vec::with_capacity(wanted.len());
        for (topic, asked) in wanted {
            let mut partitions = vec![];
            for partition in asked.partitions.iter().flatten() {
                let data = match topic {
                    Some(topic) if (0..topic.partitions).contains(&partition.partition) => {
                        let full = bytes >= ANSWER_BYTES_MAX;
                        self.read_partition(&topic.name, partition, full).await?
                    }
                    _ => refused(partition.partition, ErrorCode::UnknownTopicOrPartition),
                };
                let size = size(&data);
                bytes += size;
                worth_sending |= size > 0 || data.error_code != i16::from(ErrorCode::None);
                partitions.push(data);
            }
            responses.push(
                FetchableTopicResponse::default()
                    .topic(asked.topic.clone())
                    .topic_id(topic.as_ref().map(|topic| topic.id).or(asked.topic_id))
                    .partitions(Some(partitions)),
            );
        }
        Ok((responses, worth_sending))
    }

    async fn read_partition(
        &self,
        topic: &str,
        asked: &FetchPartition,
        full: bool,
    ) -> Result<PartitionData, Error> {
        let offset = asked.fetch_offset;
        let key = (topic.to_owned(), asked.partition);
        if let Some(end) = self.arrivals.end(&key)
            && (end == offset || (full && end > offset))
        {
            return Ok(found(asked.partition, end, None));
        }
        let bytes_max = PARTITION_BYTES_MAX as usize;
        if let Some((end, newest)) = self.arrivals.newest(&key, offset, bytes_max) {
            return Ok(found(asked.partition, end, Some(newest)));
        }
        let topition = Topition::new(topic, asked.partition);
        let stage = self.storage.offset_stage(&topition).await?;
        let end = stage.high_watermark();
        self.arrivals.learn(key, end);
        if offset > end || offset < stage.log_start() {
            return Ok(refused(asked.partition, ErrorCode::OffsetOutOfRange));
        }
        if offset == end {
            return Ok(found(asked.partition, end, None));
        }
        let batches = self.batches(&topition, offset).await?;
        Ok(found(asked.partition, end, (!batches.is_empty()).then_some(batches)))
    }

    async fn batches(&self, topition: &Topition, offset: i64) -> Result<Vec<Batch>, Error> {
        let read = async |from| {
            self.storage
                .fetch(topition, from, 1, PARTITION_BYTES_MAX, IsolationLevel::ReadUncommitted)
                .await
        };
        let mut batches = read(offset).await?;
        // The storage looks up the headers of the first message under the
        // offset that was asked for, so ask for the one that is there.
        if let Some(first) = batches.first()
            && first.record_count > 0
            && first.base_offset != offset
        {
            batches = read(first.base_offset).await?;
        }
        let batches = batches.iter().filter(|batch| batch.record_count > 0);
        Ok(batches.map(headers::unpack).collect::<Result<_, _>>()?)
    }
}

fn found(partition: i32, end: i64, batches: Option<Vec<Batch>>) -> PartitionData {
    PartitionData::default()
        .partition_index(partition)
        .error_code(ErrorCode::None.into())
        .high_watermark(end)
        .last_stable_offset(Some(end))
        .log_start_offset(Some(0))
        .aborted_transactions(Some(vec![]))
        .preferred_read_replica(Some(-1))
        .records(batches.map(|batches| Frame { batches }))
}

fn refused(partition: i32, error: ErrorCode) -> PartitionData {
    found(partition, -1, None).error_code(error.into())
}

fn size(data: &PartitionData) -> usize {
    data.records
        .iter()
        .flat_map(|records| &records.batches)
        .map(|batch| batch.record_data.len())
        .sum()
}
