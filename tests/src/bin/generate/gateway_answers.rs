//! What the gateway answers by itself, whatever stands behind it: no service
//! tells of it, so it is added to the description of the whole.

use anyhow::{Context, Result};
use gateway::routes::Token;
use serde_json::{Map, Value, json};

use crate::route_of;

/// Answers in OAuth's shape.
const TOKEN_PATH: &str = "/auth/token";

/// One of its answers.
struct Own {
    status: u16,
    title: &'static str,
    code: &'static str,
    /// The same in OAuth's words.
    error: &'static str,
    said: &'static str,
    detail: &'static str,
    comes_back: bool,
}

const ALWAYS: [Own; 6] = [
    Own {
        status: 400,
        title: "Bad Request",
        code: "ambiguous-request",
        error: "invalid_request",
        said: "the request can be understood in more than one way",
        detail: "There is more than one Authorization header.",
        comes_back: false,
    },
    Own {
        status: 429,
        title: "Too Many Requests",
        code: "rate-limited",
        error: "slow_down",
        said: "too many requests from one address; `RateLimit-Policy` says how many are allowed",
        detail: "Too many requests; `RateLimit-Policy` says how many are allowed.",
        comes_back: true,
    },
    Own {
        status: 500,
        title: "Internal Server Error",
        code: "internal",
        error: "server_error",
        said: "an error on our side",
        detail: "An error on our side. It has been recorded.",
        comes_back: false,
    },
    Own {
        status: 502,
        title: "Bad Gateway",
        code: "upstream-cut",
        error: "server_error",
        said: "a service broke off its answer, or `outcome-unknown`: its database did; whether it was done is not known",
        detail: "A service broke off its answer.",
        comes_back: false,
    },
    Own {
        status: 503,
        title: "Service Unavailable",
        code: "unavailable",
        error: "temporarily_unavailable",
        said: "a service is busy or can't be reached; nothing was done",
        detail: "The service can't be reached; nothing was done.",
        comes_back: true,
    },
    Own {
        status: 504,
        title: "Gateway Timeout",
        code: "timeout",
        error: "server_error",
        said: "the answer was not there in time; whether it was done is not known",
        detail: "The answer was not there in time.",
        comes_back: false,
    },
];

/// Where a token is not asked for, one that is there is looked at all the same.
const OF_A_TOKEN: Own = Own {
    status: 401,
    title: "Unauthorized",
    code: "unauthenticated",
    error: "invalid_request",
    said: "a token is there that is not valid",
    detail: "The bearer token is not valid; it may have expired.",
    comes_back: false,
};

/// Adds them to every operation.
pub(crate) fn add(whole: &mut Value) -> Result<()> {
    for (path, item) in whole["paths"].as_object_mut().context("no paths")? {
        for (method, operation) in item.as_object_mut().context("no operations")? {
            let token = route_of(method, path).context("it is routed")?.token;
            let responses = operation["responses"].as_object_mut().context("no responses")?;
            for own in &ALWAYS {
                add_one(responses, own, path);
            }
            if token == Token::Checked {
                add_one(responses, &OF_A_TOKEN, path);
            }
        }
    }
    Ok(())
}

fn add_one(responses: &mut Map<String, Value>, own: &Own, path: &str) {
    let word = if path == TOKEN_PATH { own.error } else { own.code };
    let Some(known) = responses.get_mut(&own.status.to_string()) else {
        responses.insert(own.status.to_string(), own.described(path));
        return;
    };
    let is_told = [format!("`{word}`"), format!("\"{word}\"")];
    let text = known.to_string();
    if !is_told.iter().any(|told| text.contains(told)) {
        let said = known["description"].as_str().unwrap_or_default();
        known["description"] = json!(format!("{said}; or `{word}`: {}", own.said));
    }
}

impl Own {
    fn described(&self, path: &str) -> Value {
        let (media, schema, word, example) = if path == TOKEN_PATH {
            let example = json!({ "error": self.error, "error_description": self.detail });
            ("application/json", "TokenFailure", self.error, example)
        } else {
            let example = json!({
                "type": format!("/problems/{}", self.code), "title": self.title, "status": self.status,
                "code": self.code, "detail": self.detail, "instance": path.replace("{", "").replace("}", "")
            });
            ("application/problem+json", "Problem", self.code, example)
        };
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        let mut described = json!({
            "description": format!("`{word}`: {}", self.said),
            "content": { media: { "schema": schema, "example": example } }
        });
        if self.comes_back {
            described["headers"]["Retry-After"] = json!({ "description": "seconds", "schema": { "type": "integer", "format": "int32", "minimum": 0 } });
        }
        described
    }
}
