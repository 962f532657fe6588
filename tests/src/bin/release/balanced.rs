//! What stands before the instances of each part and leads each new connection to one that is
//! ready, as the address of a Service does in a cluster: it learns of it by asking, and late.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use journeys::proxy::Proxy;
use standalone::{Service, ServiceProcess};
use url::Url;

/// How often each instance is asked whether it is ready; the chart's probes ask every 2 s, and
/// a cluster's nodes learn of a pod that ends at once.
const PROBE_EVERY: Duration = Duration::from_millis(1_000);

/// An instance: where requests and probes go.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Instance {
    url: String,
    admin: String,
}

type Instances = Arc<Mutex<BTreeMap<&'static str, Vec<Instance>>>>;

/// The addresses of all parts.
pub(crate) struct Balanced {
    proxies: Arc<BTreeMap<&'static str, Proxy>>,
    instances: Instances,
}

impl Balanced {
    pub(crate) async fn start() -> Result<Self> {
        let mut proxies = BTreeMap::new();
        for service in Service::ALL {
            proxies.insert(service.name(), Proxy::start().await?);
        }
        let balanced = Self { proxies: Arc::new(proxies), instances: Instances::default() };
        tokio::spawn(probe(Arc::clone(&balanced.proxies), Arc::clone(&balanced.instances)));
        Ok(balanced)
    }

    /// Where the outside comes.
    pub(crate) fn front(&self) -> Result<String> {
        Ok(self.proxies.get(Service::Gateway.name()).context("no gateway")?.url())
    }

    /// Tells each process these addresses in place of the true ones. They lead nowhere until
    /// somebody has said that it is ready.
    pub(crate) fn detour(
        &self,
    ) -> impl Fn(Service, &mut Vec<(String, String)>) + Send + Sync + 'static {
        let proxies = Arc::clone(&self.proxies);
        move |_, environment| {
            for (name, value) in environment {
                let service = match name.as_str() {
                    "JWKS_URL" | "AUTH_URL" => Service::LoanAuth,
                    "REQUEST_URL" => Service::LoanRequest,
                    "MANAGER_URL" => Service::LoanManager,
                    "MESSENGER_URL" => Service::LoanMessenger,
                    "STATUS_URL" => Service::LoanStatus,
                    _ => continue,
                };
                let (Some(proxy), Ok(mut url)) = (proxies.get(service.name()), Url::parse(value))
                else {
                    continue;
                };
                if url.set_port(Some(proxy.address().port())).is_ok() {
                    let text = url.to_string();
                    *value = text.trim_end_matches('/').to_owned();
                }
            }
        }
    }

    pub(crate) fn add(&self, service: Service, instance: &ServiceProcess) {
        let instance = Instance { url: instance.url(), admin: instance.admin_url() };
        self.lock().entry(service.name()).or_default().push(instance);
    }

    pub(crate) fn remove(&self, service: Service, instance: &ServiceProcess) {
        let url = instance.url();
        self.lock().entry(service.name()).or_default().retain(|one| one.url != url);
    }

    /// Connections that were led to an instance which took none: the first of each part.
    pub(crate) fn refused(&self) -> Vec<String> {
        let each = self.proxies.iter().flat_map(|(part, proxy)| {
            proxy.refused().into_iter().map(move |refused| format!("{part}: {refused}"))
        });
        each.collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Vec<Instance>>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an instance says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Ready,
    NotReady,
    /// It did not say in time.
    Nothing,
}

/// Leads to those that say that they are ready.
async fn probe(proxies: Arc<BTreeMap<&'static str, Proxy>>, instances: Instances) {
    let http = reqwest::Client::builder().timeout(PROBE_EVERY).no_proxy().build();
    let Ok(http) = http else { return };
    loop {
        let all = instances.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Side by side: one that answers late must not hide that another is going.
        let parts = all.into_iter().map(|(service, instances)| {
            let (http, proxy) = (&http, proxies.get(service));
            async move {
                let said = futures::future::join_all(
                    instances.iter().map(|instance| ask(http, &instance.admin)),
                );
                let said = said.await;
                let who = |wanted: Said| {
                    let each = instances.iter().zip(&said).filter(|(_, said)| **said == wanted);
                    each.map(|(instance, _)| instance.url.clone()).collect::<Vec<_>>()
                };
                // One answer that is late takes nobody out, as with the chart's probes; but
                // nobody is led to who said no.
                let ready = match who(Said::Ready) {
                    ready if ready.is_empty() => who(Said::Nothing),
                    ready => ready,
                };
                if let Some(proxy) = proxy {
                    proxy.lead_to_any(&ready);
                }
            }
        });
        futures::future::join_all(parts).await;
        tokio::time::sleep(PROBE_EVERY).await;
    }
}

async fn ask(http: &reqwest::Client, admin: &str) -> Said {
    match http.get(format!("{admin}/readyz")).send().await {
        Ok(answer) if answer.status().is_success() => Said::Ready,
        Err(error) if error.is_timeout() => Said::Nothing,
        _ => Said::NotReady,
    }
}
