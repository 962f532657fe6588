//! `status` and `logs`.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;

use super::data::{ChildState, DataDir};
use super::plan::PartName;
use crate::logs::tail;
use crate::net::{answers, http_status};

/// How often followed logs are looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);
/// How long a process may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(2);
/// Whether TLS is spoken (PostgreSQL's protocol, `SSLRequest`): answered with one byte.
const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// Which requests are known (Kafka's protocol, `ApiVersions` version 0): key 18, version 0,
/// correlation 1, no name of a client.
const API_VERSIONS_REQUEST: &[u8] = &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
/// How many bytes of a followed log are read at once.
const READ_BYTES_MAX: u64 = 1024 * 1024;

/// Shows each process: whether it is ready, where it is, its memory. Ends with
/// 0 if all are ready, 1 if not, 3 if nothing runs.
///
/// # Errors
///
/// The data folder can't be used.
pub async fn status(data: &DataDir) -> anyhow::Result<ExitCode> {
    let state = if data.is_running()? { data.state() } else { None };
    let Some(state) = state else {
        println!("nothing runs; `./dev up` starts it");
        return Ok(ExitCode::from(3));
    };
    let mut lines = vec![format!(
        "{:<14} {:<10} {:<17} {:>8} {:>9} {:>9}",
        "process", "state", "address", "pid", "memory", "restarts"
    )];
    let mut all_ready = state.ready;
    for part in PartName::all() {
        let Some(child) = state.children.get(part.name()) else { continue };
        let word = condition(part, child).await;
        all_ready &= word == "ready";
        let memory = child
            .identity
            .resident_kib()
            .map_or_else(String::new, |kib| format!("{} MB", kib / 1024));
        lines.push(format!(
            "{part:<14} {word:<10} {:<17} {:>8} {memory:>9} {:>9}",
            child.address, child.identity.pid, child.restarts
        ));
    }
    lines.push(format!("\ndata: {}", data.root().display()));
    // Whoever has read enough has gone.
    let _ = writeln!(io::stdout(), "{}", lines.join("\n"));
    Ok(if all_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether PostgreSQL or the broker answers. They have no port for that.
async fn speaks(part: PartName, child: &ChildState) -> bool {
    let Ok(address) = child.address.parse() else { return false };
    let hello: &[u8] = match part {
        PartName::Postgres => SSL_REQUEST,
        PartName::Broker => API_VERSIONS_REQUEST,
        PartName::Service(_) => return true,
    };
    answers(address, hello, PATIENCE).await
}

async fn condition(part: PartName, child: &ChildState) -> &'static str {
    if !child.identity.is_alive() {
        return "down";
    }
    let Some(address) = child.admin_address.as_ref().and_then(|address| address.parse().ok())
    else {
        return if speaks(part, child).await { "ready" } else { "silent" };
    };
    match http_status(address, "/readyz", PATIENCE).await {
        Some(200) => "ready",
        Some(_) => "not ready",
        None => "silent",
    }
}

/// Shows the last lines of the logs of some processes, or of all, and what is
/// added if `follow`.
///
/// # Errors
///
/// There is no log.
pub async fn logs(
    data: &DataDir,
    names: &[PartName],
    lines: usize,
    follow: bool,
) -> anyhow::Result<()> {
    let mut shown: Vec<String> = names.iter().map(|name| name.name().to_owned()).collect();
    if shown.is_empty() {
        shown = data.logged();
    }
    shown.retain(|name| data.log(name).exists());
    if shown.is_empty() {
        bail!("there is no log yet; `./dev up` writes them");
    }
    let several = shown.len() > 1;
    let mut followers: Vec<(String, Follower)> = Vec::new();
    for name in shown {
        let file = data.log(&name);
        let follower = Follower::from_end(file.clone());
        write_lines(&name, several, &tail(&file, lines))?;
        followers.push((name, follower));
    }
    if !follow {
        return Ok(());
    }
    loop {
        tokio::time::sleep(FOLLOW_INTERVAL).await;
        for (name, follower) in &mut followers {
            write_lines(name, several, &follower.read_lines()?)?;
        }
    }
}

fn write_lines(name: &str, several: bool, text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for line in text.lines() {
        if several {
            writeln!(output, "{name:<14} {line}")?;
        } else {
            writeln!(output, "{line}")?;
        }
    }
    output.flush()
}

/// Reads what is added to a file, also when it has been cut.
pub(super) struct Follower {
    file: PathBuf,
    position: u64,
    unfinished: String,
}

impl Follower {
    pub(super) fn from_start(file: PathBuf) -> Self {
        Self { file, position: 0, unfinished: String::new() }
    }

    fn from_end(file: PathBuf) -> Self {
        let position = std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
        Self { file, position, unfinished: String::new() }
    }

    /// What is new.
    pub(super) fn read(&mut self) -> io::Result<String> {
        let mut handle = File::open(&self.file)?;
        if handle.metadata()?.len() < self.position {
            self.position = 0;
        }
        handle.seek(SeekFrom::Start(self.position))?;
        let mut bytes = Vec::new();
        self.position += handle.take(READ_BYTES_MAX).read_to_end(&mut bytes)? as u64;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The whole lines of what is new.
    fn read_lines(&mut self) -> io::Result<String> {
        let new = self.read()?;
        self.unfinished.push_str(&new);
        let end = self.unfinished.rfind('\n').map_or(0, |position| position + 1);
        let rest = self.unfinished.split_off(end);
        Ok(std::mem::replace(&mut self.unfinished, rest))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_followed_log_gives_whole_lines_once_also_after_it_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        std::fs::write(&file, "old\n").unwrap();
        let mut follower = Follower::from_end(file.clone());
        let add = |text: &str| {
            let mut handle = File::options().append(true).open(&file).unwrap();
            handle.write_all(text.as_bytes()).unwrap();
        };
        add("one\ntw");
        assert_eq!(follower.read_lines().unwrap(), "one\n");
        add("o\n");
        assert_eq!(follower.read_lines().unwrap(), "two\n");
        std::fs::write(&file, "cut\n").unwrap();
        assert_eq!(follower.read_lines().unwrap(), "cut\n");
        assert_eq!(follower.read_lines().unwrap(), "");
    }
}
