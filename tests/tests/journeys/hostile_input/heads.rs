//! Heads of requests: too much of them, two readings of them, and hosts that are
//! not ours. What no client library sends goes out as bytes.

use anyhow::Result;
use journeys::client::Answer;
use journeys::harness::Journey;
use reqwest::Method;
use serde_json::json;
use standalone::Service;

use super::says_what_is_wrong;
use crate::contract::Findings;
use crate::raw;
use crate::scene::{Scene, doors};

/// CONTRACT, Limits.
const HEADERS_BYTES_MAX: usize = 16 * 1024;

pub(super) async fn are_refused(
    journey: &Journey,
    scene: &Scene,
    findings: &mut Findings,
) -> Result<()> {
    for service in Service::ALL {
        let url = journey.stack.url(service);
        too_much(&url, service, findings).await?;
        two_readings(&url, service, findings).await?;
    }
    odd_values(journey, scene, findings).await?;
    other_hosts(journey, scene, findings).await
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
}

async fn too_much(url: &str, service: Service, findings: &mut Findings) -> Result<()> {
    let long = "x".repeat(HEADERS_BYTES_MAX + 1);
    let many: String = (0..300).map(|number| format!("X-{number}: 1\r\n")).collect();
    let tried = [
        ("a long header", get("/actuator/health", &format!("X-Long: {long}\r\n"))),
        ("a long name", get("/actuator/health", &format!("{long}: 1\r\n"))),
        ("many headers", get("/actuator/health", &many)),
        ("a long path", get(&format!("/{long}"), "")),
        ("a long query", get(&format!("/loanRequests?{long}"), "")),
        ("a long token", get("/loanRequests", &format!("Authorization: Bearer {long}\r\n"))),
    ];
    for (what, request) in tried {
        let (status, answer) = raw::exchange(url, request.as_bytes()).await?;
        findings.check(matches!(status, 400 | 404 | 414 | 431), || {
            format!("{what} at {service}: {answer}")
        });
    }
    // Within the limit all is well.
    let fair =
        get("/actuator/health", &format!("X-Long: {}\r\n", "x".repeat(HEADERS_BYTES_MAX / 2)));
    let (status, answer) = raw::exchange(url, fair.as_bytes()).await?;
    findings.check(status == 200, || format!("8 KiB at {service}: {answer}"));
    Ok(())
}

/// A request that two servers could read in two ways is read by none: one answer,
/// and never a second request out of the body of the first.
async fn two_readings(url: &str, service: Service, findings: &mut Findings) -> Result<()> {
    let smuggled = "GET /actuator/health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let post = |headers: &str, body: &str| {
        format!(
            "POST /loanRequests HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}\r\n{body}"
        )
    };
    let both = format!("0\r\n\r\n{smuggled}");
    let tried = [
        (
            "a length and parts",
            post(
                &format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", both.len()),
                &both,
            ),
        ),
        (
            "two lengths",
            post(
                &format!("Content-Length: 2\r\nContent-Length: {}\r\n", smuggled.len() + 2),
                &format!("{{}}{smuggled}"),
            ),
        ),
        ("a list of lengths", post("Content-Length: 2, 3\r\n", "{}")),
        ("a length that is none", post("Content-Length: +2\r\n", "{}")),
        ("a length below zero", post("Content-Length: -1\r\n", "{}")),
        ("a length in hex", post("Content-Length: 0x2\r\n", "{}")),
        ("an odd coding", post("Transfer-Encoding: xchunked\r\n", &both)),
        (
            "a coding twice",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", &both),
        ),
        ("a part without end", post("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n")),
        ("two hosts", get("/actuator/health", "Host: other.example\r\n")),
        ("a folded header", get("/actuator/health", "X-A: 1\r\n X-B: 2\r\n")),
        ("a space before the colon", get("/actuator/health", "Content-Length : 5\r\n")),
        ("a name with a NUL", get("/actuator/health", "X\0A: 1\r\n")),
        ("a value with a NUL", get("/actuator/health", "X-A: 1\0\r\n")),
        (
            "a bare line feed",
            "GET /loanRequests HTTP/1.1\nHost: a\nHost: b\nConnection: close\n\n".to_owned(),
        ),
        ("another version", "GET / HTTP/3.0\r\nHost: localhost\r\n\r\n".to_owned()),
        ("no HTTP", "\u{16}\u{3}\u{1}hello\r\n\r\n".to_owned()),
        (
            "a method of control characters",
            "G\u{1}T / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        ),
        ("a path with a space", get("/loan Requests", "")),
        ("a path with a NUL", get("/loan\0Requests", "")),
    ];
    for (what, request) in tried {
        let (status, answer) = raw::exchange(url, request.as_bytes()).await?;
        let answers = answer.matches("HTTP/1.1 ").count();
        let is_right = answers <= 1
            && !answer.contains("\"UP\"")
            && (status == 0 || (400..500).contains(&status));
        findings.check(is_right, || format!("{what} at {service}: {answers} answers: {answer}"));
    }
    Ok(())
}

fn is_refused(answer: &Answer, wanted: &[u16]) -> bool {
    wanted.contains(&answer.status) && (answer.status < 400 || says_what_is_wrong(answer, false))
}

/// Headers that mean something here, with values that mean nothing.
async fn odd_values(journey: &Journey, scene: &Scene, findings: &mut Findings) -> Result<()> {
    let path = format!("/loanManagers/{}", scene.loan);
    for (door, client) in doors(journey, Service::LoanManager)? {
        for (value, wanted) in [
            (&b"\"99\""[..], 412),
            (b"99", 412),
            (b"", 412),
            (b"W/\"1\"", 412),
            (b"*", 409),
            (b"\"' OR 1=1\"", 412),
            (b"\xff\xfe", 400),
        ] {
            let request = client.request(Method::PATCH, &path).bearer_auth(&scene.officer);
            let request = request.header("If-Match", value).json(&json!({ "loanStatus": "01" }));
            let answer = client.send(request).await?;
            findings.check(is_refused(&answer, &[wanted]), || {
                format!("If-Match {value:?} at {door}: {} {}", answer.status, answer.text)
            });
        }
    }
    for (door, client) in doors(journey, Service::LoanRequest)? {
        // A wrong amount: none of these may come to a request.
        let body = json!({ "requestId": "01", "requestName": "x", "amountOfMoney": 0 });
        for value in [&b""[..], b"a b", b"\xff", b"\xea\xb0\x80", &[b'k'; 256]] {
            let request =
                client.request(Method::POST, "/loanRequests").bearer_auth(&scene.owner.token);
            let answer = client.send(request.header("Idempotency-Key", value).json(&body)).await?;
            let is_right =
                is_refused(&answer, &[400]) && answer.json()["code"] == "bad-idempotency-key";
            findings.check(is_right, || {
                format!("key {value:?} at {door}: {} {}", answer.status, answer.text)
            });
        }
        let request = client.request(Method::POST, "/loanRequests").bearer_auth(&scene.owner.token);
        let twice = request.header("Idempotency-Key", "a").header("Idempotency-Key", "b");
        let answer = client.send(twice.json(&body)).await?;
        findings
            .check(is_refused(&answer, &[400]), || format!("two keys at {door}: {}", answer.text));
        for (name, value) in [
            ("traceparent", &b"nonsense"[..]),
            ("traceparent", b"00-00000000000000000000000000000000-0000000000000000-00"),
            ("X-Request-Id", b"<script>"),
            ("X-Request-Id", &[b'x'; 5_000]),
            ("X-Forwarded-For", b"nonsense, 1, ::, 999.999.999.999"),
            ("Accept", b"application/xml"),
            ("Accept-Encoding", b"nonsense;q=9"),
            ("Accept-Language", b"\xff"),
            ("Range", b"bytes=0-1"),
            ("If-None-Match", b"\xff"),
            ("Origin", b"http://evil.example"),
            ("User-Agent", b"\xff"),
            ("Prefer", b"wait=99999999999999999999"),
        ] {
            let request =
                client.request(Method::GET, "/loanRequests").bearer_auth(&scene.owner.token);
            let answer = client.send(request.header(name, value).header("X-Odd", "1")).await?;
            let is_plain = answer.status == 200
                && answer.header("content-type").starts_with("application/json")
                && !answer.header("x-request-id").contains('<')
                && answer.header("x-request-id").len() <= 64
                && answer.headers.get("access-control-allow-origin").is_none();
            findings.check(is_plain, || {
                format!("{name} at {door}: {} {:?}", answer.status, answer.headers)
            });
        }
    }
    Ok(())
}

/// A made-up host never becomes a link.
async fn other_hosts(journey: &Journey, scene: &Scene, findings: &mut Findings) -> Result<()> {
    for service in Service::ALL {
        let url = journey.stack.url(service);
        let path = match service {
            Service::LoanManager => "/loanManagers",
            Service::LoanMessenger => "/loanMessengers",
            Service::LoanStatus => "/loanStatus",
            Service::LoanAuth => "/loanAuths",
            Service::LoanRequest | Service::Gateway => "/loanRequests",
        };
        let token =
            if service == Service::LoanManager { &scene.officer } else { &scene.owner.token };
        for host in [
            "evil.example",
            "localhost.evil.example",
            "localhost@evil.example",
            "evil.example#localhost",
            "localhost:80:80",
            "localhost/../",
            "",
            "127.0.0.1.evil.example",
            "localhost, evil.example",
            "[::1",
            "\u{1}",
        ] {
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
            );
            let (status, answer) = raw::exchange(&url, request.as_bytes()).await?;
            findings.check(matches!(status, 400 | 421), || {
                format!("host {host:?} at {service}: {answer}")
            });
            findings.check(!answer.contains("evil.example"), || {
                format!("host {host:?} at {service}: {answer}")
            });
        }
        // Nor one that is forwarded by somebody who may not: this journey may, at the
        // services, as their gateway's neighbour; at the gateway nobody may.
        let forwarded = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             X-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\n\r\n"
        );
        let (status, answer) = raw::exchange(&url, forwarded.as_bytes()).await?;
        let wanted = if service == Service::Gateway { 200 } else { 421 };
        findings.check(status == wanted && !answer.contains("evil.example"), || {
            format!("a forwarded host at {service}: {answer}")
        });
    }
    Ok(())
}
