//! Secrets in the namespace of Kubernetes that this runs in.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Certificate, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{Create, LAST, Part, gone, part_names};

/// Where a pod finds what its service account may show (Kubernetes, "Accessing the Kubernetes API
/// from a Pod").
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Where it finds the API.
const API: &str = "https://kubernetes.default.svc";

/// An answer is there within this time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// The namespace, and the way to it.
pub(super) struct Namespace {
    http: reqwest::Client,
    secrets: String,
    token: String,
}

impl Namespace {
    pub(super) fn of_this_pod() -> anyhow::Result<Self> {
        let read = |name: &str| {
            fs::read_to_string(format!("{ACCOUNT}/{name}")).with_context(|| {
                format!("{ACCOUNT}/{name}: this is not a pod with a service account")
            })
        };
        let authority = Certificate::from_pem(read("ca.crt")?.as_bytes())?;
        let http = reqwest::Client::builder()
            .timeout(ANSWER_TIMEOUT)
            .tls_certs_only([authority])
            .no_proxy()
            .build()?;
        let namespace = read("namespace")?;
        Ok(Self {
            http,
            secrets: format!("{API}/api/v1/namespaces/{}/secrets", namespace.trim()),
            token: read("token")?.trim().to_owned(),
        })
    }

    /// Makes them; false if they are there.
    pub(super) async fn keep(&self, create: &Create) -> anyhow::Result<bool> {
        let name_of = |part: &str| format!("{}{part}", create.prefix);
        if self.is_there(&name_of(LAST)).await? {
            for part in part_names() {
                if !self.is_there(&name_of(part)).await? {
                    return gone(&format!("the Secret {}", name_of(part)));
                }
            }
            return Ok(false);
        }
        for part in create.parts()? {
            self.put(&name_of(part.name), part).await?;
        }
        Ok(true)
    }

    async fn is_there(&self, name: &str) -> anyhow::Result<bool> {
        match self.send(Method::GET, &format!("/{name}"), None).await? {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            status => bail!("the Secret {name} cannot be looked up: {status}"),
        }
    }

    /// Makes it, or makes it anew: then an earlier attempt was cut off.
    async fn put(&self, name: &str, part: Part) -> anyhow::Result<()> {
        let files = part.files.into_iter().map(|(file, content)| (file.to_owned(), content.into()));
        let body = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "labels": { "app.kubernetes.io/part-of": "online-loan", "app.kubernetes.io/managed-by": "loanctl" },
            },
            "stringData": files.collect::<Map<String, Value>>(),
        });
        let mut status = self.send(Method::POST, "", Some(&body)).await?;
        if status == StatusCode::CONFLICT {
            status = self.send(Method::PUT, &format!("/{name}"), Some(&body)).await?;
        }
        // Not the answer's text: it may repeat what was sent.
        anyhow::ensure!(status.is_success(), "the Secret {name} cannot be made: {status}");
        Ok(())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<StatusCode> {
        let mut request = self.http.request(method, format!("{}{path}", self.secrets));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.bearer_auth(&self.token).send().await;
        Ok(answer.context("the API of Kubernetes does not answer")?.status())
    }
}
