//! The system that is broken: PostgreSQL, the broker, and so many instances of
//! each service, with a proxy on every way between them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use sqlx::postgres::{PgPool, PgPoolOptions};
use standalone::net::PortBlock;
use standalone::postgres::PostgresSettings;
use standalone::secrets::Secrets;
use standalone::{Postgres, Service, ServiceProcess, Stack};
use tempfile::TempDir;

use crate::clocks::Clocks;
use crate::cluster::Cluster;
use crate::disks::Disk;
use crate::faults::{Fault, Part};
use crate::links::Links;

/// What the system is made of.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) bin_dir: PathBuf,
    pub(crate) brokers: usize,
    pub(crate) instances: usize,
    /// What will be done to it: some of it has to be prepared.
    pub(crate) faults: Vec<Fault>,
    /// Whether small disks can be mounted.
    pub(crate) small_disks: bool,
    /// How the binaries are to be broken, if they were built to be.
    pub(crate) sabotage: Option<String>,
}

/// A running system. The fields are dropped in their order.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) others: BTreeMap<Service, Vec<ServiceProcess>>,
    pub(crate) stack: Stack,
    pub(crate) cluster: Cluster,
    pub(crate) links: Arc<Links>,
    pub(crate) clocks: Clocks,
    pub(crate) disks: BTreeMap<Part, Disk>,
    /// A superuser's look into all schemas.
    pub(crate) db: PgPool,
    /// Where the logs of everything lie.
    pub(crate) folder: TempDir,
    _ports: PortBlock,
}

impl System {
    pub(crate) async fn start(shape: &Shape) -> Result<Self> {
        // Others must be able to pass: PostgreSQL does not run as root.
        let folder = tempfile::Builder::new()
            .prefix("online-loan-chaos-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir()?;
        let mut disks = BTreeMap::new();
        if shape.small_disks {
            for part in [Part::Broker, Part::Postgres] {
                disks.insert(part, Disk::mount(&folder.path().join(part.to_string()))?);
            }
        }
        let clocks = Clocks::prepare(folder.path(), &shape.faults)?;
        let links = Links::start(shape.brokers.max(1)).await?;
        let mut ports = PortBlock::take()?;
        let data = folder.path().join("broker/data");
        let cluster =
            Cluster::start(shape.brokers, &data, &shape.bin_dir, folder.path(), &links).await?;
        let postgres = postgres(folder.path(), &shape.bin_dir, ports.port()?).await?;
        let bootstrap: Vec<String> =
            links.kafka_addresses().iter().map(ToString::to_string).collect();
        let (by, told) = (Arc::clone(&links), clocks.clone());
        let mut builder = Stack::builder()
            .bin_dir(&shape.bin_dir)
            .postgres(Arc::new(postgres))
            .bootstrap(&bootstrap.join(","))
            .detour(move |service, environment| {
                by.detour(service, environment);
                told.tell(service, environment);
            });
        if let Some(word) = &shape.sabotage {
            builder = builder.env_for_all("SABOTAGE", word);
        }
        let stack = builder.start().await?;
        let db = PgPoolOptions::new()
            .max_connections(8)
            .connect(&stack.database().superuser_url())
            .await
            .context("the look into the database")?;
        // So that a small disk is not filled by the log alone.
        sqlx::query("ALTER SYSTEM SET max_wal_size = '128MB'").execute(&db).await?;
        sqlx::query("SELECT pg_reload_conf()").execute(&db).await?;
        let others = BTreeMap::new();
        let mut system =
            Self { others, stack, cluster, links, clocks, disks, db, folder, _ports: ports };
        for service in Service::ALL {
            for _ in 1..shape.instances {
                let other = system.stack.another(service).await?;
                system.others.entry(service).or_default().push(other);
            }
        }
        for service in Service::ALL {
            let urls: Vec<String> =
                system.instances(service).into_iter().map(|one| one.url()).collect();
            system.links.lead_to_instances(service, &urls);
        }
        Ok(system)
    }

    /// All processes of a service.
    pub(crate) fn instances(&mut self, service: Service) -> Vec<&mut ServiceProcess> {
        let mut all = vec![self.stack.service_mut(service)];
        all.extend(self.others.entry(service).or_default().iter_mut());
        all
    }

    /// One of them.
    pub(crate) fn instance(&mut self, service: Service, pick: u64) -> Result<&mut ServiceProcess> {
        let mut all = self.instances(service);
        let index = usize::try_from(pick)? % all.len();
        Ok(all.swap_remove(index))
    }

    /// Lets everything go on that was stopped, starts everything that has ended,
    /// and says what had. Waits until all of it is ready.
    pub(crate) async fn revive(&mut self) -> Result<Vec<String>> {
        let mut ended = Vec::new();
        let process = self.stack.postgres_mut().process_mut();
        if let Some(status) = process.exit_status() {
            ended.push(format!("postgres ({})", standalone::process::ending(status)));
            self.stack.postgres_mut().start_again().await?;
        }
        ended.extend(self.cluster.revive().await?);
        for service in Service::ALL {
            for process in self.instances(service) {
                process.signal(Signal::SIGCONT)?;
                if let Some(status) = process.process_mut().exit_status() {
                    let how = standalone::process::ending(status);
                    ended.push(format!("{} ({how})", process.process_mut().name()));
                    process.launch_again()?;
                }
            }
        }
        for service in Service::ALL {
            for process in self.instances(service) {
                process.wait_ready().await?;
            }
        }
        Ok(ended)
    }
}

/// A server of our own whose commits are on the disk when they are answered.
async fn postgres(folder: &Path, bin_dir: &Path, port: u16) -> Result<Postgres> {
    let settings = PostgresSettings {
        folder: folder.join("postgres/server"),
        port,
        log: folder.join("postgres.log"),
        durable: true,
        connections_max: 800,
        launcher: Some(bin_dir.join("standalone")),
    };
    Postgres::start(&settings, &Secrets::generate()?).await
}
