//! The documents are true: what they show as an example fits what they say, the
//! running system answers as they say, and nothing answers that they don't say.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use journeys::client::Answer;
use journeys::harness::Journey;
use reqwest::RequestBuilder;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde_json::Value;
use standalone::Service;

use crate::contract::{Contract, Findings, array, document_text, members, read_document};
use crate::scene::Scene;
use crate::tokens::forger::{Forger, Key};

mod replay;
mod required;
mod routes;
mod schema;
mod topics;
mod worlds;

use schema::Schemas;

/// What the live stream is.
const STREAM: &str = "text/event-stream";

/// Every example of the HTTP documents fits the schema that it stands beside.
#[test]
fn examples_fit_their_schemas() -> Result<()> {
    let mut findings = Findings::default();
    examples_fit("the whole", &Contract::of_the_whole()?, &mut findings);
    for service in Service::WITH_DATABASE {
        examples_fit(&service.to_string(), &Contract::of_service(service)?, &mut findings);
    }
    findings.conclude();
    Ok(())
}

fn examples_fit(name: &str, contract: &Contract, findings: &mut Findings) {
    let schemas = Schemas::of(&contract.document);
    let mut checked = 0;
    for operation in contract.operations() {
        let mut contents = vec![(0, &operation.described["requestBody"]["content"])];
        for (status, answer) in operation.answers() {
            contents.push((status, &answer["content"]));
        }
        for (status, content) in contents {
            for (media, described) in members(content) {
                let what = format!("an example of {} {status} in {name}", operation.id);
                // A problem may have members of its own.
                let is_closed = !media.ends_with("problem+json");
                for (_, example) in examples(contract, described) {
                    checked += 1;
                    if media != STREAM {
                        let schema = &described["schema"];
                        schemas.check(schema, &example, is_closed, &what, findings);
                        continue;
                    }
                    let entries = entries(example.as_str().unwrap_or_default());
                    findings.check(!entries.is_empty(), || format!("{what} has no event"));
                    for entry in entries {
                        schemas.check(entry_schema(contract), &entry, true, &what, findings);
                    }
                }
            }
        }
    }
    findings.check(checked > 0, || format!("no example in {name}"));
}

/// A description that is not whole can't be relied on.
#[test]
fn every_operation_is_described_to_its_end() -> Result<()> {
    let contract = Contract::of_the_whole()?;
    let mut findings = Findings::default();
    let mut ids = BTreeSet::new();
    for operation in contract.operations() {
        let id = operation.id;
        findings.check(ids.insert(id), || format!("{id} is there twice"));
        let described = operation.described;
        findings.check(described["summary"].is_string(), || format!("{id} has no summary"));
        for (status, answer) in operation.answers() {
            let media = members(&answer["content"]).map(|(media, _)| media).collect::<Vec<_>>();
            let is_right = match status {
                204 | 304 => media.is_empty(),
                // CONTRACT, Errors: OAuth has its own shape.
                400.. if id == "issue_token" => media == ["application/json"],
                400.. => media == ["application/problem+json"],
                // what was written is not shown yet.
                202 if id.contains("status") || id == "get_loan" => {
                    media == ["application/problem+json"]
                }
                202 if id == "request_verification" => media.is_empty(),
                _ => media == ["application/json"] || media == [STREAM],
            };
            findings.check(is_right, || format!("{id} {status} answers {media:?}"));
            for (media, content) in members(&answer["content"]) {
                let has_example = !examples(&contract, content).is_empty();
                findings.check(has_example, || format!("{id} {status} {media} has no example"));
                findings.check(content["schema"].is_object(), || {
                    format!("{id} {status} has no schema")
                });
            }
            let comes_back = answer["headers"]["Retry-After"].is_object();
            findings.check(comes_back || ![429, 503].contains(&status), || {
                format!("{id} {status} does not say when to come back")
            });
            let said = answer["description"].as_str().unwrap_or_default();
            findings.check(said.len() > 3, || format!("{id} {status} is not described"));
        }
        for security in array(&described["security"]) {
            for (scheme, _) in members(security) {
                let known = &contract.document["components"]["securitySchemes"][scheme];
                findings.check(known.is_object(), || format!("{id}: {scheme} is not described"));
                findings.check(scheme != "service", || format!("{id} is an inner one"));
            }
        }
        let is_open = described["security"].is_null();
        let has_401 = operation.answers().iter().any(|(status, _)| *status == 401);
        findings.check(is_open || has_401, || format!("{id}: security, and no 401"));
    }
    references_lead_somewhere(&contract, &contract.document, &mut findings);
    nothing_inner_is_told(&contract, &mut findings)?;
    findings.conclude();
    Ok(())
}

fn references_lead_somewhere(contract: &Contract, value: &Value, findings: &mut Findings) {
    if let Some(address) = value["$ref"].as_str() {
        let target = address.strip_prefix('#').and_then(|at| contract.document.pointer(at));
        findings.check(target.is_some(), || format!("{address} leads nowhere"));
    }
    members(value).for_each(|(_, value)| references_lead_somewhere(contract, value, findings));
    array(value).for_each(|value| references_lead_somewhere(contract, value, findings));
}

/// What is described to everybody is used by what everybody can ask for.
fn nothing_inner_is_told(contract: &Contract, findings: &mut Findings) -> Result<()> {
    let components = members(&contract.document["components"]["schemas"]);
    let mut used = contract.document["paths"].to_string();
    let mut all: Vec<(&str, String)> =
        components.map(|(name, schema)| (name, schema.to_string())).collect();
    loop {
        let is_used =
            |name: &str, used: &str| used.contains(&format!("\"#/components/schemas/{name}\""));
        let (found, left): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(name, _)| is_used(name, &used));
        all = left;
        if found.is_empty() {
            break;
        }
        found.iter().for_each(|(_, schema)| used.push_str(schema));
    }
    for (name, _) in all {
        findings.check(false, || format!("{name} is described, but no route uses it"));
    }
    let scheme = &contract.document["components"]["securitySchemes"]["service"];
    findings
        .check(scheme.is_null(), || "the inner credential is described to everybody".to_owned());
    Ok(())
}

// The examples, and every answer that is described, on the running system.
#[tokio::test]
async fn the_running_system_answers_as_described() -> Result<()> {
    let key = Key::generate();
    let journey =
        Journey::start_with(|stack| stack.env(Service::LoanAuth, "TOKEN_SIGNING_KEYS", &key.pem()))
            .await?;
    let scene = Scene::set(&journey).await?;
    let forger = Forger::new(key, &journey, &scene.owner.token, &scene.officer).await?;
    let contract = Contract::of_the_whole()?;
    let mut findings = Findings::default();

    the_pages_are_the_documents(&journey, &mut findings).await?;
    routes::are_the_described_ones(&journey, &scene, &contract, &mut findings).await?;
    let roleless = forger.with_claim("roles", serde_json::json!([]));
    let mut replay = replay::Replay::new(&journey, &scene, &contract, roleless);
    replay.everything(&mut findings).await?;
    replay.has_met_every_answer(&mut findings);
    required::fields_are_said_to_be(&replay, &mut findings).await?;
    findings.conclude();
    journey.finish().await
}

async fn the_pages_are_the_documents(journey: &Journey, findings: &mut Findings) -> Result<()> {
    for file in ["openapi.json", "asyncapi.json"] {
        let served = journey.client.get(&format!("/docs/{file}"), "").await?.expect(200)?;
        let committed = document_text(file)?;
        findings
            .check(served.text == committed, || format!("/docs/{file} is not the committed one"));
    }
    let page = journey.client.get("/docs/", "").await?.expect(200)?;
    findings.check(page.header("content-type").starts_with("text/html"), || page.text.clone());
    for service in Service::WITH_DATABASE {
        let served = journey.direct(service)?.get("/openapi.json", "").await?.expect(200)?;
        let committed = read_document(&format!("{service}.openapi.json"))?;
        findings
            .check(served.json() == committed, || format!("{service} describes itself otherwise"));
    }
    Ok(())
}

// what is on the topics is what the document of the topics says.
#[tokio::test]
async fn the_topics_carry_what_is_described() -> Result<()> {
    let journey = Journey::start().await?;
    let document = read_document("asyncapi.json")?;
    let mut findings = Findings::default();
    topics::examples_fit(&document, &mut findings);
    worlds::every_event(&journey).await?;
    journey.finish().await?;
    topics::messages_fit(&journey, &document, &mut findings).await?;
    findings.conclude();
    Ok(())
}

/// The examples of a body: its own, or its schema's, by name.
fn examples(contract: &Contract, described: &Value) -> Vec<(String, Value)> {
    let mut examples: Vec<(String, Value)> = members(&described["examples"])
        .map(|(name, example)| (name.to_owned(), contract.resolved(example)["value"].clone()))
        .collect();
    if !described["example"].is_null() {
        examples.push(("example".to_owned(), described["example"].clone()));
    }
    let of_schema = &contract.resolved(&described["schema"])["example"];
    if examples.is_empty() && !of_schema.is_null() {
        examples.push(("of the schema".to_owned(), of_schema.clone()));
    }
    examples
}

/// An operation's first line, for messages.
fn titled(operation: &crate::contract::Operation<'_>) -> String {
    format!("{} {}", operation.method.to_uppercase(), operation.path)
}

/// Sends, and reads all but a stream, which has no end.
async fn ask(request: RequestBuilder) -> Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let media = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let text = match media.starts_with(STREAM.as_bytes()) {
        true => String::new(),
        false => response.text().await?,
    };
    Ok(Answer { status, headers, text, took: Duration::ZERO })
}

/// What the events of a live stream carry; an event without an `id`, or with
/// another than its entry's, carries nothing.
fn entries(stream: &str) -> Vec<Value> {
    let event = |text: &str| {
        let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let entry: Value = serde_json::from_str(line("data:")?.trim()).unwrap_or_default();
        let is_whole = line("event:")?.trim() == "loanStatus" && entry["id"] == line("id:")?.trim();
        Some(if is_whole { entry } else { Value::Null })
    };
    stream.split("\n\n").filter_map(event).collect()
}

/// What such an entry is.
fn entry_schema(contract: &Contract) -> &Value {
    &contract.document["components"]["schemas"]["StatusEntry"]
}
