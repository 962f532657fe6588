use time::macros::datetime;
use uuid::Uuid;

use super::*;

fn customer(number: u128) -> CustomerId {
    CustomerId::from(Uuid::from_u128(number))
}

fn all() -> Vec<Standing> {
    vec![
        Standing::Undecided,
        Standing::Certified(customer(1)),
        Standing::Received(customer(1)),
        Standing::Refused,
        Standing::Withdrawn,
        Standing::Compensated(customer(1)),
    ]
}

type Command = fn(Standing) -> Result<Step, Contradiction>;

/// Every command that speaks of customer 1, and those that speak of nobody.
const COMMANDS: &[Command] = &[
    |standing| standing.settle(Verdict::Certified(CustomerId::from_number(1))),
    |standing| standing.settle(Verdict::Refused),
    |standing| standing.settle(Verdict::Withdrawn(Withdrawal::Unreachable)),
    |standing| standing.settle(Verdict::Withdrawn(Withdrawal::Voided)),
    |standing| standing.receive(CustomerId::from_number(1)),
    |standing| standing.compensate(CustomerId::from_number(1)),
];

trait FromNumber {
    fn from_number(number: u128) -> Self;
}

impl FromNumber for CustomerId {
    fn from_number(number: u128) -> Self {
        customer(number)
    }
}

#[test]
fn what_a_row_says_is_what_it_was_written_from() {
    for standing in all() {
        assert_eq!(Standing::of(standing.status(), standing.customer()), Some(standing));
    }
    assert_eq!(Standing::of(RequestStatus::Received, None), None);
    assert_eq!(Standing::of(RequestStatus::Refused, Some(customer(1))), None);
}

#[test]
fn an_undecided_request_takes_every_decision() {
    for (command, standing) in COMMANDS.iter().zip([
        Standing::Certified(customer(1)),
        Standing::Refused,
        Standing::Withdrawn,
        Standing::Withdrawn,
        Standing::Received(customer(1)),
        Standing::Compensated(customer(1)),
    ]) {
        assert_eq!(command(Standing::Undecided), Ok(Step::Applied(standing)));
    }
}

#[test]
fn no_command_does_anything_twice() {
    for standing in all() {
        for command in COMMANDS {
            if let Ok(Step::Applied(next)) = command(standing) {
                assert_ne!(next, standing);
                assert_eq!(command(next), Ok(Step::AlreadyApplied), "{standing:?}");
            }
        }
    }
}

#[test]
fn the_order_of_what_is_true_does_not_matter() {
    // certified, received and compensated may be heard in any order.
    let truths: [Command; 3] = [COMMANDS[0], COMMANDS[4], COMMANDS[5]];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let end = order.into_iter().fold(Standing::Undecided, |standing, index| {
            match truths[index](standing) {
                Ok(Step::Applied(next)) => next,
                Ok(Step::AlreadyApplied) => standing,
                Err(contradiction) => panic!("{contradiction}"),
            }
        });
        assert_eq!(end, Standing::Compensated(customer(1)), "{order:?}");
    }
}

#[test]
fn a_decision_is_never_turned_round() {
    for ended in [Standing::Refused, Standing::Withdrawn] {
        assert!(ended.settle(Verdict::Certified(customer(1))).is_err());
        assert!(ended.receive(customer(1)).is_err());
        assert!(ended.compensate(customer(1)).is_err());
    }
    for certified in [
        Standing::Certified(customer(1)),
        Standing::Received(customer(1)),
        Standing::Compensated(customer(1)),
    ] {
        assert!(certified.settle(Verdict::Refused).is_err());
        assert!(certified.settle(Verdict::Withdrawn(Withdrawal::Voided)).is_err());
    }
}

#[test]
fn a_request_never_changes_hands() {
    //
    for standing in all() {
        if standing.customer().is_some() {
            assert!(standing.settle(Verdict::Certified(customer(2))).is_err());
            assert!(standing.receive(customer(2)).is_err());
            assert!(standing.compensate(customer(2)).is_err());
        }
    }
}

#[test]
fn a_contradiction_says_what_is_and_what_was_said() {
    let contradiction = Standing::Withdrawn.receive(customer(1)).expect_err("it was withdrawn");
    assert_eq!(
        contradiction.to_string(),
        "a request that is withdrawn is said to be received for a customer"
    );
}

#[test]
fn nobody_is_answered_longer_than_the_window() {
    let submitted = datetime!(2026-11-21 08:00 UTC);
    let window = Duration::milliseconds(860);
    assert!(is_in_flight(submitted, submitted, window));
    assert!(is_in_flight(submitted, submitted + Duration::milliseconds(859), window));
    assert!(!is_in_flight(submitted, submitted + window, window));
}
