//! Reading topics from their beginning once more, for whoever makes anew what
//! was made of their events. No group is joined and no offset is stored: those
//! who live by the same topics notice nothing.

mod progress;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sqlx::PgConnection;
use tokio::time::{Instant, timeout};

use self::progress::Progress;
use super::batch::{self, Incoming};
use super::context::Context;
use super::subscriptions::Subscriptions;
use crate::event::ReceivedEvent;
use crate::kafka::{Broker, Log};

/// How long one question to the broker may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// How long nothing may come although there is something to come.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How often it is looked whether the client has come further although no message
/// came: what ends a transaction takes a place and is given to nobody.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long reading rests after an error of the Kafka client.
const READ_ERROR_PAUSE: Duration = Duration::from_millis(10);

/// The next place in each partition, by topic and partition.
pub type Places = BTreeMap<(String, i32), i64>;

/// Why the topics could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The broker does not answer, or not as it should.
    #[error("the topics cannot be read: {0}")]
    Kafka(#[from] KafkaError),
    /// There is no such topic.
    #[error("the topic {0} is missing")]
    NoTopic(String),
    /// The broker says that there is more, and gives nothing.
    #[error("nothing came for {} s although there is more", STALL_TIMEOUT.as_secs())]
    Stalled,
    /// The database that the events are applied to is away.
    #[error("the database is away")]
    Database(#[source] sqlx::Error),
}

/// Topics, read from their beginning. They must not be compacted: there would be
/// no telling whether a last place has been reached.
pub struct Replay {
    kafka: Arc<StreamConsumer<Context>>,
    /// Asks where the topics end. On a connection that reads, a question waits until
    /// the broker has something to read, or its patience (0.5 s) is over.
    asking: Arc<BaseConsumer<Context>>,
    subscriptions: Subscriptions,
    beginnings: Places,
    batch_max: usize,
    /// Read up to here, and what came from behind that.
    progress: Mutex<Progress>,
}

/// Messages that are to be applied together.
pub struct ReplayBatch(Vec<Incoming>);

impl ReplayBatch {
    /// Nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Replay {
    /// Goes to the beginning of every topic of the subscriptions.
    ///
    /// # Errors
    /// If the broker does not answer, or lacks a topic.
    pub async fn open(
        broker: &Broker,
        subscriptions: Subscriptions,
        batch_max: usize,
    ) -> Result<Self, ReplayError> {
        let client_id = format!("{}-replay", subscriptions.group());
        let mut config = broker.client(&client_id);
        config
            // The client wants a name, and uses it for nothing here.
            .set("group.id", &client_id)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("allow.auto.create.topics", "false")
            .set("queued.max.messages.kbytes", "16384")
            // As the consumer does, which shows what is in a transaction that has not ended.
            .set("isolation.level", "read_uncommitted")
            // It says at once that there is no more, also where no message came.
            .set("enable.partition.eof", "true")
            // What was there a moment ago and is not there now must not pass as read.
            .set("auto.offset.reset", "error");
        let kafka: Arc<StreamConsumer<Context>> =
            Arc::new(config.create_with_context(Context::new(Log::new(&client_id)))?);
        let asking: Arc<BaseConsumer<Context>> =
            Arc::new(config.create_with_context(Context::new(Log::new(&client_id)))?);
        let topics = subscriptions.topics();
        let asked = Arc::clone(&asking);
        let beginnings = ask(move || {
            let mut beginnings = Places::new();
            for topic in topics {
                for partition in partitions(&asked, topic)? {
                    let (low, _) = asked.fetch_watermarks(topic, partition, ASK_TIMEOUT)?;
                    beginnings.insert((topic.to_owned(), partition), low);
                }
            }
            Ok(beginnings)
        })
        .await?;
        kafka.assign(&list(&beginnings)?)?;
        let progress = Mutex::new(Progress::new(beginnings.clone()));
        Ok(Self { kafka, asking, subscriptions, beginnings, batch_max: batch_max.max(1), progress })
    }

    /// Where each partition begins: above zero, its beginning is not kept any more.
    #[must_use]
    pub fn beginnings(&self) -> &Places {
        &self.beginnings
    }

    /// Where each partition ends now.
    ///
    /// # Errors
    /// If the broker does not answer.
    pub async fn ends(&self) -> Result<Places, ReplayError> {
        let (asked, partitions) = (Arc::clone(&self.asking), self.beginnings.clone());
        ask(move || {
            let mut ends = Places::new();
            for (topic, partition) in partitions.into_keys() {
                let (_, high) = asked.fetch_watermarks(&topic, partition, ASK_TIMEOUT)?;
                ends.insert((topic, partition), high);
            }
            Ok(ends)
        })
        .await
    }

    /// The place after the last message of each partition that has given one. Ends
    /// may lie behind that: not only messages take places.
    #[must_use]
    pub fn read_to(&self) -> Places {
        self.lock().read_to.clone()
    }

    /// How many messages lie between the beginnings and `ends`, at most: what ends a
    /// transaction takes a place as well.
    #[must_use]
    pub fn count_up_to(&self, ends: &Places) -> u64 {
        distance(&self.beginnings, ends)
    }

    /// The next messages that lie before `ends`, in the order of their
    /// partitions; none when all were given.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub async fn next(&self, ends: &Places) -> Result<ReplayBatch, ReplayError> {
        let mut batch = self.begin_batch(ends)?;
        let mut stalled_at = Instant::now() + STALL_TIMEOUT;
        while batch.len() < self.batch_max && distance(&self.lock().places, ends) > 0 {
            // What is there is taken, and only an empty batch waits.
            let until = if batch.is_empty() { LOOK_EVERY } else { Duration::ZERO };
            match timeout(until, self.kafka.recv()).await {
                Ok(Ok(message)) => {
                    batch.extend(self.sort_in(Incoming::new(message.detach()), ends)?);
                    stalled_at = Instant::now() + STALL_TIMEOUT;
                }
                Ok(Err(error)) if is_final(&error) => return Err(error.into()),
                Err(_) if !batch.is_empty() => break,
                Ok(Err(KafkaError::PartitionEOF(_))) | Err(_) => {
                    if self.look_around()? {
                        stalled_at = Instant::now() + STALL_TIMEOUT;
                    }
                }
                // The client gets over it by itself, or the time runs out.
                Ok(Err(error)) => {
                    self.kafka.context().log.complain("read", &error.to_string());
                    tokio::time::sleep(READ_ERROR_PAUSE).await;
                }
            }
            if batch.is_empty() && Instant::now() >= stalled_at {
                return Err(ReplayError::Stalled);
            }
        }
        Ok(ReplayBatch(batch))
    }

    /// Whether the client has come further than its messages tell.
    fn look_around(&self) -> Result<bool, ReplayError> {
        let positions = places(&self.kafka.position()?);
        Ok(self.lock().come_to(&positions))
    }

    /// What was held back and lies before `ends`; partitions that rested at an
    /// earlier end go on.
    fn begin_batch(&self, ends: &Places) -> Result<Vec<Incoming>, ReplayError> {
        let mut progress = self.lock();
        let held = std::mem::take(&mut progress.held);
        let batch = held
            .into_iter()
            .filter_map(|incoming| progress.sort_in(incoming, ends).ok().flatten())
            .collect();
        let Progress { places, resting, .. } = &mut *progress;
        let woken: Places = places
            .iter()
            .filter(|(key, place)| resting.contains(*key) && ends.get(*key) > Some(*place))
            .map(|(key, place)| (key.clone(), *place))
            .collect();
        resting.retain(|key| !woken.contains_key(key));
        self.kafka.resume(&list(&woken)?)?;
        Ok(batch)
    }

    /// The message, if its turn has come. Else it is kept and its partition rests,
    /// so that what comes in meanwhile does not pile up here.
    fn sort_in(&self, incoming: Incoming, ends: &Places) -> Result<Option<Incoming>, ReplayError> {
        let mut progress = self.lock();
        match progress.sort_in(incoming, ends) {
            Ok(incoming) => Ok(incoming),
            Err(key) => {
                if !progress.resting.contains(&key) {
                    self.kafka.pause(&list(&Places::from([(key.clone(), 0)]))?)?;
                    progress.resting.insert(key);
                }
                Ok(None)
            }
        }
    }

    /// Works on a batch within a transaction, as the consumer does: each event's id
    /// is claimed in that transaction's inbox, and what can't be worked on is left
    /// out. Says how many were.
    ///
    /// # Errors
    /// If the database is away; then the transaction is not to be committed.
    pub async fn work(
        &self,
        tx: &mut PgConnection,
        batch: &ReplayBatch,
    ) -> Result<usize, ReplayError> {
        batch::work_within(tx, &self.subscriptions, &batch.0)
            .await
            .map_err(|outage| ReplayError::Database(outage.error))
    }

    /// Lets go of the broker, which the client does by waiting.
    pub async fn close(self) {
        // Should it fail, there was nothing to let go of.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the client does not get over it: what is asked for is not there.
fn is_final(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(error, KafkaError::MessageConsumptionFatal(_))
        || error.rdkafka_error_code().is_some_and(|code| {
            [
                Code::AutoOffsetReset,
                Code::OffsetOutOfRange,
                Code::UnknownTopic,
                Code::UnknownPartition,
                Code::UnknownTopicOrPartition,
            ]
            .contains(&code)
        })
}

/// Works on events that somebody has kept, as [`Replay::work`] does on those of the
/// topics. Says how many were left out.
///
/// # Errors
/// If the database is away; then the transaction is not to be committed.
pub async fn work_on_kept(
    tx: &mut PgConnection,
    subscriptions: &Subscriptions,
    events: &[ReceivedEvent],
) -> Result<usize, ReplayError> {
    let handled: Vec<_> = events.iter().filter(|event| subscriptions.handles(event)).collect();
    let left_out = batch::apply_within(tx, subscriptions, &handled).await;
    left_out.map_err(|outage| ReplayError::Database(outage.error))
}

/// How far the consumer group has come: the next place in each partition of
/// `ends`; a partition of which it has said nothing is left out.
///
/// # Errors
/// If the broker does not answer.
pub async fn committed(broker: &Broker, group: &str, ends: &Places) -> Result<Places, ReplayError> {
    let mut config = broker.client(group);
    config.set("group.id", group).set("enable.auto.commit", "false");
    let wanted = list(ends)?;
    ask(move || {
        // Asking for a group's places does not make one its member.
        let consumer: BaseConsumer<Context> =
            config.create_with_context(Context::new(Log::new("replay")))?;
        let committed = consumer.committed_offsets(wanted, ASK_TIMEOUT)?;
        Ok(places(&committed))
    })
    .await
}

/// How many messages lie between two places of each partition.
#[must_use]
pub fn distance(from: &Places, to: &Places) -> u64 {
    to.iter()
        .map(|(key, end)| end - from.get(key).copied().unwrap_or_default())
        .map(|between| u64::try_from(between).unwrap_or_default())
        .sum()
}

fn partitions(kafka: &BaseConsumer<Context>, topic: &str) -> Result<Vec<i32>, ReplayError> {
    let metadata = kafka.fetch_metadata(Some(topic), ASK_TIMEOUT)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    match found {
        Some(found) if found.error().is_none() && !found.partitions().is_empty() => {
            Ok(found.partitions().iter().map(|partition| partition.id()).collect())
        }
        _ => Err(ReplayError::NoTopic(topic.to_owned())),
    }
}

/// The places that are known.
fn places(list: &TopicPartitionList) -> Places {
    let elements = list.elements().into_iter();
    let known = elements.filter_map(|element| {
        let Offset::Offset(offset) = element.offset() else { return None };
        Some(((element.topic().to_owned(), element.partition()), offset))
    });
    known.collect()
}

fn list(places: &Places) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(places.len());
    for ((topic, partition), place) in places {
        list.add_partition_offset(topic, *partition, Offset::Offset(*place))?;
    }
    Ok(list)
}

/// Asks the broker, which the client does by waiting.
async fn ask<T: Send + 'static>(
    question: impl FnOnce() -> Result<T, ReplayError> + Send + 'static,
) -> Result<T, ReplayError> {
    tokio::task::spawn_blocking(question)
        .await
        .unwrap_or(Err(ReplayError::Kafka(KafkaError::Canceled)))
}
