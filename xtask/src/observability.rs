//! Whether somebody would notice. Alerts, their runbooks, their tests and the dashboards are text
//! that no compiler looks at: a metric that is renamed leaves an alert that never fires, and
//! nothing says so. So each metric and each label that they name is looked for in the code, each
//! alert has its page and its tests, and promtool tries the rules where it is there. (That
//! `docs/operations.md` tells of each metric, the layout check sees to.)
//!
//! A label counts as made if the file that makes the metric has it in quotes.

mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use self::reading::{Rule, expressions_of, questions_of, rules_of, selectors, series_in};
use crate::layout::{files, shown, sources};

const RULES: &str = "k8s/online-loan/files/alerts";
const DASHBOARDS: &str = "k8s/online-loan/files/dashboards";
const RUNBOOKS: &str = "docs/runbooks";

/// What Prometheus itself makes, and what Kubernetes' exporters make.
const METRICS_OF_OTHERS: &[&str] = &["up", "ALERTS"];
const STARTS_OF_OTHERS: &[&str] = &["cnpg_", "container_", "kube_", "kubelet_", "strimzi_"];

/// What the scrape adds, and what the exporter adds to a histogram.
const LABELS_OF_OTHERS: &[&str] = &["namespace", "job", "instance", "pod", "le"];

/// Every finding, one line each; those of promtool have more.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let is_test = |file: &PathBuf| file.parent().is_some_and(|folder| folder.ends_with("tests"));
    let (tests, rule_files): (Vec<_>, Vec<_>) =
        files(&root.join(RULES), &["yaml"])?.into_iter().partition(is_test);
    let made = metrics_made(root)?;
    let mut findings = Vec::new();
    let mut rules = Vec::new();
    let mut expressions = Vec::new();
    for file in &rule_files {
        for rule in rules_of(&fs::read_to_string(file)?) {
            expressions
                .push((format!("{}: {}", shown(root, file), rule.name), rule.expression.clone()));
            rules.push(rule);
        }
    }
    for file in files(&root.join(DASHBOARDS), &["json"])? {
        let text = fs::read_to_string(&file)?;
        expressions.extend(expressions_of(&text).map(|one| (shown(root, &file), one)));
    }
    for file in files(&root.join(RUNBOOKS), &["md"])? {
        let text = fs::read_to_string(&file)?;
        expressions.extend(questions_of(&text).map(|one| (shown(root, &file), one.to_owned())));
    }
    let recorded: BTreeSet<&str> =
        rules.iter().filter(|rule| !rule.is_alert).map(|rule| rule.name.as_str()).collect();
    for (place, expression) in &expressions {
        let unknown = unknown_in(expression, &made, &recorded);
        findings.extend(unknown.into_iter().map(|what| format!("{place}: {what}")));
    }
    let alerts: Vec<&Rule> = rules.iter().filter(|rule| rule.is_alert).collect();
    findings.extend(alerts.iter().flat_map(|rule| lacking(rule)));
    findings.extend(pages(root, &alerts)?);
    let text = tests.iter().map(fs::read_to_string).collect::<std::io::Result<String>>()?;
    findings.extend(untested(&alerts, &text));
    findings.extend(tried(&rule_files, &tests)?);
    if alerts.is_empty() {
        findings.push(format!("{RULES}: there is no alert"));
    }
    Ok(findings)
}

/// The series that the code makes, each with the text of the files that do.
fn metrics_made(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut made: BTreeMap<String, String> = BTreeMap::new();
    for folder in ["crates/common/src", "services", "gateway/src"] {
        for file in sources(&root.join(folder))? {
            let text = fs::read_to_string(&file)?;
            for name in series_in(&text) {
                made.entry(name).or_default().push_str(&text);
            }
        }
    }
    Ok(made)
}

fn unknown_in(
    expression: &str,
    made: &BTreeMap<String, String>,
    recorded: &BTreeSet<&str>,
) -> Vec<String> {
    let mut findings = Vec::new();
    for (metric, labels) in selectors(expression) {
        let is_of_others = METRICS_OF_OTHERS.contains(&metric)
            || STARTS_OF_OTHERS.iter().any(|start| metric.starts_with(start));
        if is_of_others || recorded.contains(metric) {
            continue;
        }
        let Some(text) = made.get(metric) else {
            findings.push(format!("no code makes the metric {metric}"));
            continue;
        };
        for label in labels {
            if !LABELS_OF_OTHERS.contains(&label) && !text.contains(&format!("\"{label}\"")) {
                findings.push(format!("the metric {metric} has no label {label}"));
            }
        }
    }
    findings
}

/// What an alert does not say.
fn lacking(rule: &Rule) -> Vec<String> {
    let has = |start: &str| rule.text.lines().any(|line| line.starts_with(start));
    let runbook = format!("runbook: {RUNBOOKS}/{}.md", rule.name);
    let severity = ["page", "ticket"].map(|one| format!("labels: {{ severity: {one} }}"));
    [
        (severity.iter().any(|one| has(one.as_str())), "severity, page or ticket"),
        (has("for: "), "`for`"),
        (has("summary: "), "summary"),
        (has("description: "), "description"),
        (rule.text.lines().any(|line| line == runbook), "runbook of its own name"),
    ]
    .into_iter()
    .filter(|(is_there, _)| !is_there)
    .map(|(_, what)| format!("{RULES}: the alert {} has no {what}", rule.name))
    .collect()
}

/// Alerts without a page or a line in the index, and pages without an alert.
fn pages(root: &Path, alerts: &[&Rule]) -> Result<Vec<String>> {
    let index = fs::read_to_string(root.join(RUNBOOKS).join("README.md")).context(RUNBOOKS)?;
    let stem = |file: PathBuf| Some(file.file_stem()?.to_string_lossy().into_owned());
    let there: BTreeSet<String> = files(&root.join(RUNBOOKS), &["md"])?
        .into_iter()
        .filter_map(stem)
        .filter(|name| name != "README")
        .collect();
    let named: BTreeSet<String> = alerts.iter().map(|rule| rule.name.clone()).collect();
    let mut findings = Vec::new();
    if named.len() < alerts.len() {
        findings.push(format!("{RULES}: two alerts have the same name"));
    }
    for name in named.difference(&there) {
        findings.push(format!("{RUNBOOKS}/{name}.md: the alert has no such page"));
    }
    for name in there.difference(&named) {
        findings.push(format!("{RUNBOOKS}/{name}.md: there is no such alert"));
    }
    for name in named.iter().filter(|name| !index.contains(&format!("[{name}]({name}.md)"))) {
        findings.push(format!("{RUNBOOKS}/README.md: {name} is not in the table"));
    }
    Ok(findings)
}

/// Alerts that no test has fire, or that no test has be silent.
fn untested(alerts: &[&Rule], tests: &str) -> Vec<String> {
    let lines: Vec<&str> = tests.lines().map(str::trim).collect();
    let has = |name: &str, expected: &str| {
        let named = format!("alertname: {name}");
        lines.windows(2).any(|two| two[0] == named && two[1] == expected)
    };
    let mut findings = Vec::new();
    for name in alerts.iter().map(|rule| rule.name.as_str()) {
        for (expected, what) in [("exp_alerts:", "fires"), ("exp_alerts: []", "is silent")] {
            if !has(name, expected) {
                findings.push(format!("{RULES}/tests: there is no case in which {name} {what}"));
            }
        }
    }
    findings
}

/// What promtool has against the rules.
fn tried(rules: &[PathBuf], tests: &[PathBuf]) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    if Command::new("promtool").arg("--version").output().is_err() {
        let told =
            "observability: promtool is not there; the rules were read, and their tests left out";
        crate::suite::left_out(told, &mut findings);
        return Ok(findings);
    }
    for (what, of) in [("check", rules), ("test", tests)] {
        let output = Command::new("promtool").args([what, "rules"]).args(of).output()?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            findings.push(format!("promtool {what} rules:\n{}", String::from_utf8_lossy(&said)));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(text: &str) -> Rule {
        let rule = Rule { name: "NotesWait".to_owned(), is_alert: true, ..Rule::default() };
        Rule { text: text.to_owned(), ..rule }
    }

    #[test]
    fn a_metric_or_a_label_that_no_code_makes_is_found() {
        let code = r#"metrics::counter!("notes_total", "kind" => kind)"#.to_owned();
        let made = BTreeMap::from([("notes_total".to_owned(), code)]);
        let recorded = BTreeSet::from(["notes:rate5m"]);
        let unknown = |expression| unknown_in(expression, &made, &recorded);
        assert_eq!(unknown(r#"rate(notes_total{job="a",kind="b"}[5m]) > 0"#), [""; 0]);
        assert_eq!(unknown("up == 0 or kube_pods or notes:rate5m"), [""; 0]);
        assert_eq!(unknown("rate(note_total[5m])"), ["no code makes the metric note_total"]);
        assert_eq!(
            unknown(r#"notes_total{colour="red"}"#),
            ["the metric notes_total has no label colour"]
        );
    }

    #[test]
    fn what_an_alert_does_not_say_is_found() {
        let whole = "labels: { severity: page }\nfor: 1m\nsummary: a\ndescription: b\n\
                     runbook: docs/runbooks/NotesWait.md\n";
        assert_eq!(lacking(&alert(whole)), [""; 0]);
        let other = whole.replace("page", "critical").replace("NotesWait.md", "Notes.md");
        let found = lacking(&alert(&other)).join("\n");
        assert!(found.contains("no severity") && found.contains("no runbook"), "{found}");
        assert_eq!(lacking(&alert("")).len(), 5);
    }

    #[test]
    fn an_alert_needs_a_case_in_which_it_fires_and_one_in_which_it_is_silent() {
        let rule = alert("");
        let fires = "  alertname: NotesWait\n  exp_alerts:\n    - exp_labels: { a: b }\n";
        let silent = "  alertname: NotesWait\n  exp_alerts: []\n";
        let found = |tests: &str| untested(&[&rule], tests).join("\n");
        assert_eq!(found(&format!("{fires}{silent}")), "");
        assert!(found(fires).ends_with("NotesWait is silent"));
        assert!(found(silent).ends_with("NotesWait fires"));
    }
}
