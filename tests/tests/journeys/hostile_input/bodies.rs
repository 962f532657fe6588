//! Bodies that are no body of this operation, whatever its fields are.

use anyhow::Result;
use futures::stream;
use reqwest::Body;
use serde_json::{Value, json};

use super::Tried;
use crate::contract::Findings;

/// CONTRACT, Limits.
const BODY_BYTES_MAX: usize = 64 * 1024;
const DEPTH_MAX: usize = 32;

pub(super) async fn are_refused(tried: &Tried<'_>, findings: &mut Findings) -> Result<()> {
    if tried.target.operation == "void_certification" {
        return Ok(()); // It has no body: none is looked at.
    }
    not_json(tried, findings).await?;
    too_deep(tried, findings).await?;
    too_large(tried, findings).await?;
    other_types(tried, findings).await?;
    other_shapes(tried, findings).await
}

async fn not_json(tried: &Tried<'_>, findings: &mut Findings) -> Result<()> {
    let right = tried.target.right.to_string();
    let half = right[..right.len() / 2].to_owned();
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "{",
        "}",
        "{}{}",
        "nonsense",
        "'x'",
        "{'a':1}",
        "{\"a\":1,}",
        "{a:1}",
        "[1",
        "\"x",
        "NaN",
        "01",
        "<x/>",
        "a=b",
        "\u{0}",
        "{\"a\":\"\u{1}\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":1}//",
        "/**/{}",
        "\u{feff}{}",
        "{\"a\":\"\\x41\"}",
        "{\"a\":\"\\u00\"}",
        "{\"a\":1e}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":0x10}",
        "{\"a\":1e99999999999999999999}{",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    bodies.push(half.into_bytes());
    bodies.push(format!("{right}x").into_bytes());
    bodies.push(format!("{right}{right}").into_bytes());
    for bytes in [&b"\xff"[..], b"\xc3\x28", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"] {
        bodies.push([b"{\"a\":\"", bytes, b"\"}"].concat());
        bodies.push(bytes.to_vec());
    }
    // JSON, but in another encoding.
    bodies.push(right.encode_utf16().flat_map(u16::to_le_bytes).collect());
    bodies.push(
        [&b"\xff\xfe"[..], &right.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()]
            .concat(),
    );
    for body in bodies {
        let what = format!("{:?}", String::from_utf8_lossy(&body));
        let request = tried.request().header("Content-Type", "application/json").body(body);
        let answer = tried.check(&what, request, &[400], findings).await?;
        let code = answer.json()["code"].clone();
        let is_right = tried.target.is_oauth() || code == "malformed-body";
        findings
            .check(is_right, || format!("{what} to {}: {}", tried.target.operation, answer.text));
    }
    Ok(())
}

/// The right body, with a field that nobody knows.
fn with_unknown(tried: &Tried<'_>, value: &str) -> String {
    let right = tried.target.right.to_string();
    format!("{},\"unknown\":{value}}}", &right[..right.len() - 1])
}

async fn too_deep(tried: &Tried<'_>, findings: &mut Findings) -> Result<()> {
    // The body itself is the first level.
    for (levels, wanted) in
        [(DEPTH_MAX - 1, tried.target.accepted), (DEPTH_MAX, 400), (10_000, 400), (30_000, 400)]
    {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            if levels * open.len() > BODY_BYTES_MAX / 2 {
                continue;
            }
            let within = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            let request = tried.request().header("Content-Type", "application/json");
            let what = format!("{} levels", levels + 1);
            if wanted == 201 {
                continue; // Would leave something; the same in other operations.
            }
            tried
                .check(&what, request.body(with_unknown(tried, &within)), &[wanted], findings)
                .await?;
        }
    }
    let open = tried.request().header("Content-Type", "application/json").body("[".repeat(60_000));
    tried.check("an abyss", open, &[400], findings).await?;
    Ok(())
}

async fn too_large(tried: &Tried<'_>, findings: &mut Findings) -> Result<()> {
    let right = tried.target.right.to_string();
    let of = |bytes: usize| format!("{right}{}", " ".repeat(bytes - right.len())).into_bytes();
    let in_parts = |bytes: Vec<u8>| {
        let parts: Vec<_> =
            bytes.chunks(7_000).map(|part| Ok::<_, std::io::Error>(part.to_vec())).collect();
        Body::wrap_stream(stream::iter(parts))
    };
    let request = || tried.request().header("Content-Type", "application/json");
    if tried.target.accepted != 201 {
        tried
            .check("64 KiB", request().body(of(BODY_BYTES_MAX)), &[tried.target.accepted], findings)
            .await?;
    }
    tried
        .check("64 KiB and a byte", request().body(of(BODY_BYTES_MAX + 1)), &[413], findings)
        .await?;
    tried.check("a megabyte", request().body(of(1024 * 1024)), &[413], findings).await?;
    // Without a length, it is counted on the way.
    for bytes in [BODY_BYTES_MAX + 1, 300_000] {
        let sent = tried.client.send(request().body(in_parts(of(bytes)))).await;
        // Whoever goes on writing may find the door closed before the answer.
        if let Ok(answer) = sent {
            findings.check(answer.status == 413, || {
                format!(
                    "{bytes} bytes in parts to {} at {}: {} {}",
                    tried.target.operation, tried.door, answer.status, answer.text
                )
            });
        }
    }
    Ok(())
}

async fn other_types(tried: &Tried<'_>, findings: &mut Findings) -> Result<()> {
    let right = tried.target.right.to_string();
    let wanted = if tried.target.is_oauth() { 400 } else { 415 };
    for kind in [
        None,
        Some(""),
        Some("text/plain"),
        Some("text/json"),
        Some("application/xml"),
        Some("application/octet-stream"),
        Some("multipart/form-data; boundary=x"),
        Some("application/jsonp"),
        Some("application/json-patch"),
        Some("json"),
        Some("*/*"),
        Some("application/json, text/plain"),
    ] {
        let request = tried.request().body(right.clone());
        let request = match kind {
            Some(kind) => request.header("Content-Type", kind),
            None => request,
        };
        tried.check(&format!("{kind:?}"), request, &[wanted], findings).await?;
    }
    if !tried.target.is_oauth() {
        let request = tried.request().header("Content-Type", "application/x-www-form-urlencoded");
        tried.check("a form", request.body("requestId=01"), &[415], findings).await?;
    }
    Ok(())
}

/// JSON, but no object, or one with a field twice: which of the two is meant, two
/// readers may answer in two ways.
async fn other_shapes(tried: &Tried<'_>, findings: &mut Findings) -> Result<()> {
    let wanted: &[u16] = if tried.target.is_oauth() { &[400] } else { &[422] };
    // The right values without their names, in the order of the description.
    let in_a_row =
        tried.target.right.as_object().into_iter().flatten().map(|(_, value)| value.clone());
    let in_a_row = Value::Array(in_a_row.collect());
    for value in [
        json!(null),
        json!(true),
        json!(7),
        json!("x"),
        json!([]),
        json!([tried.target.right]),
        in_a_row,
    ] {
        tried.check(&value.to_string(), tried.request().json(&value), wanted, findings).await?;
    }
    let right = tried.target.right.to_string();
    for (name, value) in tried.target.right.as_object().into_iter().flatten() {
        let twice = format!("{},\"{name}\":{value}}}", &right[..right.len() - 1]);
        let request = tried.request().header("Content-Type", "application/json").body(twice);
        tried.check(&format!("{name} twice"), request, wanted, findings).await?;
    }
    if tried.target.accepted != 201 {
        for value in
            [json!(1), json!(null), json!({ "a": [1] }), Value::from("'; DROP TABLE person; --")]
        {
            let body = with_unknown(tried, &value.to_string());
            let request = tried.request().header("Content-Type", "application/json").body(body);
            let accepted = [tried.target.accepted];
            tried.check(&format!("an unknown field {value}"), request, &accepted, findings).await?;
        }
    }
    Ok(())
}
