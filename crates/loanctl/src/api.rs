//! The services' admin APIs.

use std::time::Duration;

use anyhow::{Context as _, bail};
use common::config::Secret;
use common::kafka::Broker;
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::ExposeSecret as _;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::cli::System;

/// A connection is made within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// An answer is there within this time; a service answers within 30 s or says so.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(35);

/// How often a question is asked where the service is away or busy.
const ATTEMPTS_MAX: u32 = 4;

/// The pause before the second attempt; each further one is twice as long.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// Rows of a page; what the services give at most.
pub(crate) const PAGE_ROWS: u32 = common::admin::ADMIN_PAGE_SIZE_MAX;

/// Ids that one call may name at most.
pub(crate) const IDS_MAX: usize = common::admin::ADMIN_IDS_MAX;

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    #[serde(default = "Option::default")]
    pub(crate) next: Option<Uuid>,
}

/// One service's admin API.
#[derive(Clone)]
pub(crate) struct AdminApi {
    /// The service's name, which is its consumer group's too.
    pub(crate) service: &'static str,
    base: Url,
    credential: String,
    http: reqwest::Client,
}

/// All of them.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) request: AdminApi,
    pub(crate) auth: AdminApi,
    pub(crate) manager: AdminApi,
    pub(crate) messenger: AdminApi,
    pub(crate) status: AdminApi,
    /// It has no data, and so few commands are about it.
    pub(crate) gateway: AdminApi,
    pub(crate) kafka: Broker,
}

impl Services {
    pub(crate) fn try_new(system: &System) -> anyhow::Result<Self> {
        let credential = credential_of(system)?;
        let secret = match credential.as_ref().map(|one| one.expose_secret()) {
            // Where one is needed, its lack is said.
            None => "",
            Some(credential) => {
                let parsed = common::admin::parse_credential(credential);
                parsed.map_err(|reason| anyhow::anyhow!("ADMIN_CREDENTIAL: {reason}"))?.secret
            }
        };
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("the HTTP client cannot be made")?;
        let api = |service, base: &Url| AdminApi {
            service,
            base: base.clone(),
            credential: secret.to_owned(),
            http: http.clone(),
        };
        Ok(Self {
            request: api("loan-request", &system.request_admin_url),
            auth: api("loan-auth", &system.auth_admin_url),
            manager: api("loan-manager", &system.manager_admin_url),
            messenger: api("loan-messenger", &system.messenger_admin_url),
            status: api("loan-status", &system.status_admin_url),
            gateway: api("gateway", &system.gateway_admin_url),
            kafka: Broker::try_new(&system.kafka_bootstrap, &system.kafka_security)?,
        })
    }

    /// The five services.
    pub(crate) fn all(&self) -> [&AdminApi; 5] {
        [&self.request, &self.auth, &self.manager, &self.messenger, &self.status]
    }
}

/// What the environment says, or the file.
fn credential_of(system: &System) -> anyhow::Result<Option<Secret>> {
    if let Some(said) = &system.admin_credential
        && !said.expose_secret().is_empty()
    {
        return Ok(Some(said.clone()));
    }
    let Some(file) = &system.admin_credential_file else { return Ok(None) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("ADMIN_CREDENTIAL_FILE {}", file.display()))?;
    Ok(Some(text.trim().into()))
}

impl AdminApi {
    /// Asks; asks again where the service is away or busy.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<T> {
        let mut pause = RETRY_PAUSE;
        for _ in 1..ATTEMPTS_MAX {
            match self.send(self.request(Method::GET, path)?.query(query)).await {
                Err(Failure::Passing(_)) => tokio::time::sleep(pause).await,
                other => return self.read(path, other),
            }
            pause *= 2;
        }
        let last = self.send(self.request(Method::GET, path)?.query(query)).await;
        self.read(path, last)
    }

    /// One page of a list, behind a key.
    pub(crate) async fn page<T: DeserializeOwned>(
        &self,
        path: &str,
        after: Option<Uuid>,
    ) -> anyhow::Result<Page<T>> {
        let mut query = vec![("size", PAGE_ROWS.to_string())];
        query.extend(after.map(|after| ("after", after.to_string())));
        self.get(path, &query).await
    }

    /// These rows of a list, [`IDS_MAX`] at most.
    pub(crate) async fn these<T: DeserializeOwned>(
        &self,
        path: &str,
        ids: &[Uuid],
    ) -> anyhow::Result<Vec<T>> {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let page: Page<T> = self.get(path, &[("ids", ids.join(","))]).await?;
        Ok(page.items)
    }

    /// Has something done with ids, [`IDS_MAX`] at a time.
    pub(crate) async fn post_ids(&self, path: &str, ids: &[Uuid]) -> anyhow::Result<()> {
        for ids in ids.chunks(IDS_MAX) {
            let _: IgnoredAny = self.post(path, &serde_json::json!({ "ids": ids })).await?;
        }
        Ok(())
    }

    /// Has something done, once.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let answer = self.send(self.request(Method::POST, path)?.json(body)).await;
        self.read(path, answer)
    }

    /// Has something removed, once.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let answer = self.send(self.request(Method::DELETE, path)?).await;
        self.read(path, answer)
    }

    fn request(&self, method: Method, path: &str) -> anyhow::Result<RequestBuilder> {
        if self.credential.is_empty() {
            bail!("ADMIN_CREDENTIAL is not set: it is what the services have under that name");
        }
        let address = self.base.join(path).context("an address of the admin API")?;
        Ok(self.http.request(method, address).bearer_auth(&self.credential))
    }

    async fn send(&self, request: RequestBuilder) -> Result<String, Failure> {
        let response = request.send().await.map_err(|error| Failure::Passing(error.into()))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| Failure::Passing(error.into()))?;
        if status.is_success() {
            return Ok(text);
        }
        let problem = anyhow::anyhow!(told(status, &text));
        Err(match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                Failure::Passing(problem)
            }
            _ => Failure::Final(problem),
        })
    }

    fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        answer: Result<String, Failure>,
    ) -> anyhow::Result<T> {
        let service = self.service;
        let text = match answer {
            Ok(text) => text,
            Err(Failure::Passing(error) | Failure::Final(error)) => {
                return Err(error).with_context(|| format!("{service} at {}", self.base));
            }
        };
        let text = if text.is_empty() { "null" } else { &text };
        serde_json::from_str(text)
            .with_context(|| format!("{service}'s answer at {path} is not what was expected"))
    }
}

/// Why there is no answer.
enum Failure {
    /// It is worth asking again.
    Passing(anyhow::Error),
    /// It is not.
    Final(anyhow::Error),
}

/// A problem (RFC 9457) in one line.
fn told(status: StatusCode, text: &str) -> String {
    let problem: Value = serde_json::from_str(text).unwrap_or_default();
    let mut line = match problem["detail"].as_str() {
        Some(detail) => format!("{} {detail}", status.as_u16()),
        None => status.to_string(),
    };
    for error in problem["errors"].as_array().into_iter().flatten() {
        let part = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        line.push_str(&format!(" {} {}.", part("field"), part("message")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_in_one_line() {
        let problem = r#"{"status":422,"detail":"Wrong fields.","errors":[{"field":"userId","message":"is taken"}]}"#;
        assert_eq!(
            told(StatusCode::UNPROCESSABLE_ENTITY, problem),
            "422 Wrong fields. userId is taken."
        );
        assert_eq!(told(StatusCode::BAD_GATEWAY, "<html>"), "502 Bad Gateway");
    }
}
