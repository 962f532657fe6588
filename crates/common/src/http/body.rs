//! JSON bodies, in and out.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::BODY_BYTES_MAX;
use crate::problem::Problem;

/// How deep arrays and objects of a body may be nested.
pub const DEPTH_MAX: usize = 32;

/// A JSON body. As an extractor it answers 415 (not JSON by its type, in another
/// charset than UTF-8, or compressed), 400 (not
/// JSON, not UTF-8, nested too deep), 413 (too large) or 422 (JSON, but not what
/// is asked for, with the field in `errors`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        check_type(request.headers())?;
        let body = read(request).await?;
        parse(&body).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => {
                tracing::error!(%error, "an answer could not become JSON");
                Problem::internal().into_response()
            }
        }
    }
}

/// Whether the bytes of the body are to be read as JSON, by what its headers say.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let is_coded = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_coded {
        let told = "The body must be sent as it is, without a Content-Encoding.";
        let identity = HeaderValue::from_static("identity");
        return Err(unsupported(told).with_header(header::ACCEPT_ENCODING, identity));
    }
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut parts = media_type.unwrap_or_default().split(';');
    let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    if !is_json {
        return Err(Problem::from_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let charsets = parts.filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    // ASCII is UTF-8, too.
    let is_utf_8 =
        |name: &str| ["utf-8", "utf8", "us-ascii"].iter().any(|one| one.eq_ignore_ascii_case(name));
    if !charsets.into_iter().all(is_utf_8) {
        return Err(unsupported("JSON is read as UTF-8, and as no other charset."));
    }
    Ok(())
}

fn unsupported(detail: &str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
}

async fn read(request: Request) -> Result<Bytes, Problem> {
    axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(|error| {
        if is_too_large(&error) {
            Problem::too_large()
        } else {
            malformed("The body could not be read to its end.")
        }
    })
}

fn is_too_large(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut source = Some(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn malformed(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed-body", detail)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("The body is not UTF-8."))?;
    if depth(text) > DEPTH_MAX {
        return Err(malformed(&format!("The body is nested deeper than {DEPTH_MAX}.")));
    }
    if !text.trim_start().starts_with('{') {
        // A type of ours would be read from a list as well, field by field.
        return Err(wrong_shape(text));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        // Whatever kind serde_json gives the error: a number where an enum's name is
        // wanted counts as syntax there. Whether the text is JSON is asked of the text.
        wrong_field(text, &path, &error.into_inner())
    })?;
    json.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn not_json(error: &serde_json::Error) -> Problem {
    malformed(&format!("The body is not JSON (line {}, column {}).", error.line(), error.column()))
}

fn wrong_shape(text: &str) -> Problem {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Err(error) => not_json(&error),
        Ok(_) => Problem::invalid("The body has wrong fields.").with_error("", "must be an object"),
    }
}

/// A body that is JSON but not what is asked for. The rest of it is looked at
/// first: half a JSON text is no JSON, whatever its first half says.
fn wrong_field(text: &str, path: &str, error: &serde_json::Error) -> Problem {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        return not_json(&error);
    }
    let message = error.to_string();
    // serde ends with where in the text; the field says it better.
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    let path = if path == "." { "" } else { path };
    let (field, message) = match missing_field(message) {
        Some(name) if path.is_empty() => (name.to_owned(), "is missing".to_owned()),
        Some(name) => (format!("{path}.{name}"), "is missing".to_owned()),
        None => (path.to_owned(), asked_for(message)),
    };
    Problem::invalid("The body has wrong fields.").with_error(&field, message)
}

/// What is asked for, in place of what was sent: serde quotes that, and it may be
/// a password in the wrong field.
fn asked_for(message: &str) -> String {
    // The last one is serde's own; what was sent stands before it.
    let Some((_, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    let expected = match expected {
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" => "an integer",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    format!("must be {expected}")
}

fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'))
}

/// How deep arrays and objects are nested. Counted before parsing, so that the
/// parser's stack never depends on the caller.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests;
