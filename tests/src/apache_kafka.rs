//! A real Apache Kafka for the tests: one broker or several in KRaft mode, from
//! the jars, in a folder that goes away. Needs Java 17 and Maven.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use events::topics::Configuration;
use nix::sys::signal::Signal;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use standalone::net::PortBlock;
use standalone::process::{Launch, Process, ending};
use tempfile::TempDir;

/// How long the brokers may take until they answer.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// A login name and its password.
pub type Login = (&'static str, &'static str);

/// Running brokers; they end with this value.
#[derive(Debug)]
pub struct ApacheKafka {
    brokers: Vec<KafkaBroker>,
    _ports: PortBlock,
    _folder: TempDir,
}

/// One of them.
#[derive(Debug)]
struct KafkaBroker {
    ports: KafkaPorts,
    launch: Launch,
    process: Process,
}

/// Where one listens: for the tests' clients, for the other brokers (and for
/// who wants to come past a proxy), and as a controller.
#[derive(Debug, Clone, Copy)]
struct KafkaPorts {
    client: u16,
    inner: u16,
    controller: u16,
}

impl ApacheKafka {
    /// Starts one broker and makes the topics.
    ///
    /// # Errors
    /// If the jars cannot be fetched or the broker does not come up.
    pub async fn start() -> Result<Self> {
        Self::start_brokers(&[None], None, None).await
    }

    /// The same, for clients that log in (SASL PLAIN in the clear) and no others.
    ///
    /// # Errors
    /// As [`ApacheKafka::start`].
    pub async fn start_with_login(login: Login) -> Result<Self> {
        Self::start_brokers(&[None], Some(login), None).await
    }

    /// Starts one broker for each of these addresses, which it tells its clients
    /// instead of its own: those of proxies. Of three, two must have a message
    /// before it counts. Their logs go into `log_folder`, if it is to outlive them.
    ///
    /// # Errors
    /// If the jars cannot be fetched or the brokers do not come up.
    pub async fn start_behind(
        advertised: &[SocketAddr],
        log_folder: Option<&Path>,
    ) -> Result<Self> {
        let advertised: Vec<_> = advertised.iter().copied().map(Some).collect();
        Self::start_brokers(&advertised, None, log_folder).await
    }

    async fn start_brokers(
        advertised: &[Option<SocketAddr>],
        login: Option<Login>,
        log_folder: Option<&Path>,
    ) -> Result<Self> {
        let libraries = libraries()?;
        let folder = TempDir::new()?;
        let mut block = PortBlock::take()?;
        let mut ports = Vec::new();
        for _ in advertised {
            let (client, inner, controller) = (block.port()?, block.port()?, block.port()?);
            ports.push(KafkaPorts { client, inner, controller });
        }
        let cluster = java(&libraries, &["kafka.tools.StorageTool", "random-uuid"]).output()?;
        let cluster = String::from_utf8(cluster.stdout)?;
        let cluster = cluster.trim();
        ensure!(!cluster.is_empty(), "the storage tool gave no cluster id");
        let mut brokers = Vec::new();
        for (index, advertised) in advertised.iter().enumerate() {
            let settings = folder.path().join(format!("server-{}.properties", index + 1));
            let data = folder.path().join(format!("data-{}", index + 1));
            std::fs::write(&settings, properties(index, &ports, *advertised, login, &data))?;
            let settings = settings.to_string_lossy().into_owned();
            let formatted = java(
                &libraries,
                &["kafka.tools.StorageTool", "format", "-t", cluster, "-c", &settings],
            )
            .stdout(Stdio::null())
            .status()?;
            ensure!(formatted.success(), "the storage tool could not format the data folder");
            let name = format!("broker-{}", index + 1);
            let log = log_folder.unwrap_or(folder.path()).join(format!("{name}.log"));
            let mut launch = Launch::new(name, java_program()?, log);
            launch.launcher = standalone::binaries::launcher();
            launch.arguments = java_arguments(&libraries, &["kafka.Kafka", &settings]);
            let process = launch.start()?;
            brokers.push(KafkaBroker { ports: ports[index], launch, process });
        }
        let kafka = Self { brokers, _ports: block, _folder: folder };
        kafka.declare_topics().await?;
        Ok(kafka)
    }

    /// Where clients connect first.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.addresses().join(",")
    }

    /// Where each listens for clients.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.brokers.iter().map(|broker| format!("127.0.0.1:{}", broker.ports.client)).collect()
    }

    /// Where they can be reached past any proxy.
    #[must_use]
    pub fn inner_bootstrap(&self) -> String {
        let all: Vec<String> =
            self.brokers.iter().map(|broker| format!("127.0.0.1:{}", broker.ports.inner)).collect();
        all.join(",")
    }

    /// Kills one (SIGKILL).
    ///
    /// # Errors
    /// If the system refuses the signal.
    pub fn kill(&mut self, pick: usize) -> Result<()> {
        self.broker(pick).process.kill()?;
        Ok(())
    }

    /// Sends one a signal.
    ///
    /// # Errors
    /// If the system refuses the signal.
    pub fn signal(&mut self, pick: usize, signal: Signal) -> Result<()> {
        Ok(self.broker(pick).process.signal(signal)?)
    }

    /// Lets all go on and starts those again that have ended; says which those were.
    ///
    /// # Errors
    /// If one cannot be started.
    pub fn revive(&mut self) -> Result<Vec<String>> {
        let mut ended = Vec::new();
        for broker in &mut self.brokers {
            broker.process.signal(Signal::SIGCONT)?;
            if let Some(status) = broker.process.exit_status() {
                ended.push(format!("{} ({})", broker.launch.name, ending(status)));
                broker.process = broker.launch.start()?;
            }
        }
        Ok(ended)
    }

    fn broker(&mut self, pick: usize) -> &mut KafkaBroker {
        let index = pick % self.brokers.len();
        &mut self.brokers[index]
    }

    async fn declare_topics(&self) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", self.inner_bootstrap()).create()?;
        let declared = events::topics::declared();
        let copies = i32::try_from(self.brokers.len())?;
        let until = Instant::now() + READY_WITHIN;
        loop {
            let topics: Vec<NewTopic<'_>> = declared
                .iter()
                .map(|(name, configuration)| new_topic(name, configuration, copies))
                .collect();
            let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(5)));
            match admin.create_topics(&topics, &options).await {
                Ok(results) if results.iter().all(is_there) => return Ok(()),
                Ok(_) | Err(_) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                Ok(results) => bail!("the topics cannot be made: {results:?}"),
                Err(error) => return Err(error).context("the broker does not answer"),
            }
        }
    }
}

/// Made now, or by an attempt whose answer was lost.
fn is_there(result: &Result<String, (String, RDKafkaErrorCode)>) -> bool {
    matches!(result, Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)))
}

fn new_topic<'a>(name: &'a str, configuration: &'a Configuration, copies: i32) -> NewTopic<'a> {
    let topic = NewTopic::new(name, events::topics::PARTITIONS, TopicReplication::Fixed(copies));
    let topic = if copies > 1 { topic.set("min.insync.replicas", "2") } else { topic };
    configuration.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
}

fn properties(
    index: usize,
    ports: &[KafkaPorts],
    advertised: Option<SocketAddr>,
    login: Option<Login>,
    data: &Path,
) -> String {
    let KafkaPorts { client, inner, controller } = ports[index];
    let voters: Vec<String> = ports
        .iter()
        .enumerate()
        .map(|(other, ports)| format!("{}@127.0.0.1:{}", other + 1, ports.controller))
        .collect();
    let told = advertised.map_or_else(|| format!("127.0.0.1:{client}"), |told| told.to_string());
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
    let (copies, in_sync) = (ports.len(), if ports.len() > 1 { 2 } else { 1 });
    format!(
        "process.roles=broker,controller\n\
         node.id={}\n\
         controller.quorum.voters={}\n\
         listeners=CLIENTS://127.0.0.1:{client},INNER://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=CLIENTS://{told},INNER://127.0.0.1:{inner}\n\
         listener.security.protocol.map=CLIENTS:{protocol},INNER:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=INNER\n\
         controller.listener.names=CONTROLLER\n\
         log.dirs={}\n\
         offsets.topic.replication.factor={copies}\n\
         offsets.topic.num.partitions=6\n\
         transaction.state.log.replication.factor={copies}\n\
         transaction.state.log.min.isr={in_sync}\n\
         group.initial.rebalance.delay.ms=0\n\
         auto.create.topics.enable=false\n{security}",
        index + 1,
        voters.join(","),
        data.display()
    )
}

fn java_arguments(libraries: &Path, arguments: &[&str]) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["-Xmx512m".into(), "-cp".into()];
    all.push(libraries.join("*").into());
    all.extend(arguments.iter().map(OsString::from));
    all
}

/// Where `java` is: a process is started by its whole path.
fn java_program() -> Result<PathBuf> {
    let found = Command::new("sh").args(["-c", "command -v java"]).output()?;
    let path = String::from_utf8(found.stdout)?;
    ensure!(!path.trim().is_empty(), "there is no java");
    Ok(path.trim().into())
}

fn java(libraries: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("java");
    command.args(java_arguments(libraries, arguments)).stdin(Stdio::null()).stderr(Stdio::null());
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
