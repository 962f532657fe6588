//! What a step says is shown as it comes, and what matters of it once more at the end: the output
//! of a whole run is long, and whoever reads it may be given its end alone.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use anyhow::{Context, Result};

/// Lines of what the test programs tell of their failures.
const FAILURE_LINES: usize = 400;
/// Lines of the end of the output, of a step that tells of no failed test.
const LAST_LINES: usize = 30;
/// How long the output of a step that has ended is waited for: a process that it has
/// left behind may hold it open for ever.
const OUTPUT_WITHIN: Duration = Duration::from_secs(2);

/// What is kept of a step's output.
#[derive(Default)]
struct Kept {
    failures: Vec<String>,
    in_failures: bool,
    last: VecDeque<String>,
}

impl Kept {
    fn take(&mut self, line: &str) {
        // As libtest writes it: "failures:" twice, first with what each said, then their names.
        match line {
            "failures:" => self.in_failures = true,
            _ if line.starts_with("test result: ") => self.in_failures = false,
            _ => {}
        }
        if self.in_failures && !line.is_empty() && self.failures.len() < FAILURE_LINES {
            self.failures.push(line.to_owned());
        }
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }
}

fn show(
    from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    kept: &Arc<Mutex<Kept>>,
    is_read: mpsc::Sender<()>,
) {
    let kept = Arc::clone(kept);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(from);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            // Nobody reads it any more: the step goes on all the same.
            let _ = to.write_all(&line).and_then(|()| to.flush());
            let text = String::from_utf8_lossy(&line);
            kept.lock().unwrap_or_else(PoisonError::into_inner).take(text.trim_end());
            line.clear();
        }
        drop(is_read);
    });
}

/// Waits for a program whose output is piped, and shows it.
///
/// # Returns
/// How it ended, and what of its output is worth being read if it failed.
///
/// # Errors
/// If its output is not piped, or it cannot be waited for.
pub(crate) fn wait(child: Child) -> Result<(ExitStatus, Vec<String>)> {
    wait_showing(child, std::io::stdout(), std::io::stderr())
}

fn wait_showing(
    mut child: Child,
    out: impl Write + Send + 'static,
    err: impl Write + Send + 'static,
) -> Result<(ExitStatus, Vec<String>)> {
    let kept = Arc::new(Mutex::new(Kept::default()));
    let output = child.stdout.take().context("the output is not piped")?;
    let errors = child.stderr.take().context("the errors are not piped")?;
    let (is_read, all_read) = mpsc::channel();
    show(output, out, &kept, is_read.clone());
    show(errors, err, &kept, is_read);
    let status = child.wait()?;
    // Nothing is ever sent: it is over when both readers have let go of their ends.
    let _ = all_read.recv_timeout(OUTPUT_WITHIN);
    let kept = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
    let told = if kept.failures.is_empty() { kept.last.into() } else { kept.failures };
    Ok((status, told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use std::time::Instant;

    fn run(script: &str) -> (ExitStatus, Vec<String>) {
        let child = Command::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sh is there");
        wait_showing(child, std::io::sink(), std::io::sink()).expect("it is piped")
    }

    #[test]
    fn of_failed_tests_their_own_words_are_kept() {
        let (status, told) =
            run("echo noise; echo failures:; echo; echo why; echo failures:; echo '    a::b'; \
             echo 'test result: FAILED. 1 failed'; echo noise; exit 3");
        assert_eq!(status.code(), Some(3));
        assert_eq!(told, ["failures:", "why", "failures:", "    a::b"]);
    }

    #[test]
    fn of_anything_else_the_end_is_kept() {
        let (_, told) = run("seq 1 100");
        assert_eq!(told.len(), LAST_LINES);
        assert_eq!(told.last().map(String::as_str), Some("100"));
    }

    #[test]
    fn a_process_that_is_left_behind_holds_nothing_up() {
        let started = Instant::now();
        run("sleep 60 & echo done");
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
