//! Produce: tansu's, and then the waiting fetches are woken.

use std::collections::HashMap;

use rama::{Context, Service};
use tansu_broker::Error;
use tansu_sans_io::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use tansu_sans_io::record::deflated::Batch;
use tansu_sans_io::{ErrorCode, ProduceRequest, ProduceResponse};
use tansu_storage::{ProduceService, StorageContainer};

use super::arrivals::{Arrivals, Partition};
use super::headers::{self, Unfit};

/// Stores messages and tells the fetches.
#[derive(Clone)]
pub(super) struct Produce {
    pub(super) storage: StorageContainer,
    pub(super) arrivals: Arrivals,
}

impl Service<(), ProduceRequest> for Produce {
    type Response = ProduceResponse;
    type Error = Error;

    async fn serve(
        &self,
        _: Context<()>,
        request: ProduceRequest,
    ) -> Result<ProduceResponse, Error> {
        // Its epoch is checked with the batches; there is nothing to undo later.
        let mut request = request.transactional_id(None);
        let batches = batches(&request);
        match pack_all(&mut request) {
            Ok(()) => {}
            Err(Unfit::Unreadable(error)) => {
                tracing::warn!(%error, "messages that can't be read");
                return Ok(refused(&request, ErrorCode::CorruptMessage));
            }
            Err(Unfit::TooLarge) => return Ok(refused(&request, ErrorCode::MessageTooLarge)),
        }
        let response =
            ProduceService.serve(Context::with_state(self.storage.clone()), request).await?;
        self.announce(&response, batches);
        Ok(response)
    }
}

impl Produce {
    fn announce(&self, response: &ProduceResponse, mut batches: HashMap<Partition, Vec<Batch>>) {
        for topic in response.responses.iter().flatten() {
            for answer in topic.partition_responses.iter().flatten() {
                let partition = (topic.name.clone(), answer.index);
                let is_stored = answer.error_code == i16::from(ErrorCode::None);
                match batches.remove(&partition).as_deref() {
                    Some([batch]) if is_stored => {
                        let batch = Batch { base_offset: answer.base_offset, ..batch.clone() };
                        self.arrivals.appended(partition, batch);
                    }
                    // Of several, another producer's may lie between them.
                    _ => self.arrivals.forget(&partition),
                }
            }
        }
    }
}

fn pack_all(request: &mut ProduceRequest) -> Result<(), Unfit> {
    for topic in request.topic_data.iter_mut().flatten() {
        for data in topic.partition_data.iter_mut().flatten() {
            for batch in data.records.iter_mut().flat_map(|records| &mut records.batches) {
                *batch = headers::pack(batch)?;
            }
        }
    }
    Ok(())
}

/// Nothing of it was stored, and it would not be another time.
fn refused(request: &ProduceRequest, error: ErrorCode) -> ProduceResponse {
    let answer = |index: i32| {
        PartitionProduceResponse::default()
            .index(index)
            .error_code(error.into())
            .base_offset(-1)
            .log_append_time_ms(Some(-1))
            .log_start_offset(Some(0))
            .record_errors(Some(vec![]))
    };
    let topics = request.topic_data.iter().flatten().map(|topic| {
        let indexes = topic.partition_data.iter().flatten().map(|data| data.index);
        TopicProduceResponse::default()
            .name(topic.name.clone())
            .partition_responses(Some(indexes.map(answer).collect()))
    });
    ProduceResponse::default().responses(Some(topics.collect())).throttle_time_ms(Some(0))
}

/// What the request holds for each partition.
fn batches(request: &ProduceRequest) -> HashMap<Partition, Vec<Batch>> {
    let mut batches: HashMap<_, Vec<_>> = HashMap::new();
    for topic in request.topic_data.iter().flatten() {
        for data in topic.partition_data.iter().flatten() {
            let sent = data.records.iter().flat_map(|records| records.batches.iter().cloned());
            batches.entry((topic.name.clone(), data.index)).or_default().extend(sent);
        }
    }
    batches
}
