//! The events as they are published: schemas, golden payloads, and what must
//! never be in them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use events::{catalogue, topics};
use serde_json::Value;

// topics and schemas are enough for a new consumer.
#[test]
fn golden_payloads_decode_and_fit_their_schema() {
    for entry in catalogue::all() {
        assert!(!entry.golden.is_empty(), "{} has no golden payload", entry.event_type);
        let validator = jsonschema::draft202012::new(&entry.schema).unwrap();
        for text in entry.golden {
            let published: Value = serde_json::from_str(text).unwrap();
            assert!(validator.is_valid(&published), "{}: {published}", entry.event_type);
            let again = (entry.round_trip)(text).unwrap();
            assert_eq!(again, published, "{} lost something", entry.event_type);
        }
    }
}

#[test]
fn every_golden_file_is_in_the_catalogue() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "json"))
        .count();
    let listed: usize = catalogue::all().iter().map(|entry| entry.golden.len()).sum();
    assert_eq!(files, listed);
}

#[test]
fn unknown_fields_are_ignored() {
    for entry in catalogue::all() {
        for text in entry.golden {
            let mut payload: Value = serde_json::from_str(text).unwrap();
            payload["somethingOfTheFuture"] = Value::from(1);
            assert!((entry.round_trip)(&payload.to_string()).is_ok(), "{}", entry.event_type);
        }
    }
}

#[test]
fn an_event_without_a_needed_field_is_refused() {
    for entry in catalogue::all() {
        let required = entry.schema["required"].as_array().cloned().unwrap_or_default();
        let full: Value = serde_json::from_str(entry.golden[0]).unwrap();
        for field in required {
            let mut payload = full.clone();
            payload.as_object_mut().unwrap().remove(field.as_str().unwrap());
            assert!(
                (entry.round_trip)(&payload.to_string()).is_err(),
                "{} without {field}",
                entry.event_type
            );
        }
    }
}

// R-32, CONTRACT "Personal data".
#[test]
fn personal_data_stays_where_it_is_needed() {
    for entry in catalogue::all() {
        let fields: BTreeSet<String> = entry.schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(|name| name.to_lowercase())
            .collect();
        assert!(!fields.iter().any(|name| name.contains("password") || name.contains("hash")));
        let allowed = entry.topic == topics::LOAN_AUTH || entry.topic == topics::LOAN_CUSTOMER;
        for personal in ["usermobile", "username", "userid", "useremail", "accountno"] {
            assert!(allowed || !fields.contains(personal), "{personal} in {}", entry.event_type);
        }
    }
}

#[test]
fn every_topic_has_a_dead_letter_twin_and_events() {
    let entries = catalogue::all();
    for topic in topics::ALL {
        assert_eq!(topic.dead_letters, format!("{}.dlq", topic.name));
        assert!(entries.iter().any(|entry| entry.topic == topic.name));
    }
    let names: BTreeSet<_> = entries.iter().map(|entry| entry.event_type).collect();
    assert_eq!(names.len(), entries.len(), "a type stands twice");
    assert!(entries.iter().all(|entry| topics::ALL.iter().any(|topic| topic.name == entry.topic)));
}

fn days(configuration: &topics::Configuration, name: &str) -> Option<u64> {
    let (_, value) = configuration.iter().find(|(found, _)| *found == name)?;
    Some(value.parse::<u64>().unwrap() / (24 * 60 * 60 * 1_000))
}

#[test]
fn every_topic_says_how_long_what_is_kept() {
    for topic in topics::ALL {
        let (own, twin) = (topic.configuration(), topic.dead_letters_configuration());
        let policy = if topic.compacted { "compact" } else { "delete" };
        assert!(own.contains(&("cleanup.policy", policy.to_owned())));
        assert!(twin.contains(&("cleanup.policy", "delete".to_owned())));
        assert_eq!(days(&own, "retention.ms").is_none(), topic.compacted);
        assert_eq!(days(&own, "delete.retention.ms").is_some(), topic.compacted);
        let letters = days(&twin, "retention.ms").unwrap();
        assert!(letters > days(&own, "retention.ms").unwrap_or_default());
        // Kafka reads these as a signed number of 64 bits; what is missing it fills in.
        assert!(own.iter().chain(&twin).all(|(name, value)| {
            *name == "cleanup.policy" || value.parse::<i64>().is_ok_and(|ms| ms > 0)
        }));
    }
    assert_eq!(topics::declared().len(), 2 * topics::ALL.len());
}

// An event that is delivered after its claim has gone would be worked on twice.
#[test]
fn an_inbox_remembers_longer_than_anything_is_delivered() {
    let kept = common::outbox::RelaySettings::default();
    let longest = topics::ALL
        .iter()
        .filter_map(|topic| {
            let configuration = topic.configuration();
            let segment = days(&configuration, "segment.ms")?;
            Some(days(&configuration, "retention.ms")? + segment)
        })
        .max();
    assert_eq!(longest, Some(topics::REDELIVERED_DAYS_MAX));
    assert!(u64::from(kept.inbox_keep_hours) > topics::REDELIVERED_DAYS_MAX * 24);
    // A client repeats a request within a day, and the events of its first run can
    // be looked up for longer.
    let repeated_hours = u32::try_from(common::idempotency::KEPT_HOURS).unwrap();
    assert!(kept.outbox_keep_hours > repeated_hours);
}
