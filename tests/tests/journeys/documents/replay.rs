//! Every answer that is described is brought about, and compared with what is
//! said of it.

use std::collections::BTreeSet;

use anyhow::Result;
use journeys::client::{Answer, Client};
use journeys::harness::Journey;
use serde_json::{Value, json};

use super::schema::Schemas;
use super::{STREAM, entry_schema, examples, titled};
use crate::contract::{Contract, Findings, Operation, members};
use crate::scene::Scene;

mod spoilt;
mod successes;
mod troubles;

/// Answers that this journey does not bring about, and why.
const ELSEWHERE: &[(&str, u16, &str)] = &[
    ("*", 500, "a bug of ours"),
    ("*", 502, "a service breaks off: the gateway's own tests"),
    ("*", 503, "a service or the database is away: the journeys of certification and isolation"),
    ("*", 504, "a service does not answer: the gateway's own tests"),
    ("submit_loan_request", 202, "loan-auth does not answer: the journeys of certification"),
    ("list_loan_status", 202, "the status lags: the journeys of reading one's writes"),
    ("get_loan", 202, "the status lags: the journeys of reading one's writes"),
    ("stream_loan_status", 202, "the status lags: the journeys of reading one's writes"),
    ("set_webhook", 409, "web-hooks are off: loan-messenger's own tests"),
    ("confirm_address", 204, "an address is confirmed: the journeys of messages"),
    ("request_verification", 204, "an address is confirmed already: the journeys of messages"),
    ("submit_loan_request", 409, "two at the same moment: the journeys of idempotency"),
];

/// A request that is right.
pub(super) struct Right {
    pub(super) path: String,
    pub(super) token: String,
    pub(super) body: Option<Value>,
}

pub(super) struct Replay<'a> {
    pub(super) journey: &'a Journey,
    pub(super) client: &'a Client,
    pub(super) scene: &'a Scene,
    pub(super) contract: &'a Contract,
    schemas: Schemas<'a>,
    /// A good token of somebody who is neither a customer nor an officer.
    roleless: String,
    met: BTreeSet<(String, u16)>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        journey: &'a Journey,
        scene: &'a Scene,
        contract: &'a Contract,
        roleless: String,
    ) -> Self {
        let schemas = Schemas::of(&contract.document);
        let met = BTreeSet::new();
        Self { journey, client: &journey.client, scene, contract, schemas, roleless, met }
    }

    pub(super) async fn everything(&mut self, findings: &mut Findings) -> Result<()> {
        self.request_examples(findings).await?;
        self.successes(findings).await?;
        for operation in self.contract.operations() {
            self.spoilt_requests(&operation, findings).await?;
        }
        self.troubles(findings).await
    }

    /// What is right, for each operation.
    pub(super) fn right(&self, operation: &Operation<'_>) -> Result<Right> {
        let scene = self.scene;
        let (owner, officer) = (scene.owner.token.as_str(), scene.officer.as_str());
        let (id, token, body) = match operation.id {
            "submit_loan_request" => (
                "",
                owner,
                Some(json!({
                    "requestId": "01", "requestName": "Deposit", "amountOfMoney": 10_000, "accountNo": "1111",
                    "userMobile": "010-000-0000"
                })),
            ),
            // Its name is taken: nobody is registered by what only looks right.
            "register_customer" => (
                "",
                "",
                Some(json!({
                    "userId": scene.owner.who.user_id, "userName": "Somebody", "userPassword": "right-Toucan-33!",
                    "userMobile": "010-000-0000", "userEmail": "a@b.example", "language": "ko"
                })),
            ),
            "issue_token" => (
                "",
                "",
                Some(json!({
                    "grant_type": "password", "username": scene.owner.who.user_id,
                    "password": scene.owner.who.password
                })),
            ),
            "change_customer" => {
                (scene.owner.id.as_str(), owner, Some(json!({ "language": "en" })))
            }
            "change_delivery" => {
                ("", owner, Some(json!({ "channel": "mailbox", "optOut": ["under-review"] })))
            }
            "set_webhook" => ("", owner, Some(json!({ "url": "https://example.com/hooks/loans" }))),
            "request_verification" => ("", owner, Some(json!({ "channel": "webhook" }))),
            "confirm_address" => {
                ("", owner, Some(json!({ "channel": "webhook", "code": "12345678" })))
            }
            "set_loan_status" => (
                scene.loan.as_str(),
                officer,
                Some(json!({ "loanStatus": "01", "admComment": "x" })),
            ),
            "get_loan_manager" => (scene.loan.as_str(), officer, None),
            "list_loan_managers" => ("", officer, None),
            "get_loan_messenger" => (scene.message.as_str(), owner, None),
            "get_customer" | "remove_customer" => (scene.owner.id.as_str(), owner, None),
            "get_jwks" => ("", "", None),
            _ => (scene.loan.as_str(), owner, None),
        };
        let path = with_id(operation.path, id);
        Ok(Right { path, token: token.to_owned(), body })
    }

    /// Compares an answer with what is said of it, and remembers that it was met.
    pub(super) fn answered(
        &mut self,
        id: &str,
        wanted: u16,
        answer: &Answer,
        findings: &mut Findings,
    ) -> Result<()> {
        let operation = self.contract.operation(id)?;
        let what = format!("{} ({wanted})", titled(&operation));
        findings.check(answer.status == wanted, || {
            format!("{what}: {} instead: {}", answer.status, answer.text)
        });
        let described =
            operation.answers().into_iter().find(|(status, _)| *status == answer.status);
        let Some((status, described)) = described else {
            findings.check(false, || format!("{what}: {} is not described", answer.status));
            return Ok(());
        };
        self.met.insert((id.to_owned(), status));
        self.compare(&what, described, answer, findings);
        Ok(())
    }

    fn compare(&self, what: &str, described: &'a Value, answer: &Answer, findings: &mut Findings) {
        for (name, header) in members(&described["headers"]) {
            // One that may be null may be absent.
            let is_optional = header["schema"]["type"].is_array();
            let is_there = answer.headers.contains_key(name);
            findings.check(is_there || is_optional, || format!("{what}: no {name}"));
        }
        for name in ["Location", "ETag", "Loan-Version", "Retry-After", "Idempotency-Replayed"] {
            let is_told = described["headers"][name].is_object() || answer.status == 412;
            let is_there = answer.headers.contains_key(name);
            findings.check(is_told || !is_there, || format!("{what}: {name} is not described"));
        }
        let media = answer.header("content-type").split(';').next().unwrap_or_default().trim();
        if media == STREAM {
            return; // Its events are looked at where they are read.
        }
        let content = &described["content"][media];
        if content.is_null() {
            let has_none = described["content"].is_null() && answer.text.is_empty();
            findings
                .check(has_none, || format!("{what}: {media:?} is not described: {}", answer.text));
            return;
        }
        let (json, is_problem) = (answer.json(), media.ends_with("problem+json"));
        self.schemas.check(&content["schema"], &json, !is_problem, what, findings);
        let kind =
            json["code"].as_str().filter(|_| answer.status >= 400).or(json["error"].as_str());
        if let Some(kind) = kind {
            let told = described.to_string();
            let is_told =
                [format!("\"{kind}\""), format!("`{kind}`")].iter().any(|kind| told.contains(kind));
            findings.check(is_told, || format!("{what}: {kind} is not described"));
        }
    }

    /// Compares an event of the stream with the schema of an entry.
    fn compare_entry(&self, entry: &Value, findings: &mut Findings) {
        let schema = entry_schema(self.contract);
        self.schemas.check(schema, entry, true, "an event of the stream", findings);
    }

    /// The examples of requests are taken, or refused for what the system is and not
    /// for what they are.
    async fn request_examples(&mut self, findings: &mut Findings) -> Result<()> {
        let (customer, under_review) =
            (self.customer_of_the_examples().await?, self.loan_under_review().await?);
        for operation in self.contract.operations() {
            let mut tried = 0;
            for (media, described) in members(&operation.described["requestBody"]["content"]) {
                for (name, example) in examples(self.contract, described) {
                    tried += 1;
                    let mut right = self.right(&operation)?;
                    match operation.id {
                        "change_customer" => {
                            (right.path, right.token) = ("/customers/me".into(), customer.clone())
                        }
                        "set_loan_status" => right.path = with_id(operation.path, &under_review),
                        // By what they hold.
                        "submit_loan_request" => right.token.clear(),
                        _ => {}
                    }
                    let request = self.client.request(operation.method(), &right.path);
                    let request = if right.token.is_empty() {
                        request
                    } else {
                        request.bearer_auth(&right.token)
                    };
                    let request = match media {
                        "application/x-www-form-urlencoded" => request.form(&example),
                        _ => request.json(&example),
                    };
                    let answer = self.client.send(request).await?;
                    let is_taken = answer.status < 300
                        // The demo customer is there already; a token that was shortened is none.
                        || (operation.id == "register_customer" && answer.json()["code"] == "user-id-taken")
                        // There is no mail here.
                        || answer.json()["code"] == "channel-not-offered"
                        || answer.json()["code"] == "no-code"
                        || (name == "refresh_token" && answer.json()["error"] == "invalid_grant");
                    findings.check(is_taken, || {
                        format!(
                            "the example {name} of {}: {} {}",
                            titled(&operation),
                            answer.status,
                            answer.text
                        )
                    });
                    self.answered(operation.id, answer.status, &answer, findings)?;
                }
            }
            let takes_a_body = !operation.media_types().is_empty();
            findings.check(tried > 0 || !takes_a_body, || {
                format!("{} has no example", titled(&operation))
            });
        }
        Ok(())
    }

    /// Somebody with the password of the examples.
    async fn customer_of_the_examples(&self) -> Result<String> {
        let who = journeys::client::Credentials {
            user_id: "of-the-examples@example.com".into(),
            user_name: "Of The Examples".into(),
            password: "correct horse battery".into(),
        };
        self.client.register(&who, "ko").await?;
        self.client.token(&who.user_id, &who.password).await
    }

    async fn loan_under_review(&self) -> Result<String> {
        let loan = &self.scene.strangers_loan;
        self.client.step(&self.scene.officer, loan, "01").await?.expect(200)?;
        Ok(loan.clone())
    }

    /// Notes what is described and was not met.
    pub(super) fn has_met_every_answer(&self, findings: &mut Findings) {
        for operation in self.contract.operations() {
            for (status, answer) in operation.answers() {
                let is_met = self.met.contains(&(operation.id.to_owned(), status));
                let is_elsewhere = ELSEWHERE
                    .iter()
                    .any(|(id, other, _)| *other == status && ["*", operation.id].contains(id));
                // Nothing here is sent that often: the gateway's own tests.
                let is_rate = answer["content"].to_string().contains("\"rate-limited\"");
                findings.check(is_met || is_elsewhere || is_rate, || {
                    format!("{}: {status} is described, and never comes", titled(&operation))
                });
            }
        }
    }
}

/// A described path with an id in it.
fn with_id(path: &str, id: &str) -> String {
    match (path.find('{'), path.find('}')) {
        (Some(from), Some(to)) => format!("{}{id}{}", &path[..from], &path[to + 1..]),
        _ => path.to_owned(),
    }
}
