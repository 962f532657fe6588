//! What goes wrong in a way of its own.

use anyhow::{Context, Result};
use journeys::client::{Answer, Client};
use journeys::harness::SEEN_WITHIN;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::Replay;
use crate::contract::Findings;
use crate::scene::{Person, never_was};

impl Replay<'_> {
    pub(super) async fn troubles(&mut self, findings: &mut Findings) -> Result<()> {
        self.requests(findings).await?;
        self.steps(findings).await?;
        self.registrations(findings).await?;
        self.customers(findings).await?;
        self.logins(findings).await
    }

    async fn requests(&mut self, findings: &mut Findings) -> Result<()> {
        let (client, id) = (self.client, "submit_loan_request");
        let guessed = Person::customer(self.journey, "guessed-at").await?;
        let mut wrong = guessed.who.application(1_000);
        wrong["userPassword"] = json!("not-the-one-1");
        let answer = client.post("/loanRequests", "", &wrong).await?;
        self.answered(id, 403, &answer, findings)?;
        let request = client.request(Method::POST, "/loanRequests").json(&wrong);
        self.answered(id, 429, &until_too_much(client, request).await?, findings)?;

        // Accepted, and compensated since.
        let cancelled = Person::customer(self.journey, "cancelled").await?;
        let body = cancelled.who.repayment(None, 100);
        let request = client.request(Method::POST, "/loanRequests").json(&body);
        let request = request.header("Idempotency-Key", never_was());
        let again = request.try_clone();
        let accepted = client.send(request).await?.expect(201)?;
        let gone = |answer: &Answer| answer.status == 404;
        client.wait_for(accepted.header("location"), &cancelled.token, SEEN_WITHIN, gone).await?;
        if let Some(again) = again {
            self.answered(id, 404, &client.send(again).await?, findings)?;
        }
        for (key, amount) in [("of-another-body", 1_000), ("of-another-body", 2_000)] {
            let request =
                client.request(Method::POST, "/loanRequests").header("Idempotency-Key", key);
            let answer = client.send(request.json(&cancelled.who.application(amount))).await?;
            let wanted = if amount == 1_000 { 201 } else { 422 };
            self.answered(id, wanted, &answer, findings)?;
        }
        let request =
            client.request(Method::POST, "/loanRequests").header("Idempotency-Key", "a b");
        let answer = client.send(request.json(&cancelled.who.application(1_000))).await?;
        self.answered(id, 400, &answer, findings)
    }

    async fn steps(&mut self, findings: &mut Findings) -> Result<()> {
        let (client, scene, id) = (self.client, self.scene, "set_loan_status");
        let answer = client.step(&scene.officer, &scene.loan, "01").await?;
        self.answered(id, 409, &answer, findings)?;
        let answer = client.step(&scene.owner.token, &scene.loan, "01").await?;
        self.answered(id, 403, &answer, findings)
    }

    async fn registrations(&mut self, findings: &mut Findings) -> Result<()> {
        let (client, id) = (self.client, "register_customer");
        let body = |user_id: &str, password: &str| json!({ "userId": user_id, "userName": "Comes Back", "userPassword": password, "userMobile": "010-000-0000" });
        let keyed = |key: &str, body: &serde_json::Value| {
            client.request(Method::POST, "/customers").header("Idempotency-Key", key).json(body)
        };
        // Somebody else has the name by now.
        let (user, password, key) =
            ("comes-back@example.com", "correct horse battery", never_was());
        client.send(keyed(&key, &body(user, password))).await?.expect(201)?;
        let token = client.token(user, password).await?;
        client.delete("/customers/me", &token).await?.expect(204)?;
        client.post("/customers", "", &body(user, password)).await?.expect(201)?;
        let answer = client.send(keyed(&key, &body(user, password))).await?;
        self.answered(id, 404, &answer, findings)?;
        let answer = client.post("/customers", "", &body(user, password)).await?;
        self.answered(id, 409, &answer, findings)?;

        let (user, key) = ("guessed-again@example.com", never_was());
        client.send(keyed(&key, &body(user, password))).await?.expect(201)?;
        let mut other = body(user, password);
        other["userMobile"] = json!("010-111-1111");
        let answer = client.send(keyed(&key, &other)).await?;
        self.answered(id, 422, &answer, findings)?;
        let wrong = body(user, "incorrect horse battery");
        let answer = client.send(keyed(&key, &wrong)).await?;
        self.answered(id, 403, &answer, findings)?;
        self.answered(id, 429, &until_too_much(client, keyed(&key, &wrong)).await?, findings)?;
        let answer = client.send(keyed("a b", &other)).await?;
        self.answered(id, 400, &answer, findings)
    }

    async fn customers(&mut self, findings: &mut Findings) -> Result<()> {
        let (client, scene) = (self.client, self.scene);
        let of_owner = format!("/customers/{}", scene.owner.id);
        let answer = client.delete(&of_owner, &scene.owner.token).await?;
        self.answered("remove_customer", 409, &answer, findings)?;
        let answer = client.delete(&of_owner, &scene.officer).await?;
        self.answered("remove_customer", 403, &answer, findings)?;
        let answer = client.patch(&of_owner, &scene.officer, &json!({ "language": "ko" })).await?;
        self.answered("change_customer", 403, &answer, findings)?;

        let changing = Person::customer(self.journey, "changing").await?;
        let wrong = json!({ "oldPassword": "not-the-one-1", "userPassword": "staple of my own" });
        let request = client
            .request(Method::PATCH, "/customers/me")
            .bearer_auth(&changing.token)
            .json(&wrong);
        if let Some(first) = request.try_clone() {
            self.answered("change_customer", 403, &client.send(first).await?, findings)?;
        }
        self.answered("change_customer", 429, &until_too_much(client, request).await?, findings)
    }

    async fn logins(&mut self, findings: &mut Findings) -> Result<()> {
        let (client, id) = (self.client, "issue_token");
        for body in [
            json!({ "grant_type": "password", "username": "x-y-z", "password": "x" }),
            json!({ "grant_type": "password", "username": "x-y-z" }),
            json!({ "grant_type": "client_credentials" }),
            json!({}),
        ] {
            self.answered(id, 400, &client.post("/auth/token", "", &body).await?, findings)?;
        }
        let body =
            json!({ "grant_type": "password", "username": "nobody-at-all", "password": "x" });
        let request = client.request(Method::POST, "/auth/token").json(&body);
        self.answered(id, 429, &until_too_much(client, request).await?, findings)
    }
}

/// Sends the same again until it is too much.
async fn until_too_much(client: &Client, request: RequestBuilder) -> Result<Answer> {
    let mut last = None;
    for _ in 0..40 {
        let answer = client.send(request.try_clone().context("it can be sent again")?).await?;
        if answer.status == 429 {
            return Ok(answer);
        }
        last = Some(answer);
    }
    last.context("an answer")
}
