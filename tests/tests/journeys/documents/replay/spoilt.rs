//! What goes wrong in the same way everywhere.

use anyhow::Result;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, IF_MATCH};
use serde_json::json;

use super::super::ask;
use super::{Replay, Right, with_id};
use crate::contract::{Findings, Operation};
use crate::scene::never_was;

/// The flaws that a request can have wherever it goes, by the answer to each.
const FLAWS: [u16; 9] = [400, 401, 403, 404, 412, 413, 415, 421, 422];

/// More than a body may have.
const TOO_LARGE_BYTES: usize = 70_000;

impl<'a> Replay<'a> {
    /// Sends each operation with each flaw. Where the answer to it is described it
    /// must come; elsewhere whatever comes must be described.
    pub(super) async fn spoilt_requests(
        &mut self,
        operation: &Operation<'a>,
        findings: &mut Findings,
    ) -> Result<()> {
        let right = self.right(operation)?;
        let described = operation.answers();
        let token = format!("Bearer {}", right.token);
        let twice = self.client.request(operation.method(), &right.path);
        let twice = twice.header(AUTHORIZATION, &token).header(AUTHORIZATION, &token);
        self.answered(operation.id, 400, &ask(twice).await?, findings)?;
        for flaw in FLAWS {
            let Some(request) = self.spoilt(operation, &right, flaw) else { continue };
            let answer = ask(request).await?;
            let is_told = described.iter().any(|(status, _)| *status == flaw);
            let wanted = if is_told { flaw } else { answer.status };
            self.answered(operation.id, wanted, &answer, findings)?;
        }
        Ok(())
    }

    /// The right request with one flaw; none where the flaw is none.
    fn spoilt(
        &self,
        operation: &Operation<'_>,
        right: &Right,
        flaw: u16,
    ) -> Option<RequestBuilder> {
        let takes_a_body = right.body.is_some();
        let empty = || bearer(self.client.request(operation.method(), &right.path), &right.token);
        let typed = |media: &str| empty().header(CONTENT_TYPE, media);
        let whole = || match &right.body {
            Some(body) => empty().json(body),
            None => empty(),
        };
        let with_token = |token: &str| {
            let request = self.client.request(operation.method(), &right.path).bearer_auth(token);
            match &right.body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        Some(match flaw {
            400 if takes_a_body => typed("application/json").body("{"),
            400 if operation.query_names().is_empty() => return None,
            400 => empty().query(&[("size", "0"), ("loanId", "x"), ("minVersion", "x")]),
            401 => with_token("nonsense"),
            // Of the others it says more: see the troubles.
            403 if !takes_a_body && !operation.path.starts_with("/customers") => {
                with_token(&self.roleless)
            }
            404 if operation.path.contains('{') => {
                let path = with_id(operation.path, &never_was());
                let request = bearer(self.client.request(operation.method(), &path), &right.token);
                match &right.body {
                    Some(body) => request.json(body),
                    None => request,
                }
            }
            412 if operation.method != "post" => whole().header(IF_MATCH, "\"99\""),
            413 if takes_a_body => typed("application/json").body(" ".repeat(TOO_LARGE_BYTES)),
            415 if takes_a_body => typed("text/plain").body("x"),
            421 => whole().header(HOST, "elsewhere.example"),
            422 => {
                let mut body = right.body.clone()?;
                for (_, value) in body.as_object_mut().into_iter().flatten() {
                    *value = json!({ "is": "wrong" });
                }
                empty().json(&body)
            }
            _ => return None,
        })
    }
}

fn bearer(request: RequestBuilder, token: &str) -> RequestBuilder {
    if token.is_empty() { request } else { request.bearer_auth(token) }
}
