//! `POST /loanAuths` and the void belong to loan-request alone: the gateway has
//! no way to them, and loan-auth asks for the service's credential.

use anyhow::Result;
use journeys::harness::Journey;
use reqwest::Method;
use serde_json::{Value, json};
use standalone::Service;

use crate::contract::Findings;
use crate::raw;
use crate::scene::{Person, never_was};

fn certify(id: &str, customer: &Person) -> Value {
    json!({
        "loanRequestId": id, "requestId": "01", "requestName": "Deposit", "amountOfMoney": 1_000,
        "userId": customer.who.user_id, "userName": customer.who.user_name,
        "userPassword": customer.who.password, "clientAddress": "192.0.2.1"
    })
}

pub(super) async fn is_closed(
    journey: &Journey,
    customer: &Person,
    officer: &str,
    findings: &mut Findings,
) -> Result<()> {
    behind_the_gateway(journey, customer, findings).await?;
    to_others(journey, customer, officer, findings).await?;
    let rows = journey
        .count("SELECT count(*) FROM loan_auth.certification WHERE outcome = 'certified'")
        .await?;
    findings.check(rows == 0, || format!("{rows} certifications came of it"));
    // Whoever has the credential gets an answer: that alone was missing above.
    let direct = journey.direct(Service::LoanAuth)?;
    let credential = journey.stack.service_credential();
    let id = never_was();
    let void = direct.post(&format!("/loanAuths/{id}/void"), credential, &json!({})).await?;
    findings.check(void.json()["outcome"] == "voided", || format!("a void: {}", void.text));
    let answer = direct.post("/loanAuths", credential, &certify(&id, customer)).await?;
    findings.check(answer.json()["outcome"] == "voided", || format!("certify: {}", answer.text));
    // And it is no bearer's token.
    let list = direct.get("/loanAuths", credential).await?;
    findings.check(list.status == 401, || format!("the credential reads: {}", list.text));
    Ok(())
}

/// By no spelling, with the right credential even.
async fn behind_the_gateway(
    journey: &Journey,
    customer: &Person,
    findings: &mut Findings,
) -> Result<()> {
    let credential = journey.stack.service_credential();
    let (client, id) = (&journey.client, never_was());
    let body = certify(&id, customer);
    let void = format!("/loanAuths/{id}/void");
    for path in ["/loanAuths", &void] {
        for token in [credential, ""] {
            let answer = client.post(path, token, &body).await?;
            // A credential is no token: the gateway may say that first.
            let is_refused = matches!((answer.status, token.is_empty()), (405, _) | (401, false));
            findings
                .check(is_refused, || format!("POST {path}: {} {}", answer.status, answer.text));
        }
        for header in ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"] {
            let request = client.request(Method::GET, path).header(header, "POST");
            let answer = client.send(request.json(&body)).await?;
            findings.check(matches!(answer.status, 401 | 404 | 405), || {
                format!("{header} on {path}: {} {}", answer.status, answer.text)
            });
        }
    }
    let gateway = journey.stack.gateway_url();
    let text = body.to_string();
    for path in [
        "/loanAuths/".to_owned(),
        "//loanAuths".to_owned(),
        "/./loanAuths".to_owned(),
        "/loanRequests/../loanAuths".to_owned(),
        "/loanRequests/%2e%2e/loanAuths".to_owned(),
        "/loanRequests/..%2floanAuths".to_owned(),
        "/loanRequests/%2e%2e%2floanAuths".to_owned(),
        "/loanRequests;/../loanAuths".to_owned(),
        "/loanRequests\\..\\loanAuths".to_owned(),
        "/customers/../loanAuths".to_owned(),
        "/customers/..%252floanAuths".to_owned(),
        "/customers/../loanAuths?x=/customers".to_owned(),
        "/loanauths".to_owned(),
        "/%6coanAuths".to_owned(),
        "/loanAuths%3f".to_owned(),
        "/loanAuths;x".to_owned(),
        format!("/customers/../loanAuths/{id}/void"),
        format!("/loanAuths/{id}/void/"),
        format!("/loanAuths/{id}//void"),
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {credential}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        );
        let (status, answer) = raw::exchange(&gateway, request.as_bytes()).await?;
        findings
            .check(matches!(status, 400 | 401 | 404 | 405), || format!("POST {path}: {answer}"));
    }
    for path in ["/livez", "/readyz", "/metrics", "/actuator/env", "/openapi.json", "/admin"] {
        let answer = client.get(path, "").await?;
        findings
            .check(answer.status == 404, || format!("{path} at the gateway: {}", answer.status));
        for service in journey.stack.services() {
            if path == "/openapi.json" {
                continue; // A service describes itself, to those who reach it.
            }
            let answer = client.get(&format!("{}{path}", service.url()), "").await?;
            findings.check(answer.status == 404, || format!("{path} at {}", service.service()));
        }
    }
    Ok(())
}

async fn to_others(
    journey: &Journey,
    customer: &Person,
    officer: &str,
    findings: &mut Findings,
) -> Result<()> {
    let direct = journey.direct(Service::LoanAuth)?;
    let right = journey.stack.service_credential();
    let bearer = |token: &str| vec![format!("Bearer {token}")];
    let tried = [
        vec![],
        vec![String::new()],
        bearer(""),
        bearer("wrong"),
        bearer(&right[..right.len() - 1]),
        bearer(&format!("{right}x")),
        bearer(&right.to_uppercase()),
        bearer(&customer.token),
        bearer(officer),
        vec![right.to_owned()],
        vec![format!("Basic {right}")],
        vec![format!("Bearer {right}"), format!("Bearer {right}")],
        vec!["Bearer wrong".to_owned(), format!("Bearer {right}")],
    ];
    for authorization in &tried {
        let id = never_was();
        let void = format!("/loanAuths/{id}/void");
        for (path, body) in [
            ("/loanAuths", certify(&id, customer)),
            (&void, json!({})),
            ("/loanAuths", json!("wrong")),
        ] {
            let mut request = direct.request(Method::POST, path);
            for value in authorization {
                request = request.header(reqwest::header::AUTHORIZATION, value);
            }
            let answer = direct.send(request.json(&body)).await?;
            findings.check(super::is_unauthenticated(&answer, right), || {
                format!(
                    "{path} with {} values: {} {}",
                    authorization.len(),
                    answer.status,
                    answer.text
                )
            });
        }
    }
    let rows = journey.count("SELECT count(*) FROM loan_auth.certification").await?;
    let refused = journey
        .count("SELECT count(*) FROM loan_request.loan_request WHERE status = '인증실패'")
        .await?;
    findings.check(rows <= refused, || format!("{rows} decisions for {refused} refused requests"));
    Ok(())
}
