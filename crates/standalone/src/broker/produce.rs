//! Produce: tansu's, and then the waiting fetches are woken.

use std::collections::HashMap;

use rama::{Context, Service};
use tansu_broker::Error;
use tansu_sans_io::{ErrorCode, ProduceRequest, ProduceResponse};
use tansu_storage::{ProduceService, StorageContainer};

use super::arrivals::{Arrivals, Partition};

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
        let request = request.transactional_id(None);
        let counts = counts(&request);
        let response =
            ProduceService.serve(Context::with_state(self.storage.clone()), request).await?;
        self.announce(&response, &counts);
        Ok(response)
    }
}

impl Produce {
    fn announce(&self, response: &ProduceResponse, counts: &HashMap<Partition, i64>) {
        for topic in response.responses.iter().flatten() {
            for answer in topic.partition_responses.iter().flatten() {
                let partition = (topic.name.clone(), answer.index);
                let count = counts.get(&partition).copied().unwrap_or_default();
                if answer.error_code == i16::from(ErrorCode::None) {
                    self.arrivals.appended(partition, answer.base_offset + count);
                } else {
                    self.arrivals.forget(&partition);
                }
            }
        }
    }
}

/// How many messages the request holds for each partition.
fn counts(request: &ProduceRequest) -> HashMap<Partition, i64> {
    let mut counts = HashMap::new();
    for topic in request.topic_data.iter().flatten() {
        for data in topic.partition_data.iter().flatten() {
            let batches = data.records.iter().flat_map(|records| &records.batches);
            let count: i64 = batches.map(|batch| i64::from(batch.last_offset_delta) + 1).sum();
            *counts.entry((topic.name.clone(), data.index)).or_default() += count;
        }
    }
    counts
}
