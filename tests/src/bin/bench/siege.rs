//! The operators' siege line.

use anyhow::{Context, Result, ensure};
use journeys::client::Credentials;
use tokio::process::Command;

/// What siege says of itself.
#[derive(Debug)]
pub(super) struct Siege {
    pub(super) transactions: u64,
    pub(super) availability: f64,
    pub(super) rate: f64,
}

pub(super) async fn run(gateway: &str, seconds: u32) -> Result<Siege> {
    println!("siege -c100 -t{seconds}S …");
    let mut body = Credentials::demo().application(10_000);
    if let Some(body) = body.as_object_mut() {
        body.remove("userMobile");
    }
    let output = Command::new("siege")
        .args(["-q", "-j", "-c100", &format!("-t{seconds}S"), "--content-type", "application/json"])
        .arg(format!("{gateway}/loanRequests POST {body}"))
        .output()
        .await
        .context("siege is not installed; it is Debian's package `siege`")?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let siege = Siege {
        transactions: figure(&text, "\"transactions\"")?.round() as u64,
        availability: figure(&text, "\"availability\"")?,
        rate: figure(&text, "\"transaction_rate\"")?,
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
