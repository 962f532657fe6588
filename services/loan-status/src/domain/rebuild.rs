//! How the read model that is served differs from the one that was made anew.

use serde::{Deserialize, Serialize};

/// Rows of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// In the new model only: they were lost.
    pub missing: i64,
    /// In both, and not the same.
    pub changed: i64,
    /// In the served model only: no event tells of them.
    pub surplus: i64,
}

/// Rows of all tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Entries of the feed.
    pub entries: Rows,
    /// Where loans stand.
    pub loans: Rows,
    /// Compensated requests.
    pub cancellations: Rows,
}

impl Rows {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> i64 {
        self.missing + self.changed + self.surplus
    }

    const fn contradict(&self) -> bool {
        self.changed > 0 || self.surplus > 0
    }

    const fn without_surplus(self) -> Self {
        Self { surplus: 0, ..self }
    }
}

impl Difference {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> i64 {
        self.entries.total() + self.loans.total() + self.cancellations.total()
    }

    /// Those that only the served model knows.
    #[must_use]
    pub const fn surplus(&self) -> i64 {
        self.entries.surplus + self.loans.surplus + self.cancellations.surplus
    }

    /// The same without what only the served model knows: where not all events are
    /// known any more, it proves nothing.
    #[must_use]
    pub const fn without_surplus(self) -> Self {
        Self {
            entries: self.entries.without_surplus(),
            loans: self.loans.without_surplus(),
            cancellations: self.cancellations.without_surplus(),
        }
    }

    /// Whether somebody may have been shown what is not true. Then the feed becomes
    /// another one, so that whoever has read it forgets that. What was only missing
    /// comes to its end, and nobody has to forget anything.
    #[must_use]
    pub const fn contradicts(&self) -> bool {
        self.entries.contradict() || self.loans.contradict() || self.cancellations.contradict()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_only_missing_contradicts_nothing() {
        let missing = Rows { missing: 3, ..Rows::default() };
        let difference = Difference { entries: missing, ..Difference::default() };
        assert!(!difference.contradicts());
        assert_eq!(difference.total(), 3);
        let changed = Rows { changed: 1, ..Rows::default() };
        assert!(Difference { loans: changed, ..difference }.contradicts());
        let surplus = Rows { surplus: 1, ..Rows::default() };
        let difference = Difference { cancellations: surplus, ..difference };
        assert!(difference.contradicts());
        assert_eq!((difference.surplus(), difference.without_surplus().surplus()), (1, 0));
    }
}
