//! JSON checked against the schemas of a document, and the other way round: what
//! has a field that no schema tells of is not described.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use crate::contract::{Findings, array, members};

/// The schemas of one document, with which `$ref`s are followed.
pub(super) struct Schemas<'a> {
    root: &'a Value,
    /// By the schema's text: to make one takes far longer than to use it.
    validators: RefCell<HashMap<String, Validator>>,
}

impl<'a> Schemas<'a> {
    pub(super) fn of(root: &'a Value) -> Self {
        Self { root, validators: RefCell::default() }
    }

    /// Notes where a value does not fit a schema; closed, also what the schema does
    /// not tell of.
    pub(super) fn check(
        &self,
        schema: &'a Value,
        value: &Value,
        is_closed: bool,
        what: &str,
        findings: &mut Findings,
    ) {
        if let Err(error) = self.fits(schema, value, what, findings) {
            findings.check(false, || format!("{what}: no schema: {error}"));
        }
        if is_closed {
            for path in self.untold(&[schema], value, "") {
                findings.check(false, || format!("{what}: {path} is not described"));
            }
        }
    }

    fn fits(
        &self,
        schema: &Value,
        value: &Value,
        what: &str,
        findings: &mut Findings,
    ) -> Result<(), String> {
        let mut validators = self.validators.borrow_mut();
        let validator = match validators.entry(schema.to_string()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(self.validator(schema)?),
        };
        for error in validator.iter_errors(value) {
            let at = error.instance_path().to_string();
            findings.check(false, || format!("{what}: {error} at {at:?} of {value}"));
        }
        Ok(())
    }

    fn validator(&self, schema: &Value) -> Result<Validator, String> {
        let mut whole = schema.clone();
        let object = whole.as_object_mut().ok_or("it is none")?;
        // What its references lead to, at the same address.
        object.insert("components".to_owned(), self.root["components"].clone());
        if self.root["$defs"].is_object() {
            object.insert("$defs".to_owned(), self.root["$defs"].clone());
        }
        let options = jsonschema::options().with_draft(Draft::Draft202012);
        options.should_validate_formats(true).build(&whole).map_err(|error| error.to_string())
    }

    /// Fields that none of these schemas, which hold for the value together, tells of.
    fn untold(&self, schemas: &[&'a Value], value: &Value, at: &str) -> Vec<String> {
        let mut parts = Vec::new();
        schemas.iter().for_each(|schema| self.flatten(schema, &mut parts));
        match value {
            Value::Object(members) => {
                let mut untold = Vec::new();
                for (name, value) in members {
                    let at = format!("{at}/{name}");
                    let told: Vec<&Value> =
                        parts.iter().filter_map(|part| part["properties"].get(name)).collect();
                    let others = parts.iter().map(|part| &part["additionalProperties"]);
                    let others: Vec<&Value> = others.filter(|other| is_open(other)).collect();
                    match (told.is_empty(), others.is_empty()) {
                        (false, _) => untold.extend(self.untold(&told, value, &at)),
                        (true, false) => untold.extend(self.untold(&others, value, &at)),
                        (true, true) => untold.push(at),
                    }
                }
                untold
            }
            Value::Array(items) => {
                let within: Vec<&Value> = parts.iter().map(|part| &part["items"]).collect();
                let each = |(place, item)| self.untold(&within, item, &format!("{at}/{place}"));
                items.iter().enumerate().flat_map(each).collect()
            }
            _ => Vec::new(),
        }
    }

    /// A schema, with all that it is made of.
    fn flatten(&self, schema: &'a Value, parts: &mut Vec<&'a Value>) {
        parts.push(schema);
        let target = schema["$ref"].as_str().and_then(|address| address.strip_prefix('#'));
        if let Some(target) = target.and_then(|at| self.root.pointer(at)) {
            self.flatten(target, parts);
        }
        for made_of in ["allOf", "oneOf", "anyOf"] {
            array(&schema[made_of]).for_each(|part| self.flatten(part, parts));
        }
    }
}

fn is_open(additional: &Value) -> bool {
    additional.is_object() || *additional == json!(true)
}

/// Whether a schema asks for a field, by itself or by what it is made of.
pub(super) fn requires(root: &Value, schema: &Value, field: &str) -> bool {
    let target = schema["$ref"].as_str().and_then(|address| address.strip_prefix('#'));
    let target = target.and_then(|at| root.pointer(at));
    target.is_some_and(|target| requires(root, target, field))
        || array(&schema["required"]).any(|name| name == field)
        || array(&schema["allOf"]).any(|part| requires(root, part, field))
}

/// Whether nothing of a value is null: nulls are left out on our wires.
pub(super) fn has_null(value: &Value) -> bool {
    value.is_null()
        || members(value).any(|(_, value)| has_null(value))
        || array(value).any(has_null)
}
