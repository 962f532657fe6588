//! All processes of a system: started in order, looked after, stopped in the
//! opposite order.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::signal::Signal;

use super::data::{DataDir, State};
use super::part::{Part, Running};
use super::plan::{PartName, PortPlan};
use super::show::Progress;
use crate::broker_process::{Broker, BrokerProcessSettings, topics};
use crate::environment::variable;
use crate::logs::{LOG_BYTES_MAX, limit};
use crate::postgres::{Postgres, PostgresSettings};
use crate::process::{Identity, Launch};
use crate::secrets::Secrets;
use crate::services::Service;
use crate::stack::ServiceProcess;
use crate::wiring::{Wiring, file_url, for_trying};

/// How often the processes are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How often the logs are looked at: in so many looks.
const LOGS_EVERY: u32 = 50;
/// Five services with their pools of 16, and room to look.
const CONNECTIONS_MAX: u32 = 150;
/// The one database.
const DATABASE: &str = "loan";

/// The processes of a system.
pub(super) struct Crew {
    data: DataDir,
    plan: PortPlan,
    bin_dir: PathBuf,
    /// The `standalone` binary; this process's own, but as a file to be started.
    own: PathBuf,
    parts: Vec<Part>,
    ready: bool,
}

impl Crew {
    pub(super) fn new(data: DataDir, plan: PortPlan, bin_dir: PathBuf) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("it is not known which program this is")?;
        Ok(Self { data, plan, bin_dir, own, parts: Vec::new(), ready: false })
    }

    /// Starts all and waits until all are ready.
    pub(super) async fn start(
        &mut self,
        wanted: &[PartName],
        progress: &Progress,
    ) -> anyhow::Result<()> {
        // Who wants to stop it finds it from now on.
        self.write_state()?;
        let secrets = Secrets::load_or_generate(&self.data.secrets())?;
        let mut database = None;
        if wanted.contains(&PartName::Postgres) {
            database = Some(self.start_postgres(&secrets, progress).await?);
        }
        if wanted.contains(&PartName::Broker) {
            self.start_broker(progress).await?;
        }
        let services: Vec<Service> = wanted
            .iter()
            .filter_map(|part| match part {
                PartName::Service(service) => Some(*service),
                PartName::Postgres | PartName::Broker => None,
            })
            .collect();
        if !services.is_empty() {
            let wiring = Wiring {
                ports: self.plan.services.clone(),
                bootstrap: self.broker_address().to_string(),
                database,
                secrets,
            };
            self.start_services(&services, &wiring, progress).await?;
        }
        self.ready = true;
        self.write_state()
    }

    async fn start_postgres(
        &mut self,
        secrets: &Secrets,
        progress: &Progress,
    ) -> anyhow::Result<crate::Database> {
        let settings = PostgresSettings {
            folder: self.data.postgres()?,
            port: self.plan.postgres,
            log: self.data.log("postgres"),
            durable: true,
            connections_max: CONNECTIONS_MAX,
            launcher: Some(self.own.clone()),
        };
        let new = !settings.folder.join("data").exists();
        progress
            .begin(PartName::Postgres, if new { "makes its data and starts" } else { "starts" });
        let postgres = Postgres::start(&settings, secrets).await?;
        let database = postgres.database(DATABASE).await?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.plan.postgres)).to_string();
        progress.ready(PartName::Postgres, &address);
        self.take_on(Part::new(
            PartName::Postgres,
            Running::Postgres(Box::new(postgres)),
            address,
            None,
        ))?;
        Ok(database)
    }

    async fn start_broker(&mut self, progress: &Progress) -> anyhow::Result<()> {
        let settings = BrokerProcessSettings {
            program: self.own.clone(),
            data: self.data.broker(),
            log: self.data.log("broker"),
            address: self.broker_address(),
            topics: topics(),
            advertised: None,
            compaction_seconds: None,
        };
        progress.begin(PartName::Broker, "starts");
        let broker = Broker::start(&settings).await?;
        let address = broker.bootstrap();
        progress.ready(PartName::Broker, &address);
        self.take_on(Part::new(PartName::Broker, Running::Broker(broker), address, None))
    }

    async fn start_services(
        &mut self,
        services: &[Service],
        wiring: &Wiring,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        for &service in services {
            let ports = wiring.ports.get(&service).copied().context("a service without ports")?;
            let launch = self.launch(service, wiring);
            progress.begin(PartName::Service(service), "starts");
            let process = ServiceProcess::start(service, ports, launch)?;
            let part = Part::new(
                PartName::Service(service),
                Running::Service(process),
                ports.http_address().to_string(),
                Some(ports.admin_address().to_string()),
            );
            self.take_on(part)?;
        }
        for part in &mut self.parts {
            let name = part.name;
            if let Some(service) = part.service() {
                service.wait_ready().await?;
                progress.ready(name, &service.url());
            }
        }
        Ok(())
    }

    fn launch(&self, service: Service, wiring: &Wiring) -> Launch {
        let mut launch = Launch::new(
            service.name(),
            self.bin_dir.join(service.name()),
            self.data.log(service.name()),
        );
        launch.launcher = Some(self.own.clone());
        // Those of the user's own environment go before what is only convenient.
        let logs = [("LOG_FORMAT", "pretty"), ("NO_COLOR", "1")];
        let convenient = logs.into_iter().chain(for_trying(service));
        launch.environment = convenient
            .filter(|(name, _)| variable(name).is_none())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        if service == Service::LoanMessenger && variable("MAIL_URL").is_none() {
            launch.environment.push(("MAIL_URL".to_owned(), file_url(&self.data.mail())));
        }
        if let Some(ports) = wiring.ports.get(&service) {
            launch.environment.extend(wiring.environment(service, *ports));
        }
        launch
    }

    fn broker_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.plan.broker).into()
    }

    fn take_on(&mut self, part: Part) -> anyhow::Result<()> {
        self.parts.push(part);
        self.write_state()
    }

    fn write_state(&mut self) -> anyhow::Result<()> {
        let supervisor = Identity::of(std::process::id()).context("this process is not known")?;
        let children = self
            .parts
            .iter_mut()
            .filter_map(|part| Some((part.name.name().to_owned(), part.state()?)))
            .collect();
        self.data.write_state(&State { supervisor, ready: self.ready, children })
    }

    /// Looks after all, for ever.
    pub(super) async fn look_after(&mut self, progress: &Progress) -> anyhow::Result<()> {
        let mut looks = 0_u32;
        let mut is_written = true;
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let now = Instant::now();
            let happened: Vec<String> =
                self.parts.iter_mut().filter_map(|part| part.look_after(now)).collect();
            // Written down first: whoever reads that something was started again looks for it.
            if !happened.is_empty() || !is_written {
                let written = self.write_state();
                // A full disk: what runs goes on, and it is tried again.
                if let (true, Err(error)) = (is_written, &written) {
                    progress.say(&format!("what runs cannot be written down: {error:#}"));
                }
                is_written = written.is_ok();
            }
            for line in &happened {
                progress.say(line);
            }
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(LOGS_EVERY) {
                self.limit_logs(progress);
            }
        }
    }

    fn limit_logs(&mut self, progress: &Progress) {
        for part in &mut self.parts {
            let log: &Path = part.process().log_path();
            if let Err(error) = limit(log, LOG_BYTES_MAX) {
                progress.say(&format!("the log {} cannot be cut: {error}", log.display()));
            }
        }
    }

    /// Stops all in order: the gateway, the services, the broker, PostgreSQL.
    pub(super) async fn stop(&mut self, progress: &Progress) -> anyhow::Result<()> {
        let groups: [fn(PartName) -> bool; 4] = [
            |name| name == PartName::Service(Service::Gateway),
            |name| matches!(name, PartName::Service(service) if service != Service::Gateway),
            |name| name == PartName::Broker,
            |name| name == PartName::Postgres,
        ];
        for belongs in groups {
            let mut group: Vec<&mut Part> =
                self.parts.iter_mut().filter(|part| belongs(part.name)).collect();
            for part in &mut group {
                part.ask_to_end()?;
            }
            for part in &mut group {
                if let Some(line) = part.await_end().await {
                    progress.say(&line);
                }
                progress.stopped(part.name);
            }
        }
        self.parts.clear();
        self.data.forget_state()?;
        Ok(())
    }

    /// Ends all at once.
    pub(super) fn kill(&mut self) {
        for part in self.parts.iter_mut().rev() {
            // PostgreSQL's "immediate": its children go with it.
            let signal =
                if part.name == PartName::Postgres { Signal::SIGQUIT } else { Signal::SIGKILL };
            drop(part.process().signal(signal));
        }
        self.parts.clear();
    }
}
