//! The checker: what clients were told against what the services hold. It knows
//! no process and no database, so that it is tested by itself.

mod loans;
mod requests;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::held::Held;
use crate::ledger::Account;

/// What is wrong. Each line says of what.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Findings {
    /// Told or published, and not there.
    pub(crate) lost: Vec<String>,
    /// There, or done, more than once.
    pub(crate) doubled: Vec<String>,
    /// A loan's events are seen in another order than they happened.
    pub(crate) out_of_order: Vec<String>,
    /// The client was told no, and the system did it.
    pub(crate) phantom: Vec<String>,
    /// Two services, or a service and a client, say different things.
    pub(crate) contradicted: Vec<String>,
    /// Events that were set aside.
    pub(crate) dead_letters: Vec<String>,
}

impl Findings {
    /// Each kind with its name.
    pub(crate) fn kinds(&self) -> [(&'static str, &Vec<String>); 6] {
        [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("out of order", &self.out_of_order),
            ("phantom", &self.phantom),
            ("contradicted", &self.contradicted),
            ("dead letters", &self.dead_letters),
        ]
    }

    pub(crate) fn none(&self) -> bool {
        self.kinds().iter().all(|(_, lines)| lines.is_empty())
    }
}

/// Compares.
pub(crate) fn judge(account: &Account, held: &Held) -> Findings {
    let mut findings = Findings {
        dead_letters: held.dead_letters.clone(),
        doubled: held.worked_twice.clone(),
        contradicted: account.surprises.clone(),
        ..Findings::default()
    };
    requests::judge(account, held, &mut findings);
    loans::judge(account, held, &mut findings);
    findings
}
