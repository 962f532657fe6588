#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::{LoanRequestId, LoanVersion};
use uuid::Uuid;

use super::*;

fn wanted(owner: Option<u128>) -> Wanted {
    Wanted {
        version: LoanVersion::Request(LoanRequestId::from(Uuid::from_u128(7))),
        only: owner.map(|id| Uuid::from_u128(id).into()),
    }
}

#[test]
fn there_are_so_many_places_and_no_more() {
    let room = WaitingRoom::new(WaitsMax { all: 3, of_customer: 2 });
    let first = room.enter(wanted(Some(1))).unwrap();
    let _second = room.enter(wanted(Some(1))).unwrap();
    assert!(room.enter(wanted(Some(1))).is_none(), "nobody takes all places");
    let _third = room.enter(wanted(None)).unwrap();
    assert!(room.enter(wanted(None)).is_none() && room.enter(wanted(Some(2))).is_none());
    drop(first);
    assert!(room.enter(wanted(Some(1))).is_some());
    assert_eq!(room.wanted().len(), 2);
}

#[tokio::test]
async fn who_is_called_goes_and_leaves_the_place() {
    let room = WaitingRoom::new(WaitsMax { all: 1, of_customer: 1 });
    let mut place = room.enter(wanted(Some(1))).unwrap();
    room.came().await;
    let numbers: Vec<u64> = room.wanted().into_iter().map(|(number, _)| number).collect();
    room.call(numbers.iter().copied().chain([99]));
    assert!(place.shown().await);
    drop(place);
    room.call(numbers);
    assert!(room.enter(wanted(Some(1))).is_some());
}
