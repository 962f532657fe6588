//! Query strings and paths that no link of ours leads to, at every list.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use journeys::harness::Journey;

use super::says_what_is_wrong;
use crate::contract::{Contract, Findings, Operation, service_of};
use crate::scene::{Scene, doors};

/// Wrong values, by the parameter; each is 400 and names it.
const WRONG: &[(&str, &[&str])] = &[
    (
        "page",
        &[
            "-1",
            "1e3",
            "1.0",
            "x",
            "９",
            "%00",
            "+1",
            "%201",
            "99999999999999999999",
            "9223372036854775807",
            "501",
        ],
    ),
    ("size", &["0", "-1", "201", "1e1", "x", "%EF%BC%91", "99999999999999999999", "4294967297"]),
    (
        "sort",
        &[
            "drop",
            "id;drop",
            "customerId",
            "submittedAt,sideways",
            "id,,",
            "(SELECT 1)",
            "%00",
            "1",
        ],
    ),
    (
        "loanId",
        &["x", "1", "%00", "%27%20OR%201=1", "0199f000-0000-7000-8000-00000000000", "..%2f"],
    ),
    ("customerId", &["x", "me", "%00", "*", "1@sk.com"]),
    ("loanStatus", &["99", "6", "%2C", "00,99", "%27", "심사진행", "00;01"]),
    ("requestId", &["03", "1", "%00", "apply"]),
    ("minVersion", &["x", "1", "%00", "%ff", "..%2f", "AAAA", "%27%20OR%201=1"]),
];

/// Whole query strings that are none.
const BROKEN: &[&str] = &["page=1&page=2", "size=5&size=5", "page[]=1&page[]=2&page=1&page=x"];

/// Query strings that are odd, and mean what they say.
const HARMLESS: &[&str] = &[
    "",
    "&",
    "=",
    "&&&",
    "page=",
    "size=",
    "sort=",
    "cursor=",
    "unknown=1",
    "a=%27",
    "%00=1",
    "page=0&utm_source=x",
];

/// What a cursor may hold that was made by somebody else: base64url of these.
const CURSORS: &[&str] = &[
    "",
    "x",
    "{}",
    "[]",
    "null",
    "true",
    "\"\"",
    "\"x\"",
    "1e400",
    "1.5",
    "{\"id\":1}",
    "[1,2,3]",
    "{\"receivedAt\":\"x\",\"id\":\"x\"}",
    "\"' OR 1=1 --\"",
    "{\"received_at\":1,\"id\":2}",
    "{\"decided_at\":\"0000-01-01T00:00:00Z\"}",
    "99999999999999999999999",
];

/// What a cursor may hold that fits, and leads nowhere that is not one's own.
const FAR: &[&str] = &[
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "\"00000000-0000-0000-0000-000000000000\"",
    "\"ffffffff-ffff-ffff-ffff-ffffffffffff\"",
    "{\"received_at\":\"0000-01-01T00:00:00Z\",\"id\":\"00000000-0000-0000-0000-000000000000\"}",
    "{\"received_at\":\"9999-12-31T23:59:59.999999999Z\",\"id\":\"ffffffff-ffff-ffff-ffff-ffffffffffff\"}",
    "{\"decided_at\":\"0000-01-01T00:00:00Z\",\"loan_request_id\":\"00000000-0000-0000-0000-000000000000\"}",
    "{\"decided_at\":\"9999-12-31T23:59:59-23:59\",\"loan_request_id\":\"ffffffff-ffff-ffff-ffff-ffffffffffff\"}",
    "{\"decidedAt\":\"9999-12-31T23:59:59-23:59\",\"loanRequestId\":\"ffffffff-ffff-ffff-ffff-ffffffffffff\"}",
];

pub(super) async fn are_refused(
    journey: &Journey,
    scene: &Scene,
    contract: &Contract,
    findings: &mut Findings,
) -> Result<()> {
    for operation in contract.operations() {
        if operation.method != "get" {
            continue;
        }
        let names = operation.query_names();
        for name in &names {
            let is_known = name == "cursor" || WRONG.iter().any(|(known, _)| known == name);
            findings.check(is_known, || format!("{name} of {} is not tried", operation.id));
        }
        paths(journey, scene, &operation, findings).await?;
        if names.is_empty() {
            continue;
        }
        lists(journey, scene, &operation, &names, findings).await?;
    }
    Ok(())
}

fn token_for<'a>(scene: &'a Scene, operation: &Operation<'_>) -> &'a str {
    if operation.path.starts_with("/loanManagers") { &scene.officer } else { &scene.owner.token }
}

async fn lists(
    journey: &Journey,
    scene: &Scene,
    operation: &Operation<'_>,
    names: &[String],
    findings: &mut Findings,
) -> Result<()> {
    let token = token_for(scene, operation);
    let is_stream = operation.path.ends_with("/stream");
    let mut asked: Vec<(String, &[u16], &str)> = Vec::new();
    for (name, values) in WRONG.iter().filter(|(name, _)| names.iter().any(|own| own == name)) {
        let of = |value: &&str| (format!("{name}={value}"), &[400_u16][..], *name);
        asked.extend(values.iter().map(of));
    }
    if names.iter().any(|name| name == "cursor") {
        for text in CURSORS {
            let cursor = BASE64_URL_SAFE_NO_PAD.encode(text);
            // An empty one is none.
            let wanted: &[u16] = if text.is_empty() { &[200] } else { &[400] };
            asked.push((format!("cursor={cursor}"), wanted, "cursor"));
        }
        for cursor in ["x", "%00", "a b", "AAAA====", "%ff", &"A".repeat(2_000), "../..", "eyJ"] {
            asked.push((format!("cursor={cursor}"), &[400], "cursor"));
        }
        for text in FAR {
            asked.push((
                format!("cursor={}", BASE64_URL_SAFE_NO_PAD.encode(text)),
                &[200, 400],
                "cursor",
            ));
        }
        asked.extend(BROKEN.iter().map(|query| ((*query).to_owned(), &[400_u16][..], "")));
        asked.push(("page=51&size=200".to_owned(), &[400], "page"));
        asked.push(("page=50&size=200".to_owned(), &[200], ""));
    }
    if !is_stream {
        asked.extend(HARMLESS.iter().map(|query| ((*query).to_owned(), &[200_u16][..], "")));
    }
    let service = service_of(&operation.method(), operation.path).context("a service")?;
    for (door, client) in doors(journey, service)? {
        for (query, wanted, name) in &asked {
            let path = format!("{}?{query}", operation.path.replace("{loanId}", &scene.loan));
            let answer = client.get(&path, token).await?;
            let names_it = || {
                let field = answer.json()["errors"][0]["field"].clone();
                field == *name || field == ""
            };
            let is_right = wanted.contains(&answer.status)
                && (answer.status != 400
                    || answer.json()["code"] == "invalid-query"
                        && says_what_is_wrong(&answer, false)
                        && names_it());
            findings.check(is_right, || {
                format!(
                    "{path} at {door}: {} instead of {wanted:?}: {}",
                    answer.status, answer.text
                )
            });
        }
    }
    Ok(())
}

/// Where an id belongs, something else: there is nothing there.
async fn paths(
    journey: &Journey,
    scene: &Scene,
    operation: &Operation<'_>,
    findings: &mut Findings,
) -> Result<()> {
    let Some((before, rest)) = operation.path.split_once('{') else { return Ok(()) };
    let after = rest.split_once('}').context("a parameter ends")?.1;
    let service = service_of(&operation.method(), operation.path).context("a service")?;
    for (door, client) in doors(journey, service)? {
        for value in [
            "x",
            "0",
            "-1",
            "%00",
            "%ff",
            "%27%20OR%201=1",
            "null",
            "undefined",
            "..%2f..%2fetc",
            "%0d%0aX:1",
            "0199f000-0000-7000-8000-00000000000g",
            "{id}",
            "*",
            "1@sk.com",
            &"a".repeat(5_000),
        ] {
            let path = format!("{before}{value}{after}");
            let answer = client.get(&path, token_for(scene, operation)).await?;
            let is_right = answer.status == 404 && says_what_is_wrong(&answer, false);
            findings
                .check(is_right, || format!("{path} at {door}: {} {}", answer.status, answer.text));
        }
    }
    Ok(())
}
