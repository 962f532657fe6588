//! The order of the layers, outermost first, each with its reason.

use tower::limit::ConcurrencyLimitLayer;
use tower::retry::RetryLayer;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder};

use super::breaker::{Breaker, BreakerLayer};
use super::call::{Answer, Call, CallError};
use super::deadline::DeadlineLayer;
use super::fallback::FallbackLayer;
use super::retry::Again;
use super::settings::OutboundSettings;
use super::shed::ShedLayer;

pub(super) type Stack = BoxCloneSyncService<Call, Answer, CallError>;

pub(super) fn build<S>(name: &'static str, settings: &OutboundSettings, transport: S) -> Stack
where
    S: Service<Call, Response = Answer, Error = CallError> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let stack = ServiceBuilder::new()
        // Sees the outcome of all attempts together, and so knows whether any of
        // them may have arrived. Counts it.
        .layer(FallbackLayer::new(name))
        // Outside of the breaker, so that every attempt counts there and asks
        // there, and a retry never gets past an open breaker.
        .layer(RetryLayer::new(Again::new(name, &settings.retry)))
        // Outside of the limits, so that an open breaker takes up no place, and
        // their refusals pass it as what they are: no failure of the other side.
        .layer(BreakerLayer::new(Breaker::new(name, &settings.breaker)))
        // Full is full: nobody queues, because who waits here is late anyway.
        .layer(ShedLayer)
        // The bulkhead: a slow other side ties up so many of us and no more.
        .layer(ConcurrencyLimitLayer::new(settings.concurrency_max))
        // Inside of the breaker, so that running out of time is a failure there.
        .layer(DeadlineLayer)
        .service(transport);
    BoxCloneSyncService::new(stack)
}
