//! What is said of it: disagreements on standard output, progress on standard error.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::disagreement::{Disagreement, Kind};

/// How often progress is said on a terminal, and where it goes into a file.
const PROGRESS_ON_TERMINAL: Duration = Duration::from_millis(500);
const PROGRESS_IN_FILE: Duration = Duration::from_secs(10);

/// The end of it.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    /// Requests that any service knows.
    pub(super) checked: u64,
    /// Requests that disagree about something older than the bound.
    pub(super) disagreeing: u64,
    /// Disagreements by kind.
    pub(super) kinds: BTreeMap<Kind, u64>,
    /// Disagreements younger than the bound: on their way.
    pub(super) in_flight: u64,
    /// Requests that agree again after the repair.
    pub(super) mended: u64,
    /// Requests that disagree even so.
    pub(super) left: u64,
    /// How long it took.
    pub(super) seconds: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    loan_request_id: Uuid,
    kind: Kind,
    age_seconds: i64,
    detail: &'a str,
    is_repairable: bool,
}

/// Says things as they are found.
pub(super) struct Report {
    as_json: bool,
    started: Instant,
    said: Instant,
    is_terminal: bool,
}

impl Report {
    pub(super) fn new(as_json: bool) -> Self {
        let now = Instant::now();
        let is_terminal = std::io::stderr().is_terminal();
        Self { as_json, started: now, said: now, is_terminal }
    }

    /// One disagreement.
    pub(super) fn found(&self, one: &Disagreement, now: OffsetDateTime) -> anyhow::Result<()> {
        let line = Line {
            loan_request_id: one.loan_request_id,
            kind: one.kind,
            age_seconds: (now - one.since).whole_seconds().max(0),
            detail: &one.detail,
            is_repairable: !one.mends.is_empty(),
        };
        let mut out = std::io::stdout().lock();
        if self.as_json {
            writeln!(out, "{}", serde_json::to_string(&line)?)?;
        } else {
            let hint = if line.is_repairable { "" } else { "  (not repairable by --repair)" };
            let Line { loan_request_id, age_seconds, detail, .. } = line;
            let kind = one.kind.name();
            writeln!(out, "{loan_request_id}  {kind:<27}  {age_seconds:>7} s  {detail}{hint}")?;
        }
        Ok(())
    }

    /// How far it is, now and then.
    pub(super) fn progress(&mut self, checked: u64, at: Uuid) {
        let every = if self.is_terminal { PROGRESS_ON_TERMINAL } else { PROGRESS_IN_FILE };
        if self.said.elapsed() < every {
            return;
        }
        self.said = Instant::now();
        let end = if self.is_terminal { '\r' } else { '\n' };
        // Nobody may be looking.
        let _ = write!(std::io::stderr(), "checked {checked}, at {at}{end}");
    }

    /// The end of it.
    pub(super) fn end(&self, mut summary: Summary, is_repair: bool) -> anyhow::Result<()> {
        let seconds = self.started.elapsed().as_secs_f64();
        summary.seconds = (seconds * 1_000.0).round() / 1_000.0;
        let mut out = std::io::stdout().lock();
        if self.as_json {
            writeln!(out, "{}", serde_json::json!({ "summary": summary }))?;
            return Ok(());
        }
        let Summary { checked, disagreeing, in_flight, mended, left, .. } = summary;
        writeln!(
            out,
            "{checked} checked in {seconds:.1} s; {disagreeing} disagree, {in_flight} on their way"
        )?;
        for (kind, count) in &summary.kinds {
            writeln!(out, "  {:<27}  {count}", kind.name())?;
        }
        if is_repair && disagreeing > 0 {
            writeln!(out, "{mended} mended, {left} left")?;
        }
        Ok(())
    }
}
