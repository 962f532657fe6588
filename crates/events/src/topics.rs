//! The topics: one for each publishing context (loan-auth has two), each with
//! a dead-letter twin. They are declared, never made on first use.

/// How many partitions a topic has where the operator says nothing else.
pub const PARTITIONS: i32 = 3;

/// What loan-request publishes.
pub const LOAN_REQUEST: &str = "loan.request";
/// What loan-auth publishes of certifications.
pub const LOAN_AUTH: &str = "loan.auth";
/// What loan-auth publishes of customers; compacted: the last word on each customer stays.
pub const LOAN_CUSTOMER: &str = "loan.customer";
/// What loan-manager publishes.
pub const LOAN_MANAGER: &str = "loan.manager";
/// What loan-messenger publishes.
pub const LOAN_MESSENGER: &str = "loan.messenger";

/// A topic as it is declared to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: &'static str,
    /// The dead-letter twin's name.
    pub dead_letters: &'static str,
    /// What its messages are keyed by.
    pub key: &'static str,
    /// Whether only the last message of each key is kept.
    pub compacted: bool,
}

/// Every topic.
pub const ALL: &[Topic] = &[
    Topic {
        name: LOAN_REQUEST,
        dead_letters: "loan.request.dlq",
        key: "loanId, or loanRequestId while the loan is not known",
        compacted: false,
    },
    Topic {
        name: LOAN_AUTH,
        dead_letters: "loan.auth.dlq",
        key: "loanId, or loanRequestId while the loan is not known",
        compacted: false,
    },
    Topic {
        name: LOAN_CUSTOMER,
        dead_letters: "loan.customer.dlq",
        key: "customerId",
        compacted: true,
    },
    Topic {
        name: LOAN_MANAGER,
        dead_letters: "loan.manager.dlq",
        key: "loanId, or loanRequestId of a repayment whose loan is not known",
        compacted: false,
    },
    Topic {
        name: LOAN_MESSENGER,
        dead_letters: "loan.messenger.dlq",
        key: "loanId, or loanRequestId while the loan is not known",
        compacted: false,
    },
];
