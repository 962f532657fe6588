//! Which loans are open: a customer with an open one cannot be removed.

use ::events::LoanStatus;

/// Whether a loan that has come to this state is open.
#[must_use]
pub const fn is_open(status: LoanStatus) -> bool {
    match status {
        LoanStatus::Waiting
        | LoanStatus::UnderReview
        | LoanStatus::Approved
        | LoanStatus::Executed => true,
        LoanStatus::Refused | LoanStatus::Repaid => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loan_is_open_until_it_is_refused_or_repaid() {
        let closed: Vec<_> =
            LoanStatus::ALL.iter().copied().filter(|status| !is_open(*status)).collect();
        assert_eq!(closed, [LoanStatus::Refused, LoanStatus::Repaid]);
    }
}
