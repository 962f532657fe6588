//! `loanctl topics`: the topics as they are declared, and as the broker has them.

mod forget;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use common::kafka::Broker;
use events::topics::{Configuration, PARTITIONS, declared};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;

use crate::kafka::client;

/// The broker answers within this time.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Something is not as declared.
const DIFFERS: u8 = 1;

/// What it can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What the broker has, beside what is declared; 1 if they differ.
    List,
    /// Makes the topics that are not there, and changes none that is.
    Create(Create),
    /// Takes away all events that are on the topics now, after a restore of PostgreSQL. What is
    /// in the services stays, and so does what each tells from now on.
    Forget {
        /// That this is meant: without it nothing is done.
        #[arg(long)]
        all_events: bool,
    },
}

#[derive(Args)]
struct Create {
    /// Copies of each message. Three brokers or more: 3; one alone: 1.
    #[arg(long, env = "TOPIC_REPLICATION_FACTOR", default_value_t = 3,
          value_parser = clap::value_parser!(i32).range(1..=9))]
    replication_factor: i32,
    /// How many of the copies must have a message before it counts as sent. Less than
    /// the copies, so that one broker can be away.
    #[arg(long, env = "TOPIC_MIN_INSYNC_REPLICAS", default_value_t = 2,
          value_parser = clap::value_parser!(i32).range(1..=9))]
    min_insync_replicas: i32,
    /// Partitions of each topic: how many instances of a service share its work at most.
    /// Never to be changed afterwards: a loan's next event would be in another one.
    #[arg(long, env = "TOPIC_PARTITIONS", default_value_t = PARTITIONS,
          value_parser = clap::value_parser!(i32).range(1..=256))]
    partitions: i32,
}

/// A topic as the broker has it.
struct Found {
    partitions: usize,
    replicas: usize,
    settings: BTreeMap<String, String>,
}

/// Shows or makes them.
pub(crate) async fn topics(kafka: &Broker, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let admin: AdminClient<DefaultClientContext> = client(kafka).create()?;
    match arguments.command {
        Command::List => {}
        Command::Create(wanted) => {
            create(&admin, &wanted).await?;
            // What differs is said, and is no failure of making what was not there: this
            // runs before every upgrade.
            list(kafka, &admin).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Forget { all_events } => {
            forget::forget(kafka, &admin, all_events).await?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    list(kafka, &admin).await
}

async fn create(admin: &AdminClient<DefaultClientContext>, wanted: &Create) -> anyhow::Result<()> {
    ensure!(
        wanted.min_insync_replicas <= wanted.replication_factor,
        "there cannot be {} copies in sync of {}: --min-insync-replicas",
        wanted.min_insync_replicas,
        wanted.replication_factor
    );
    let declared = declared();
    let in_sync = wanted.min_insync_replicas.to_string();
    let topics: Vec<NewTopic<'_>> = declared
        .iter()
        .map(|(name, settings)| new_topic(name, settings, wanted, &in_sync))
        .collect();
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    let outcomes = admin.create_topics(&topics, &options).await.context("making the topics")?;
    for outcome in outcomes {
        match outcome {
            Ok(name) => writeln!(std::io::stdout(), "made {name}")?,
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, error)) => bail!("{name} could not be made: {error}"),
        }
    }
    Ok(())
}

fn new_topic<'a>(
    name: &'a str,
    settings: &'a Configuration,
    wanted: &Create,
    in_sync: &'a str,
) -> NewTopic<'a> {
    let copies = TopicReplication::Fixed(wanted.replication_factor);
    let topic = NewTopic::new(name, wanted.partitions, copies);
    let topic = topic.set("min.insync.replicas", in_sync);
    settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
}

async fn list(
    kafka: &Broker,
    admin: &AdminClient<DefaultClientContext>,
) -> anyhow::Result<ExitCode> {
    let found = found(kafka, admin).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:<20} {:>10} {:>6} {:>7}", "topic", "partitions", "copies", "in sync")?;
    let mut differences = Vec::new();
    let mut counts: BTreeMap<usize, &str> = BTreeMap::new();
    for (name, settings) in declared() {
        let Some(topic) = found.get(name) else {
            differences.push(format!("{name} is not there: loanctl topics create"));
            continue;
        };
        let in_sync = topic.settings.get("min.insync.replicas").map_or("-", String::as_str);
        writeln!(out, "{name:<20} {:>10} {:>6} {in_sync:>7}", topic.partitions, topic.replicas)?;
        counts.entry(topic.partitions).or_insert(name);
        differences.extend(differing(name, &settings, topic));
    }
    if counts.len() > 1 {
        differences.push("the topics have different numbers of partitions".to_owned());
    }
    for line in &differences {
        writeln!(out, "{line}")?;
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
}

/// What of a topic is not as declared.
fn differing(name: &str, declared: &Configuration, found: &Found) -> Vec<String> {
    let all = declared.iter().filter_map(|(setting, value)| {
        let is = found.settings.get(*setting)?;
        (is != value).then(|| format!("{name}: {setting} is {is}, declared as {value}"))
    });
    all.collect()
}

async fn found(
    kafka: &Broker,
    admin: &AdminClient<DefaultClientContext>,
) -> anyhow::Result<BTreeMap<String, Found>> {
    let config = client(kafka);
    let metadata = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
        let consumer: BaseConsumer = config.create()?;
        let metadata = consumer.fetch_metadata(None, TIMEOUT).context("asking for the topics")?;
        let topics = metadata.topics().iter().filter(|topic| topic.error().is_none());
        let sizes = topics.map(|topic| {
            let partitions = topic.partitions();
            let replicas = partitions.iter().map(|one| one.replicas().len()).min();
            (topic.name().to_owned(), (partitions.len(), replicas.unwrap_or_default()))
        });
        Ok(sizes.collect::<BTreeMap<_, _>>())
    });
    let mut sizes = metadata.await??;
    let names: Vec<&str> =
        declared().iter().map(|(name, _)| *name).filter(|name| sizes.contains_key(*name)).collect();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let asked: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    let described = admin.describe_configs(&asked, &options).await;
    let described = described.context("asking for the topics' settings")?;
    let mut found = BTreeMap::new();
    for (name, described) in names.iter().zip(described) {
        let described = described.map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
        let settings =
            described.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
        let Some((partitions, replicas)) = sizes.remove(*name) else { continue };
        found.insert(
            (*name).to_owned(),
            Found { partitions, replicas, settings: settings.collect() },
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_and_what_is_not_told_is_not() {
        let declared =
            vec![("cleanup.policy", "delete".to_owned()), ("retention.ms", "7".to_owned())];
        let settings = BTreeMap::from([("retention.ms".to_owned(), "8".to_owned())]);
        let found = Found { partitions: 3, replicas: 1, settings };
        assert_eq!(
            differing("loan.auth", &declared, &found),
            ["loan.auth: retention.ms is 8, declared as 7"]
        );
    }
}
