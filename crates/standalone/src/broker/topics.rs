//! The topics that are declared at the start.

use std::str::FromStr;

use anyhow::Context as _;
use tansu_sans_io::ErrorCode;
use tansu_sans_io::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use tansu_storage::{Error, Storage, StorageContainer};

/// A topic as it is declared: `name:partitions` or `name:partitions:compacted`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// Whether only the last message of each key is kept.
    pub compacted: bool,
}

impl FromStr for TopicSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not `name:partitions` or `name:partitions:compacted`");
        let mut parts = text.split(':');
        let name = parts.next().filter(|name| !name.is_empty()).ok_or_else(wrong)?;
        let partitions = parts
            .next()
            .and_then(|number| number.parse().ok())
            .filter(|number| (1..=100).contains(number))
            .ok_or_else(wrong)?;
        let compacted = match parts.next() {
            None => false,
            Some("compacted") => true,
            Some(_) => return Err(wrong()),
        };
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Self { name: name.to_owned(), partitions, compacted })
    }
}

impl std::fmt::Display for TopicSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let suffix = if self.compacted { ":compacted" } else { "" };
        write!(f, "{}:{}{suffix}", self.name, self.partitions)
    }
}

/// Makes the topics that are not there yet.
pub(super) async fn declare(
    storage: &StorageContainer,
    topics: &[TopicSpec],
) -> anyhow::Result<()> {
    for topic in topics {
        match storage.create_topic(creatable(topic), false).await {
            Ok(_) => tracing::info!(topic = topic.name, "topic made"),
            Err(Error::Api(ErrorCode::TopicAlreadyExists)) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot make the topic {}", topic.name));
            }
        }
    }
    Ok(())
}

fn creatable(topic: &TopicSpec) -> CreatableTopic {
    // Events are the history that a new consumer replays from the start
    // . Without a policy the storage keeps them for ever; it would take
    // `retention.ms=-1`, Kafka's word for that, as "older than -1 ms".
    let configs = topic
        .compacted
        .then(|| {
            CreatableTopicConfig::default()
                .name("cleanup.policy".into())
                .value(Some("compact".into()))
        })
        .into_iter()
        .collect();
    CreatableTopic::default()
        .name(topic.name.clone())
        .num_partitions(topic.partitions)
        .replication_factor(1)
        .assignments(Some(vec![]))
        .configs(Some(configs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_read_from_its_text() {
        let plain = TopicSpec { name: "loan.auth".into(), partitions: 3, compacted: false };
        let compacted = TopicSpec { compacted: true, ..plain.clone() };
        assert_eq!("loan.auth:3".parse(), Ok(plain.clone()));
        assert_eq!("loan.auth:3:compacted".parse(), Ok(compacted.clone()));
        assert_eq!(plain.to_string().parse(), Ok(plain));
        assert_eq!(compacted.to_string().parse(), Ok(compacted));
    }

    #[test]
    fn what_is_not_a_topic_is_refused() {
        for text in ["", "a", "a:", ":3", "a:0", "a:x", "a:3:deleted", "a:3:compacted:x"] {
            assert!(text.parse::<TopicSpec>().is_err(), "{text}");
        }
    }
}
