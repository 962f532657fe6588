//! What no well-meaning client sends: to every `POST` and `PATCH` that is
//! described, to every list, and to the servers themselves. Each is answered 4xx
//! with what is wrong, never 5xx, and leaves nothing behind.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use journeys::client::{Answer, Client};
use journeys::harness::{Journey, SCHEMAS};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use standalone::Service;

use crate::contract::{Contract, Findings, Operation, service_of};
use crate::scene::{Scene, doors};

mod bodies;
mod fields;
mod heads;
mod queries;

/// The operations that take a body, inner ones last: with whose token, at which
/// path, and with which body they are right. `{}` is a place for an id.
struct Target {
    operation: String,
    path: String,
    token: String,
    right: Value,
    /// What a right one is answered.
    accepted: u16,
    /// Not reached through the gateway.
    inner: bool,
}

impl Target {
    /// OAuth has a shape of its own for failures (CONTRACT, Errors).
    fn is_oauth(&self) -> bool {
        self.operation == "issue_token"
    }

    fn request(&self, client: &Client, operation: &Operation<'_>) -> RequestBuilder {
        let request = client.request(operation.method(), &self.path);
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }
}

fn targets(journey: &Journey, scene: &Scene) -> Vec<Target> {
    let target = |operation: &str, path: &str, token: &str, right: Value, accepted: u16| Target {
        operation: operation.into(),
        path: path.into(),
        token: token.into(),
        right,
        accepted,
        inner: token == journey.stack.service_credential(),
    };
    let (owner, service) = (&scene.owner, journey.stack.service_credential());
    vec![
        target(
            "submit_loan_request",
            "/loanRequests",
            &owner.token,
            json!({ "requestId": "01", "requestName": "Deposit", "amountOfMoney": 10_000, "accountNo": "1111", "userMobile": "010-000-0000" }),
            201,
        ),
        // Not allowed from where the loan stands: a right step would change it.
        target(
            "set_loan_status",
            &format!("/loanManagers/{}", scene.loan),
            &scene.officer,
            json!({ "loanStatus": "01", "admComment": "x" }),
            409,
        ),
        // The name is taken: a right one would register somebody at each attempt.
        target(
            "register_customer",
            "/customers",
            "",
            json!({ "userId": owner.who.user_id, "userName": "Somebody", "userPassword": "hostile-Input-1!", "userMobile": "010-000-0000", "userEmail": "a@b.example", "language": "ko" }),
            409,
        ),
        target(
            "change_customer",
            "/customers/me",
            &owner.token,
            json!({ "userName": owner.who.user_name, "language": "en" }),
            200,
        ),
        target(
            "change_delivery",
            "/loanMessengers/delivery",
            &owner.token,
            json!({ "channel": "mailbox", "optOut": ["under-review"] }),
            200,
        ),
        target(
            "set_webhook",
            "/loanMessengers/delivery/webhook",
            &owner.token,
            json!({ "url": "https://example.com/hooks/loans" }),
            201,
        ),
        // There is no mail here, and so no code for it.
        target(
            "request_verification",
            "/loanMessengers/delivery/verifications",
            &owner.token,
            json!({ "channel": "mail" }),
            409,
        ),
        target(
            "confirm_address",
            "/loanMessengers/delivery/confirmations",
            &owner.token,
            json!({ "channel": "mail", "code": "12345678" }),
            409,
        ),
        target(
            "issue_token",
            "/auth/token",
            "",
            json!({ "grant_type": "password", "username": owner.who.user_id, "password": owner.who.password }),
            200,
        ),
        target(
            "certify_loan_request",
            "/loanAuths",
            service,
            json!({
                "loanRequestId": scene.loan, "requestId": "01", "requestName": "Deposit", "amountOfMoney": 10_000,
                "userId": owner.who.user_id, "userName": owner.who.user_name, "userPassword": owner.who.password,
                "clientAddress": "192.0.2.1"
            }),
            200,
        ),
        // Certified long ago: a void changes nothing.
        target(
            "void_certification",
            &format!("/loanAuths/{}/void", scene.loan),
            service,
            json!({}),
            200,
        ),
    ]
}

//
#[tokio::test]
async fn hostile_input_is_refused_with_a_reason_and_leaves_nothing() -> Result<()> {
    let journey = Journey::start().await?;
    let scene = Scene::set(&journey).await?;
    let (whole, auth) = (Contract::of_the_whole()?, Contract::of_service(Service::LoanAuth)?);
    let targets = targets(&journey, &scene);
    let mut findings = Findings::default();
    for contract in [&whole, &auth] {
        for operation in contract.operations() {
            let takes_a_body = !operation.media_types().is_empty();
            let is_known = targets.iter().any(|target| target.operation == operation.id);
            findings.check(is_known || !takes_a_body, || format!("{} is not tried", operation.id));
        }
    }

    // What a right one of these leaves is there already.
    for id in ["set_webhook", "change_delivery"] {
        let target = targets.iter().find(|target| target.operation == id).context(id)?;
        let request = target.request(&journey.client, &whole.operation(id)?).json(&target.right);
        journey.client.send(request).await?.expect(target.accepted)?;
    }
    let before = settled(&journey).await?;
    for target in &targets {
        let contract = if target.inner { &auth } else { &whole };
        let operation = contract.operation(&target.operation)?;
        let service = match target.inner {
            true => Service::LoanAuth,
            false => service_of(&operation.method(), operation.path).context("a service")?,
        };
        for (door, client) in doors(&journey, service)? {
            if target.inner && door == "the gateway" {
                continue;
            }
            let tried = Tried { target, operation: &operation, client: &client, door: &door };
            bodies::are_refused(&tried, &mut findings).await?;
            fields::are_refused(&tried, &mut findings).await?;
        }
    }
    queries::are_refused(&journey, &scene, &whole, &mut findings).await?;
    heads::are_refused(&journey, &scene, &mut findings).await?;
    let after = settled(&journey).await?;
    for (table, count) in &after {
        let was = before.get(table).copied().unwrap_or_default();
        findings.check(*count == was, || format!("{was} rows of {table} became {count}"));
    }
    findings.conclude();
    journey.finish().await
}

// The values that are right but look wrong are kept as they are, and run nowhere.
#[tokio::test]
async fn what_is_odd_but_right_is_kept_as_it_was_sent() -> Result<()> {
    let journey = Journey::start().await?;
    let scene = Scene::set(&journey).await?;
    let mut findings = Findings::default();
    fields::are_kept(&journey, &scene, &mut findings).await?;
    findings.conclude();
    journey.finish().await
}

/// An operation at a door.
struct Tried<'a> {
    target: &'a Target,
    operation: &'a Operation<'a>,
    client: &'a Client,
    door: &'a str,
}

impl Tried<'_> {
    fn request(&self) -> RequestBuilder {
        self.target.request(self.client, self.operation)
    }

    /// Sends, and notes an answer that is not as wanted.
    async fn check(
        &self,
        what: &str,
        request: RequestBuilder,
        wanted: &[u16],
        findings: &mut Findings,
    ) -> Result<Answer> {
        let mut answer = self.client.send(request.try_clone().context("sent once")?).await;
        // The server may close before a client has written all of what is too much.
        for _ in 0..3 {
            if answer.is_err() {
                answer = self.client.send(request.try_clone().context("sent once")?).await;
            }
        }
        let answer = answer
            .with_context(|| format!("{what} to {} at {}", self.target.operation, self.door))?;
        let is_right = wanted.contains(&answer.status)
            && (answer.status < 400 || says_what_is_wrong(&answer, self.target.is_oauth()));
        findings.check(is_right, || {
            let Answer { status, text, .. } = &answer;
            format!(
                "{what} to {} at {}: {status} instead of {wanted:?}: {text}",
                self.target.operation, self.door
            )
        });
        Ok(answer)
    }
}

/// A failure has a code for programs and a text for people; 422 names the fields.
fn says_what_is_wrong(answer: &Answer, is_oauth: bool) -> bool {
    let json = answer.json();
    let is_text = |value: &Value| value.as_str().is_some_and(|text| text.len() >= 10);
    let names_fields = || {
        let errors = json["errors"].as_array();
        errors.is_some_and(|errors| {
            let is_whole = |error: &Value| {
                error["field"].is_string()
                    && error["message"].as_str().is_some_and(|text| text.len() > 5)
            };
            !errors.is_empty() && errors.iter().all(is_whole)
        })
    };
    // What the gateway refuses by itself is a problem there as well.
    let is_problem = answer.header("content-type").starts_with("application/problem+json")
        && json["code"].is_string()
        && json["status"] == json!(answer.status)
        && is_text(&json["detail"])
        && json["instance"].is_string()
        && (answer.status != 422 || json["code"] != "invalid" || names_fields());
    let is_oauths = json["error"].is_string() && is_text(&json["error_description"]);
    is_problem || (is_oauth && is_oauths)
}

/// The rows when nothing is on its way any more.
async fn settled(journey: &Journey) -> Result<BTreeMap<String, i64>> {
    journey.finish().await?;
    let mut last = rows(journey).await?;
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = rows(journey).await?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
    anyhow::bail!("it does not come to rest: {last:?}")
}

/// How many rows each table has, but for what counts failures and what is sent.
async fn rows(journey: &Journey) -> Result<BTreeMap<String, i64>> {
    let mut counts = BTreeMap::new();
    for schema in SCHEMAS {
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = $1")
                .bind(schema)
                .fetch_all(&journey.db)
                .await?;
        for table in tables {
            if ["login_failure", "known_address", "refresh_family", "registration_attempt"]
                .contains(&table.as_str())
            {
                continue;
            }
            let count = journey.count(&format!("SELECT count(*) FROM {schema}.{table}")).await?;
            counts.insert(format!("{schema}.{table}"), count);
        }
    }
    Ok(counts)
}
