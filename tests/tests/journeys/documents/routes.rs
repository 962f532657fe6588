//! Every route that is described is there, and every one that is there is
//! described.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use gateway::routes::{Goal, ROUTES};
use journeys::client::{Answer, Client};
use journeys::harness::Journey;
use reqwest::Method;
use standalone::Service;

use super::{ask, titled};
use crate::contract::{Contract, Findings, service_of};
use crate::scene::Scene;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// What the gateway answers by itself: its health, and the pages of the documents,
/// which do not describe themselves.
const ITS_OWN: [&str; 3] = ["/actuator/health", "/docs", "/problems"];

/// Where something that nobody described would be looked for first.
const SUSPECTS: &[&str] = &[
    "/",
    "/admin",
    "/api",
    "/api-docs",
    "/actuator",
    "/actuator/env",
    "/actuator/info",
    "/actuator/metrics",
    "/auth",
    "/auth/logout",
    "/auth/token/x",
    "/auth/introspect",
    "/customers",
    "/customers/me/password",
    "/debug",
    "/debug/pprof",
    "/dev",
    "/error",
    "/events",
    "/favicon.ico",
    "/graphql",
    "/health",
    "/healthz",
    "/index.html",
    "/internal",
    "/inbox",
    "/jwks.json",
    "/livez",
    "/loanAuths",
    "/loanMessengers/stream",
    "/loanRequests/me",
    "/loanRequests/x/y",
    "/loanStatus/loans",
    "/loanStatus/customers",
    "/loanStatus/x",
    "/login",
    "/metrics",
    "/officers",
    "/outbox",
    "/ping",
    "/problem",
    "/profile",
    "/readyz",
    "/robots.txt",
    "/status",
    "/swagger-ui",
    "/test",
    "/users",
    "/v1/loanRequests",
    "/version",
    "/.env",
    "/.git/config",
    "/.well-known/openid-configuration",
    "/.well-known/security.txt",
];

pub(super) async fn are_the_described_ones(
    journey: &Journey,
    scene: &Scene,
    contract: &Contract,
    findings: &mut Findings,
) -> Result<()> {
    the_table_is_described(contract, findings);
    let described = methods_by_path(contract);
    let gateway =
        Door { name: "the gateway".into(), is_gateway: true, client: journey.client.clone() };
    gateway.answers_only(scene, &described, &ITS_OWN, findings).await?;
    for service in Service::WITH_DATABASE {
        let own = methods_by_path(&Contract::of_service(service)?);
        let door =
            Door { name: service.to_string(), is_gateway: false, client: journey.direct(service)? };
        door.answers_only(scene, &own, &["/actuator/health", "/openapi.json"], findings).await?;
        // What a service has is reached through the gateway, or is inner.
        for path in own.keys().filter(|path| !described.contains_key(*path)) {
            let is_inner = path.starts_with("/loanAuths");
            findings
                .check(is_inner, || format!("{path} of {service} has no way through the gateway"));
        }
    }
    Ok(())
}

fn methods_by_path(contract: &Contract) -> BTreeMap<String, BTreeSet<String>> {
    let mut paths: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for operation in contract.operations() {
        paths.entry(operation.path.to_owned()).or_default().insert(operation.method.to_owned());
    }
    paths
}

/// Each row of the gateway's table, and each of its methods, has something behind it.
fn the_table_is_described(contract: &Contract, findings: &mut Findings) {
    let operations = contract.operations();
    for route in ROUTES.iter().filter(|route| matches!(route.goal, Goal::Upstream(_))) {
        for method in route.methods {
            let is_behind = operations.iter().any(|operation| {
                operation.method() == *method && operation.path.starts_with(route.path)
            });
            findings.check(is_behind, || format!("{method} {} leads to nothing", route.path));
        }
    }
    for operation in &operations {
        let service = service_of(&operation.method(), operation.path);
        findings.check(service.is_some(), || format!("{} is not routed", titled(operation)));
    }
}

/// Where routes are tried.
struct Door {
    name: String,
    is_gateway: bool,
    client: Client,
}

impl Door {
    async fn answers_only(
        &self,
        scene: &Scene,
        described: &BTreeMap<String, BTreeSet<String>>,
        own: &[&str],
        findings: &mut Findings,
    ) -> Result<()> {
        let plain = |path: &str| {
            let parts = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
            parts.collect::<Vec<_>>().join("/")
        };
        let mut paths: BTreeMap<String, BTreeSet<String>> =
            described.iter().map(|(path, methods)| (plain(path), methods.clone())).collect();
        for path in SUSPECTS {
            let is_own = own.iter().any(|own| path == own);
            let is_below = described.keys().any(|known| fits(known, path));
            if !is_own && !is_below {
                paths.entry((*path).to_owned()).or_default();
            }
        }
        for (path, methods) in &paths {
            for method in METHODS {
                let request = self.client.request(method.to_uppercase().parse()?, path);
                let answer = ask(request.bearer_auth(&scene.officer)).await?;
                let is_there = methods.contains(method);
                // An id that is none is 404 as well, but only where there is a route.
                let is_right = match (is_there, methods.is_empty()) {
                    (true, _) => answer.status != 405,
                    (false, true) => matches!(answer.status, 404 | 405),
                    (false, false) => {
                        answer.status == 405 && allows(&answer, methods, self.is_gateway)
                    }
                };
                findings.check(is_right, || {
                    format!(
                        "{method} {path} at {}: {} {:?} {}",
                        self.name,
                        answer.status,
                        answer.headers.get("allow"),
                        answer.text
                    )
                });
                let is_problem = answer.status < 400
                    || answer.header("content-type").starts_with("application/problem+json")
                    || path == "/auth/token";
                findings.check(is_problem, || {
                    format!("{method} {path} at {}: {}", self.name, answer.text)
                });
            }
        }
        for path in own {
            let answer = self.client.request(Method::GET, path);
            let answer = self.client.send(answer).await.context("its own")?;
            findings.check(answer.status == 200, || {
                format!("{path} at {}: {}", self.name, answer.status)
            });
        }
        Ok(())
    }
}

/// Whether a described path with parameters covers this one.
fn fits(described: &str, path: &str) -> bool {
    let (one, other): (Vec<_>, Vec<_>) =
        (described.split('/').collect(), path.split('/').collect());
    one.len() == other.len()
        && one.iter().zip(&other).all(|(one, other)| one == other || one.starts_with('{'))
}

/// `Allow` names what is described, and of the rest `HEAD` at most; the gateway's
/// is that of a row, which may cover several paths.
fn allows(answer: &Answer, methods: &BTreeSet<String>, is_of_a_row: bool) -> bool {
    let allowed = answer.header("allow").to_lowercase();
    let allowed: BTreeSet<&str> = allowed.split(',').map(str::trim).collect();
    let is_told = |method: &&str| methods.contains(*method) || *method == "head";
    methods.iter().all(|method| allowed.contains(method.as_str()))
        && (is_of_a_row || allowed.iter().all(is_told))
}
