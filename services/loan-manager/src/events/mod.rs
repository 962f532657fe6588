//! What is done on an event: the subscriptions, on one screen.

mod on_auth_certified;

use common::Subscriptions;
use common::clock::Clock;
use futures::FutureExt;

use on_auth_certified::on_auth_certified;

/// The consumer group: the service's name.
pub const GROUP: &str = "loan-manager";

/// Every event that this service acts on.
#[must_use]
pub fn subscriptions(clock: &Clock) -> Subscriptions {
    let clock = clock.clone();
    Subscriptions::new(GROUP).on_run(move |tx, certified| {
        let clock = clock.clone();
        async move { on_auth_certified(tx, &clock, certified).await }.boxed()
    })
}
