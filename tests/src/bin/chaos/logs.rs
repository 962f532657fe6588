//! What the services' logs tell: on which events each of them has worked. A
//! service says so after the commit, so that an event that it names twice has
//! had its effect twice, or would have had it without a second wall.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::Result;
use standalone::Service;

/// Events on which one service has worked more than once, with its name. `all`
/// counts all of them, so that a log that tells nothing is noticed.
pub(crate) fn worked_twice(folder: &Path) -> Result<(usize, Vec<String>)> {
    let (mut all, mut twice) = (0, Vec::new());
    for service in Service::WITH_DATABASE {
        let mut seen = BTreeSet::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let is_log = path.extension().is_some_and(|extension| extension == "log");
            if is_log && is_instance(&stem, service.name()) {
                read(&path, |event| {
                    all += 1;
                    if !seen.insert(event.to_owned()) {
                        twice.push(format!("{service} worked twice on {event}"));
                    }
                })?;
            }
        }
    }
    Ok((all, twice))
}

/// `loan-status` and `loan-status-7`, the other instances, but not `loan-status-x`.
fn is_instance(stem: &str, name: &str) -> bool {
    stem.strip_prefix(name).is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok())
    })
}

fn read(path: &Path, mut worked: impl FnMut(&str)) -> Result<()> {
    let mut lines = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    // A killed process may have left half a line.
    while lines.read_until(b'\n', &mut line)? > 0 {
        if let Some(event) = event_of(&String::from_utf8_lossy(&line)) {
            worked(event);
        }
        line.clear();
    }
    Ok(())
}

fn event_of(line: &str) -> Option<&str> {
    if !line.contains("\"worked on\"") {
        return None;
    }
    let (_, rest) = line.split_once("\"event_id\":\"")?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn instances_of_a_service_count_together_and_others_apart() {
        let folder = tempfile::tempdir().unwrap();
        let line = |id: &str| format!("{{\"message\":\"worked on\",\"event_id\":\"{id}\"}}\n");
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(format!("{name}.log")), text).unwrap();
        };
        write("loan-status", format!("{}{}{{\"mess", line("a"), line("b")));
        write("loan-status-2", format!("{}{}", line("c"), line("a")));
        write("loan-auth", line("a"));
        let (all, twice) = worked_twice(folder.path()).unwrap();
        assert_eq!(all, 5);
        assert_eq!(twice, ["loan-status worked twice on a"]);
    }
}
