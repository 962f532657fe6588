//! The embedded broker: tansu's Kafka protocol and SQLite storage in one
//! process, durable in one folder.
//!
//! Tansu's own main loop is not used. Its fetch answers only after a sleep of
//! up to 250 ms and its coordinator notices a killed member only after the
//! session timeout; here fetches wait for arrivals (`fetch`), members leave
//! with their connection (`groups`), the storage is watched, and the address
//! is bound before anything else so that a taken port is one clear line.

mod arrivals;
mod fetch;
mod groups;
mod headers;
mod leaders;
mod produce;
mod routes;
mod topics;
mod transactions;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use tansu_broker::coordinator::group::administrator::Controller;
use tansu_storage::{BrokerRegistrationRequest, Storage as _, StorageContainer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;
use uuid::Uuid;

use arrivals::Arrivals;
use fetch::Fetch;
use groups::Membership;
use produce::Produce;

pub use topics::TopicSpec;

/// The name under which the storage keeps everything.
const CLUSTER: &str = "online-loan";
/// The only broker of the cluster; the number is tansu's own default.
const NODE: i32 = tansu_broker::NODE_ID;
/// The file in the data folder.
const DATABASE: &str = "broker.db";
/// How often the storage is asked whether it still answers.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);
/// How long it may take to answer. Longer than any statement under load.
const WATCH_TIMEOUT: Duration = Duration::from_secs(20);
/// How long open connections may finish their request at the end.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(200);

/// What the broker is told at its start.
#[derive(Debug, Clone)]
pub struct BrokerSettings {
    /// The folder of its database; made if it is not there.
    pub data_dir: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    /// The address it tells its clients, if they are to take another way.
    pub advertised: Option<SocketAddr>,
    /// Topics to make if they are not there.
    pub topics: Vec<TopicSpec>,
    /// How often compacted topics are compacted.
    pub compaction_interval: Duration,
}

/// Runs the broker until `shutdown`. `ready` is called once, with the address
/// (port 0 has become a real one), when all topics exist and clients are served.
///
/// # Errors
///
/// The address is taken, the folder can't be written, a topic can't be made,
/// or the storage has stopped answering (then the process must end: it cannot
/// be healed from inside).
pub async fn serve(
    settings: BrokerSettings,
    shutdown: CancellationToken,
    ready: impl FnOnce(SocketAddr) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(settings.address)
        .await
        .with_context(|| format!("the broker cannot listen on {}", settings.address))?;
    let address = listener.local_addr()?;
    // The storage takes its path from an address, which cannot hold a space:
    // so it is named relative to the working directory.
    std::fs::create_dir_all(&settings.data_dir)
        .and_then(|()| std::env::set_current_dir(&settings.data_dir))
        .with_context(|| format!("cannot use the folder {}", settings.data_dir.display()))?;

    let storage = open_storage(settings.advertised.unwrap_or(address)).await?;
    topics::declare(&storage, &settings.topics).await?;
    let arrivals = Arrivals::default();
    let parts = Parts {
        groups: Controller::with_storage(storage.clone())?,
        fetch: Fetch::new(storage.clone(), arrivals.clone()),
        produce: Produce { storage: storage.clone(), arrivals: arrivals.clone() },
        storage,
        arrivals,
        membership: Membership::default(),
    };
    ready(address)?;
    parts.accept(listener, settings.compaction_interval, shutdown).await
}

async fn open_storage(address: SocketAddr) -> anyhow::Result<StorageContainer> {
    let storage = StorageContainer::builder()
        .cluster_id(CLUSTER)
        .node_id(NODE)
        .advertised_listener(Url::parse(&format!("tcp://{address}"))?)
        .storage(Url::parse(&format!("sqlite://{DATABASE}"))?)
        .silent(true)
        .build()
        .await
        .context("cannot open the broker's database")?;
    storage
        .register_broker(BrokerRegistrationRequest {
            broker_id: NODE,
            cluster_id: CLUSTER.to_owned(),
            // This storage does not keep it.
            incarnation_id: Uuid::nil(),
            rack: None,
        })
        .await?;
    prepare_database().await.context("cannot prepare the broker's database")?;
    Ok(storage)
}

/// Two things that the storage leaves to be done.
async fn prepare_database() -> Result<(), libsql::Error> {
    let connection = libsql::Builder::new_local(DATABASE).build().await?.connect()?;
    // Without it every message read scans the headers of all messages.
    let index = "CREATE INDEX IF NOT EXISTS header_of_record ON header (topition, offset_id)";
    connection.execute(index, ()).await?;
    // No member outlives the connections of an earlier broker process. Those who
    // are still there join again; those who are not would keep their partitions
    // until their session times out. The offsets are elsewhere.
    connection.execute("DELETE FROM consumer_group_detail", ()).await?;
    Ok(())
}

/// What every connection shares.
#[derive(Clone)]
struct Parts {
    storage: StorageContainer,
    arrivals: Arrivals,
    groups: Controller<StorageContainer>,
    fetch: Fetch,
    produce: Produce,
    membership: Membership,
}

impl Parts {
    async fn accept(
        &self,
        listener: TcpListener,
        compaction_interval: Duration,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let connections = TaskTracker::new();
        let mut maintenance = tokio::time::interval(compaction_interval);
        maintenance.tick().await;
        let mut watch = tokio::spawn(watch(self.storage.clone()));
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(self.clone().serve_connection(stream));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                _ = maintenance.tick() => {
                    connections.spawn(maintain(self.storage.clone(), self.arrivals.clone()));
                }
                _ = &mut watch => anyhow::bail!("the broker's storage has stopped answering"),
            }
        }
        watch.abort();
        drop(listener);
        connections.close();
        // Clients keep their connections open: what is under way may finish,
        // and every acknowledged message is in the database already.
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, connections.wait()).await;
        Ok(())
    }

    async fn serve_connection(self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection lost before its first request");
            return;
        }
        let connection = self.membership.connection();
        match routes::build(&self, &connection) {
            Ok(service) => routes::run(service, stream).await,
            Err(error) => tracing::error!(%error, "cannot serve a connection"),
        }
        connection.close(self.groups).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the age of messages is that of the wall clock")]
async fn maintain(storage: StorageContainer, arrivals: Arrivals) {
    if let Err(error) = storage.maintain(SystemTime::now()).await {
        tracing::warn!(%error, "retention and compaction failed");
    }
    arrivals.forget_messages();
}

/// Ends when the storage no longer answers. Its requests go through one task,
/// and a panic in there would otherwise leave a broker that accepts
/// connections and answers nothing.
async fn watch(storage: StorageContainer) {
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        // The request runs in a task of its own: dropping it half way would
        // itself end the storage's task.
        let answer = tokio::spawn({
            let storage = storage.clone();
            async move { storage.ping().await }
        });
        match tokio::time::timeout(WATCH_TIMEOUT, answer).await {
            Ok(Ok(Ok(()))) => {}
            other => {
                tracing::error!(?other, "the storage does not answer");
                return;
            }
        }
    }
}
