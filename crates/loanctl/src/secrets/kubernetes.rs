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

/// The label of a Secret whose siblings are not all there yet.
const UNFINISHED: &str = "online-loan/unfinished";

/// How far a Secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    Unfinished,
    Whole,
}

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
        let last = self.state(&name_of(LAST)).await?;
        if last != State::Unfinished {
            let mut others = Vec::new();
            for part in part_names().filter(|part| *part != LAST) {
                others.push((part, self.state(&name_of(part)).await?));
            }
            let absent = others.iter().find(|(_, state)| *state == State::Absent);
            let present = others.iter().any(|(_, state)| *state != State::Absent);
            match (last, absent, present) {
                (State::Whole, None, _) => return Ok(false),
                (State::Whole, Some((part, _)), _) => {
                    return gone(&format!("the Secret {}", name_of(part)));
                }
                // What the others hold is in use: nothing is made over it.
                (_, _, true) => return gone(&format!("the Secret {}", name_of(LAST))),
                (_, _, false) => {}
            }
        }
        // The last is there from the beginning, and says that the rest is not: whoever
        // finds it so makes all of them anew.
        let mut parts = create.parts()?;
        if let Some(last) = parts.iter().find(|part| part.name == LAST) {
            self.put(&name_of(LAST), last, State::Unfinished).await?;
        }
        for part in parts.drain(..) {
            self.put(&name_of(part.name), &part, State::Whole).await?;
        }
        Ok(true)
    }

    async fn state(&self, name: &str) -> anyhow::Result<State> {
        let (status, body) = self.send(Method::GET, &format!("/{name}"), None).await?;
        match status {
            StatusCode::OK if body["metadata"]["labels"][UNFINISHED].is_string() => {
                Ok(State::Unfinished)
            }
            StatusCode::OK => Ok(State::Whole),
            StatusCode::NOT_FOUND => Ok(State::Absent),
            status => bail!("the Secret {name} cannot be looked up: {status}"),
        }
    }

    /// Makes it, or makes it anew: then an earlier attempt was cut off.
    async fn put(&self, name: &str, part: &Part, state: State) -> anyhow::Result<()> {
        let files =
            part.files.iter().map(|(file, content)| ((*file).to_owned(), content.as_str().into()));
        let mut body = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "labels": { "app.kubernetes.io/part-of": "online-loan", "app.kubernetes.io/managed-by": "loanctl" },
            },
            "stringData": files.collect::<Map<String, Value>>(),
        });
        if state == State::Unfinished {
            body["metadata"]["labels"][UNFINISHED] = "true".into();
        }
        let (mut status, _) = self.send(Method::POST, "", Some(&body)).await?;
        if status == StatusCode::CONFLICT {
            (status, _) = self.send(Method::PUT, &format!("/{name}"), Some(&body)).await?;
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
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.secrets));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.bearer_auth(&self.token).send().await;
        let answer = answer.context("the API of Kubernetes does not answer")?;
        let status = answer.status();
        // An error's body is not looked at.
        Ok((status, answer.json().await.unwrap_or_default()))
    }
}
