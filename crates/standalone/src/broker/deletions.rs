//! Deleting: tansu's, and then nobody gets from memory what is gone.

use rama::{Context, Service};
use tansu_broker::Error;
use tansu_sans_io::{
    DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
};
use tansu_storage::{DeleteRecordsService, DeleteTopicsService, StorageContainer};

use super::arrivals::Arrivals;

/// Deletes the messages before an offset, or a topic.
#[derive(Clone)]
pub(super) struct Deletions {
    pub(super) storage: StorageContainer,
    pub(super) arrivals: Arrivals,
}

impl Service<(), DeleteRecordsRequest> for Deletions {
    type Response = DeleteRecordsResponse;
    type Error = Error;

    async fn serve(
        &self,
        _: Context<()>,
        request: DeleteRecordsRequest,
    ) -> Result<DeleteRecordsResponse, Error> {
        let context = Context::with_state(self.storage.clone());
        let deleted = DeleteRecordsService.serve(context, request).await;
        self.arrivals.forget_messages();
        Ok(deleted?)
    }
}

impl Service<(), DeleteTopicsRequest> for Deletions {
    type Response = DeleteTopicsResponse;
    type Error = Error;

    async fn serve(
        &self,
        _: Context<()>,
        request: DeleteTopicsRequest,
    ) -> Result<DeleteTopicsResponse, Error> {
        let context = Context::with_state(self.storage.clone());
        let deleted = DeleteTopicsService.serve(context, request).await;
        self.arrivals.forget_messages();
        Ok(deleted?)
    }
}
