//! Values that do not belong into a field, in every field of every body.

use anyhow::Result;
use journeys::client::id_of;
use journeys::harness::Journey;
use reqwest::Method;
use serde_json::{Value, json};

use super::Tried;
use crate::contract::Findings;
use crate::scene::Scene;

/// Numbers at the edges, as they are written: JSON has numbers that no type has.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "1e3",
    "1E3",
    "100.0",
    "0.1",
    "1e-1",
    "1000000000001",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "-9223372036854775809",
    "1e400",
    "-1e400",
    "100000000000000000000000000000000000000000",
];

/// Texts that are wrong as an amount, a code, an id, and as nearly anything.
const TEXTS: &[&str] = &[
    "",
    " ",
    "\u{0}",
    "a\u{0}b",
    "a\r\nSet-Cookie: mine=1",
    "a\nb",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "'; DROP TABLE loan_request; --",
    "' OR '1'='1",
    "$1",
    "%00",
    "../../etc/passwd",
    "${jndi:ldap://x/y}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "\u{202e}evil",
    "\u{feff}",
    "zero\u{200b}width",
    "soft\u{ad}hyphen",
    "turned\u{2067}around",
    "filled\u{3164}up",
    "null",
    "true",
];

/// Of these characters those that are not seen, or turn the text around: no field
/// takes them.
const HIDDEN: [char; 6] = ['\u{202e}', '\u{feff}', '\u{200b}', '\u{ad}', '\u{2067}', '\u{3164}'];

/// Amounts that look like one.
const AMOUNTS: &[&str] = &[
    "007",
    "+1",
    "-1",
    "1 ",
    " 1",
    "1_000",
    "1,000",
    "1e3",
    "100.0",
    "0",
    "1000000000001",
    "９",
    "٣",
    "0x10",
    "9223372036854775808",
    "99999999999999999999999999999999",
];

/// Fields that mean something in a repayment only.
const OF_A_REPAYMENT: &[&str] = &["loanId", "loanRequestId"];

/// Fields that prove somebody: what is wrong in them is a wrong proof.
const PROOFS: &[&str] =
    &["userId", "userPassword", "oldPassword", "username", "password", "refresh_token", "token"];

/// Fields that are free text: what is odd in them may be right.
const FREE: &[&str] =
    &["requestName", "userName", "admComment", "accountNo", "userMobile", "userEmail"];

pub(super) async fn are_refused(tried: &Tried<'_>, findings: &mut Findings) -> Result<()> {
    for field in tried.operation.body_fields() {
        types(tried, field, findings).await?;
        let is_free = FREE.contains(&field) || PROOFS.contains(&field);
        for text in TEXTS {
            let is_absent = text.is_empty() && OF_A_REPAYMENT.contains(&field);
            if is_absent || is_free && is_harmless(tried, field, text) {
                continue;
            }
            with(tried, field, &Value::from(*text).to_string(), findings).await?;
        }
        if field == "amountOfMoney" {
            for text in AMOUNTS {
                with(tried, field, &Value::from(*text).to_string(), findings).await?;
            }
        }
        for number in NUMBERS {
            with(tried, field, number, findings).await?;
        }
        if !PROOFS.contains(&field) {
            with(tried, field, &Value::from("x".repeat(20_000)).to_string(), findings).await?;
        }
    }
    Ok(())
}

async fn types(tried: &Tried<'_>, field: &str, findings: &mut Findings) -> Result<()> {
    for value in [json!(true), json!([]), json!({}), json!([1]), json!({ "a": 1 })] {
        if field == "optOut" && value == json!([]) {
            continue; // Nothing is left out.
        }
        with(tried, field, &value.to_string(), findings).await?;
    }
    Ok(())
}

/// Texts that a person may well write into a field that is theirs, and those that
/// a proof may be guessed with (guesses have a journey of their own).
fn is_harmless(tried: &Tried<'_>, field: &str, text: &str) -> bool {
    if text.is_empty() || PROOFS.contains(&field) {
        return true;
    }
    if text.contains(HIDDEN) {
        return false;
    }
    let is_line = !text.trim().is_empty() && !text.chars().any(char::is_control);
    match field {
        // Several lines, or none.
        "admComment" => {
            text.trim().is_empty()
                || text.chars().all(|one| !one.is_control() || "\r\n".contains(one))
        }
        // The inner call passes on what loan-request has checked.
        "accountNo" | "userMobile" if tried.target.inner => is_line,
        "accountNo" => text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "userMobile" | "userEmail" => false,
        _ => is_line,
    }
}

/// The right body with another value in a field: refused with the field's name, or
/// not looked at because the field means nothing here; never an error of ours.
async fn with(tried: &Tried<'_>, field: &str, value: &str, findings: &mut Findings) -> Result<()> {
    let mut body = tried.target.right.clone();
    body[field] = json!("\u{1}");
    if OF_A_REPAYMENT.contains(&field) {
        // In an application it is an unknown field.
        body["requestId"] = json!("02");
    }
    let body = body.to_string().replace("\"\\u0001\"", value);
    let request = tried.request().header("Content-Type", "application/json").body(body);
    let what = format!("{field} = {}", value.chars().take(60).collect::<String>());
    let wanted: &[u16] = if tried.target.is_oauth() { &[400] } else { &[422] };
    let answer = tried.check(&what, request, wanted, findings).await?;
    findings.check(answer.headers.get("set-cookie").is_none(), || {
        format!("{what}: a header came of it")
    });
    if answer.status == 422 {
        let json = answer.json();
        // Of a list it may be one element.
        let names = |error: &Value| {
            error["field"].as_str().and_then(|named| named.split('[').next()) == Some(field)
        };
        let named = json["errors"].as_array().is_some_and(|errors| errors.iter().any(names));
        findings.check(named, || format!("{what} to {}: {}", tried.target.operation, answer.text));
    }
    Ok(())
}

/// Names that look like statements, scripts and headers are names.
pub(super) async fn are_kept(
    journey: &Journey,
    scene: &Scene,
    findings: &mut Findings,
) -> Result<()> {
    let client = &journey.client;
    let tables = journey.count("SELECT count(*) FROM pg_tables").await?;
    let odd = [
        "'); DROP TABLE loan_request; --",
        "' OR '1'='1",
        "$1",
        "%s%n",
        "\\'; --",
        "<b>&amp;</b>",
        "{{7*7}}",
        "${jndi:ldap://x/y}",
        "유은상 \"의\" 대출",
        "🏦🇰🇷",
        "e\u{301}",
        "👩\u{200d}💻 ❤\u{fe0f}",
        "null",
        "0",
        &"가".repeat(100),
    ];
    for name in odd {
        let mut body =
            json!({ "requestId": "01", "requestName": name, "amountOfMoney": "1000000000000" });
        let answer = client.post("/loanRequests", &scene.owner.token, &body).await?.expect(201)?;
        let id = id_of(answer.header("location"))?;
        findings.check(answer.json()["requestName"] == name, || {
            format!("{name:?} became {}", answer.text)
        });
        findings
            .check(answer.json()["amountOfMoney"] == 1_000_000_000_000_i64, || answer.text.clone());
        // Through the events, into every schema.
        let path = format!("/loanStatus/loans/{id}");
        let shown = client
            .wait_for(&path, &scene.owner.token, journeys::harness::SEEN_WITHIN, |answer| {
                answer.status == 200
            })
            .await?;
        findings.check(shown.json()["requestName"] == name, || {
            format!("{name:?} became {}", shown.text)
        });
        journey.waits(&scene.officer, &id).await?;
        let item = client.get(&format!("/loanManagers/{id}"), &scene.officer).await?;
        findings
            .check(item.json()["requestName"] == name, || format!("{name:?} became {}", item.text));
        body["requestId"] = json!("02");
        body["loanId"] = json!(id);
        client.post("/loanRequests", &scene.owner.token, &body).await?.expect(201)?;
    }
    let comment = "첫째 줄\n둘째 줄\t'); DROP TABLE item; --";
    let step = json!({ "loanStatus": "01", "admComment": comment });
    let path = format!("/loanManagers/{}", scene.strangers_loan);
    let answer = client.patch(&path, &scene.officer, &step).await?.expect(200)?;
    findings.check(answer.json()["admComment"] == comment, || answer.text.clone());
    let request = client.request(Method::PATCH, "/customers/me").bearer_auth(&scene.stranger.token);
    let named = json!({ "userName": "Robert'); DROP TABLE person; --" });
    let answer = client.send(request.json(&named)).await?.expect(200)?;
    findings.check(answer.json()["userName"] == named["userName"], || answer.text.clone());
    let after = journey.count("SELECT count(*) FROM pg_tables").await?;
    findings.check(tables == after, || format!("{tables} tables became {after}"));
    Ok(())
}
