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

    /// Tells each process these addresses in place of the true ones.
    pub(crate) fn detour(
        &self,
    ) -> impl Fn(Service, &mut Vec<(String, String)>) + Send + Sync + 'static {
        let (proxies, instances) = (Arc::clone(&self.proxies), Arc::clone(&self.instances));
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
                // While the first ones start nothing is known of them yet; later their place
                // is where nobody is any more.
                let known = instances.lock().unwrap_or_else(PoisonError::into_inner);
                let is_first = !known.contains_key(service.name());
                drop(known);
                if let (true, Some(host), Some(port)) = (is_first, url.host_str(), url.port()) {
                    proxy.lead_to(&format!("{host}:{port}"));
                }
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

    /// How often a connection was led to an instance that took none.
    pub(crate) fn refused(&self) -> u64 {
        self.proxies.values().map(Proxy::refused).sum()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Vec<Instance>>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leads to those that say that they are ready.
async fn probe(proxies: Arc<BTreeMap<&'static str, Proxy>>, instances: Instances) {
    let http = reqwest::Client::builder().timeout(PROBE_EVERY).no_proxy().build();
    let Ok(http) = http else { return };
    loop {
        let all = instances.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Side by side: one that answers late must not hide that another is going.
        let http = &http;
        let asked = all.into_iter().map(|(service, instances)| async move {
            let each = instances.into_iter().map(|instance| async move {
                let answer = http.get(format!("{}/readyz", instance.admin)).send().await;
                answer.is_ok_and(|answer| answer.status().is_success()).then_some(instance.url)
            });
            let ready = futures::future::join_all(each).await;
            (service, ready.into_iter().flatten().collect::<Vec<_>>())
        });
        for (service, ready) in futures::future::join_all(asked).await {
            // A Service of nobody would lead nowhere as well; here it is a fault of the test.
            if let (Some(proxy), false) = (proxies.get(service), ready.is_empty()) {
                proxy.lead_to_any(&ready);
            }
        }
        tokio::time::sleep(PROBE_EVERY).await;
    }
}
