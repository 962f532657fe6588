//! The committed descriptions of the API, read as a client that knows nothing
//! else would read them. What the journeys of this kind enumerate comes from
//! here, so a route that is added to the code is added to them, or fails them.

use std::path::Path;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::Value;
use standalone::Service;

/// One OpenAPI document.
pub(crate) struct Contract {
    pub(crate) document: Value,
}

/// One operation of it.
#[derive(Clone, Copy)]
pub(crate) struct Operation<'a> {
    contract: &'a Contract,
    pub(crate) id: &'a str,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) described: &'a Value,
}

/// Where a request can name something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// `path`, `query`, `header` or `body`.
    pub(crate) within: String,
    pub(crate) name: String,
}

impl Contract {
    /// What is reached through the gateway.
    pub(crate) fn of_the_whole() -> Result<Self> {
        Self::read("openapi.json")
    }

    /// What one service answers, inner routes too.
    pub(crate) fn of_service(service: Service) -> Result<Self> {
        Self::read(&format!("{service}.openapi.json"))
    }

    fn read(file: &str) -> Result<Self> {
        Ok(Self { document: read_document(file)? })
    }

    /// Every operation, by path and method.
    pub(crate) fn operations(&self) -> Vec<Operation<'_>> {
        let mut operations = Vec::new();
        for (path, item) in members(&self.document["paths"]) {
            for (method, described) in members(item) {
                let id = described["operationId"].as_str().unwrap_or("?");
                operations.push(Operation { contract: self, id, method, path, described });
            }
        }
        operations
    }

    /// One operation by its id.
    pub(crate) fn operation(&self, id: &str) -> Result<Operation<'_>> {
        let mut found = self.operations().into_iter().filter(|operation| operation.id == id);
        found.next().with_context(|| format!("{id} is not described"))
    }

    /// What a `$ref` leads to; the value itself without one.
    pub(crate) fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let pointer = value["$ref"].as_str().and_then(|address| address.strip_prefix('#'));
        match pointer.and_then(|pointer| self.document.pointer(pointer)) {
            Some(target) => self.resolved(target),
            None => value,
        }
    }
}

impl<'a> Operation<'a> {
    pub(crate) fn method(&self) -> Method {
        self.method.to_uppercase().parse().unwrap()
    }

    /// The parameters of the address and the head, and the fields of the body.
    pub(crate) fn places(&self) -> Vec<Place> {
        let place = |within: &str, name: &str| Place { within: within.into(), name: name.into() };
        let mut places: Vec<Place> = array(&self.described["parameters"])
            .map(|parameter| self.contract.resolved(parameter))
            .map(|parameter| place(text(&parameter["in"]), text(&parameter["name"])))
            .collect();
        for field in self.body_fields() {
            places.push(place("body", field));
        }
        places.sort();
        places.dedup();
        places
    }

    /// The names of the parameters in the query string.
    pub(crate) fn query_names(&self) -> Vec<String> {
        let places = self.places().into_iter();
        places.filter(|place| place.within == "query").map(|place| place.name).collect()
    }

    /// The fields of the body, in whichever media type it may come.
    pub(crate) fn body_fields(&self) -> Vec<&'a str> {
        let mut fields = Vec::new();
        for (_, content) in members(&self.described["requestBody"]["content"]) {
            let schema = self.contract.resolved(&content["schema"]);
            fields.extend(members(&schema["properties"]).map(|(name, _)| name));
        }
        fields.sort_unstable();
        fields.dedup();
        fields
    }

    /// Which media types its body may have.
    pub(crate) fn media_types(&self) -> Vec<&'a str> {
        members(&self.described["requestBody"]["content"]).map(|(name, _)| name).collect()
    }

    /// Every answer: the status, and what is said of it.
    pub(crate) fn answers(&self) -> Vec<(u16, &'a Value)> {
        members(&self.described["responses"])
            .map(|(status, answer)| (status.parse().unwrap(), self.contract.resolved(answer)))
            .collect()
    }
}

/// A generated document, as it is committed.
pub(crate) fn document_text(file: &str) -> Result<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api");
    std::fs::read_to_string(folder.join(file)).with_context(|| format!("docs/api/{file}"))
}

/// The same as JSON.
pub(crate) fn read_document(file: &str) -> Result<Value> {
    Ok(serde_json::from_str(&document_text(file)?)?)
}

/// The members of a JSON object; none of anything else.
pub(crate) fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// The elements of a JSON array; none of anything else.
pub(crate) fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Which service answers a path, and so where it is asked past the gateway.
pub(crate) fn service_of(method: &Method, path: &str) -> Option<Service> {
    use gateway::routes::{Found, Goal, Upstream, find};

    let path: Vec<&str> =
        path.split('/').map(|part| if part.starts_with('{') { "id" } else { part }).collect();
    let (Found::Route(route) | Found::OtherMethod(route)) = find(method, &path.join("/")) else {
        return None;
    };
    match route.goal {
        Goal::Upstream(Upstream::Request) => Some(Service::LoanRequest),
        Goal::Upstream(Upstream::Auth) => Some(Service::LoanAuth),
        Goal::Upstream(Upstream::Manager) => Some(Service::LoanManager),
        Goal::Upstream(Upstream::Messenger) => Some(Service::LoanMessenger),
        Goal::Upstream(Upstream::Status) => Some(Service::LoanStatus),
        Goal::Health | Goal::Docs | Goal::Problems => None,
    }
}

/// What a journey found to be wrong: all of it is shown, not the first alone.
#[derive(Default)]
pub(crate) struct Findings(Vec<String>);

impl Findings {
    /// Notes something unless it is as it must be.
    pub(crate) fn check(&mut self, is_right: bool, what: impl FnOnce() -> String) {
        if !is_right {
            self.0.push(what());
        }
    }

    /// Fails with everything that was found.
    pub(crate) fn conclude(self) {
        assert!(self.0.is_empty(), "{} found:\n{}", self.0.len(), self.0.join("\n"));
    }
}
