//! The figures as a file, with the machine that they are of.

use std::path::Path;

use anyhow::{Context as _, Result};
use common::clock::Clock;
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use crate::Figure;

pub(crate) fn write(file: &Path, figures: &[Figure]) -> Result<()> {
    let text = json!({
        "at": Clock::system().now().format(&Rfc3339)?,
        "machine": {
            "processors": std::thread::available_parallelism().map_or(0, usize::from),
            "model": line("/proc/cpuinfo", "model name"),
            "memory": line("/proc/meminfo", "MemTotal"),
            "kernel": std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        },
        "figures": figures,
    });
    std::fs::write(file, serde_json::to_string_pretty(&text)?)
        .with_context(|| file.display().to_string())
}

/// What stands behind the first such word and its colon.
fn line(file: &str, word: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(word));
    line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim()).to_owned()
}
