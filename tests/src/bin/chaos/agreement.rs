//! What `loanctl reconcile` says at the end: an operator's look, through the services'
//! own admin APIs.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use standalone::Stack;
use tokio::process::Command;
use tokio::time::timeout;

/// How long it may take.
const WITHIN: Duration = Duration::from_secs(300);

/// Every disagreement, one a line. `loanctl` is the one beside this program: binaries
/// that were built to be broken have none.
pub(crate) async fn disagreements(stack: &Stack) -> Result<Vec<String>> {
    let loanctl = std::env::current_exe()?.with_file_name("loanctl");
    let run = Command::new(&loanctl)
        // All is quiet: nothing is on its way any more.
        .args(["reconcile", "--json", "--older-than", "1ms"])
        .envs(stack.operator_environment())
        .kill_on_drop(true)
        .output();
    let output = timeout(WITHIN, run)
        .await
        .context("loanctl reconcile does not end")?
        .with_context(|| format!("{}", loanctl.display()))?;
    let text = String::from_utf8(output.stdout)?;
    let code = output.status.code();
    ensure!(
        matches!(code, Some(0 | 1)),
        "loanctl reconcile: {}{text}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut lines: Vec<String> = text.lines().map(|line| format!("reconcile: {line}")).collect();
    let summary = lines.pop().context("loanctl reconcile has no summary")?;
    ensure!(code == Some(0) || !lines.is_empty(), "it disagrees with nothing: {summary}");
    Ok(if code == Some(0) { Vec::new() } else { lines })
}
