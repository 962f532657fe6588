//! another's id looks like one that never was, on every route, through
//! every parameter, at the gateway and at each service.
//!
//! The tables say what is asked; the contract says what can be asked. A place
//! where a request can name something and that is in no table fails.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use journeys::client::{Answer, Client};
use journeys::harness::Journey;
use reqwest::Method;
use serde_json::{Value, json};

use crate::contract::{Contract, Findings, Operation, Place, service_of};
use crate::scene::{Scene, doors, listed, never_was};

mod apart;
mod streams;

/// Which of the owner's ids is tried.
#[derive(Clone, Copy)]
enum Which {
    Loan,
    Repayment,
    Message,
    Customer,
}

impl Which {
    fn of(self, scene: &Scene) -> &str {
        match self {
            Self::Loan => &scene.loan,
            Self::Repayment => &scene.repayment,
            Self::Message => &scene.message,
            Self::Customer => &scene.owner.id,
        }
    }
}

/// A place that takes an id, and the answers to the owner's id: of whoever owns
/// it, of a stranger, of an officer.
struct Row {
    operation: &'static str,
    within: &'static str,
    name: &'static str,
    which: Which,
    owner: u16,
    stranger: u16,
    officer: u16,
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("get_loan_request",     "path",  "loanRequestId", Which::Loan,      200, 404, 200),
    row("get_loan_request",     "path",  "loanRequestId", Which::Repayment, 200, 404, 200),
    row("get_loan_auth",        "path",  "loanRequestId", Which::Loan,      200, 404, 200),
    row("get_loan_auth",        "path",  "loanRequestId", Which::Repayment, 200, 404, 200),
    row("list_loan_managers",   "query", "loanId",        Which::Loan,      403, 403, 200),
    row("get_loan_manager",     "path",  "id",            Which::Loan,      403, 403, 200),
    row("get_loan_manager",     "path",  "id",            Which::Repayment, 403, 403, 200),
    // 409: where it stands is told to officers, who may see it.
    row("set_loan_status",      "path",  "id",            Which::Loan,      403, 403, 409),
    row("set_loan_status",      "path",  "id",            Which::Repayment, 403, 403, 409),
    row("list_loan_messengers", "query", "loanId",        Which::Loan,      200, 200, 200),
    row("list_loan_messengers", "query", "customerId",    Which::Customer,  200, 200, 200),
    row("get_loan_messenger",   "path",  "id",            Which::Message,   200, 404, 200),
    row("list_loan_status",     "query", "loanId",        Which::Loan,      200, 200, 200),
    row("list_loan_status",     "query", "customerId",    Which::Customer,  200, 200, 200),
    row("get_loan",             "path",  "loanId",        Which::Loan,      200, 404, 200),
    row("get_customer",         "path",  "customerId",    Which::Customer,  200, 404, 200),
    row("change_customer",      "path",  "customerId",    Which::Customer,  200, 404, 403),
    // 409: the owner has an open loan.
    row("remove_customer",      "path",  "customerId",    Which::Customer,  409, 404, 403),
];

const fn row(
    operation: &'static str,
    within: &'static str,
    name: &'static str,
    which: Which,
    owner: u16,
    stranger: u16,
    officer: u16,
) -> Row {
    Row { operation, within, name, which, owner, stranger, officer }
}

/// Places that are tried in a way of their own: see the functions of `apart`.
#[rustfmt::skip]
const APART: &[(&str, &str, &str)] = &[
    ("submit_loan_request",  "body",   "loanId"),
    ("submit_loan_request",  "body",   "loanRequestId"),
    ("submit_loan_request",  "body",   "userId"),
    ("submit_loan_request",  "header", "Idempotency-Key"),
    ("register_customer",    "header", "Idempotency-Key"),
    ("change_customer",      "body",   "userId"),
    ("issue_token",          "body",   "username"),
    ("issue_token",          "body",   "refresh_token"),
    ("list_loan_requests",   "query",  "cursor"),
    ("list_loan_auths",      "query",  "cursor"),
    ("list_loan_managers",   "query",  "cursor"),
    ("list_loan_messengers", "query",  "cursor"),
    ("list_loan_status",     "query",  "cursor"),
    ("stream_loan_status",   "query",  "loanId"),
    ("stream_loan_status",   "query",  "customerId"),
    ("stream_loan_status",   "header", "Last-Event-ID"),
    ("get_loan",             "header", "If-None-Match"),
];

/// Places that name nothing of anybody's, and why.
#[rustfmt::skip]
const NOBODYS: &[(&str, &str, &str, &str)] = &[
    ("*", "query",  "page",          "a number"),
    ("*", "query",  "size",          "a number"),
    ("*", "query",  "sort",          "a field's name"),
    ("*", "query",  "loanStatus",    "a state"),
    ("*", "query",  "requestId",     "a kind of request"),
    ("*", "body",   "requestId",     "a kind of request"),
    ("*", "body",   "requestName",   "free text"),
    ("*", "body",   "amountOfMoney", "an amount"),
    ("*", "body",   "accountNo",     "free text, looked up nowhere"),
    ("*", "body",   "userMobile",    "free text, looked up nowhere"),
    ("*", "body",   "userEmail",     "free text, looked up nowhere"),
    ("*", "body",   "userName",      "goes with userId"),
    ("*", "body",   "userPassword",  "goes with userId"),
    ("*", "body",   "language",      "a language"),
    ("*", "body",   "loanStatus",    "a state"),
    ("*", "body",   "admComment",    "free text"),
    ("*", "body",   "grant_type",    "a kind of grant"),
    ("*", "query",  "minVersion",    "another's looks like one that never comes; see the journeys of reading one's writes"),
    ("*", "header", "Prefer",        "how long to wait"),
    ("*", "header", "If-Match",      "a version of what the path names"),
    ("*", "header", "Authorization", "the caller; see the journeys of tokens"),
    ("*", "body",   "channel",       "a kind of way"),
    ("*", "body",   "optOut",        "kinds of messages"),
    ("*", "body",   "code",          "goes with the caller"),
    ("*", "body",   "url",           "free text, looked up nowhere"),
    ("change_customer",   "body", "oldPassword", "goes with the path"),
    ("register_customer", "body", "userId",      "a name that is taken must be refused, which tells that it is taken"),
    ("issue_token",       "body", "password",    "goes with username"),
];

//
#[tokio::test]
async fn anothers_id_looks_like_one_that_never_was() -> Result<()> {
    let contract = Contract::of_the_whole()?;
    let mut findings = Findings::default();
    every_place_is_in_a_table(&contract, &mut findings);

    let journey = Journey::start().await?;
    let scene = Scene::set(&journey).await?;
    for row in ROWS {
        ids(&journey, &scene, &contract.operation(row.operation)?, row, &mut findings).await?;
    }
    apart::everything(&journey, &scene, &mut findings).await?;

    // Nothing of all that has touched what is the owner's.
    let path = format!("/loanStatus/loans/{}", scene.loan);
    let loan = journey.client.get(&path, &scene.owner.token).await?.expect(200)?.json();
    findings.check(loan["outstanding"] == 50_000, || format!("the owner's loan is {loan}"));
    findings.conclude();
    journey.finish().await
}

fn every_place_is_in_a_table(contract: &Contract, findings: &mut Findings) {
    let mut known: BTreeMap<(String, Place), usize> = BTreeMap::new();
    let place = |within: &str, name: &str| Place { within: within.into(), name: name.into() };
    for row in ROWS {
        *known.entry((row.operation.into(), place(row.within, row.name))).or_default() += 1;
    }
    for (operation, within, name) in APART {
        *known.entry(((*operation).into(), place(within, name))).or_default() += 1;
    }
    for (operation, within, name, _) in NOBODYS {
        *known.entry(((*operation).into(), place(within, name))).or_default() += 1;
    }
    let mut met = BTreeSet::new();
    for operation in contract.operations() {
        for place in operation.places() {
            let keys = [(operation.id.to_owned(), place.clone()), ("*".to_owned(), place.clone())];
            let key = keys.into_iter().find(|key| known.contains_key(key));
            findings.check(key.is_some(), || {
                let Operation { method, path, .. } = operation;
                format!(
                    "{} {path} ({}): {place:?} is in no table",
                    method.to_uppercase(),
                    operation.id
                )
            });
            met.extend(key);
        }
    }
    for key in known.keys() {
        findings
            .check(met.contains(key), || format!("{key:?} is in a table, but not in the contract"));
    }
}

/// Asks for the owner's id and for one that never was, as everybody, at both doors.
async fn ids(
    journey: &Journey,
    scene: &Scene,
    operation: &Operation<'_>,
    row: &Row,
    findings: &mut Findings,
) -> Result<()> {
    let id = row.which.of(scene);
    let never = never_was();
    let service = service_of(&operation.method(), operation.path).context("a service")?;
    for (door, client) in doors(journey, service)? {
        let seen_by = [
            ("the owner", scene.owner.token.as_str(), row.owner),
            ("a stranger", &scene.stranger.token, row.stranger),
            ("an officer", &scene.officer, row.officer),
            ("nobody", "", 401),
        ];
        for (who, token, wanted) in seen_by {
            let said = ask(&client, operation, row, id, token).await?;
            let what =
                || format!("{} {} of {} for {who} at {door}", row.operation, row.name, said.1);
            findings.check(said.0.status == wanted, || {
                format!("{}: {} instead of {wanted}: {}", what(), said.0.status, said.0.text)
            });
            if row.within == "query" && wanted == 200 {
                let is_empty = listed(&said.0).is_empty();
                findings.check(is_empty == (who == "a stranger"), || {
                    format!("{}: {}", what(), said.0.text)
                });
            }
            if who == "a stranger" || who == "nobody" {
                let other = ask(&client, operation, row, &never, token).await?;
                let (said, other) =
                    (essence(&said.0, &said.1, id), essence(&other.0, &other.1, &never));
                findings.check(said == other, || {
                    format!("{}: {said}\nbut one that never was: {other}", what())
                });
            }
        }
        spellings(&client, operation, row, (id, &scene.stranger.token), findings).await?;
    }
    Ok(())
}

/// The same id written in other ways is no other id.
async fn spellings(
    client: &Client,
    operation: &Operation<'_>,
    row: &Row,
    (id, token): (&str, &str),
    findings: &mut Findings,
) -> Result<()> {
    for id in
        [id.to_uppercase(), id.replace('-', ""), format!("urn:uuid:{id}"), format!("{{{id}}}")]
    {
        let (answer, path) = ask(client, operation, row, &id, token).await?;
        let is_closed = match answer.status {
            200 => row.within == "query" && listed(&answer).is_empty(),
            400 | 403 | 404 => true,
            _ => false,
        };
        findings.check(is_closed, || format!("{path}: {} {}", answer.status, answer.text));
    }
    if operation.method == "get" {
        let (_, path) = address(operation, row, id);
        let request = client.request(Method::HEAD, &path).bearer_auth(token);
        let answer = client.send(request).await?;
        findings.check(answer.status == row.stranger && answer.text.is_empty(), || {
            format!("HEAD {path}: {} {}", answer.status, answer.text)
        });
    }
    Ok(())
}

async fn ask(
    client: &Client,
    operation: &Operation<'_>,
    row: &Row,
    id: &str,
    token: &str,
) -> Result<(Answer, String)> {
    let (method, path) = address(operation, row, id);
    let answer = match row.operation {
        // A step that is not allowed in any state that the owner's things are in.
        "set_loan_status" => client.patch(&path, token, &json!({ "loanStatus": "01" })).await?,
        "change_customer" => client.patch(&path, token, &json!({})).await?,
        "remove_customer" => client.delete(&path, token).await?,
        _ => {
            anyhow::ensure!(method == Method::GET, "{} needs a body", row.operation);
            client.get(&path, token).await?
        }
    };
    Ok((answer, path))
}

fn address(operation: &Operation<'_>, row: &Row, id: &str) -> (Method, String) {
    let path = match row.within {
        "path" => operation.path.replace(&format!("{{{}}}", row.name), id),
        _ => format!("{}?{}={id}", operation.path, row.name),
    };
    (operation.method(), path)
}

/// All that two answers could be told apart by: status, headers but those of the
/// moment, and the body, byte for byte. The only thing that is taken out is the
/// address that was asked for: `instance` of a problem, and a list's own links.
fn essence(answer: &Answer, path: &str, id: &str) -> String {
    let of_the_moment =
        |name: &str| ["date", "x-request-id"].contains(&name) || name.starts_with("ratelimit");
    let headers = answer.headers.iter();
    let mut headers: Vec<String> = headers
        .filter(|(name, _)| !of_the_moment(name.as_str()))
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    let text = match answer.status {
        200 => answer.text.replace(&format!("={id}"), "={id}"),
        _ => answer.text.replace(&format!("\"instance\":\"{path}\""), "\"instance\":\"…\""),
    };
    format!("{} {headers:?} {text}", answer.status)
}

/// A value without what differs between two of its kind: ids, times, and what is
/// made of them.
fn shape(value: &Value, ids: &[&str]) -> String {
    let mut text = value.to_string();
    for id in ids {
        text = text.replace(id, "…");
    }
    text
}
