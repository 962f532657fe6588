//! The rules, walked through in full and shaken at random.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;

use ::events::codes::RejectionReason;
use ::events::{Amount, LoanStatus, Outstanding, RequestKind};
use proptest::prelude::*;

use super::loan::{Fact, Loan, Refusal, Repayment, RepaymentMoved};
use super::step::{STEPS, WAITING_FOR_OFFICER, allowed_from, is_allowed};

use LoanStatus::{Approved, Executed, Refused, Repaid, UnderReview, Waiting};
use RequestKind::{Apply, Repay};

fn won(amount: i64) -> Amount {
    Amount::try_new(amount).unwrap()
}

fn owed(amount: i64) -> Outstanding {
    Outstanding::try_new(amount).unwrap()
}

/// A loan of 1,000 in a state, of which 600 is owed where something is.
fn loan(status: LoanStatus) -> Loan {
    let outstanding = match status {
        Executed => Some(owed(600)),
        Repaid => Some(Outstanding::ZERO),
        _ => None,
    };
    Loan { status, amount: won(1000), outstanding }
}

/// What the requirements say, written out for every kind and state.
#[rustfmt::skip]
const EXPECTED: &[(RequestKind, LoanStatus, &[LoanStatus])] = &[
    (Apply, Waiting,     &[UnderReview]),
    (Apply, UnderReview, &[Approved, Refused]),
    (Apply, Approved,    &[Executed]),
    (Apply, Refused,     &[]),
    (Apply, Executed,    &[Repaid]),
    (Apply, Repaid,      &[]),
    (Repay, Waiting,     &[Refused, Repaid]),
    (Repay, UnderReview, &[]),
    (Repay, Approved,    &[]),
    (Repay, Refused,     &[]),
    (Repay, Executed,    &[]),
    (Repay, Repaid,      &[]),
];

/// every kind, state and command; 72 of them, and nothing left out.
#[test]
fn every_step_is_allowed_or_refused_as_written() {
    assert_eq!(EXPECTED.len(), RequestKind::ALL.len() * LoanStatus::ALL.len());
    let mut walked = HashSet::new();
    for (kind, state, expected) in EXPECTED {
        assert_eq!(allowed_from(*kind, *state), *expected, "{kind} {state}");
        for to in LoanStatus::ALL {
            walked.insert((*kind, *state, *to));
            let allowed = expected.contains(to);
            assert_eq!(is_allowed(*kind, *state, *to), allowed, "{kind} {state} → {to}");
            let refusal = match kind {
                Apply => {
                    loan(*state).step(*to).map(|moved| assert_eq!(moved.loan.status, *to)).err()
                }
                Repay => {
                    let repayment = Repayment { status: *state, amount: won(100) };
                    loan(Executed).step_repayment(&repayment, *to).map(|_| ()).err()
                }
            };
            let expected = (!allowed)
                .then(|| Refusal::NotAllowed { state: *state, allowed: expected.to_vec() });
            assert_eq!(refusal, expected, "{kind} {state} → {to}");
        }
    }
    assert_eq!(walked.len(), 72);
}

#[test]
fn a_state_waits_for_an_officer_or_not_as_written() {
    assert_eq!(WAITING_FOR_OFFICER, [Waiting, UnderReview, Approved]);
    for step in STEPS.iter().filter(|step| step.kind == Repay) {
        assert!(WAITING_FOR_OFFICER.contains(&step.from), "a repayment waits for an officer only");
    }
}

#[test]
fn each_step_leaves_what_is_owed_as_it_should() {
    let review = loan(Waiting).step(UnderReview).unwrap();
    assert_eq!((review.fact, review.loan.outstanding), (Fact::Judged, None));
    let refuse = loan(UnderReview).step(Refused).unwrap();
    assert_eq!((refuse.fact, refuse.loan.outstanding), (Fact::Judged, None));
    let execute = loan(Approved).step(Executed).unwrap();
    assert_eq!(execute.fact, Fact::Executed { outstanding: owed(1000) });
    assert_eq!(execute.loan.outstanding, Some(owed(1000)));
    let repay = loan(Executed).step(Repaid).unwrap();
    assert_eq!(repay.fact, Fact::Booked { booked: won(600), outstanding: Outstanding::ZERO });
    assert_eq!(repay.loan, loan(Repaid));
}

#[test]
fn a_repayment_is_taken_in_for_an_executed_loan_that_owes_as_much() {
    //
    for status in [Waiting, UnderReview, Approved, Refused] {
        assert_eq!(loan(status).receive(won(1)), Err(RejectionReason::NotExecuted), "{status}");
    }
    assert_eq!(loan(Repaid).receive(won(1)), Err(RejectionReason::LoanRepaid));
    assert_eq!(loan(Executed).receive(won(600)), Ok(owed(600)));
    assert_eq!(loan(Executed).receive(won(601)), Err(RejectionReason::ExceedsOutstanding));
}

#[test]
fn a_booking_lowers_what_is_owed_and_the_last_one_ends_the_loan() {
    //
    let waiting = |amount| Repayment { status: Waiting, amount: won(amount) };
    let after = Loan { outstanding: Some(owed(1)), ..loan(Executed) };
    let booked = RepaymentMoved::Booked { loan: after, outstanding: owed(1) };
    assert_eq!(loan(Executed).step_repayment(&waiting(599), Repaid), Ok(booked));
    let booked = RepaymentMoved::Booked { loan: loan(Repaid), outstanding: Outstanding::ZERO };
    assert_eq!(loan(Executed).step_repayment(&waiting(600), Repaid), Ok(booked));
    assert_eq!(
        loan(Executed).step_repayment(&waiting(601), Repaid),
        Err(Refusal::ExceedsOutstanding {
            state: Waiting,
            allowed: vec![Refused],
            amount: won(601),
            outstanding: owed(600),
        })
    );
    assert_eq!(loan(Executed).step_repayment(&waiting(601), Refused), Ok(RepaymentMoved::Refused));
}

#[test]
fn nothing_is_booked_on_a_loan_that_owes_nothing() {
    let waiting = Repayment { status: Waiting, amount: won(1) };
    for status in [Waiting, UnderReview, Approved, Refused, Repaid] {
        assert_eq!(
            loan(status).step_repayment(&waiting, Repaid),
            Err(Refusal::NotAllowed { state: Waiting, allowed: vec![Refused] }),
            "{status}"
        );
    }
    // The table's CHECK keeps such a row out; the rule does not lean on it.
    let empty = Loan { outstanding: Some(Outstanding::ZERO), ..loan(Executed) };
    assert!(empty.step(Repaid).is_err());
}

/// A loan with its repayments, as the database keeps them.
struct Ledger {
    loan: Loan,
    repayments: Vec<Repayment>,
    /// What was booked, under the number of the repayment; `None`: on the loan itself.
    bookings: Vec<(Option<usize>, i64)>,
}

#[derive(Clone, Debug)]
enum Command {
    Receive(i64),
    Book(usize),
    Refuse(usize),
    Set(LoanStatus),
}

impl Ledger {
    fn new(amount: i64) -> Self {
        let loan = Loan { status: Waiting, amount: won(amount), outstanding: None };
        Self { loan, repayments: Vec::new(), bookings: Vec::new() }
    }

    /// Does what the use cases do with what the rules decide.
    fn run(&mut self, command: &Command) {
        match command {
            Command::Receive(amount) => {
                if self.loan.receive(won(*amount)).is_ok() {
                    self.repayments.push(Repayment { status: Waiting, amount: won(*amount) });
                }
            }
            Command::Set(to) => {
                if let Ok(moved) = self.loan.step(*to) {
                    self.loan = moved.loan;
                    if let Fact::Booked { booked, .. } = moved.fact {
                        self.bookings.push((None, booked.get()));
                    }
                }
            }
            Command::Book(number) => self.step(*number, Repaid),
            Command::Refuse(number) => self.step(*number, Refused),
        }
        if self.loan.status == Repaid {
            for repayment in self.repayments.iter_mut().filter(|item| item.status == Waiting) {
                repayment.status = Refused;
            }
        }
    }

    fn step(&mut self, number: usize, to: LoanStatus) {
        let Some(repayment) = self.repayments.get_mut(number) else { return };
        match self.loan.step_repayment(repayment, to) {
            Err(_) => {}
            Ok(RepaymentMoved::Refused) => repayment.status = to,
            Ok(RepaymentMoved::Booked { loan, .. }) => {
                repayment.status = to;
                self.loan = loan;
                self.bookings.push((Some(number), repayment.amount.get()));
            }
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let booked: i64 = self.bookings.iter().map(|(_, amount)| amount).sum();
        let once: HashSet<_> = self.bookings.iter().map(|(request, _)| request).collect();
        prop_assert_eq!(once.len(), self.bookings.len(), "a request was booked twice");
        let executed = matches!(self.loan.status, Executed | Repaid);
        prop_assert_eq!(self.loan.outstanding.is_some(), executed);
        if executed {
            prop_assert!(self.loan.owed().get() >= 0);
            prop_assert_eq!(self.loan.owed().get(), self.loan.amount.get() - booked);
            prop_assert_eq!(self.loan.owed().is_zero(), self.loan.status == Repaid);
        } else {
            prop_assert_eq!(booked, 0);
        }
        Ok(())
    }
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        3 => (1_i64..=700).prop_map(Command::Receive),
        6 => (0_usize..8).prop_map(Command::Book),
        1 => (0_usize..8).prop_map(Command::Refuse),
        1 => prop::sample::select(LoanStatus::ALL).prop_map(Command::Set),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// no order of bookings (partial, direct, repeated, several at once)
    /// goes below zero or books twice.
    #[test]
    fn no_order_of_bookings_owes_less_than_nothing(
        amount in 1_i64..=1500,
        executed in prop::bool::weighted(0.9),
        commands in prop::collection::vec(command(), 0..40),
    ) {
        let mut ledger = Ledger::new(amount);
        if executed {
            for to in [UnderReview, Approved, Executed] {
                ledger.run(&Command::Set(to));
            }
            prop_assert_eq!(ledger.loan.status, Executed);
        }
        for command in &commands {
            ledger.run(command);
            ledger.check()?;
        }
    }
}
