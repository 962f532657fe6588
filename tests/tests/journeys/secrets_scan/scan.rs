//! Everything that a system has written anywhere, as text with its place.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use journeys::harness::{Journey, SCHEMAS};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row as _};

use super::play::Play;
use crate::by_hand;
use crate::contract::Findings;

/// How much of a place is shown around what was found there.
const CONTEXT_CHARS: usize = 60;

/// Where a text stood.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Topic(&'static str),
    Table { schema: String, table: String, column: String },
    Log(String),
    Figures(String),
    Answer { status: u16, method: String, path: String },
    CommandLine(String),
}

/// What is looked for, which decides where it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nowhere.
    Secret,
    /// In the answer that gave it.
    Token,
    /// In the one column that is there for it.
    Hash,
    /// CONTRACT, personal data.
    Mobile,
    /// The number of a request, which loan-messenger does not know.
    RequestMobile,
    Name,
    Login,
    /// Where mail is sent from, and where it is kept.
    Email,
}

/// Something to look for, in every spelling that it could have got on the way.
pub(super) struct Needle {
    what: &'static str,
    kind: Kind,
    spellings: BTreeSet<String>,
}

impl Needle {
    pub(super) fn new(what: &'static str, kind: Kind, text: &str) -> Self {
        assert!(text.len() >= 6, "{what} is too short to look for: {text:?}");
        let mut spellings = BTreeSet::from([text.to_owned(), in_percent(text), in_escapes(text)]);
        if kind != Kind::Token {
            spellings.extend([in_hex(text)]);
            spellings.extend(in_base64(text));
        }
        Self { what, kind, spellings }
    }

    /// One that is too short to be looked for by itself: as a value.
    pub(super) fn quoted(what: &'static str, text: &str) -> Self {
        let spellings = [
            format!("\"{text}\""),
            format!("\\\"{text}\\\""),
            format!("'{text}'"),
            format!("={text}&"),
            format!("password={text}"),
            format!("assword: {text}"),
            format!(":{text}@"),
        ];
        Self { what, kind: Kind::Secret, spellings: spellings.into() }
    }
}

fn in_percent(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn in_escapes(text: &str) -> String {
    let mut escaped = String::new();
    for unit in text.encode_utf16() {
        match char::from_u32(u32::from(unit)).filter(char::is_ascii) {
            Some(character) => escaped.push(character),
            None => drop(write!(escaped, "\\u{unit:04x}")),
        }
    }
    escaped
}

fn in_hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// As part of something longer: the middle of it, at each of the three places
/// where base64 can begin.
fn in_base64(text: &str) -> Vec<String> {
    let at = |before: usize| {
        let bytes = [&vec![b' '; before], text.as_bytes()].concat();
        let encoded = BASE64_STANDARD_NO_PAD.encode(&bytes);
        let first = before * 8;
        // Whole characters of the text alone: without what its neighbours share.
        encoded[first.div_ceil(6)..bytes.len() * 8 / 6].to_owned()
    };
    (0..3).map(at).filter(|part| part.len() >= 10).collect()
}

/// All of it.
pub(super) struct Scan(Vec<(Place, String)>);

impl Scan {
    pub(super) async fn of(journey: &mut Journey, play: &Play) -> Result<Self> {
        let mut texts = Vec::new();
        for topic in events::topics::ALL.iter().flat_map(|topic| [topic.name, topic.dead_letters]) {
            for message in by_hand::read(journey.stack.bootstrap(), topic).await? {
                texts.push((Place::Topic(topic), format!("{message:?}")));
                texts.push((Place::Topic(topic), message.value.unwrap_or_default()));
            }
        }
        texts.extend(tables(journey).await?);
        for (process, log) in journey.stack.logs() {
            texts.push((Place::Log(process), log));
        }
        let server = journey.stack.postgres_mut().process_mut().log_path().to_owned();
        texts.push((Place::Log("postgres".into()), std::fs::read_to_string(server)?));
        for service in journey.stack.services() {
            let name = service.service().to_string();
            let figures = format!("{}/metrics", service.admin_url());
            let figures = journey.client.get(&figures, "").await?.expect(200)?;
            texts.push((Place::Figures(name.clone()), figures.text));
            // Where the system shows what a process was started with, everybody sees it.
            if let Ok(line) = std::fs::read(format!("/proc/{}/cmdline", service.pid())) {
                texts.push((Place::CommandLine(name), String::from_utf8_lossy(&line).into_owned()));
            }
        }
        for answer in &play.answers {
            let place = Place::Answer {
                status: answer.status,
                method: answer.method.clone(),
                path: answer.path.clone(),
            };
            // A problem names the address that it was met at, to whoever asked it.
            let instance = format!("\"instance\":\"{}\"", answer.path);
            texts.push((place, answer.text.replace(&instance, "")));
        }
        Ok(Self(texts))
    }

    /// That every place was really looked at.
    pub(super) fn has_seen_everything(&self, findings: &mut Findings) {
        let lines = |wanted: fn(&Place) -> bool| {
            self.0.iter().filter(|(place, text)| wanted(place) && text.len() > 1).count()
        };
        for topic in events::topics::ALL {
            let seen = self.0.iter().any(|(place, _)| *place == Place::Topic(topic.name));
            findings.check(seen, || format!("nothing was on {}", topic.name));
        }
        for schema in SCHEMAS {
            let is_it =
                |place: &Place| matches!(place, Place::Table { schema: own, .. } if own == schema);
            let seen = self.0.iter().filter(|(place, _)| is_it(place)).count();
            findings.check(seen > 20, || format!("{seen} values were in {schema}"));
        }
        let counts = [
            ("logs", lines(|place| matches!(place, Place::Log(_))), 7),
            ("figures", lines(|place| matches!(place, Place::Figures(_))), 6),
            ("answers", lines(|place| matches!(place, Place::Answer { .. })), 60),
        ];
        for (what, seen, at_least) in counts {
            findings.check(seen >= at_least, || format!("only {seen} {what} were looked at"));
        }
        let debug = |(place, text): &&(Place, String)| {
            matches!(place, Place::Log(_)) && text.contains("\"level\":\"DEBUG\"")
        };
        let talkative = self.0.iter().filter(debug).count();
        findings.check(talkative >= 5, || format!("only {talkative} logs are talkative"));
    }

    pub(super) fn look_for(&self, needle: &Needle, findings: &mut Findings) {
        let mut is_where_it_may = false;
        let mut told = BTreeSet::new();
        for (place, text) in &self.0 {
            for spelling in &needle.spellings {
                let Some(at) = text.find(spelling.as_str()) else { continue };
                if may_be(needle.kind, place) {
                    is_where_it_may = true;
                } else if told.insert(place) {
                    let what = needle.what;
                    findings
                        .check(false, || format!("{what} is in {place:?}: …{}…", around(text, at)));
                }
            }
        }
        // What has a place and is not even there was not played, or is spelled otherwise.
        let has_a_place = !matches!(needle.kind, Kind::Secret | Kind::Email);
        findings.check(is_where_it_may || !has_a_place, || format!("{} is nowhere", needle.what));
    }
}

fn around(text: &str, at: usize) -> String {
    let before: Vec<char> = text[..at].chars().rev().take(CONTEXT_CHARS).collect();
    before.iter().rev().copied().chain(text[at..].chars().take(CONTEXT_CHARS * 2)).collect()
}

/// CONTRACT, "Personal data": the whole of it, as a table.
fn may_be(kind: Kind, place: &Place) -> bool {
    match place {
        // Neither in logs, nor in figures, whatever it is.
        Place::Log(_) | Place::Figures(_) | Place::CommandLine(_) => false,
        Place::Topic(topic) => match kind {
            Kind::Mobile | Kind::Name | Kind::Login => {
                ["loan.auth", "loan.customer"].contains(topic)
            }
            Kind::RequestMobile => *topic == "loan.auth",
            Kind::Email => *topic == "loan.customer",
            Kind::Secret | Kind::Token | Kind::Hash => false,
        },
        Place::Table { schema, table, column } => {
            // What waits to be sent, or was sent, is what the topic may hold.
            let is_public = table == "outbox" && schema != "loan_auth";
            let schemas: &[&str] = match kind {
                Kind::Hash => {
                    return (schema == "loan_auth" && table == "person")
                        && column == "password_hash";
                }
                Kind::Secret | Kind::Token => &[],
                Kind::RequestMobile => &["loan_auth", "loan_request", "loan_manager"],
                Kind::Mobile | Kind::Name | Kind::Login => {
                    &["loan_auth", "loan_request", "loan_manager", "loan_messenger"]
                }
                Kind::Email => &["loan_auth", "loan_messenger"],
            };
            schemas.contains(&schema.as_str()) && !is_public
        }
        // A failure repeats nothing; what is right is shown to whose it is.
        Place::Answer { status, .. } if *status >= 400 => false,
        Place::Answer { path, .. } => {
            let below = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
            match kind {
                Kind::Secret | Kind::Hash => false,
                Kind::Token => path == "/auth/token",
                Kind::Mobile | Kind::RequestMobile | Kind::Name => {
                    below(&["/customers", "/loanRequests", "/loanManagers"])
                }
                Kind::Login => {
                    // In a token it is what the token says.
                    below(&[
                        "/customers",
                        "/loanRequests",
                        "/loanManagers",
                        "/loanAuths",
                        "/auth/token",
                    ])
                }
                Kind::Email => below(&["/customers"]),
            }
        }
    }
}

/// Every value of every column of every table that is not the server's own.
async fn tables(journey: &Journey) -> Result<Vec<(Place, String)>> {
    let named = sqlx::query(
        "SELECT schemaname::text, tablename::text FROM pg_tables
         WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    );
    let mut values = Vec::new();
    for row in named.fetch_all(&journey.db).await? {
        let (schema, table): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let statement = format!("SELECT to_jsonb(t) FROM {schema}.{table} t");
        let rows: Vec<Value> =
            sqlx::query_scalar(AssertSqlSafe(statement)).fetch_all(&journey.db).await?;
        for (column, value) in rows.iter().filter_map(Value::as_object).flatten() {
            let place = Place::Table {
                schema: schema.clone(),
                table: table.clone(),
                column: column.clone(),
            };
            values.push((place.clone(), value.to_string()));
            // A text that holds JSON is read twice, as its reader will.
            if let Some(text) = value.as_str() {
                values.push((place, text.to_owned()));
            }
        }
    }
    Ok(values)
}
