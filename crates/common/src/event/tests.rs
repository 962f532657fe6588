#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rdkafka::message::{OwnedMessage, Timestamp};
use serde::Deserialize;
use time::macros::datetime;

use super::*;

#[derive(Serialize, Deserialize)]
struct Noted {
    text: String,
}

impl Event for Noted {
    const TYPE: &'static str = "Noted";
    const TOPIC: &'static str = "test.notes";
    const SOURCE: &'static str = "/test";

    fn key(&self) -> String {
        "key".to_owned()
    }

    fn subject(&self) -> String {
        "subject".to_owned()
    }
}

fn clock() -> Clock {
    Clock::fixed(datetime!(2026-11-21 08:00:00.123456 UTC))
}

fn message(event: &NewEvent, headers: OwnedHeaders) -> OwnedMessage {
    let payload = event.payload.clone().map(String::into_bytes);
    let key = Some(event.key.clone().into_bytes());
    let topic = event.topic.to_owned();
    OwnedMessage::new(payload, key, topic, Timestamp::NotAvailable, 0, 0, Some(headers))
}

fn headers(event: &NewEvent, traceparent: Option<&str>) -> OwnedHeaders {
    let NewEvent { id, event_type, source, time, .. } = *event;
    Attributes { id, event_type, source, subject: &event.subject, time, traceparent }.headers()
}

/// The headers without one of them, or with another value in it.
fn changed(headers: &OwnedHeaders, name: &str, value: Option<&[u8]>) -> OwnedHeaders {
    let mut changed = OwnedHeaders::new();
    for found in headers.iter() {
        if found.key != name {
            changed = changed.insert(found);
        } else if let Some(value) = value {
            changed = changed.insert(Header { key: name, value: Some(value) });
        }
    }
    changed
}

#[test]
fn what_is_sent_is_what_is_read() {
    let event = NewEvent::of(&Noted { text: "유은상".to_owned() }, &clock());
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let read =
        ReceivedEvent::from_message(&message(&event, headers(&event, Some(traceparent)))).unwrap();
    let expected =
        ReceivedEvent { traceparent: Some(traceparent.to_owned()), ..ReceivedEvent::from(event) };
    assert_eq!(read, expected);
    assert_eq!(read.time, datetime!(2026-11-21 08:00:00.123456 UTC));
}

#[test]
fn the_headers_are_those_of_cloudevents() {
    let event = NewEvent::of(&Noted { text: String::new() }, &clock());
    let id = event.id.to_string();
    let headers = headers(&event, None);
    let all: Vec<_> = headers
        .iter()
        .map(|found| (found.key, std::str::from_utf8(found.value.unwrap()).unwrap()))
        .collect();
    assert_eq!(
        all,
        [
            ("ce_specversion", "1.0"),
            ("ce_id", id.as_str()),
            ("ce_type", "Noted"),
            ("ce_source", "/test"),
            ("ce_subject", "subject"),
            ("ce_time", "2026-11-21T08:00:00.123456Z"),
            ("content-type", "application/json"),
        ]
    );
}

#[test]
fn a_tombstone_has_a_key_and_no_payload() {
    let event = NewEvent::tombstone::<Noted>("gone".to_owned(), &clock());
    let read = ReceivedEvent::from_message(&message(&event, headers(&event, None))).unwrap();
    assert_eq!((read.key.as_deref(), read.payload), (Some("gone"), None));
    assert_eq!(read.event_type, TOMBSTONE);
}

#[test]
fn a_message_without_a_readable_envelope_is_no_event() {
    let event = NewEvent::of(&Noted { text: String::new() }, &clock());
    let good = headers(&event, None);
    for name in [header::SPEC_VERSION, header::ID, header::TYPE, header::SOURCE, header::TIME] {
        let read = ReceivedEvent::from_message(&message(&event, changed(&good, name, None)));
        assert_eq!(read.unwrap_err(), Malformed::Missing(name));
        for value in [&b""[..], b"\xff"] {
            let bad = changed(&good, name, Some(value));
            let read = ReceivedEvent::from_message(&message(&event, bad));
            assert_eq!(read.unwrap_err(), Malformed::Unreadable(name));
        }
    }
    for (name, value) in
        [(header::SPEC_VERSION, "0.3"), (header::ID, "17"), (header::TIME, "yesterday")]
    {
        let bad = changed(&good, name, Some(value.as_bytes()));
        let read = ReceivedEvent::from_message(&message(&event, bad));
        assert_eq!(read.unwrap_err(), Malformed::Unreadable(name));
    }
    // A subject is optional.
    let without = changed(&good, header::SUBJECT, None);
    let read = ReceivedEvent::from_message(&message(&event, without)).unwrap();
    assert_eq!(read.subject, "");
}
