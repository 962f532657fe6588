//! As much of transactions as fences a producer that was replaced.
//!
//! A producer with a transactional id is given the next epoch of that id, and the
//! storage takes no message of an earlier one: that is kept, also over a restart.
//! What is not: a transaction is not undone. Its messages are there for everybody
//! at once, as if each reader had said `read_uncommitted`, and its end is only
//! acknowledged. Nothing here aborts one.

use rama::{Context, Service};
use tansu_broker::Error;
use tansu_sans_io::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use tansu_sans_io::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, EndTxnRequest, EndTxnResponse,
    ErrorCode, InitProducerIdRequest, InitProducerIdResponse,
};
use tansu_storage::{InitProducerIdService, StorageContainer, TxnAddPartitionsRequest};

/// Gives producers their ids and epochs.
#[derive(Clone)]
pub(super) struct InitProducer {
    pub(super) storage: StorageContainer,
}

impl Service<(), InitProducerIdRequest> for InitProducer {
    type Response = InitProducerIdResponse;
    type Error = Error;

    async fn serve(
        &self,
        _: Context<()>,
        request: InitProducerIdRequest,
    ) -> Result<InitProducerIdResponse, Error> {
        // A producer that wants to go on with its own id after an error. The storage
        // can't, and would end; the client makes a new producer then.
        if request.producer_id.is_some_and(|id| id >= 0) {
            return Ok(InitProducerIdResponse::default()
                .error_code(ErrorCode::InvalidProducerEpoch.into())
                .producer_id(-1)
                .producer_epoch(-1));
        }
        let request = request.producer_id(Some(-1)).producer_epoch(Some(-1));
        let context = Context::with_state(self.storage.clone());
        Ok(InitProducerIdService.serve(context, request).await?)
    }
}

/// Says yes to the steps of a transaction.
#[derive(Clone, Copy)]
pub(super) struct Transactions;

impl Service<(), AddPartitionsToTxnRequest> for Transactions {
    type Response = AddPartitionsToTxnResponse;
    type Error = Error;

    async fn serve(
        &self,
        _: Context<()>,
        request: AddPartitionsToTxnRequest,
    ) -> Result<AddPartitionsToTxnResponse, Error> {
        let TxnAddPartitionsRequest::VersionZeroToThree { topics, .. } = request.try_into()? else {
            // Spoken between brokers only.
            return Ok(AddPartitionsToTxnResponse::default()
                .error_code(Some(ErrorCode::UnsupportedVersion.into()))
                .results_by_transaction(Some(vec![])));
        };
        let taken = |index: i32| {
            AddPartitionsToTxnPartitionResult::default()
                .partition_index(index)
                .partition_error_code(ErrorCode::None.into())
        };
        let results = topics.into_iter().map(|topic| {
            let partitions = topic.partitions.unwrap_or_default();
            AddPartitionsToTxnTopicResult::default()
                .name(topic.name)
                .results_by_partition(Some(partitions.into_iter().map(taken).collect()))
        });
        Ok(AddPartitionsToTxnResponse::default()
            .results_by_topic_v_3_and_below(Some(results.collect())))
    }
}

impl Service<(), EndTxnRequest> for Transactions {
    type Response = EndTxnResponse;
    type Error = Error;

    async fn serve(&self, _: Context<()>, _: EndTxnRequest) -> Result<EndTxnResponse, Error> {
        Ok(EndTxnResponse::default().error_code(ErrorCode::None.into()))
    }
}
