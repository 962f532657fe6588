//! The rooms of a service, and who may know whom, checked on the text of the
//! sources. The check reads lines, not syntax trees: it is here to keep honest
//! people from a slip, and a line is enough for that.

mod proofs;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The services, which all have the same rooms.
const SERVICES: &[&str] =
    &["loan-request", "loan-auth", "loan-manager", "loan-messenger", "loan-status"];

/// What every service has.
const REQUIRED: &[&str] = &[
    "Cargo.toml",
    "README.md",
    "migrations/0001_plumbing.sql",
    "src/main.rs",
    "src/lib.rs",
    "src/config.rs",
    "src/app.rs",
    "src/error.rs",
    "src/admin/mod.rs",
    "src/http/mod.rs",
    "src/events/mod.rs",
    "src/usecases/mod.rs",
    "src/domain/mod.rs",
    "src/store/mod.rs",
];

/// What a service may have under `src`, beside what it must; `config` for the tests
/// of its settings.
const OPTIONAL: &[&str] = &["publish.rs", "clients", "tasks", "config"];

/// A room, and the words that its files must not contain.
struct Room {
    folder: &'static str,
    forbidden: &'static [&'static str],
}

const ROOMS: &[Room] = &[
    Room { folder: "http", forbidden: &["crate::admin", "crate::events", "crate::tasks"] },
    Room {
        folder: "admin",
        forbidden: &["crate::http", "crate::events", "crate::tasks", "crate::clients"],
    },
    Room {
        folder: "events",
        forbidden: &["crate::admin", "crate::http", "crate::clients", "crate::tasks"],
    },
    Room {
        folder: "usecases",
        forbidden: &["crate::admin", "crate::http", "crate::events", "crate::tasks", "axum::"],
    },
    Room {
        folder: "domain",
        forbidden: &[
            "crate::admin",
            "crate::http",
            "crate::events",
            "crate::usecases",
            "crate::store",
            "crate::publish",
            "crate::clients",
            "crate::tasks",
            "crate::error",
            "crate::config",
            "common::",
            "sqlx::",
            "axum::",
            "tokio::",
            "reqwest::",
            "rdkafka::",
            "tracing::",
            "std::env",
            "std::fs",
            "std::net",
            "Clock",
            "now_utc",
            "f32",
            "f64",
        ],
    },
    Room {
        folder: "store",
        forbidden: &[
            "crate::admin",
            "crate::http",
            "crate::events",
            "crate::usecases",
            "crate::publish",
            "crate::clients",
            "crate::tasks",
            "axum::",
        ],
    },
    Room {
        folder: "publish.rs",
        forbidden: &[
            "crate::admin",
            "crate::http",
            "crate::events",
            "crate::usecases",
            "crate::clients",
            "crate::tasks",
            "axum::",
            "sqlx::",
        ],
    },
    Room {
        folder: "clients",
        forbidden: &[
            "crate::admin",
            "crate::http",
            "crate::events",
            "crate::usecases",
            "crate::store",
            "crate::publish",
            "crate::tasks",
            "sqlx::",
        ],
    },
];

/// Rooms in which a file is one verb: it holds a function of its own name.
const VERBS: &[&str] = &["admin", "http", "events", "usecases"];

/// Words of the business, which the plumbing must not know.
const LOAN_WORDS: &[&str] = &["loan", "officer", "customer", "repay", "borrower", "certif", "대출"];

/// How long a source file may be before it is to be thought about again.
const LINES_MAX: usize = 400;

/// Every finding, one line each.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let plumbing = fs::read_to_string(root.join("crates/common/migrations/plumbing.sql"))
        .context("crates/common/migrations/plumbing.sql")?;
    for service in SERVICES {
        let folder = root.join("services").join(service);
        required_files(service, &folder, &plumbing, &mut findings);
        dependencies(service, &folder, &mut findings)?;
        strangers(service, &folder, &mut findings)?;
        for room in ROOMS {
            imports(root, &folder.join("src"), room, &mut findings)?;
        }
        for room in VERBS {
            verbs(root, &folder.join("src").join(room), room, &mut findings)?;
        }
        transactions(root, &folder.join("src"), &mut findings)?;
    }
    words(root, &mut findings)?;
    lengths(root, &mut findings)?;
    proofs::check(root, &mut findings)?;
    metrics(root, &mut findings)?;
    tables::check(root, &mut findings)?;
    Ok(findings)
}

fn required_files(service: &str, folder: &Path, plumbing: &str, findings: &mut Vec<String>) {
    for file in REQUIRED {
        if !folder.join(file).is_file() {
            findings.push(format!("services/{service}: {file} is missing"));
        }
    }
    let copy = fs::read_to_string(folder.join("migrations/0001_plumbing.sql")).unwrap_or_default();
    if copy != plumbing {
        findings.push(format!(
            "services/{service}/migrations/0001_plumbing.sql differs from crates/common/migrations/plumbing.sql"
        ));
    }
}

fn dependencies(service: &str, folder: &Path, findings: &mut Vec<String>) -> Result<()> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
    for other in SERVICES.iter().chain(&["gateway", "standalone"]) {
        let named = manifest.lines().any(|line| {
            let line = line.trim_start();
            line.starts_with(&format!("{other}.")) || line.starts_with(&format!("{other} "))
        });
        if named {
            findings.push(format!(
                "services/{service}: depends on {other}; services speak through events"
            ));
        }
    }
    Ok(())
}

/// A file or folder under `src` that is none of the rooms.
fn strangers(service: &str, folder: &Path, findings: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder.join("src")).with_context(|| folder.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let known = OPTIONAL.contains(&name.as_str())
            || REQUIRED.iter().any(|path| {
                path.strip_prefix("src/").and_then(|path| path.split('/').next())
                    == Some(name.as_str())
            });
        if !known {
            findings.push(format!("services/{service}/src/{name} is none of the rooms"));
        }
    }
    Ok(())
}

fn imports(root: &Path, src: &Path, room: &Room, findings: &mut Vec<String>) -> Result<()> {
    for file in sources(&src.join(room.folder))? {
        for (number, line) in code_lines(&file)? {
            for word in room.forbidden {
                if line.contains(word) {
                    findings.push(format!(
                        "{}:{number}: {} must not know {word}",
                        shown(root, &file),
                        room.folder
                    ));
                }
            }
        }
    }
    Ok(())
}

fn verbs(root: &Path, folder: &Path, room: &str, findings: &mut Vec<String>) -> Result<()> {
    for file in sources(folder)? {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if stem == "mod"
            || stem == "tests"
            || file.components().any(|part| part.as_os_str() == "tests")
        {
            continue;
        }
        if room == "events" && !stem.starts_with("on_") {
            findings
                .push(format!("{}: a handler's file is named on_<event>.rs", shown(root, &file)));
        }
        let text = fs::read_to_string(&file)?;
        // Shapes that several verbs share are in a noun's file without functions of its own.
        let has_verb =
            text.contains(&format!("fn {stem}(")) || text.contains(&format!("fn {stem}<"));
        if !has_verb && text.contains("async fn ") && !stem.ends_with("shapes") {
            findings.push(format!("{}: no function named {stem}", shown(root, &file)));
        }
    }
    Ok(())
}

/// Transactions begin and end in `common` only.
fn transactions(root: &Path, src: &Path, findings: &mut Vec<String>) -> Result<()> {
    for file in sources(src)? {
        for (number, line) in code_lines(&file)? {
            if line.contains(".begin()") || line.contains(".commit()") {
                findings.push(format!(
                    "{}:{number}: transactions begin and end in common (Db::in_tx, the consumer)",
                    shown(root, &file)
                ));
            }
        }
    }
    Ok(())
}

fn words(root: &Path, findings: &mut Vec<String>) -> Result<()> {
    let common = root.join("crates/common");
    for file in files(&common, &["rs", "sql", "toml", "md"])? {
        let text = fs::read_to_string(&file)?.to_lowercase();
        for (number, line) in text.lines().enumerate() {
            for word in LOAN_WORDS {
                // What a certificate is, every TLS library says.
                let innocent = *word == "certif" && line.contains("certificate");
                if line.contains(word) && !innocent {
                    findings.push(format!(
                        "{}:{}: common must not know the word {word:?}",
                        shown(root, &file),
                        number + 1
                    ));
                }
            }
        }
    }
    Ok(())
}

fn lengths(root: &Path, findings: &mut Vec<String>) -> Result<()> {
    for folder in ["crates", "services", "gateway", "tests", "xtask"] {
        for file in files(&root.join(folder), &["rs"])? {
            let lines = fs::read_to_string(&file)?.lines().count();
            if lines > LINES_MAX {
                findings
                    .push(format!("{}: {lines} lines, more than {LINES_MAX}", shown(root, &file)));
            }
        }
    }
    Ok(())
}

/// The lines that are code, with their numbers: without comments, and without
/// the tests, which are a file of their own (`mod tests;`, wherever it is
/// declared) or the end of this one (`mod tests {`).
fn code_lines(file: &Path) -> Result<Vec<(usize, String)>> {
    let text = fs::read_to_string(file)?;
    let mut lines = Vec::new();
    let mut of_tests = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if of_tests {
            if line.ends_with('{') && line.contains("mod ") {
                break;
            }
            of_tests = line.starts_with("#[");
            continue;
        }
        of_tests = line == "#[cfg(test)]";
        if !of_tests && !line.starts_with("//") {
            lines.push((number + 1, line.to_owned()));
        }
    }
    Ok(lines)
}

/// Rust sources below a folder, or the one file, without files of tests.
pub(crate) fn sources(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    Ok(files(path, &["rs"])?
        .into_iter()
        .filter(|file| {
            !file.components().any(|part| part.as_os_str() == "tests")
                && file.file_stem().is_none_or(|stem| {
                    let stem = stem.to_string_lossy();
                    stem != "tests" && !stem.ends_with("_tests") && stem != "testing"
                })
        })
        .collect())
}

pub(crate) fn files(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                found.extend(files(&path, endings)?);
            }
        } else if path.extension().is_some_and(|end| endings.iter().any(|ending| end == *ending)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Operators look for what a metric means in one place, so each must be there.
fn metrics(root: &Path, findings: &mut Vec<String>) -> Result<()> {
    let page = fs::read_to_string(root.join("docs/operations.md")).context("docs/operations.md")?;
    for folder in ["crates/common/src", "services", "gateway/src"] {
        for file in sources(&root.join(folder))? {
            let text = fs::read_to_string(&file)?;
            for name in metric_names(&text).filter(|name| !page.contains(&format!("`{name}"))) {
                findings.push(format!(
                    "{}: the metric {name} is not in docs/operations.md",
                    shown(root, &file)
                ));
            }
        }
    }
    Ok(())
}

fn metric_names(text: &str) -> impl Iterator<Item = &str> {
    ["counter!(", "gauge!(", "histogram!("].into_iter().flat_map(move |made| {
        text.split(made)
            .skip(1)
            .filter_map(|after| after.trim_start().strip_prefix('"')?.split('"').next())
    })
}

pub(crate) fn shown(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).display().to_string()
}
