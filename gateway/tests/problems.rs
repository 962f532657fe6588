//! Every code that a part of this system can answer has its page, and every page its code.
//!
//! The codes are read from the sources: a problem is made with its code written out, so that it can
//! be found, and with nothing else.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// How a problem is made. `Self::new` is one of them where a status follows.
const MAKERS: [&str; 6] = [
    "Problem::new(",
    "Self::new(",
    "Problem::forbidden(",
    "Self::forbidden(",
    "Problem::conflict(",
    "Self::conflict(",
];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// All source files of the folder that are not tests.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            if name != "tests" {
                sources(&path, into);
            }
        } else if name.ends_with(".rs") && !name.contains("test") {
            into.push(path);
        }
    }
}

/// The code that a maker is given, `None` where what follows is no problem's beginning.
fn code_of<'a>(maker: &str, after: &'a str) -> Option<Result<&'a str, &'a str>> {
    let mut after = after.trim_start();
    if maker.ends_with("::new(") {
        let (status, rest) = after.split_once(',')?;
        let is_status = status.starts_with("StatusCode::") || ["status", "other"].contains(&status);
        if !is_status && maker != "Problem::new(" {
            return None;
        }
        after = rest.trim_start();
    }
    let Some(quoted) = after.strip_prefix('"') else {
        return Some(Err(after.split([',', ')']).next().unwrap_or_default()));
    };
    Some(Ok(quoted.split('"').next().unwrap_or_default()))
}

/// The codes in the sources of all that answers, and where each is.
fn codes_in_the_sources() -> BTreeMap<String, PathBuf> {
    let mut files = Vec::new();
    for folder in [
        "crates/common/src",
        "services/loan-request/src",
        "services/loan-auth/src",
        "services/loan-manager/src",
        "services/loan-messenger/src",
        "services/loan-status/src",
        "gateway/src",
    ] {
        sources(&repository().join(folder), &mut files);
    }
    let mut codes = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let shown = file.strip_prefix(repository()).unwrap().to_owned();
        for maker in MAKERS {
            for (at, _) in text.match_indices(maker) {
                match code_of(maker, &text[at + maker.len()..]) {
                    None => {}
                    // OAuth has a shape and words of its own (RFC 6749), and no pages here.
                    Some(Ok(code)) if code.contains('_') => {}
                    Some(Ok(code)) => {
                        codes.insert(code.to_owned(), shown.clone());
                    }
                    Some(Err(other)) => {
                        // `common` passes on what its callers wrote out, and the gateway's own are
                        // listed by `Failure`, read below.
                        let is_known = shown == Path::new("crates/common/src/problem.rs")
                            || shown == Path::new("gateway/src/rescue.rs");
                        assert!(
                            is_known && other == "code",
                            "{}: write the code of this problem out: {other}",
                            shown.display()
                        );
                    }
                }
            }
        }
    }
    let rescue = std::fs::read_to_string(repository().join("gateway/src/rescue.rs")).unwrap();
    let says = rescue.split("fn says(").nth(1).unwrap().split("fn problem(").next().unwrap();
    for after in says.split('(').skip(1) {
        if let Some(quoted) = after.trim_start().strip_prefix('"') {
            let text = quoted.split('"').next().unwrap();
            // The details are sentences; a code is a word.
            if text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
                codes.insert(text.to_owned(), "gateway/src/rescue.rs".into());
            }
        }
    }
    codes
}

/// The codes in the examples of the API's description.
fn codes_in(value: &Value, into: &mut BTreeSet<(String, u64)>) {
    match value {
        Value::Object(members) => {
            if members
                .get("type")
                .and_then(Value::as_str)
                .is_some_and(|kind| kind.starts_with("/problems/"))
                && let Some(code) = members.get("code").and_then(Value::as_str)
            {
                assert_eq!(members["type"], format!("/problems/{code}"));
                into.insert((code.to_owned(), members["status"].as_u64().unwrap()));
            }
            members.values().for_each(|member| codes_in(member, into));
        }
        Value::Array(items) => items.iter().for_each(|item| codes_in(item, into)),
        _ => {}
    }
}

#[test]
fn every_code_has_its_page_and_every_page_its_code() {
    let used = codes_in_the_sources();
    assert!(used.len() > 30, "the sources were not read: {used:?}");
    let pages: BTreeSet<&str> = gateway::problems::all().map(|kind| kind.code).collect();
    let without: Vec<_> = used.iter().filter(|(code, _)| !pages.contains(code.as_str())).collect();
    assert!(without.is_empty(), "codes without a page: {without:?}");
    for page in pages {
        assert!(used.contains_key(page), "nothing answers `{page}` any more");
    }
}

#[test]
fn every_code_of_the_descriptions_has_its_page_with_its_status() {
    let document: Value = serde_json::from_str(gateway::docs::OPENAPI).unwrap();
    let mut described = BTreeSet::new();
    codes_in(&document, &mut described);
    assert!(described.len() > 20, "{described:?}");
    for (code, status) in described {
        let kind = gateway::problems::all().find(|kind| kind.code == code);
        let kind = kind.unwrap_or_else(|| panic!("`{code}` has no page"));
        assert!(
            kind.statuses.iter().any(|own| u64::from(*own) == status),
            "{code} is answered with {status}, which its page does not say"
        );
    }
}
