//! The messages on the topics, against the AsyncAPI document.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use journeys::harness::Journey;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::schema::{Schemas, has_null};
use crate::by_hand::{self, Seen};
use crate::contract::{Findings, array, members};

/// What removes the last word on a customer from the compacted topic.
const TOMBSTONE: &str = "Tombstone";

/// A message's description, by its type.
fn described<'a>(document: &'a Value, event_type: &str) -> &'a Value {
    &document["components"]["messages"][event_type]
}

/// Each example fits the payload's schema, and is one that the code reads.
pub(super) fn examples_fit(document: &Value, findings: &mut Findings) {
    let catalogue = events::catalogue::all();
    let messages = &document["components"]["messages"];
    let known: BTreeSet<&str> = catalogue.iter().map(|entry| entry.event_type).collect();
    for (event_type, message) in members(messages) {
        if event_type == TOMBSTONE {
            continue;
        }
        findings.check(known.contains(event_type), || format!("{event_type} is no event"));
        let payload = &message["payload"];
        let schemas = Schemas::of(payload);
        let examples: Vec<&Value> = array(&message["examples"]).collect();
        findings.check(!examples.is_empty(), || format!("{event_type} has no example"));
        for example in examples {
            let what = format!("an example of {event_type}");
            schemas.check(payload, &example["payload"], true, &what, findings);
            let entry = catalogue.iter().find(|entry| entry.event_type == event_type);
            let read = entry.map(|entry| (entry.round_trip)(&example["payload"].to_string()));
            let is_read = matches!(&read, Some(Ok(again)) if *again == example["payload"]);
            findings.check(is_read, || format!("{what} is read as {read:?}"));
        }
    }
}

/// Each message on a topic is one that is described there, and fits; each that is
/// described was met.
pub(super) async fn messages_fit(
    journey: &Journey,
    document: &Value,
    findings: &mut Findings,
) -> Result<()> {
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    for topic in events::topics::ALL {
        let channel = &document["channels"][topic.name];
        findings
            .check(channel["address"] == topic.name, || format!("{} is not described", topic.name));
        for message in by_hand::read(journey.stack.bootstrap(), topic.name).await? {
            let event_type = message.header("ce_type").to_owned();
            let is_here = channel["messages"][&event_type].is_object();
            findings.check(is_here, || format!("{event_type:?} is on {}: {message:?}", topic.name));
            envelope(document, &message, findings);
            if message.value.is_none() {
                let is_forgotten = topic.compacted && event_type == TOMBSTONE;
                findings
                    .check(is_forgotten, || format!("nothing is on {}: {message:?}", topic.name));
            } else {
                payload(document, &event_type, &message, findings);
            }
            *met.entry(event_type).or_default() += 1;
        }
        let dead = by_hand::read(journey.stack.bootstrap(), topic.dead_letters).await?;
        findings.check(dead.is_empty(), || format!("dead letters: {dead:?}"));
    }
    for (event_type, _) in members(&document["components"]["messages"]) {
        findings.check(met.contains_key(event_type), || format!("{event_type} was never sent"));
    }
    Ok(())
}

/// The headers are those of the trait that all messages have.
fn envelope(document: &Value, message: &Seen, findings: &mut Findings) {
    let schema = &document["components"]["messageTraits"]["cloudEvent"]["headers"];
    let headers = json!(message.headers);
    Schemas::of(schema).check(schema, &headers, true, "headers", findings);
    let id = message.header("ce_id").parse::<Uuid>();
    let is_v7 = id.is_ok_and(|id| id.get_version_num() == 7);
    findings.check(is_v7, || format!("ce_id of {message:?}"));
    let time = OffsetDateTime::parse(message.header("ce_time"), &Rfc3339);
    findings.check(time.is_ok(), || format!("ce_time of {message:?}"));
    // A key that is no id could be a name.
    let key = message.key.as_deref().and_then(|key| key.parse::<Uuid>().ok());
    findings.check(key.is_some(), || format!("the key of {message:?}"));
    let subject = message.header("ce_subject").parse::<Uuid>();
    findings.check(subject.is_ok(), || format!("the subject of {message:?}"));
}

fn payload(document: &Value, event_type: &str, message: &Seen, findings: &mut Findings) {
    let (description, value) = (described(document, event_type), message.json());
    let schema = &description["payload"];
    if schema.is_null() {
        return; // Noted already.
    }
    let what = format!("{event_type} at {}/{}", message.partition, message.offset);
    Schemas::of(schema).check(schema, &value, true, &what, findings);
    findings.check(!has_null(&value), || format!("{what} has nulls: {value}"));
    let source = array(&description["examples"]).map(|example| &example["headers"]["ce_source"]);
    let is_own = source.into_iter().all(|source| *source == json!(message.header("ce_source")));
    findings.check(is_own, || format!("{what} comes from {}", message.header("ce_source")));
    let entry = events::catalogue::all().into_iter().find(|entry| entry.event_type == event_type);
    let again = entry.map(|entry| (entry.round_trip)(message.value.as_deref().unwrap_or_default()));
    let is_read = matches!(&again, Some(Ok(again)) if *again == value);
    findings.check(is_read, || format!("{what} is read as {again:?}: {value}"));
    // DESIGN, 5: what belongs to one loan has its id as the key.
    let key = value.get("loanId").or(value.get("loanRequestId")).or(value.get("customerId"));
    findings.check(key.and_then(Value::as_str) == message.key.as_deref(), || {
        format!("{what} has the key {:?}: {value}", message.key)
    });
}
