//! The AsyncAPI 3.0 document of the topics and events, made from the
//! [`catalogue`].

use common::event::TOMBSTONE;
use serde_json::{Map, Value, json};

use crate::catalogue::{self, Entry};
use crate::topics::{self, Configuration, Topic};

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let entries = catalogue::all();
    let mut channels = Map::new();
    let mut operations = Map::new();
    let mut messages = Map::new();
    for topic in topics::ALL {
        let published: Vec<&Entry> =
            entries.iter().filter(|entry| entry.topic == topic.name).collect();
        channels.insert(topic.name.to_owned(), channel(topic, &published));
        channels.insert(topic.dead_letters.to_owned(), dead_letters(topic, &published));
        operations.insert(format!("publish.{}", topic.name), operation(topic, &published));
    }
    for entry in &entries {
        messages.insert(entry.event_type.to_owned(), message(entry));
    }
    messages.insert(TOMBSTONE.to_owned(), tombstone());
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Online loan: domain events",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 in binary mode over Kafka. Delivery is at least once: a consumer claims `ce_id` in the transaction of its effect. Events of one key are in order. Consumers ignore types and fields that they do not know; a replay starts at offset 0.",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" }
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "messageTraits": { "cloudEvent": trait_of_all() } }
    })
}

fn channel(topic: &Topic, published: &[&Entry]) -> Value {
    json!({
        "address": topic.name,
        "description": format!("Keyed by {}.", topic.key),
        "messages": references(topic, published, "#/components/messages/"),
        "bindings": bindings(topic.name, &topic.configuration()),
    })
}

fn bindings(name: &str, configuration: &Configuration) -> Value {
    // The binding's schema has a list and numbers where the broker has texts.
    let value = |name: &str, text: &str| match text.parse::<u64>() {
        _ if name == "cleanup.policy" => json!([text]),
        Ok(number) => json!(number),
        Err(_) => json!(text),
    };
    let configuration: Map<String, Value> =
        configuration.iter().map(|(name, text)| ((*name).to_owned(), value(name, text))).collect();
    json!({ "kafka": {
        "topic": name,
        "partitions": topics::PARTITIONS,
        "topicConfiguration": configuration
    } })
}

fn dead_letters(topic: &Topic, published: &[&Entry]) -> Value {
    json!({
        "address": topic.dead_letters,
        "description": format!(
            "What a consumer of {} could not work: the original key, headers and value, with the headers dlq_reason, dlq_topic, dlq_partition, dlq_offset, dlq_attempts and dlq_at.",
            topic.name
        ),
        "messages": references(topic, published, "#/components/messages/"),
        "bindings": bindings(topic.dead_letters, &topic.dead_letters_configuration()),
    })
}

fn operation(topic: &Topic, published: &[&Entry]) -> Value {
    let within = format!("#/channels/{}/messages/", topic.name);
    json!({
        "action": "send",
        "channel": { "$ref": format!("#/channels/{}", topic.name) },
        "messages": names(topic, published)
            .map(|name| json!({ "$ref": format!("{within}{name}") }))
            .collect::<Vec<_>>(),
    })
}

fn references(topic: &Topic, published: &[&Entry], within: &str) -> Map<String, Value> {
    names(topic, published)
        .map(|name| (name.to_owned(), json!({ "$ref": format!("{within}{name}") })))
        .collect()
}

/// The messages of a topic; what is compacted also has tombstones.
fn names(topic: &Topic, published: &[&Entry]) -> impl Iterator<Item = &'static str> {
    let published: Vec<&'static str> = published.iter().map(|entry| entry.event_type).collect();
    published.into_iter().chain(topic.compacted.then_some(TOMBSTONE))
}

fn tombstone() -> Value {
    json!({
        "name": TOMBSTONE,
        "title": TOMBSTONE,
        "summary": "No value: nothing more is to be known of this key, and the compacted topic forgets what was.",
        "traits": [{ "$ref": "#/components/messageTraits/cloudEvent" }],
        "payload": { "type": "null" },
    })
}

fn message(entry: &Entry) -> Value {
    let mut payload = entry.schema.clone();
    let summary = payload
        .get("description")
        .and_then(Value::as_str)
        .and_then(|text| text.split("\n\n").next())
        .unwrap_or_default()
        .replace('\n', " ");
    if let Some(schema) = payload.as_object_mut() {
        // Its own `$schema` is for the file that stands alone.
        schema.remove("$schema");
    }
    json!({
        "name": entry.event_type,
        "title": entry.event_type,
        "summary": summary,
        "contentType": "application/json",
        "traits": [{ "$ref": "#/components/messageTraits/cloudEvent" }],
        "payload": payload,
        "examples": entry
            .golden
            .iter()
            .filter_map(|text| serde_json::from_str::<Value>(text).ok())
            .map(|payload| json!({
                "headers": { "ce_type": entry.event_type, "ce_source": entry.source },
                "payload": payload
            }))
            .collect::<Vec<_>>(),
    })
}

fn trait_of_all() -> Value {
    json!({
        "headers": {
            "type": "object",
            "required": ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time"],
            "properties": {
                "ce_specversion": { "const": "1.0" },
                "ce_id": { "type": "string", "format": "uuid", "description": "UUID version 7; the same at every delivery" },
                "ce_type": { "type": "string" },
                "ce_source": { "type": "string", "format": "uri-reference" },
                "ce_subject": { "type": "string" },
                "ce_time": { "type": "string", "format": "date-time" },
                "content-type": { "const": "application/json" },
                "traceparent": { "type": "string", "description": "W3C Trace Context" }
            }
        }
    })
}
