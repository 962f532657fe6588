//! Log files: their ends, and their size.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// How much of a file's end is looked at for its last lines.
const TAIL_BYTES_MAX: u64 = 256 * 1024;
/// How large a log may grow before it is put aside.
pub const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The last lines of a file, or nothing if it can't be read.
#[must_use]
pub fn tail(file: &Path, lines: usize) -> String {
    read_end(file).map_or_else(|_| String::new(), |text| last_lines(&text, lines).to_owned())
}

fn read_end(file: &Path) -> io::Result<String> {
    let mut handle = File::open(file)?;
    let length = handle.metadata()?.len();
    handle.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    handle.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last_lines(text: &str, count: usize) -> &str {
    let text = text.trim_end_matches('\n');
    let start = text.rmatch_indices('\n').nth(count.saturating_sub(1));
    start.map_or(text, |(position, _)| &text[position + 1..])
}

/// Where the older part of a log is put.
#[must_use]
pub fn older(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

/// Puts a log aside once it is too large. The writer keeps its handle and goes
/// on at the then empty file's end (it appends); what it writes while this
/// copies may be lost.
///
/// # Errors
///
/// The files can't be written.
pub fn limit(file: &Path, bytes_max: u64) -> io::Result<bool> {
    if std::fs::metadata(file)?.len() <= bytes_max {
        return Ok(false);
    }
    std::fs::copy(file, older(file))?;
    OpenOptions::new().write(true).open(file)?.set_len(0)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_last_lines_are_cut_out() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a\nb\nc", 1), "c");
        assert_eq!(last_lines("a\n", 5), "a");
        assert_eq!(last_lines("", 5), "");
    }

    #[test]
    fn a_log_that_is_too_large_is_put_aside_and_written_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.log");
        let mut writer = OpenOptions::new().create(true).append(true).open(&file).unwrap();
        writer.write_all(b"old old old\n").unwrap();
        assert!(!limit(&file, 100).unwrap());
        assert!(limit(&file, 5).unwrap());
        writer.write_all(b"new\n").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new\n");
        assert_eq!(std::fs::read_to_string(older(&file)).unwrap(), "old old old\n");
    }
}
