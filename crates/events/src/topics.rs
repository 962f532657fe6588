//! The topics: one for each publishing context (loan-auth has two), each with
//! a dead-letter twin. They are declared, never made on first use.

/// How many partitions a topic has where the operator says nothing else.
pub const PARTITIONS: i32 = 3;

/// How long events stay, in days: five years. They are the history from which a
/// new consumer starts and loan-status can be rebuilt, so a loan that is shown
/// should be in it.
pub const EVENTS_KEPT_DAYS: u64 = 5 * 365 + 1;

/// How long dead letters stay, in days: a year more than what they came from, so
/// that the last event can still be looked into and redriven.
pub const DEAD_LETTERS_KEPT_DAYS: u64 = EVENTS_KEPT_DAYS + 365;

/// How long a tombstone stays on a compacted topic, in days: a consumer that was
/// away for longer would never learn that the key is gone.
pub const TOMBSTONES_KEPT_DAYS: u64 = 30;

/// How long Kafka writes into one segment at most, in days. It deletes segments
/// and not messages, so a message may stay longer than declared by this.
pub const SEGMENT_DAYS: u64 = 7;

/// After this many days no event of a topic that is not compacted is delivered any
/// more, to whatever group and from wherever it reads. An inbox remembers longer
/// (`INBOX_KEEP_HOURS`), so nothing is worked on twice. What a compacted topic
/// holds may come at any time: its events say all there is to say of their key,
/// and the last one wins.
pub const REDELIVERED_DAYS_MAX: u64 = EVENTS_KEPT_DAYS + SEGMENT_DAYS;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

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

/// What a broker is told of a topic: Kafka's names of the settings, and values.
pub type Configuration = Vec<(&'static str, String)>;

impl Topic {
    /// How the topic is configured.
    #[must_use]
    pub fn configuration(&self) -> Configuration {
        if self.compacted {
            vec![
                ("cleanup.policy", "compact".to_owned()),
                ("delete.retention.ms", days_in_ms(TOMBSTONES_KEPT_DAYS)),
            ]
        } else {
            deleted_after(EVENTS_KEPT_DAYS)
        }
    }

    /// How its dead-letter twin is configured.
    #[must_use]
    pub fn dead_letters_configuration(&self) -> Configuration {
        deleted_after(DEAD_LETTERS_KEPT_DAYS)
    }
}

/// Every topic and every dead-letter twin, with its configuration.
#[must_use]
pub fn declared() -> Vec<(&'static str, Configuration)> {
    ALL.iter()
        .flat_map(|topic| {
            [
                (topic.name, topic.configuration()),
                (topic.dead_letters, topic.dead_letters_configuration()),
            ]
        })
        .collect()
}

fn deleted_after(days: u64) -> Configuration {
    vec![
        ("cleanup.policy", "delete".to_owned()),
        ("retention.ms", days_in_ms(days)),
        ("segment.ms", days_in_ms(SEGMENT_DAYS)),
    ]
}

fn days_in_ms(days: u64) -> String {
    (days * DAY_MS).to_string()
}
