//! Whether `docs/operations.md` says of every table what it grows by and what
//! bounds it. A table that nobody has thought about is one that grows for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{SERVICES, files};

/// Where the tables are told of.
const PAGE: &str = "docs/operations.md";

/// The heading above them.
const HEADING: &str = "### What grows and what is purged";

/// What stands in the place of a schema where every service has the table.
const EVERY: &str = "every";

/// Compares the page with the migrations, in both directions.
pub(super) fn check(root: &Path, findings: &mut Vec<String>) -> Result<()> {
    let plumbing =
        tables_of(&fs::read_to_string(root.join("crates/common/migrations/plumbing.sql"))?);
    let mut there = BTreeMap::from([(EVERY.to_owned(), plumbing.clone())]);
    for service in SERVICES {
        let mut text = String::new();
        // By their names, and so in the order in which they are run.
        for file in files(&root.join("services").join(service).join("migrations"), &["sql"])? {
            text.push_str(&fs::read_to_string(&file)?);
        }
        let own = tables_of(&text).difference(&plumbing).cloned().collect();
        there.insert(service.replace('-', "_"), own);
    }
    let page = fs::read_to_string(root.join(PAGE)).context(PAGE)?;
    findings.extend(differences(&there, &page));
    Ok(())
}

/// What the page lacks, and what it tells of that is not there.
fn differences(there: &BTreeMap<String, BTreeSet<String>>, page: &str) -> Vec<String> {
    let all: BTreeSet<(&str, &str)> = there
        .iter()
        .flat_map(|(schema, tables)| tables.iter().map(|table| (schema.as_str(), table.as_str())))
        .collect();
    let mut told = BTreeSet::new();
    let mut findings = Vec::new();
    for row in rows_of(page) {
        let [schema, table, ..] = row[..] else { continue };
        if !told.insert((schema, table)) {
            findings.push(format!("{PAGE}: the table {schema}.{table} is told of twice"));
        }
        if row.len() != 4 || row.iter().any(|cell| cell.is_empty()) {
            findings.push(format!(
                "{PAGE}: of {schema}.{table} it is not said what it grows by and what bounds it"
            ));
        }
    }
    for (schema, table) in all.difference(&told) {
        findings.push(format!(
            "{PAGE}: what bounds the table {schema}.{table} is not told (\"{HEADING}\")"
        ));
    }
    for (schema, table) in told.difference(&all) {
        findings.push(format!("{PAGE}: no migration makes the table {schema}.{table}"));
    }
    findings
}

/// The cells of the rows below the heading, without the table's head and without the
/// marks of code.
fn rows_of(page: &str) -> Vec<Vec<&str>> {
    page.lines()
        .skip_while(|line| *line != HEADING)
        .skip(1)
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let inner = line.strip_prefix('|').unwrap_or(line);
            let inner = inner.strip_suffix('|').unwrap_or(inner);
            inner.split('|').map(|cell| cell.trim().trim_matches('`')).collect()
        })
        .collect()
}

/// The tables that are there after these statements.
fn tables_of(sql: &str) -> BTreeSet<String> {
    let statements: String = sql
        .lines()
        .map(|line| line.split_once("--").map_or(line, |(code, _)| code))
        .flat_map(|code| [code, "\n"])
        .collect();
    let mut tables = BTreeSet::new();
    for statement in statements.split(';') {
        let words: Vec<String> = statement
            .split(|c: char| c.is_whitespace() || c == '(' || c == ',')
            .filter(|word| {
                !word.is_empty() && !["if", "not", "exists"].contains(&word.to_lowercase().as_str())
            })
            .map(|word| word.trim_matches('"').to_lowercase())
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["create", "table" | "unlogged", ..] => {
                let named = words.iter().skip_while(|word| **word != "table").nth(1);
                tables.extend(named.map(|name| (*name).to_owned()));
            }
            ["drop", "table", ref names @ ..] => {
                tables.retain(|table| !names.contains(&table.as_str()));
            }
            ["alter", "table", old, "rename", "to", new] => {
                tables.remove(old);
                tables.insert(new.to_owned());
            }
            _ => {}
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_tables_are_those_that_are_left() {
        let sql = "-- CREATE TABLE not_this (a int);
            CREATE TABLE one (a int CHECK (a > 0)); -- CREATE TABLE nor_this
            CREATE TABLE IF NOT EXISTS two(a int);
            CREATE UNLOGGED TABLE three (a int);
            CREATE UNIQUE INDEX one_a ON one (a);
            ALTER TABLE two ADD COLUMN b int;
            ALTER TABLE two RENAME TO four;
            ALTER TABLE one RENAME COLUMN a TO c;
            DROP TABLE IF EXISTS three CASCADE;";
        assert_eq!(tables_of(sql), names(&["four", "one"]));
    }

    #[test]
    fn a_table_without_a_row_and_a_row_without_a_table_are_found() {
        let there = BTreeMap::from([
            (EVERY.to_owned(), names(&["outbox"])),
            ("notes".to_owned(), names(&["note", "forgotten", "unclear"])),
        ]);
        let page = format!(
            "| schema | table | rows | until |\n|---|---|---|---|\n| notes | `forgotten` | elsewhere | ever |\n\
             {HEADING}\n\nWords.\n\n\
             | schema | table | a row for each | until |\n|---|---|---|---|\n\
             | every | `outbox` | event | three days |\n\
             | `notes` | `note` | note | kept |\n\
             | `notes` | `unclear` | | kept |\n\
             | `notes` | `gone` | note | kept |\n\n\
             | `notes` | `forgotten` | note | not in this table |\n"
        );
        let found = differences(&there, &page).join("\n");
        assert_eq!(found.lines().count(), 3, "{found}");
        for what in
            ["notes.forgotten is not told", "the table notes.gone", "notes.unclear it is not"]
        {
            assert!(found.contains(what), "{what}: {found}");
        }
    }
}
