//! What a stack is made of.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use tempfile::TempDir;

use super::{Detour, Stack, broker_settings};
use crate::broker_process::Broker;
use crate::net::PortBlock;
use crate::postgres::Postgres;
use crate::secrets::Secrets;
use crate::services::Service;
use crate::stack::database::OwnDatabase;
use crate::wiring::{Ports, Wiring, for_trying};

/// Says what a stack is made of. Nothing said: all six services, the embedded
/// broker, a database of its own on the server that `DATABASE_URL` names, or
/// without that on a server of its own.
#[derive(Debug, Default)]
pub struct StackBuilder {
    services: Option<Vec<Service>>,
    settings: Vec<(Option<Service>, String, String)>,
    postgres: Option<Arc<Postgres>>,
    own_postgres: bool,
    bootstrap: Option<String>,
    bin_dir: Option<PathBuf>,
    detour: Detour,
}

impl StackBuilder {
    /// Only these services.
    #[must_use]
    pub fn only(mut self, services: &[Service]) -> Self {
        self.services = Some(services.to_vec());
        self
    }

    /// A setting for one service.
    #[must_use]
    pub fn env(mut self, service: Service, name: &str, value: &str) -> Self {
        self.settings.push((Some(service), name.to_owned(), value.to_owned()));
        self
    }

    /// A setting for all services.
    #[must_use]
    pub fn env_for_all(mut self, name: &str, value: &str) -> Self {
        self.settings.push((None, name.to_owned(), value.to_owned()));
        self
    }

    /// A database on this server, which others may use as well.
    #[must_use]
    pub fn postgres(mut self, postgres: Arc<Postgres>) -> Self {
        self.postgres = Some(postgres);
        self
    }

    /// A server of its own, to be stopped or crashed.
    #[must_use]
    pub fn own_postgres(mut self) -> Self {
        self.own_postgres = true;
        self
    }

    /// A broker that runs already and has the topics.
    #[must_use]
    pub fn bootstrap(mut self, bootstrap: &str) -> Self {
        self.bootstrap = Some(bootstrap.to_owned());
        self
    }

    /// The folder of the binaries, if it is not the one that this process is from.
    #[must_use]
    pub fn bin_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.bin_dir = Some(folder.into());
        self
    }

    /// Lets each process be told other addresses than the true ones: of proxies
    /// that stand between. Called with the environment of every process that is
    /// started, and free to change it.
    #[must_use]
    pub fn detour(
        mut self,
        change: impl Fn(Service, &mut Vec<(String, String)>) + Send + Sync + 'static,
    ) -> Self {
        self.detour = Detour(Some(Arc::new(change)));
        self
    }

    /// Starts it and waits until all of it is ready.
    ///
    /// # Errors
    ///
    /// A part does not start; the message has its last words.
    pub async fn start(self) -> anyhow::Result<Stack> {
        let bin_dir = self
            .bin_dir
            .or_else(crate::binaries::folder)
            .context("it is not known where the binaries are; set BIN_DIR")?;
        let services = self.services.unwrap_or_else(|| Service::ALL.to_vec());
        let folder = TempDir::with_prefix("online-loan-stack-")?;
        let mut ports = PortBlock::take()?;
        let secrets = Secrets::generate()?.with_passwords_of_tests();
        let database = OwnDatabase::create(self.postgres, self.own_postgres, &secrets).await?;
        let broker = match &self.bootstrap {
            Some(_) => None,
            None => Some(Broker::start(&broker_settings(&folder, &bin_dir, ports.port()?)).await?),
        };
        let mut addresses = BTreeMap::new();
        for &service in &services {
            addresses.insert(service, Ports { http: ports.port()?, admin: ports.port()? });
        }
        let wiring = Wiring {
            ports: addresses,
            bootstrap: self
                .bootstrap
                .or_else(|| broker.as_ref().map(Broker::bootstrap))
                .context("no broker")?,
            database: Some(database.database().clone()),
            secrets,
        };
        let mut settings = Vec::new();
        for &service in &services {
            for (name, value) in for_trying(service) {
                settings.push((Some(service), name.to_owned(), value.to_owned()));
            }
        }
        settings.extend(self.settings);
        let mut stack = Stack {
            services: BTreeMap::new(),
            broker,
            database,
            wiring,
            settings,
            bin_dir,
            detour: self.detour,
            ports,
            full: Vec::new(),
            instances: 1,
            folder,
        };
        stack.start_services(&services).await?;
        Ok(stack)
    }
}
