//! A real Apache Kafka for the tests: one broker in KRaft mode, from its jars,
//! in a folder that goes away. Needs Java 17 and Maven.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use events::topics::Configuration;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use tempfile::TempDir;

use crate::proxy::Proxy;

/// How long a broker may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A login name and its password.
pub type Login = (&'static str, &'static str);

/// A running broker; it ends with this value.
#[derive(Debug)]
pub struct ApacheKafka {
    bootstrap: String,
    own_address: String,
    login: Option<Login>,
    process: Child,
    _folder: TempDir,
}

impl ApacheKafka {
    /// Starts a broker and makes the topics.
    ///
    /// # Errors
    /// If the jars cannot be fetched or the broker does not come up.
    pub async fn start() -> Result<Self> {
        Self::start_for(None, None).await
    }

    /// The same, for clients that log in (SASL PLAIN in the clear) and no others.
    ///
    /// # Errors
    /// As [`ApacheKafka::start`].
    pub async fn start_with_login(login: Login) -> Result<Self> {
        Self::start_for(Some(login), None).await
    }

    /// The same, for clients that come by way of `proxy`.
    ///
    /// # Errors
    /// As [`ApacheKafka::start`].
    pub async fn start_behind(proxy: &Proxy) -> Result<Self> {
        Self::start_for(None, Some(proxy)).await
    }

    async fn start_for(login: Option<Login>, proxy: Option<&Proxy>) -> Result<Self> {
        let libraries = libraries()?;
        let folder = TempDir::new()?;
        let ports = Ports { clients: free_port()?, own: free_port()?, controller: free_port()? };
        let own_address = format!("127.0.0.1:{}", ports.clients);
        let bootstrap = match proxy {
            None => own_address.clone(),
            Some(proxy) => {
                proxy.lead_to(&own_address);
                proxy.address().to_string()
            }
        };
        let settings = folder.path().join("server.properties");
        std::fs::write(
            &settings,
            properties(&ports, &bootstrap, &folder.path().join("data"), login),
        )?;
        let cluster = java(&libraries, &["kafka.tools.StorageTool", "random-uuid"]).output()?;
        let cluster = String::from_utf8(cluster.stdout)?;
        let cluster = cluster.trim();
        ensure!(!cluster.is_empty(), "the storage tool gave no cluster id");
        let settings = settings.to_string_lossy().into_owned();
        let formatted = java(
            &libraries,
            &["kafka.tools.StorageTool", "format", "-t", cluster, "-c", &settings],
        )
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
        ensure!(formatted.success(), "the storage tool could not format the data folder");
        let process = java(&libraries, &["kafka.Kafka", &settings])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let kafka = Self { bootstrap, own_address, login, process, _folder: folder };
        kafka.declare_topics().await?;
        Ok(kafka)
    }

    /// Where clients connect first.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Where it listens, whatever it tells its clients.
    #[must_use]
    pub fn own_address(&self) -> &str {
        &self.own_address
    }

    async fn declare_topics(&self) -> Result<()> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        if let Some((name, password)) = self.login {
            config
                .set("security.protocol", "sasl_plaintext")
                .set("sasl.mechanism", "PLAIN")
                .set("sasl.username", name)
                .set("sasl.password", password);
        }
        let admin: AdminClient<DefaultClientContext> = config.create()?;
        let declared = events::topics::declared();
        let until = Instant::now() + READY_WITHIN;
        loop {
            let topics: Vec<NewTopic<'_>> = declared
                .iter()
                .map(|(name, configuration)| new_topic(name, configuration))
                .collect();
            let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(5)));
            match admin.create_topics(&topics, &options).await {
                Ok(results) if results.iter().all(Result::is_ok) => return Ok(()),
                Ok(_) | Err(_) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                Ok(results) => bail!("the topics cannot be made: {results:?}"),
                Err(error) => return Err(error).context("the broker does not answer"),
            }
        }
    }
}

impl Drop for ApacheKafka {
    fn drop(&mut self) {
        // Nothing is kept, so it need not be asked kindly.
        if self.process.kill().is_ok() {
            drop(self.process.wait());
        }
    }
}

fn new_topic<'a>(name: &'a str, configuration: &'a Configuration) -> NewTopic<'a> {
    let topic = NewTopic::new(name, events::topics::PARTITIONS, TopicReplication::Fixed(1));
    configuration.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
}

/// Where it listens: for clients, for itself (it must reach itself whatever becomes of
/// the way that its clients take), and as a controller.
struct Ports {
    clients: u16,
    own: u16,
    controller: u16,
}

fn properties(ports: &Ports, advertised: &str, data: &Path, login: Option<Login>) -> String {
    let Ports { clients, own, controller } = ports;
    let (protocol, security) = match login {
        None => ("PLAINTEXT", String::new()),
        Some((name, password)) => (
            "SASL_PLAINTEXT",
            format!(
                "sasl.enabled.mechanisms=PLAIN\n\
                 listener.name.clients.plain.sasl.jaas.config=\
                 org.apache.kafka.common.security.plain.PlainLoginModule required \
                 user_{name}=\"{password}\";\n"
            ),
        ),
    };
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=CLIENTS://127.0.0.1:{clients},OWN://127.0.0.1:{own},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=CLIENTS://{advertised},OWN://127.0.0.1:{own}\n\
         listener.security.protocol.map=CLIENTS:{protocol},OWN:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=OWN\n\
         controller.listener.names=CONTROLLER\n\
         log.dirs={}\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         auto.create.topics.enable=false\n{security}",
        data.display()
    )
}

fn java(libraries: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("java");
    command
        .arg("-Xmx512m")
        .arg("-cp")
        .arg(libraries.join("*"))
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// The jars, fetched once into the build folder.
fn libraries() -> Result<PathBuf> {
    // Tests that start at the same moment must not fetch into one folder at once.
    static FETCHING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = manifest.parent().context("no repository")?.join("target/apache-kafka");
    let done = folder.join("complete");
    if !done.exists() {
        let fetched = Command::new("mvn")
            .args(["-q", "-B", "dependency:copy-dependencies"])
            .arg(format!("-DoutputDirectory={}", folder.display()))
            .current_dir(manifest.join("apache-kafka"))
            .stdin(Stdio::null())
            .status()
            .context("Maven cannot be started")?;
        ensure!(fetched.success(), "Maven could not fetch the jars of Apache Kafka");
        std::fs::write(done, "")?;
    }
    Ok(folder)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
