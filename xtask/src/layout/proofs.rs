//! Whether each test that `docs/reliability.md` names as a proof is there. A guarantee
//! whose test was renamed or removed is a promise that nobody looks at any more.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Where the guarantees are, each with its tests.
const PAGE: &str = "docs/reliability.md";

/// What stands between the file of a test and its name.
const BETWEEN: &str = ".rs::";

/// Looks for every test that the page names.
pub(super) fn check(root: &Path, findings: &mut Vec<String>) -> Result<()> {
    let page = fs::read_to_string(root.join(PAGE)).context(PAGE)?;
    findings.extend(missing(&page, |file| fs::read_to_string(root.join(file)).ok()));
    Ok(())
}

/// What the page names and is not there. `read` gives the text of a file, if there is
/// such a file.
fn missing(page: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut findings = Vec::new();
    let mut names_any = false;
    for (number, line) in (1..).zip(page.lines()) {
        for (file, test) in proofs_in(line) {
            names_any = true;
            match read(&file) {
                None => findings.push(format!("{PAGE}:{number}: there is no file {file}")),
                Some(text) if !has_test(&text, test) => {
                    findings.push(format!("{PAGE}:{number}: there is no test {test} in {file}"));
                }
                Some(_) => {}
            }
        }
    }
    if !names_any {
        findings.push(format!("{PAGE}: names no test"));
    }
    findings
}

/// Whether there is such a function, and it is a test that is run.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(at, line)| {
        let is_it = !line.starts_with("//") && line.contains(&format!("fn {name}("));
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        let attributes: Vec<&&str> = above.collect();
        is_it
            && attributes.iter().any(|one| one.contains("test"))
            && !attributes.iter().any(|one| one.contains("ignore"))
    })
}

/// The tests that a line names as `path/of/a_file.rs::name`: the file and the name.
fn proofs_in(line: &str) -> impl Iterator<Item = (String, &str)> {
    line.match_indices(BETWEEN).map(move |(at, _)| {
        let is_of_path = |c: char| c.is_ascii_alphanumeric() || "/_-.".contains(c);
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (before, after) = (&line[..at], &line[at + BETWEEN.len()..]);
        let file = before.rsplit(|c: char| !is_of_path(c)).next().unwrap_or_default();
        let test = after.split(|c: char| !is_of_name(c)).next().unwrap_or_default();
        (format!("{file}.rs"), test)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There is one file, and one test in it.
    fn read(file: &str) -> Option<String> {
        let text = "#[sqlx::test]\nasync fn a_note_is_kept(pool: PgPool) {\n#[test]\n#[ignore]\n\
                    fn a_note_is_lost() {\nfn a_helper() {\n// fn a_note_was() {";
        (file == "tests/notes.rs").then(|| text.to_owned())
    }

    #[test]
    fn a_test_is_found_by_its_file_and_its_name() {
        let page = "Kept: `tests/notes.rs::a_note_is_kept`, 그리고 `src/notes.rs`.\n\
            | kept | `tests/notes.rs::a_note_is_kept` |\n";
        assert_eq!(missing(page, read), Vec::<String>::new());
    }

    #[test]
    fn a_helper_and_what_is_not_run_are_no_tests() {
        let (text, none) = (
            read("tests/notes.rs").unwrap_or_default(),
            ["a_helper", "a_note_is_lost", "a_note_was"],
        );
        assert!(has_test(&text, "a_note_is_kept"));
        assert!(none.into_iter().all(|name| !has_test(&text, name)));
    }

    #[test]
    fn what_is_not_there_is_told_with_its_line() {
        let page = "`tests/notes.rs::a_note_is_kept`, `tests/notes.rs::a_note`\n\n\
            `tests/gone.rs::a_note_is_kept`\n";
        assert_eq!(
            missing(page, read),
            [
                "docs/reliability.md:1: there is no test a_note in tests/notes.rs",
                "docs/reliability.md:3: there is no file tests/gone.rs",
            ]
        );
    }

    #[test]
    fn a_page_without_a_test_proves_nothing() {
        assert_eq!(missing("All is well.", read), ["docs/reliability.md: names no test"]);
    }
}
