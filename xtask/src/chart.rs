//! The chart: linted, rendered for each of its values files, compared with what is committed, checked against the schemas
//! of Kubernetes, and told wrong values, which it must refuse with a word about them. Its alerts are tried as it renders
//! them, for they have to be about one installation alone.

mod values;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use self::values::{DEFAULT, INGRESS, PRODUCTION, QUICKSTART, REFUSED, SAID, YOURS};

/// Where the chart is.
const CHART: &str = "k8s/online-loan";

/// The version of Kubernetes that it is rendered for: the one that it was last tried on.
const KUBERNETES: &str = "1.34.0";

/// Its values files and, where it is committed, what it renders with them.
const RENDERED: [(&[&str], &str, &[&str]); 4] = [
    (DEFAULT, "", &[]),
    (INGRESS, "", &[]),
    (QUICKSTART, "k8s/quickstart.yaml", &["--skip-tests"]),
    // Without what is copied from files that have checks of their own.
    (
        PRODUCTION,
        "k8s/golden/production.yaml",
        &["--set", "monitoring.dashboards.enabled=false,monitoring.prometheusRule.enabled=false"],
    ),
];

/// The alerts, their tests as the chart renders them, and where these look for them.
const ALERTS: &str = "k8s/online-loan/files/alerts";
const ALERTS_TEST: &str = "tests/kubernetes/alerts.test.yaml";
const ALERTS_RENDERED: &str = "target/chart/alerts.yaml";

/// What stands in every selector of the alerts; the chart puts its own namespace there. It is the
/// end of `resource_namespace` too: whose a thing is, where `namespace` is that of an operator.
const PLACEHOLDER: &str = "namespace=~\".*\"";

/// What `kubectl apply -f k8s/quickstart.yaml` makes before all else.
const QUICKSTART_HEAD: &str = "\
# Made of the chart by `cargo run -p xtask -- chart --write`; to try the system without helm:
#   kubectl apply -f k8s/quickstart.yaml
apiVersion: v1
kind: Namespace
metadata:
  name: online-loan
  labels:
    pod-security.kubernetes.io/enforce: restricted
";

/// Compares, or writes what is committed anew.
pub(crate) fn check(root: &Path, write: bool) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for (values, committed, without) in RENDERED {
        let lint = [&["lint", "--strict", "--quiet", CHART], values].concat();
        if let Err(said) = helm(root, &lint)? {
            findings.push(format!("helm {}: {said}", lint.join(" ")));
            continue;
        }
        match helm(root, &[&template("online-loan")[..], values, without].concat())? {
            Err(said) => findings.push(format!("{CHART} with {values:?}: {said}")),
            Ok(rendered) => {
                findings.extend(versioned(&rendered));
                compare(root, committed, &rendered, write, &mut findings)?;
            }
        }
    }
    for (values, set, told) in SAID {
        let all = [&template("online-loan")[..], values, &["--set", set]].concat();
        match helm(root, &all)? {
            Ok(rendered) if rendered.contains(told) => {}
            Ok(_) => findings.push(format!("{set} is rendered without {told:?}")),
            Err(said) => findings.push(format!("{set} is refused: {said}")),
        }
    }
    for (wrong, told) in REFUSED {
        match helm(root, &[&template("x")[..], &["--set", wrong]].concat())? {
            Ok(_) => findings.push(format!("{wrong} is taken")),
            Err(said) if !said.contains(told) => {
                findings.push(format!("{wrong} is refused without {told:?}: {said}"));
            }
            Err(_) => {}
        }
    }
    yours(root, &mut findings)?;
    alerts(root, &mut findings)?;
    Ok(findings)
}

/// What is somebody's own is said at the head of the values for production, and asked for where it
/// is left as it is there.
fn yours(root: &Path, findings: &mut Vec<String>) -> Result<()> {
    let unfilled = &PRODUCTION[..2];
    let file = unfilled[1];
    let text = fs::read_to_string(root.join(file)).context(file)?;
    let head = text.lines().take_while(|line| line.starts_with('#')).collect::<String>();
    match helm(root, &[&template("online-loan")[..], unfilled].concat())? {
        Ok(_) => findings.push(format!("{file} is taken as it is")),
        Err(said) => findings.extend(
            YOURS
                .into_iter()
                .filter(|place| !said.contains(&format!(" {place}: ")))
                .map(|place| format!("{file} is refused without a word about {place}: {said}")),
        ),
    }
    let unsaid = YOURS.into_iter().filter(|place| !head.contains(place));
    findings.extend(unsaid.map(|place| format!("{file} has nothing about {place} at its head")));
    Ok(())
}

/// Pods that would begin anew, the one PostgreSQL among them, because the chart has another version and nothing else is
/// other.
fn versioned(rendered: &str) -> Option<String> {
    let label = "helm.sh/chart:";
    let is_of_a_pod =
        |line: &str| line.trim_start().starts_with(label) && line.starts_with("     ");
    let line = rendered.lines().position(is_of_a_pod)?;
    Some(format!("{CHART}: line {} of what is rendered has {label} in a pod's labels", line + 1))
}

/// The alerts, as they are and as they are rendered.
fn alerts(root: &Path, findings: &mut Vec<String>) -> Result<()> {
    for file in crate::layout::files(&root.join(ALERTS), &["yaml"])? {
        if !file.parent().is_some_and(|folder| folder.ends_with("tests")) {
            let text = fs::read_to_string(&file)?;
            findings.extend(unbound(&text).into_iter().map(|line| {
                format!("{}: {line:?} has a selector without {PLACEHOLDER}", file.display())
            }));
        }
    }
    let wanted = ["--show-only", "templates/monitoring.yaml"];
    let rendered = match helm(root, &[&template("online-loan")[..], PRODUCTION, &wanted].concat())?
    {
        Ok(rendered) => rendered,
        Err(said) => {
            findings.push(format!("{CHART}: templates/monitoring.yaml: {said}"));
            return Ok(());
        }
    };
    let rule = rendered.split("\n---\n").find(|one| one.contains("kind: PrometheusRule"));
    let Some((_, groups)) = rule.and_then(|rule| rule.split_once("\nspec:\n")) else {
        findings.push(format!("{CHART}: no PrometheusRule is rendered"));
        return Ok(());
    };
    if groups.contains("namespace=~") {
        findings.push(format!("{CHART}: the alerts are rendered without the namespace"));
    }
    let lines =
        groups.lines().map(|line| line.strip_prefix("  ").unwrap_or(line).to_owned() + "\n");
    let path = root.join(ALERTS_RENDERED);
    fs::create_dir_all(path.parent().unwrap_or(root))?;
    fs::write(&path, lines.collect::<String>())?;
    for (what, file) in [("check", ALERTS_RENDERED), ("test", ALERTS_TEST)] {
        let arguments = [what, "rules", file];
        let output = match Command::new("promtool").args(arguments).current_dir(root).output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let told =
                    "chart: the alerts are not tried as they are rendered: promtool is not there";
                crate::suite::left_out(told, findings);
                return Ok(());
            }
            output => output.context("promtool")?,
        };
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            findings.push(format!("promtool {}:\n{said}", arguments.join(" ")));
        }
    }
    Ok(())
}

/// Lines of expressions that look at series without asking whose they are.
fn unbound(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    // How far `expr:` is indented, while its lines go on.
    let mut expr_indent = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let begun = line.trim_start().strip_prefix("expr:");
        if begun.is_some() {
            expr_indent = Some(indent);
        } else if expr_indent.is_none_or(|start| indent <= start) {
            expr_indent = None;
            continue;
        }
        if is_unbound(begun.unwrap_or(line)) {
            found.push(line.trim());
        }
    }
    found
}

fn is_unbound(line: &str) -> bool {
    // Braces in texts are those of regular expressions.
    let outside: String = line.split('"').step_by(2).collect();
    let is_bare = |(at, word): (usize, &str)| {
        let behind = outside[at + word.len()..].trim_start();
        (word == "up" || word.contains(['_', ':']))
            && !word.starts_with("group_")
            && !word.starts_with(|c: char| c.is_ascii_digit())
            && !behind.starts_with(['(', '{', '='])
    };
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = outside.split(|c| !is_of_word(c)).filter(|word| !word.is_empty());
    let place = |word: &'_ str| word.as_ptr() as usize - outside.as_ptr() as usize;
    outside.matches('{').count() != line.matches(PLACEHOLDER).count()
        || words.map(|word| (place(word), word)).any(is_bare)
}

fn template(release: &str) -> [&str; 7] {
    ["template", release, CHART, "--kube-version", KUBERNETES, "--namespace", "online-loan"]
}

fn compare(
    root: &Path,
    committed: &str,
    rendered: &str,
    write: bool,
    findings: &mut Vec<String>,
) -> Result<()> {
    let head = if committed.ends_with("quickstart.yaml") { QUICKSTART_HEAD } else { "" };
    // helm ends some documents with a blank line and a space more or less.
    let lines = rendered.lines().map(|line| line.trim_end().to_owned() + "\n");
    let wanted = head.to_owned() + &lines.collect::<String>();
    if committed.is_empty() {
        let folder = root.join("target/chart");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("default.yaml"), &wanted)?;
        return valid(root, "target/chart/default.yaml", findings);
    }
    let path = root.join(committed);
    if write {
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(&path, &wanted)?;
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    if there != wanted {
        let line =
            there.lines().zip(wanted.lines()).take_while(|(old, new)| old == new).count() + 1;
        findings.push(format!(
            "{committed} is not what the chart renders, from line {line} on; \
             `cargo run -p xtask -- chart --write`"
        ));
    }
    valid(root, committed, findings)
}

/// Strictly against the schemas of Kubernetes, offline, where the program for it is there.
fn valid(root: &Path, file: &str, findings: &mut Vec<String>) -> Result<()> {
    let arguments = ["--strict", "--no-warn", "-k", "1.34", file];
    let output = match Command::new("kubernetes-validate")
        .args(arguments)
        .current_dir(root)
        .output()
    {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let told = format!(
                "chart: {file} is not checked against the schemas: kubernetes-validate is not there"
            );
            crate::suite::left_out(&told, findings);
            return Ok(());
        }
        output => output.context("kubernetes-validate")?,
    };
    let said = [output.stdout, output.stderr].concat();
    // It has no schemas of what operators define.
    let wrong = String::from_utf8_lossy(&said);
    let wrong = wrong.lines().filter(|line| line.starts_with("ERROR"));
    findings.extend(wrong.map(str::to_owned));
    Ok(())
}

/// What helm says, on its standard output or, where it fails, in its error.
fn helm(root: &Path, arguments: &[&str]) -> Result<std::result::Result<String, String>> {
    let output = Command::new("helm").args(arguments).current_dir(root).output();
    let output = output.context("helm cannot be started")?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if output.status.success() {
        return Ok(Ok(text(output.stdout)));
    }
    Ok(Err(text([output.stdout, output.stderr].concat()).replace('\n', " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_that_may_be_a_strangers_is_found() {
        let bound = r#"
        expr: |
          sum by (namespace, job) (rate(notes_total{namespace=~".*",kind=~"a{2}"}[5m]))
          / on (namespace) group_left () slo:notes{namespace=~".*"} > 14.4 * 1e-3
          or absent(up{namespace=~".*"})
        for: 1m
        description: notes_total is too much
"#;
        assert_eq!(unbound(bound), [""; 0]);
        let first = bound.replace(r#"notes_total{namespace=~".*",kind"#, "notes_total{kind");
        assert_eq!(unbound(&first).len(), 1);
        assert!(unbound(&first)[0].contains("notes_total{kind"));
        let bare = bound.replace(r#"up{namespace=~".*"}"#, "up");
        assert_eq!(unbound(&bare), ["or absent(up)"]);
        assert_eq!(unbound("  expr: notes:rate5m > 1\n"), ["expr: notes:rate5m > 1"]);
    }

    #[test]
    fn a_version_in_the_labels_of_a_pod_is_found() {
        assert_eq!(versioned("metadata:\n  labels:\n    helm.sh/chart: a-1\n"), None);
        assert!(versioned("    metadata:\n      labels:\n        helm.sh/chart: a-1\n").is_some());
    }
}
