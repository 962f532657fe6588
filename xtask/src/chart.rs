//! The chart: linted, rendered for each of its values files, compared with what is committed, checked against the schemas
//! of Kubernetes, and told wrong values, which it must refuse with a word about them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Where the chart is.
const CHART: &str = "k8s/online-loan";

/// The version of Kubernetes that it is rendered for: the one that it was last tried on.
const KUBERNETES: &str = "1.34.0";

/// Its values files and, where it is committed, what it renders with them.
const RENDERED: [(&str, &str, &[&str]); 3] = [
    ("", "", &[]),
    ("values-quickstart.yaml", "k8s/quickstart.yaml", &["--skip-tests"]),
    // Without what is copied from files that have checks of their own.
    (
        "values-production.yaml",
        "k8s/golden/production.yaml",
        &["--set", "monitoring.dashboards.enabled=false,monitoring.prometheusRule.enabled=false"],
    ),
];

/// Values that are wrong, and a part of what has to be said.
const REFUSED: [(&str, &str); 24] = [
    ("gatewya.rateLimitPerSecond=1", "additional properties 'gatewya' not allowed"),
    ("parts.loan-reqest.replicas=2", "additional properties 'loan-reqest' not allowed"),
    ("image.pullPolicy=Sometimes", "value must be one of 'Always', 'IfNotPresent', 'Never'"),
    ("image.registry=registry.example/you/", "/image/registry"),
    ("publicUrl=loans.bank.example", "/publicUrl"),
    ("tracing.endpoint=collector:4318", "/tracing/endpoint"),
    ("drainSeconds=40", "maximum: got 40, want 20"),
    ("gateway.trustedProxies={everybody}", "/gateway/trustedProxies/0"),
    ("defaults.resources.limits.memory=lots", "/defaults/resources/limits/memory"),
    ("parts.gateway.autoscaling.minReplicas=11", "minReplicas is more than maxReplicas"),
    ("kafka.bundled.enabled=false", "kafka.bootstrap: where Kafka is"),
    ("kafka.topics.minInsyncReplicas=2", "more than replicationFactor"),
    ("database.bundled.enabled=false", "database.address: where PostgreSQL is"),
    ("kafka.saslMechanism=PLAIN", "has no meaning with securityProtocol without sasl_"),
    ("messages.webhookTargets=any", "value must be one of 'public', 'off'"),
    ("messages.mail.url=smtp://mail.bank.example", "additional properties 'url' not allowed"),
    ("messages.mail.from=Bank", "/messages/mail/from"),
    ("messages.mail.ports={smtp}", "/messages/mail/ports/0"),
    ("messages.mail.secretName=loans-mail", "messages.mail.from: who mail is from"),
    ("messages.sms.url=https://us:known@sms.example/", "/messages/sms/url"),
    (
        "messages.sms.url=https://sms.example/",
        "messages.sms.secretName: what the provider knows us by",
    ),
    ("messages.sms.secretName=loans-sms", "messages.sms.url: where the provider is"),
    ("settings.WEBHOOK_TARGETS=any", "is not said here but by messages.webhookTargets"),
    (
        "parts.loan-messenger.settings.MAIL_URL=smtp://mail.bank.example",
        "is not said here but by messages.mail.secretName",
    ),
];

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
        let file = format!("{CHART}/{values}");
        let arguments = if values.is_empty() { vec![] } else { vec!["-f", &file] };
        let lint = [&["lint", "--strict", "--quiet", CHART], &arguments[..]].concat();
        if let Err(said) = helm(root, &lint)? {
            findings.push(format!("helm {}: {said}", lint.join(" ")));
            continue;
        }
        match helm(root, &[&template("online-loan")[..], &arguments, without].concat())? {
            Err(said) => findings.push(format!("{CHART} with {values:?}: {said}")),
            Ok(rendered) => compare(root, committed, &rendered, write, &mut findings)?,
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
    Ok(findings)
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
            println!(
                "chart: {file} is not checked against the schemas: kubernetes-validate is not there"
            );
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
