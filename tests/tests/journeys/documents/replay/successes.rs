//! What goes well.

use std::time::Duration;

use anyhow::{Context, Result};
use journeys::client::Answer;
use journeys::harness::SEEN_WITHIN;
use reqwest::Method;
use serde_json::json;
use tokio::time::timeout;

use super::super::entries;
use super::Replay;
use crate::contract::Findings;
use crate::scene::{Person, never_was};

impl Replay<'_> {
    pub(super) async fn successes(&mut self, findings: &mut Findings) -> Result<()> {
        self.reads(findings).await?;
        self.writes(findings).await?;
        self.streams(findings).await
    }

    /// Everything that can be read, by everybody who may.
    async fn reads(&mut self, findings: &mut Findings) -> Result<()> {
        for operation in self.contract.operations() {
            if operation.method != "get" || operation.id == "stream_loan_status" {
                continue;
            }
            let right = self.right(&operation)?;
            for token in [right.token.clone(), self.scene.officer.clone()] {
                let answer = self.client.get(&right.path, &token).await?;
                // Officers are not written to.
                let wanted =
                    if operation.id == "get_delivery" && token != right.token { 403 } else { 200 };
                self.answered(operation.id, wanted, &answer, findings)?;
            }
            let answer = self.client.get(&right.path, &right.token).await?;
            let tag = answer.header("etag");
            if operation.answers().iter().any(|(status, _)| *status == 304) {
                let request =
                    self.client.request(Method::GET, &right.path).bearer_auth(&right.token);
                let same = self.client.send(request.header("If-None-Match", tag)).await?;
                self.answered(operation.id, 304, &same, findings)?;
            }
            if operation.query_names().iter().any(|name| name == "cursor") {
                self.pages(operation.id, &right.path, &right.token, findings).await?;
            }
        }
        // Everything that an officer can see, in every state.
        for path in ["/loanManagers?loanStatus=all&size=200", "/loanManagers?requestId=02"] {
            let answer = self.client.get(path, &self.scene.officer).await?;
            self.answered("list_loan_managers", 200, &answer, findings)?;
        }
        Ok(())
    }

    /// Page by page, by the links, as far as they lead.
    async fn pages(
        &mut self,
        id: &str,
        path: &str,
        token: &str,
        findings: &mut Findings,
    ) -> Result<()> {
        let mut next = Some(format!("{path}?size=1"));
        for _ in 0..4 {
            let Some(address) = next else { break };
            let answer = self.client.get(&address, token).await?;
            self.answered(id, 200, &answer, findings)?;
            let json = answer.json();
            next = json["_links"]["next"]["href"].as_str().map(str::to_owned);
            let own = json["_links"]["self"]["href"].as_str().context("its own link")?;
            let again = self.client.get(own, token).await?;
            findings.check(again.json()["_embedded"] == json["_embedded"], || {
                format!("{own} leads elsewhere")
            });
        }
        Ok(())
    }

    async fn writes(&mut self, findings: &mut Findings) -> Result<()> {
        let (client, scene) = (self.client, self.scene);
        for body in [
            json!({ "requestId": "01", "requestName": "Deposit", "amountOfMoney": "100000" }),
            json!({ "requestId": "02", "requestName": "Repay", "amountOfMoney": 500, "loanId": scene.loan }),
        ] {
            let request =
                client.request(Method::POST, "/loanRequests").bearer_auth(&scene.owner.token);
            let request = request.header("Idempotency-Key", never_was()).json(&body);
            for _ in ["fresh", "replayed"] {
                let answer = client.send(request.try_clone().context("twice")?).await?;
                self.answered("submit_loan_request", 201, &answer, findings)?;
            }
        }
        self.delivery(findings).await?;
        let step = client.step(&scene.officer, &scene.repayment, "05").await?;
        self.answered("set_loan_status", 200, &step, findings)?;

        let body = json!({
            "userId": "documented@example.com", "userName": "Documented", "userPassword": "correct horse battery",
            "userMobile": "010-000-0000", "userEmail": "documented@example.com", "language": "en"
        });
        let request =
            client.request(Method::POST, "/customers").header("Idempotency-Key", never_was());
        for _ in ["fresh", "replayed"] {
            let again = request.try_clone().context("twice")?.json(&body);
            self.answered("register_customer", 201, &client.send(again).await?, findings)?;
        }
        let form = [
            ("grant_type", "password"),
            ("username", "documented@example.com"),
            ("password", "correct horse battery"),
        ];
        let answer = client.send(client.request(Method::POST, "/auth/token").form(&form)).await?;
        self.answered("issue_token", 200, &answer, findings)?;
        let refresh = json!({ "grant_type": "refresh_token", "refresh_token": answer.text_at("/refresh_token")? });
        let renewed = client.post("/auth/token", "", &refresh).await?;
        self.answered("issue_token", 200, &renewed, findings)?;
        let token = renewed.text_at("/access_token")?;
        let changed = client.patch("/customers/me", &token, &json!({ "userEmail": null })).await?;
        self.answered("change_customer", 200, &changed, findings)?;
        let removed = client.delete("/customers/me", &token).await?;
        self.answered("remove_customer", 204, &removed, findings)
    }

    /// A web-hook comes, gets another secret and a code, and goes.
    async fn delivery(&mut self, findings: &mut Findings) -> Result<()> {
        let (client, token) = (self.client, self.scene.owner.token.as_str());
        let path = "/loanMessengers/delivery";
        let set = json!({ "url": "https://example.com/hooks/loans" });
        let answer = client.post(&format!("{path}/webhook"), token, &set).await?;
        self.answered("set_webhook", 201, &answer, findings)?;
        let answer = client.post(&format!("{path}/webhook/secret"), token, &json!({})).await?;
        self.answered("rotate_webhook_secret", 201, &answer, findings)?;
        let ask = json!({ "channel": "webhook" });
        for wanted in [202, 429] {
            let answer = client.post(&format!("{path}/verifications"), token, &ask).await?;
            self.answered("request_verification", wanted, &answer, findings)?;
        }
        let choose = json!({ "channel": "webhook" });
        let answer = client.patch(path, token, &choose).await?;
        self.answered("change_delivery", 200, &answer, findings)?;
        let answer = client.get(path, token).await?;
        self.answered("get_delivery", 200, &answer, findings)?;
        let wrong = json!({ "channel": "webhook", "code": "00000000" });
        let answer = client.post(&format!("{path}/confirmations"), token, &wrong).await?;
        self.answered("confirm_address", 422, &answer, findings)?;
        let none = json!({ "channel": "sms", "code": "12345678" });
        let answer = client.post(&format!("{path}/confirmations"), token, &none).await?;
        self.answered("confirm_address", 409, &answer, findings)?;
        let choose = json!({ "channel": "sms" });
        let answer = client.patch(path, token, &choose).await?;
        self.answered("change_delivery", 409, &answer, findings)?;
        let officer = self.scene.officer.as_str();
        let answer = client.patch(path, officer, &choose).await?;
        self.answered("change_delivery", 403, &answer, findings)?;
        for (id, below, body) in [
            ("set_webhook", "webhook", &set),
            ("request_verification", "verifications", &ask),
            ("confirm_address", "confirmations", &none),
        ] {
            let answer = client.post(&format!("{path}/{below}"), officer, body).await?;
            self.answered(id, 403, &answer, findings)?;
        }
        for wanted in [204, 404] {
            let answer = client.delete(&format!("{path}/webhook"), token).await?;
            self.answered("remove_webhook", wanted, &answer, findings)?;
        }
        let answer = client.post(&format!("{path}/webhook/secret"), token, &json!({})).await?;
        self.answered("rotate_webhook_secret", 404, &answer, findings)?;
        let answer = client.post(&format!("{path}/verifications"), token, &ask).await?;
        self.answered("request_verification", 409, &answer, findings)
    }

    /// The stream's events are entries; it has as many places as is said.
    async fn streams(&mut self, findings: &mut Findings) -> Result<()> {
        let watcher = Person::customer(self.journey, "watcher").await?;
        self.client.apply(&watcher.who, 1_000).await?;
        let seen = |answer: &Answer| answer.json()["page"]["totalElements"] == 1;
        self.client.wait_for("/loanStatus", &watcher.token, SEEN_WITHIN, seen).await?;
        let mut open = Vec::new();
        let full = loop {
            anyhow::ensure!(open.len() < 20, "there is always room for a stream");
            let request = self.client.request(Method::GET, "/loanStatus/stream");
            let response = request.bearer_auth(&watcher.token).send().await?;
            if response.status() != 200 {
                break response;
            }
            open.push(response);
        };
        findings.check(open.len() == 5, || format!("{} streams of one customer", open.len()));
        let (status, headers) = (full.status().as_u16(), full.headers().clone());
        let full = Answer { status, headers, text: full.text().await?, took: Duration::ZERO };
        self.answered("stream_loan_status", 429, &full, findings)?;

        let mut stream = open.swap_remove(0);
        let (status, headers) = (stream.status().as_u16(), stream.headers().clone());
        let mut text = String::new();
        while !text.contains("event: loanStatus") || !text.ends_with("\n\n") {
            let chunk =
                timeout(Duration::from_secs(5), stream.chunk()).await??.context("it ended")?;
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
        for entry in entries(&text) {
            self.compare_entry(&entry, findings);
        }
        let answer = Answer { status, headers, text, took: Duration::ZERO };
        self.answered("stream_loan_status", 200, &answer, findings)
    }
}
