//! The topics that are declared at the start.

use std::str::FromStr;

use anyhow::Context as _;
use tansu_sans_io::ErrorCode;
use tansu_sans_io::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use tansu_storage::{Error, Storage, StorageContainer};

/// A topic as it is declared: `name:partitions`, and any number of `:setting=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// How it is configured: Kafka's names of the settings, and values.
    pub configuration: Vec<(String, String)>,
}

impl FromStr for TopicSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not `name:partitions`, and `:setting=value` as needed");
        let mut parts = text.split(':');
        let name = parts.next().filter(|name| !name.is_empty()).ok_or_else(wrong)?;
        let partitions = parts
            .next()
            .and_then(|number| number.parse().ok())
            .filter(|number| (1..=100).contains(number))
            .ok_or_else(wrong)?;
        let configuration: Option<Vec<_>> = parts
            .map(|part| {
                let (name, value) = part.split_once('=')?;
                let is_whole = !name.is_empty() && !value.is_empty();
                // What the storage would take as "older than -1 ms" is everything.
                let is_for_ever = name == "retention.ms" && value.starts_with('-');
                (is_whole && !is_for_ever).then(|| (name.to_owned(), value.to_owned()))
            })
            .collect();
        let configuration = configuration.ok_or_else(wrong)?;
        Ok(Self { name: name.to_owned(), partitions, configuration })
    }
}

impl std::fmt::Display for TopicSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.name, self.partitions)?;
        self.configuration.iter().try_for_each(|(name, value)| write!(f, ":{name}={value}"))
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
    let configs = topic
        .configuration
        .iter()
        .map(|(name, value)| {
            CreatableTopicConfig::default().name(name.clone()).value(Some(value.clone()))
        })
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
        let plain =
            TopicSpec { name: "loan.auth".into(), partitions: 3, configuration: Vec::new() };
        let settings = [("cleanup.policy", "delete"), ("retention.ms", "1000")];
        let configuration = settings.map(|(name, value)| (name.into(), value.into())).into();
        let configured = TopicSpec { configuration, ..plain.clone() };
        assert_eq!("loan.auth:3".parse(), Ok(plain.clone()));
        let text = "loan.auth:3:cleanup.policy=delete:retention.ms=1000";
        assert_eq!(text.parse(), Ok(configured.clone()));
        assert_eq!(plain.to_string().parse(), Ok(plain));
        assert_eq!(configured.to_string(), text);
    }

    #[test]
    fn what_is_not_a_topic_is_refused() {
        for text in [
            "",
            "a",
            "a:",
            ":3",
            "a:0",
            "a:x",
            "a:3:",
            "a:3:x",
            "a:3:=x",
            "a:3:x=",
            "a:3:retention.ms=-1",
        ] {
            assert!(text.parse::<TopicSpec>().is_err(), "{text}");
        }
    }
}
