//! The ways between the parts: each leads through a proxy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use journeys::proxy::{Mode, Proxy, kafka_client};
use standalone::Service;
use url::Url;

use crate::faults::Link;

/// All proxies of a system.
#[derive(Debug)]
pub(crate) struct Links {
    proxies: BTreeMap<Link, Proxy>,
    /// One for each broker: clients follow the address that a broker tells them,
    /// so all services come by these, and are known apart by their client id.
    kafka: Vec<Proxy>,
}

impl Links {
    pub(crate) async fn start(brokers: usize) -> Result<Arc<Self>> {
        let mut ways = vec![Link::ClientToGateway, Link::RequestToAuth, Link::Keys];
        for service in Service::WITH_DATABASE {
            ways.extend([Link::GatewayTo(service), Link::ToPostgres(service)]);
        }
        let mut proxies = BTreeMap::new();
        for way in ways {
            proxies.insert(way, Proxy::start().await?);
        }
        let mut kafka = Vec::new();
        for _ in 0..brokers {
            kafka.push(Proxy::start_naming(kafka_client).await?);
        }
        Ok(Arc::new(Self { proxies, kafka }))
    }

    /// Where the brokers are to say that they are.
    pub(crate) fn kafka_addresses(&self) -> Vec<SocketAddr> {
        self.kafka.iter().map(Proxy::address).collect()
    }

    pub(crate) fn lead_to_broker(&self, index: usize, address: &str) {
        if let Some(proxy) = self.kafka.get(index) {
            proxy.lead_to(address);
        }
    }

    /// The address that clients of the gateway are given.
    pub(crate) fn front(&self) -> Result<String> {
        Ok(self.proxies.get(&Link::ClientToGateway).context("no way to the gateway")?.url())
    }

    pub(crate) fn set(&self, link: Link, mode: Mode) -> Result<()> {
        match link {
            Link::ToKafka(service) => {
                for proxy in &self.kafka {
                    proxy.set_for(service.name(), mode);
                }
            }
            link => self.proxies.get(&link).context("there is no such way")?.set(mode),
        }
        Ok(())
    }

    /// Everything that leads to a service leads to all of its instances in turn,
    /// as a cluster's service address does.
    pub(crate) fn lead_to_instances(&self, service: Service, urls: &[String]) {
        for (link, proxy) in &self.proxies {
            let leads = match link {
                Link::ClientToGateway => service == Service::Gateway,
                Link::GatewayTo(to) => *to == service,
                Link::RequestToAuth | Link::Keys => service == Service::LoanAuth,
                Link::ToPostgres(_) | Link::ToKafka(_) => false,
            };
            if leads {
                proxy.lead_to_any(urls);
            }
        }
    }

    /// Tells a process the proxies' addresses instead of the true ones.
    pub(crate) fn detour(&self, service: Service, environment: &mut [(String, String)]) {
        for (name, value) in environment {
            let link = match name.as_str() {
                "DATABASE_URL" => Link::ToPostgres(service),
                "JWKS_URL" => Link::Keys,
                "REQUEST_URL" => Link::GatewayTo(Service::LoanRequest),
                "AUTH_URL" if service == Service::LoanRequest => Link::RequestToAuth,
                "AUTH_URL" => Link::GatewayTo(Service::LoanAuth),
                "MANAGER_URL" => Link::GatewayTo(Service::LoanManager),
                "MESSENGER_URL" => Link::GatewayTo(Service::LoanMessenger),
                "STATUS_URL" => Link::GatewayTo(Service::LoanStatus),
                _ => continue,
            };
            let (Some(proxy), Ok(mut url)) = (self.proxies.get(&link), Url::parse(value)) else {
                continue;
            };
            let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
                continue;
            };
            proxy.lead_to(&format!("{host}:{port}"));
            // It has a host, so it can have another port.
            if url.set_port(Some(proxy.address().port())).is_ok() {
                *value = url.to_string();
            }
        }
    }
}
