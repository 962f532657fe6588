//! The embedded broker without a system, whatever the other journeys run on.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use standalone::Broker;
use standalone::broker::TopicSpec;
use standalone::broker_process::BrokerProcessSettings;
use standalone::net::PortBlock;
use tempfile::TempDir;

/// A broker that is gone after the test, with its data.
pub(crate) struct LoneBroker {
    broker: Broker,
    _ports: PortBlock,
    _folder: TempDir,
}

impl LoneBroker {
    /// One with these topics, which tells clients to come to `advertised` if that is given.
    pub(crate) async fn start(
        topics: Vec<TopicSpec>,
        advertised: Option<SocketAddr>,
    ) -> Result<Self> {
        let (folder, mut ports) = (tempfile::tempdir()?, PortBlock::take()?);
        let bin_dir = standalone::binaries::folder().context("no binaries")?;
        let broker = Broker::start(&BrokerProcessSettings {
            program: bin_dir.join("standalone"),
            data: folder.path().join("broker"),
            log: folder.path().join("broker.log"),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, ports.port()?)),
            topics,
            advertised,
            compaction_seconds: None,
        })
        .await?;
        Ok(Self { broker, _ports: ports, _folder: folder })
    }

    /// Its own address.
    pub(crate) fn bootstrap(&self) -> String {
        self.broker.bootstrap()
    }
}
