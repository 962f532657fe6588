//! Short messages, by a provider that takes them over a signed request. Its address is
//! the operator's, and may be inside.

use common::clock::Clock;
use common::config::Secret;
use futures::future::BoxFuture;
use serde_json::json;
use url::Url;

use super::circuits::Target;
use super::{Destination, Outcome, Way, webhook};
use crate::domain::letter::Letter;

/// A provider.
pub struct Sms {
    client: reqwest::Client,
    url: Url,
    secret: Secret,
    clock: Clock,
}

impl Sms {
    /// The provider at `url`, which knows us by `secret`.
    #[must_use]
    pub fn new(client: reqwest::Client, url: Url, secret: Secret, clock: Clock) -> Self {
        Self { client, url, secret, clock }
    }
}

impl Way for Sms {
    fn target(&self, _: &Destination) -> Target {
        Target::Ours("sms")
    }

    fn send<'a>(
        &'a self,
        letter: &'a Letter,
        destination: &'a Destination,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let body = json!({
                "type": "sms",
                "data": { "to": destination.address, "text": letter.text.short },
            });
            let provider =
                Destination { address: self.url.to_string(), secrets: vec![self.secret.clone()] };
            let outcome =
                webhook::post(&self.client, &self.clock, &provider, &letter.key, body).await;
            match outcome {
                // It has looked at this message, and will not send it: no such number.
                Outcome::Failed { detail, .. } if ["400", "422"].contains(&detail.as_str()) => {
                    Outcome::Refused { detail }
                }
                // A provider is not a customer's endpoint: it is ours to set right.
                Outcome::Gone => Outcome::failed("410"),
                other => other,
            }
        })
    }
}
