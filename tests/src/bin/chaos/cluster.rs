//! The broker: the embedded one, or one or three of Apache Kafka.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result};
use journeys::apache_kafka::ApacheKafka;
use nix::sys::signal::Signal;
use standalone::Broker;
use standalone::broker_process::{BrokerProcessSettings, topics};
use standalone::net::PortBlock;

use crate::links::Links;

/// What runs as the broker.
#[derive(Debug)]
pub(crate) enum Cluster {
    Embedded { broker: Box<Broker>, _ports: PortBlock },
    Apache(ApacheKafka),
}

impl Cluster {
    /// Starts it behind the proxies of `links`.
    pub(crate) async fn start(
        brokers: usize,
        data: &Path,
        bin_dir: &Path,
        log_folder: &Path,
        links: &Links,
    ) -> Result<Self> {
        let advertised = links.kafka_addresses();
        if brokers > 0 {
            let kafka = ApacheKafka::start_behind(&advertised, Some(log_folder)).await?;
            for (index, address) in kafka.addresses().into_iter().enumerate() {
                links.lead_to_broker(index, &address);
            }
            return Ok(Self::Apache(kafka));
        }
        let mut ports = PortBlock::take()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.port()?));
        let settings = BrokerProcessSettings {
            program: bin_dir.join("standalone"),
            data: data.to_owned(),
            log: log_folder.join("broker.log"),
            address,
            advertised: advertised.first().copied(),
            topics: topics(),
            compaction_seconds: None,
        };
        let broker = Broker::start(&settings).await?;
        links.lead_to_broker(0, &address.to_string());
        Ok(Self::Embedded { broker: Box::new(broker), _ports: ports })
    }

    /// Past the proxies, for the checker.
    pub(crate) fn true_bootstrap(&self) -> String {
        match self {
            Self::Embedded { broker, .. } => broker.bootstrap(),
            Self::Apache(kafka) => kafka.inner_bootstrap(),
        }
    }

    pub(crate) fn kill(&mut self, pick: usize) -> Result<()> {
        match self {
            Self::Embedded { broker, .. } => broker.kill(),
            Self::Apache(kafka) => kafka.kill(pick),
        }
    }

    pub(crate) fn signal(&mut self, pick: usize, signal: Signal) -> Result<()> {
        match self {
            Self::Embedded { broker, .. } => Ok(broker.process_mut().signal(signal)?),
            Self::Apache(kafka) => kafka.signal(pick, signal),
        }
    }

    /// Starts whatever has ended; says what that was.
    pub(crate) async fn revive(&mut self) -> Result<Vec<String>> {
        match self {
            Self::Embedded { broker, .. } => {
                let Some(status) = broker.process_mut().exit_status() else { return Ok(vec![]) };
                broker.start_again().await.context("the broker does not come back")?;
                Ok(vec![format!("broker ({})", standalone::process::ending(status))])
            }
            Self::Apache(kafka) => kafka.revive(),
        }
    }
}
