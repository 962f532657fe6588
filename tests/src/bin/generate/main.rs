//! Writes what is generated from the code, or checks that it is as committed:
//! `generate` and `generate --check`.
//!
//! * `docs/api/<service>.openapi.json`: OpenAPI 3.1 of each service.
//! * `docs/api/openapi.json`: of the whole behind the gateway.
//! * `docs/api/asyncapi.json`: AsyncAPI 3.0 of the topics and events.
//! * `crates/events/schemas/<Event>.json`: JSON schema of each event.
//! * `k8s/online-loan/files/settings.json`: the settings that each part knows, by which the chart
//!   refuses others.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{CommandFactory, Parser};
use gateway::routes::{Found, Route};
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

mod gateway_answers;

/// Writes, or checks, the generated documents.
#[derive(Parser)]
struct Arguments {
    /// Only say what differs, and fail if anything does.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("generate: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no repository")?;
    let mut same = true;
    for (path, text) in documents()? {
        let file = root.join(&path);
        if fs::read_to_string(&file).is_ok_and(|now| now == text) {
            continue;
        }
        if arguments.check {
            eprintln!(
                "{} is not what the code says; run `./dev generate` and commit it",
                path.display()
            );
            same = false;
        } else {
            fs::create_dir_all(file.parent().context("no folder")?)?;
            fs::write(&file, text)?;
            println!("wrote {}", path.display());
        }
    }
    if same && arguments.check {
        println!("the generated files are what the code says");
    }
    Ok(same)
}

fn documents() -> Result<Vec<(PathBuf, String)>> {
    let services: [(&str, OpenApi); 5] = [
        ("loan-request", loan_request::openapi()),
        ("loan-auth", loan_auth::openapi()),
        ("loan-manager", loan_manager::openapi()),
        ("loan-messenger", loan_messenger::openapi()),
        ("loan-status", loan_status::openapi()),
    ];
    let mut documents = Vec::new();
    let mut whole = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Online loan",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "All that is reached through the gateway. Errors are RFC 9457 problems (application/problem+json); lists and resources are HAL.",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" }
        },
        "paths": {}, "components": {}, "tags": []
    });
    for (name, document) in services {
        let document = serde_json::to_value(document)?;
        documents
            .push((PathBuf::from(format!("docs/api/{name}.openapi.json")), pretty(&document)?));
        let own = told_apart(&whole, name, document)?;
        add(&mut whole, own).with_context(|| format!("the document of {name}"))?;
    }
    gateway_answers::add(&mut whole)?;
    drop_what_is_inner(&mut whole)?;
    documents.push(("docs/api/openapi.json".into(), pretty(&whole)?));
    documents.push(("docs/api/asyncapi.json".into(), pretty(&events::asyncapi::document())?));
    documents.push(("k8s/online-loan/files/settings.json".into(), pretty(&settings())?));
    for entry in events::catalogue::all() {
        let path = PathBuf::from(format!("crates/events/schemas/{}.json", entry.event_type));
        documents.push((path, pretty(&entry.schema)?));
    }
    Ok(documents)
}

/// The names of the environment that each part reads.
fn settings() -> Value {
    json!({
        "gateway": settings_of::<gateway::config::Config>(),
        "loan-auth": settings_of::<loan_auth::config::Config>(),
        "loan-manager": settings_of::<loan_manager::config::Config>(),
        "loan-messenger": settings_of::<loan_messenger::config::Config>(),
        "loan-request": settings_of::<loan_request::config::Config>(),
        "loan-status": settings_of::<loan_status::config::Config>(),
    })
}

fn settings_of<C: CommandFactory>() -> BTreeSet<String> {
    let command = C::command();
    let names = command.get_arguments().filter_map(|argument| argument.get_env());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

/// Gives the service's name to its schemas that another service has, too, and
/// describes differently (each has a page of its own resources).
fn told_apart(whole: &Value, service: &str, mut document: Value) -> Result<Value> {
    loop {
        let known = &whole["components"]["schemas"];
        let clash = document["components"]["schemas"]
            .as_object()
            .into_iter()
            .flatten()
            .find(|(name, schema)| known.get(name).is_some_and(|other| other != *schema))
            .map(|(name, _)| name.clone());
        let Some(name) = clash else { return Ok(document) };
        // A schema that names the renamed one becomes another by that, so look again.
        let own = format!("{service}.{name}");
        let text = document.to_string();
        let text = text.replace(
            &format!("\"#/components/schemas/{name}\""),
            &format!("\"#/components/schemas/{own}\""),
        );
        document = serde_json::from_str(&text)?;
        let schemas = document["components"]["schemas"].as_object_mut().context("no schemas")?;
        let schema = schemas.remove(&name).context("no such schema")?;
        schemas.insert(own, schema);
    }
}

/// Adds to the whole what the gateway's table lets through.
fn add(whole: &mut Value, service: Value) -> Result<()> {
    let Value::Object(mut service) = service else { bail!("is no object") };
    if let Some(Value::Object(paths)) = service.remove("paths") {
        for (path, item) in paths {
            let Value::Object(operations) = item else { continue };
            let routed: Map<String, Value> =
                operations.into_iter().filter(|(method, _)| is_routed(method, &path)).collect();
            if !routed.is_empty() {
                insert_new(&mut whole["paths"], path, Value::Object(routed))?;
            }
        }
    }
    if let Some(Value::Object(kinds)) = service.remove("components") {
        for (kind, parts) in kinds {
            let Value::Object(parts) = parts else { continue };
            for (name, part) in parts {
                // The services word the same bearer scheme each in its own way.
                if kind == "securitySchemes" && !whole["components"][&kind][&name].is_null() {
                    continue;
                }
                insert_new(&mut whole["components"][&kind], name, part)?;
            }
        }
    }
    if let (Some(Value::Array(tags)), Some(all)) =
        (service.remove("tags"), whole["tags"].as_array_mut())
    {
        all.extend(tags);
    }
    Ok(())
}

/// Takes out of the whole what no route of it leads to: the shapes and the
/// credential of the inner routes.
fn drop_what_is_inner(whole: &mut Value) -> Result<()> {
    let mut used = whole["paths"].to_string();
    let kinds = ["schemas", "securitySchemes"];
    let named = |kind: &str, name: &str| match kind {
        // A requirement names its scheme, all else is referred to.
        "securitySchemes" => format!("{{\"{name}\":[]}}"),
        _ => format!("\"#/components/{kind}/{name}\""),
    };
    for kind in kinds {
        let all = whole["components"][kind].as_object_mut().context("no such components")?;
        let mut kept = Map::new();
        loop {
            let found = all.keys().find(|name| used.contains(&named(kind, name))).cloned();
            let Some((name, component)) = found.and_then(|name| all.remove_entry(&name)) else {
                break;
            };
            used.push_str(&component.to_string());
            kept.insert(name, component);
        }
        *all = kept;
    }
    Ok(())
}

/// Two services may describe the same thing, but not differently.
fn insert_new(into: &mut Value, name: String, value: Value) -> Result<()> {
    if into.is_null() {
        *into = json!({});
    }
    let object = into.as_object_mut().context("is no object")?;
    if object.get(&name).is_some_and(|other| *other != value) {
        bail!("{name} is described differently by another service");
    }
    object.insert(name, value);
    Ok(())
}

fn is_routed(method: &str, path: &str) -> bool {
    route_of(method, path).is_some()
}

/// The gateway's row for an operation.
fn route_of(method: &str, path: &str) -> Option<&'static Route> {
    let method = method.to_uppercase().parse().ok()?;
    let path: Vec<&str> =
        path.split('/').map(|part| if part.starts_with('{') { "id" } else { part }).collect();
    match gateway::routes::find(&method, &path.join("/")) {
        Found::Route(route) => Some(route),
        Found::OtherMethod(_) | Found::Nothing => None,
    }
}

fn pretty(value: &Value) -> Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}
