//! A dead letter.

use std::fmt;
use std::str::FromStr;

use common::consumer::dead_letter::{self, header};
use common::event::header as event_header;
use rdkafka::message::{Headers as _, Message, OwnedHeaders, OwnedMessage};
use serde_json::{Value, json};
use uuid::Uuid;

/// Where a letter lies, which is its name: `TOPIC/PARTITION/OFFSET`, the topic being
/// the one that its message came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The topic whose twin it lies in.
    pub(super) topic: String,
    /// The partition of the twin.
    pub(super) partition: i32,
    /// The offset there.
    pub(super) offset: i64,
}

impl Place {
    /// The topic that it lies in.
    pub(super) fn dead_letters(&self) -> String {
        dead_letter::topic_of(&self.topic)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "must be TOPIC/PARTITION/OFFSET, as `dlq list` names it".to_owned();
        let mut parts = text.split('/');
        let place = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(topic), Some(partition), Some(offset), None) => Self {
                topic: topic.to_owned(),
                partition: partition.parse().map_err(|_| wrong())?,
                offset: offset.parse().map_err(|_| wrong())?,
            },
            _ => return Err(wrong()),
        };
        // Nothing but our own topics is ever written to.
        if events::topics::ALL.iter().any(|topic| topic.name == place.topic) {
            Ok(place)
        } else {
            Err(format!("there is no topic {}", place.topic.escape_debug()))
        }
    }
}

/// A letter that lies open.
pub(super) struct Letter {
    pub(super) place: Place,
    pub(super) message: OwnedMessage,
}

impl Letter {
    /// The consumer group that could not work on it.
    pub(super) fn group(&self) -> &str {
        self.header(header::GROUP)
    }

    /// The event's id, if it is an event.
    pub(super) fn event_id(&self) -> Option<Uuid> {
        self.header(event_header::ID).parse().ok()
    }

    pub(super) fn key(&self) -> String {
        String::from_utf8_lossy(self.message.key().unwrap_or_default()).into_owned()
    }

    pub(super) fn payload(&self) -> String {
        String::from_utf8_lossy(self.message.payload().unwrap_or_default()).into_owned()
    }

    pub(super) fn own_headers(&self) -> Option<&OwnedHeaders> {
        self.message.headers()
    }

    /// Every header as text.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, String)> {
        self.message.headers().into_iter().flat_map(|headers| headers.iter()).map(|one| {
            let value = String::from_utf8_lossy(one.value.unwrap_or_default());
            (one.key, value.escape_debug().to_string())
        })
    }

    /// One line, without anything of the content.
    pub(super) fn to_line(&self) -> String {
        let of = |name| match self.header(name) {
            "" => "-",
            text => text,
        };
        format!(
            "{:<24}  {}  {:<15}  {:<22}  {}  attempts {}: {}",
            self.place.to_string(),
            of(header::AT),
            of(header::GROUP),
            of(event_header::TYPE).escape_debug().to_string(),
            of(event_header::ID).escape_debug(),
            of(header::ATTEMPTS),
            of(header::REASON).escape_debug(),
        )
    }

    /// The same for programs.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "id": self.place.to_string(),
            "topic": self.place.topic,
            "group": self.header(header::GROUP),
            "eventId": self.header(event_header::ID),
            "eventType": self.header(event_header::TYPE),
            "subject": self.header(event_header::SUBJECT),
            "reason": self.header(header::REASON),
            "attempts": self.header(header::ATTEMPTS).parse::<u32>().ok(),
            "setAsideAt": self.header(header::AT),
            "partition": self.header(header::PARTITION).parse::<i32>().ok(),
            "offset": self.header(header::OFFSET).parse::<i64>().ok(),
        })
    }

    fn header(&self, name: &str) -> &str {
        let headers = self.message.headers();
        let found = headers.and_then(|headers| headers.iter().find(|one| one.key == name));
        let value = found.and_then(|one| one.value).unwrap_or_default();
        std::str::from_utf8(value).unwrap_or_default()
    }
}

/// The offset that a marker closes, if this is a marker.
pub(super) fn closes(message: &impl Message) -> Option<i64> {
    let found = message.headers()?.iter().find(|one| one.key == header::HANDLED)?;
    std::str::from_utf8(found.value?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rdkafka::Timestamp;
    use rdkafka::message::Header;

    use super::*;

    fn letter(headers: &[(&str, &str)], payload: &str) -> Letter {
        let headers = headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(*value) })
        });
        let message = OwnedMessage::new(
            Some(payload.as_bytes().to_vec()),
            Some(b"key".to_vec()),
            "loan.auth.dlq".to_owned(),
            Timestamp::NotAvailable,
            1,
            7,
            Some(headers),
        );
        let place = Place { topic: "loan.auth".to_owned(), partition: 1, offset: 7 };
        Letter { place, message }
    }

    #[test]
    fn a_letter_is_named_by_its_place() {
        let place: Place = "loan.manager/0/12".parse().unwrap();
        assert_eq!(place, Place { topic: "loan.manager".to_owned(), partition: 0, offset: 12 });
        assert_eq!(place.to_string(), "loan.manager/0/12");
        assert_eq!(place.dead_letters(), "loan.manager.dlq");
        for wrong in [
            "",
            "loan.manager",
            "loan.manager/0",
            "loan.manager/0/x",
            "loan.manager/0/1/2",
            "other/0/1",
        ] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_listed_shows_nothing_of_the_content() {
        let headers = [("dlq_group", "loan-manager"), ("dlq_reason", "no"), ("ce_id", "x\u{7}")];
        let letter = letter(&headers, "유은상 010-1234");
        for shown in [letter.to_line(), letter.to_json().to_string()] {
            assert!(shown.contains("loan-manager") && shown.contains("no"), "{shown}");
            assert!(!shown.contains("유은상") && !shown.contains("010"), "{shown}");
            assert!(!shown.contains('\u{7}'), "nothing rings on the terminal");
        }
        assert_eq!(letter.event_id(), None);
    }

    #[test]
    fn a_marker_names_the_letter_that_it_closes() {
        assert_eq!(closes(&letter(&[("dlq_handled", "7")], "").message), Some(7));
        assert_eq!(closes(&letter(&[("dlq_group", "7")], "").message), None);
        assert_eq!(closes(&letter(&[("dlq_handled", "x")], "").message), None);
    }
}
