//! The operators' siege line.

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::client::Credentials;

/// What siege says of itself.
#[derive(Debug)]
pub struct Siege {
    /// Requests that were answered, and not with an error of the server.
    pub transactions: u64,
    /// Those that were not.
    pub failed: u64,
    /// Percent of them that were.
    pub availability: f64,
    /// A second.
    pub rate: f64,
    /// The longest of them, in seconds.
    pub longest_seconds: f64,
}

/// Lets so many clients apply for so many seconds.
///
/// # Errors
/// If siege is not installed, or did nothing.
pub async fn run(gateway: &str, clients: u64, seconds: u32) -> Result<Siege> {
    let mut body = Credentials::demo().application(10_000);
    if let Some(body) = body.as_object_mut() {
        body.remove("userMobile");
    }
    // Without it siege gives up at its 1,024th failure, and says nothing of that.
    let settings = tempfile::NamedTempFile::new()?;
    std::fs::write(settings.path(), "failures = 1000000000\n")?;
    let output = Command::new("siege")
        .arg("-R")
        .arg(settings.path())
        .args(["-q", "-j", &format!("-c{clients}"), &format!("-t{seconds}S")])
        .args(["--content-type", "application/json"])
        .arg(format!("{gateway}/loanRequests POST {body}"))
        .output()
        .await
        .context("siege is not installed; it is Debian's package `siege`")?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let siege = Siege {
        transactions: figure(&text, "\"transactions\"")?.round() as u64,
        failed: figure(&text, "\"failed_transactions\"")?.round() as u64,
        availability: figure(&text, "\"availability\"")?,
        rate: figure(&text, "\"transaction_rate\"")?,
        longest_seconds: figure(&text, "\"longest_transaction\"")?,
    };
    ensure!(siege.transactions > 0, "siege did nothing: {text}");
    Ok(siege)
}

fn figure(text: &str, name: &str) -> Result<f64> {
    let rest = text.split_once(name).with_context(|| format!("siege says no {name}: {text}"))?.1;
    let number: String = rest
        .trim_start_matches([':', ' ', '\t'])
        .chars()
        .take_while(|letter| letter.is_ascii_digit() || *letter == '.')
        .collect();
    number.parse().with_context(|| format!("{name} is no number: {text}"))
}
