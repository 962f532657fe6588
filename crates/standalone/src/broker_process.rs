//! The embedded broker as a process of its own, so that it can be killed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::Signal;

use crate::broker::TopicSpec;
use crate::process::{Launch, Process, ending};

/// How long it may take to start. It takes some 50 ms.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long it may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How a broker is to be run.
#[derive(Debug, Clone)]
pub struct BrokerProcessSettings {
    /// The `standalone` binary.
    pub program: PathBuf,
    /// The folder of its database.
    pub data: PathBuf,
    /// The log file.
    pub log: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    /// The address it tells its clients, if they are to take another way.
    pub advertised: Option<SocketAddr>,
    /// The topics that it makes.
    pub topics: Vec<TopicSpec>,
    /// How often it compacts, if not every ten minutes.
    pub compaction_seconds: Option<u64>,
}

/// A running broker. Dropping it kills it; its data stay.
#[derive(Debug)]
pub struct Broker {
    launch: Launch,
    process: Process,
    address: SocketAddr,
    ready_file: PathBuf,
}

/// Every topic of the suite, each with its dead-letter twin.
#[must_use]
pub fn topics() -> Vec<TopicSpec> {
    let own = |(name, value): (&str, String)| (name.to_owned(), value);
    events::topics::declared()
        .into_iter()
        .map(|(name, configuration)| TopicSpec {
            name: name.to_owned(),
            partitions: events::topics::PARTITIONS,
            configuration: configuration.into_iter().map(own).collect(),
        })
        .collect()
}

impl Broker {
    /// Starts it and waits until it serves.
    ///
    /// # Errors
    ///
    /// The address is taken, or the folder can't be used.
    pub async fn start(settings: &BrokerProcessSettings) -> anyhow::Result<Self> {
        crate::private::folder(&settings.data)?;
        let ready_file = settings.data.join("ready");
        let mut launch = Launch::new("broker", &settings.program, &settings.log);
        launch.launcher = Some(settings.program.clone());
        launch.arguments = vec![
            "broker".into(),
            "--data".into(),
            settings.data.clone().into(),
            "--address".into(),
            settings.address.to_string().into(),
            "--ready-file".into(),
            ready_file.clone().into(),
        ];
        if let Some(seconds) = settings.compaction_seconds {
            launch.arguments.extend(["--compaction-seconds".into(), seconds.to_string().into()]);
        }
        if let Some(address) = settings.advertised {
            launch.arguments.extend(["--advertised".into(), address.to_string().into()]);
        }
        for topic in &settings.topics {
            launch.arguments.extend(["--topic".into(), topic.to_string().into()]);
        }
        remove_if_there(&ready_file)?;
        let process = launch.start().context("cannot start the broker")?;
        let mut broker = Self { launch, process, address: settings.address, ready_file };
        broker.wait_ready().await?;
        Ok(broker)
    }

    /// What a client is given as `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.address.to_string()
    }

    /// The process: for signals and its log.
    pub fn process_mut(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    ///
    /// The system refuses the signal.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        Ok(())
    }

    /// Ends it in order.
    ///
    /// # Errors
    ///
    /// The system refuses the signal.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.process.stop(Signal::SIGTERM, STOP_TIMEOUT).await?)
    }

    /// Starts it again on the same data and address.
    ///
    /// # Errors
    ///
    /// As [`Broker::start`].
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.launch_again()?;
        self.wait_ready().await
    }

    /// Starts it again without waiting.
    ///
    /// # Errors
    ///
    /// It still runs, or can't be started.
    pub fn launch_again(&mut self) -> anyhow::Result<()> {
        ensure!(!self.process.is_running(), "the broker still runs");
        remove_if_there(&self.ready_file)?;
        self.process = self.launch.start()?;
        Ok(())
    }

    async fn wait_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while !self.ready_file.exists() {
            if let Some(status) = self.process.exit_status() {
                let log = crate::logs::tail(self.process.log_path(), 5);
                bail!("the broker ended at its start ({}):\n{log}", ending(status));
            }
            ensure!(Instant::now() < deadline, "the broker does not get ready");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // With port 0 only the broker knows.
        let address = std::fs::read_to_string(&self.ready_file)?;
        self.address = address.trim().parse().context("the broker's address cannot be read")?;
        Ok(())
    }
}

fn remove_if_there(file: &std::path::Path) -> std::io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
