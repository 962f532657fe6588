//! A whole system, or a part of it, of the real processes, for one test.

mod builder;
mod database;
mod service_process;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use tempfile::TempDir;

pub use builder::StackBuilder;
pub use service_process::{READY_TIMEOUT, STOP_TIMEOUT, ServiceProcess};

use crate::broker_process::{Broker, BrokerProcessSettings, topics};
use crate::net::PortBlock;
use crate::postgres::{Database, Postgres};
use crate::process::Launch;
use crate::secrets::Secrets;
use crate::services::Service;
use crate::wiring::{Ports, Wiring};
use database::OwnDatabase;

/// A running system. Dropping it ends its processes and removes its data.
///
/// The fields are dropped in their order: the services before what they use.
#[derive(Debug)]
pub struct Stack {
    services: BTreeMap<Service, ServiceProcess>,
    broker: Option<Broker>,
    database: OwnDatabase,
    wiring: Wiring,
    settings: Vec<(Option<Service>, String, String)>,
    bin_dir: PathBuf,
    detour: Detour,
    ports: PortBlock,
    /// Blocks of which every port was given out.
    full: Vec<PortBlock>,
    instances: u32,
    folder: TempDir,
}

/// Changes the environment of a process.
type Change = dyn Fn(Service, &mut Vec<(String, String)>) + Send + Sync;

/// What changes the environment of a process before it is started.
#[derive(Clone, Default)]
struct Detour(Option<Arc<Change>>);

impl std::fmt::Debug for Detour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Detour").field(&self.0.is_some()).finish()
    }
}

impl Stack {
    /// Says what a stack is to be made of.
    #[must_use]
    pub fn builder() -> StackBuilder {
        StackBuilder::default()
    }

    /// The gateway's address, without a slash at the end.
    #[must_use]
    pub fn gateway_url(&self) -> String {
        self.wiring.url(Service::Gateway)
    }

    /// A service's own address, without a slash at the end.
    #[must_use]
    pub fn url(&self, service: Service) -> String {
        self.wiring.url(service)
    }

    /// A service's process.
    ///
    /// # Panics
    ///
    /// The stack was built without it.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test that asks for what it left out is wrong")]
    pub fn service(&self, service: Service) -> &ServiceProcess {
        self.services.get(&service).expect("the stack was built without this service")
    }

    /// A service's process, to do something to it.
    ///
    /// # Panics
    ///
    /// The stack was built without it.
    #[expect(clippy::expect_used, reason = "a test that asks for what it left out is wrong")]
    pub fn service_mut(&mut self, service: Service) -> &mut ServiceProcess {
        self.services.get_mut(&service).expect("the stack was built without this service")
    }

    /// All processes of services.
    pub fn services(&self) -> impl Iterator<Item = &ServiceProcess> {
        self.services.values()
    }

    /// The embedded broker.
    ///
    /// # Panics
    ///
    /// The stack uses another one.
    #[expect(clippy::expect_used, reason = "a test that asks for what it left out is wrong")]
    pub fn broker_mut(&mut self) -> &mut Broker {
        self.broker.as_mut().expect("the stack uses a broker that is not its own")
    }

    /// The stack's own server.
    ///
    /// # Panics
    ///
    /// The stack uses another one.
    #[expect(clippy::expect_used, reason = "a test that asks for what it left out is wrong")]
    pub fn postgres_mut(&mut self) -> &mut Postgres {
        self.database.server_mut().expect("the stack uses a database server that is not its own")
    }

    /// What Kafka clients are given as `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.wiring.bootstrap
    }

    /// The database: each service's address and the superuser's.
    #[must_use]
    pub fn database(&self) -> &Database {
        self.database.database()
    }

    /// What loan-request shows to loan-auth.
    #[must_use]
    pub fn service_credential(&self) -> &str {
        &self.wiring.secrets.service_credential
    }

    /// What an operator shows to the services' admin APIs.
    #[must_use]
    pub fn admin_credential(&self) -> &str {
        &self.wiring.secrets.admin_credential
    }

    /// What `loanctl` is told of this system.
    #[must_use]
    pub fn operator_environment(&self) -> Vec<(String, String)> {
        self.wiring.operator_environment()
    }

    /// The folder of the binaries.
    #[must_use]
    pub fn bin_dir(&self) -> &std::path::Path {
        &self.bin_dir
    }

    /// From now on processes are started from this folder: another version.
    pub fn set_bin_dir(&mut self, folder: impl Into<PathBuf>) {
        self.bin_dir = folder.into();
    }

    /// From now on processes of this service are started with another value.
    pub fn set_env(&mut self, service: Service, name: &str, value: &str) {
        self.settings.push((Some(service), name.to_owned(), value.to_owned()));
    }

    /// The credentials and keys that it was started with.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.wiring.secrets
    }

    /// Starts one more process of a service, on ports of its own; it is the
    /// caller's. Those of the stack don't know it.
    ///
    /// # Errors
    ///
    /// It can't be started or does not get ready.
    pub async fn another(&mut self, service: Service) -> anyhow::Result<ServiceProcess> {
        let ports = Ports { http: self.port()?, admin: self.port()? };
        self.instances += 1;
        let name = format!("{service}-{}", self.instances);
        let mut process =
            ServiceProcess::start(service, ports, self.launch(service, ports, &name))?;
        process.wait_ready().await?;
        Ok(process)
    }

    /// A free port, of another block where this one is used up.
    fn port(&mut self) -> std::io::Result<u16> {
        if let Ok(port) = self.ports.port() {
            return Ok(port);
        }
        self.full.push(std::mem::replace(&mut self.ports, PortBlock::take()?));
        self.ports.port()
    }

    /// Everything that all processes have written, by the name of the process.
    #[must_use]
    pub fn logs(&self) -> BTreeMap<String, String> {
        let mut logs = BTreeMap::new();
        for entry in std::fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let bytes = std::fs::read(&path).unwrap_or_default();
                logs.insert(name, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        logs
    }

    /// The folder of these logs, one file for each process.
    #[must_use]
    pub fn log_folder(&self) -> &Path {
        self.folder.path()
    }

    async fn start_services(&mut self, services: &[Service]) -> anyhow::Result<()> {
        for &service in services {
            let ports =
                self.wiring.ports.get(&service).copied().context("a service without ports")?;
            let launch = self.launch(service, ports, service.name());
            self.services.insert(service, ServiceProcess::start(service, ports, launch)?);
        }
        for process in self.services.values_mut() {
            process.wait_ready().await?;
        }
        Ok(())
    }

    fn launch(&self, service: Service, ports: Ports, name: &str) -> Launch {
        let log = self.folder.path().join(format!("{name}.log"));
        let mut launch = Launch::new(name, self.bin_dir.join(service.name()), log);
        launch.launcher = Some(self.bin_dir.join("standalone"));
        launch.environment = self.wiring.environment(service, ports);
        for (whose, name, value) in &self.settings {
            if whose.is_none_or(|whose| whose == service) {
                launch.environment.push((name.clone(), value.clone()));
            }
        }
        if let Detour(Some(change)) = &self.detour {
            change(service, &mut launch.environment);
        }
        launch
    }
}

fn broker_settings(folder: &TempDir, bin_dir: &Path, port: u16) -> BrokerProcessSettings {
    BrokerProcessSettings {
        program: bin_dir.join("standalone"),
        data: folder.path().join("broker"),
        log: folder.path().join("broker.log"),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        topics: topics(),
        advertised: None,
        compaction_seconds: None,
    }
}
