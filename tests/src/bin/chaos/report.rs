//! What came of a run: for eyes, and as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::judge::Findings;
use crate::ledger::{Account, Told};

/// Lines of evidence that are printed of each kind; the JSON has all.
const LINES_MAX: usize = 10;

/// One fault, and how long it took after its heal until new work went through
/// everything again.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Recovery {
    pub(crate) fault: String,
    pub(crate) at_seconds: f64,
    /// None if it did not within the bound.
    pub(crate) recovered_after_seconds: Option<f64>,
}

/// What clients were told, in numbers.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Numbers {
    pub(crate) requests: usize,
    /// Of these, with an `Idempotency-Key`.
    pub(crate) keyed: usize,
    pub(crate) attempts: u64,
    /// What was answered to the attempts, by status; 0: nothing.
    pub(crate) answers: BTreeMap<u16, u64>,
    pub(crate) accepted: usize,
    pub(crate) told_to_retry: usize,
    pub(crate) refused: usize,
    pub(crate) cancelled: usize,
    /// No answer that decides it, or a 202.
    pub(crate) undecided: usize,
    pub(crate) steps: usize,
    pub(crate) not_sent: u64,
    /// Events on which the services have worked.
    pub(crate) worked_on: usize,
}

impl Numbers {
    pub(crate) fn of(account: &Account, worked_on: usize) -> Self {
        let count =
            |told: &[Told]| account.sent.iter().filter(|sent| told.contains(&sent.told)).count();
        Self {
            requests: account.sent.len(),
            keyed: account.sent.iter().filter(|sent| sent.keyed).count(),
            answers: account.answers.clone(),
            attempts: account.sent.iter().map(|sent| u64::from(sent.tries)).sum(),
            accepted: count(&[Told::Accepted]),
            told_to_retry: count(&[Told::ComeBack]),
            refused: count(&[Told::Refused]),
            cancelled: count(&[Told::Cancelled]),
            undecided: count(&[Told::Pending, Told::Nothing]),
            steps: account.decisions.len(),
            not_sent: account.left_out,
            worked_on,
        }
    }
}

/// A run.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) command: String,
    pub(crate) seed: u64,
    pub(crate) schedule: Vec<String>,
    /// Faults that could not be made here, each with the reason.
    pub(crate) left_out: Vec<String>,
    pub(crate) numbers: Numbers,
    pub(crate) findings: Findings,
    pub(crate) recoveries: Vec<Recovery>,
    /// Processes that ended as nobody had asked them to, and were started again.
    pub(crate) ended_by_themselves: Vec<String>,
    /// Steps that could not be played.
    pub(crate) failures: Vec<String>,
    pub(crate) quiet_after_seconds: Option<f64>,
    pub(crate) passed: bool,
}

impl Report {
    /// Whether all that was promised was kept.
    pub(crate) fn is_clean(&self) -> bool {
        self.findings.none()
            && self.failures.is_empty()
            && self.quiet_after_seconds.is_some()
            && self.numbers.accepted > 0
            // A log that tells nothing proves nothing.
            && self.numbers.worked_on > 0
            && self.ended_by_themselves.is_empty()
            && self.recoveries.iter().all(|one| one.recovered_after_seconds.is_some())
    }

    pub(crate) fn print(&self) {
        let Numbers {
            requests,
            keyed,
            attempts,
            answers,
            accepted,
            told_to_retry,
            refused,
            cancelled,
            undecided,
            steps,
            not_sent,
            worked_on,
        } = &self.numbers;
        println!(
            "\nrequests sent {requests} ({keyed} with a key; in {attempts} attempts; {not_sent} not sent)"
        );
        println!("  answers by status (0: none) {answers:?}");
        println!(
            "  accepted {accepted}, told to retry {told_to_retry}, refused {refused}, \
             cancelled {cancelled}, undecided {undecided}"
        );
        println!("  officers' steps {steps}; events worked on {worked_on}");
        for (kind, lines) in self.findings.kinds() {
            println!("{kind} {}", lines.len());
            for line in lines.iter().take(LINES_MAX) {
                println!("  {line}");
            }
        }
        println!("recovery after each fault:");
        for one in &self.recoveries {
            match one.recovered_after_seconds {
                Some(after) => println!("  {after:>6.1} s  {}", one.fault),
                None => println!("   NEVER    {}", one.fault),
            }
        }
        if let Some(longest) = self.longest_recovery() {
            println!("longest recovery {longest:.1} s");
        }
        match self.quiet_after_seconds {
            Some(after) => println!("quiet after {after:.1} s"),
            None => println!("NOT quiet within the bound"),
        }
        for (what, lines) in [
            ("ended by itself", &self.ended_by_themselves),
            ("failed", &self.failures),
            ("left out", &self.left_out),
        ] {
            for line in lines {
                println!("{what}: {line}");
            }
        }
        println!("{}", if self.passed { "PASSED" } else { "FAILED" });
    }

    fn longest_recovery(&self) -> Option<f64> {
        self.recoveries.iter().filter_map(|one| one.recovered_after_seconds).max_by(f64::total_cmp)
    }
}
