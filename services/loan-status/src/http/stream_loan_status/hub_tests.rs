#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use ::events::{LoanId, LoanStatus, RequestKind};
use time::Duration;
use tokio::sync::mpsc::error::TryRecvError;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn hub() -> Arc<Hub> {
    let limits = Limits {
        streams_max: 4,
        customer_streams_max: 2,
        officer_streams_max: 3,
        buffer_entries_max: 3,
        lag_max: std::time::Duration::from_secs(30),
    };
    Hub::new(limits, "0123456789ab-10".parse().unwrap())
}

fn customer(number: u128) -> CustomerId {
    Uuid::from_u128(number).into()
}

fn entry(id: i64, customer_id: CustomerId) -> Entry {
    Entry {
        id,
        event_type: "LoanJudged".to_owned(),
        loan_request_id: Uuid::from_u128(7).into(),
        loan_id: Some(Uuid::from_u128(7).into()),
        customer_id,
        request_id: RequestKind::Apply,
        request_name: "Deposit".to_owned(),
        amount_of_money: 1,
        currency: "KRW".to_owned(),
        outstanding: None,
        loan_status: LoanStatus::UnderReview,
        reason: None,
        adm_comment: None,
        loan_version: Some(2),
        occurred_at: NOW,
        cancelled_at: None,
    }
}

/// Takes a place for ten minutes; all officers are one here.
fn take(hub: &Arc<Hub>, viewer: Viewer) -> Result<Seat, Full> {
    let bearer = viewer.only().map_or(Uuid::from_u128(99), CustomerId::as_uuid);
    hub.take_seat(viewer, bearer, NOW + Duration::minutes(10))
}

fn seat(hub: &Arc<Hub>, viewer: Viewer) -> Seat {
    take(hub, viewer).unwrap()
}

fn ids(receiver: &mut mpsc::Receiver<Arc<Entry>>) -> Vec<i64> {
    std::iter::from_fn(|| receiver.try_recv().ok()).map(|entry| entry.id).collect()
}

#[test]
fn each_is_handed_what_is_theirs() {
    //
    let hub = hub();
    let one = seat(&hub, Viewer::Customer(customer(1)));
    let officer = seat(&hub, Viewer::Officer);
    let (position, mut own) = one.listen(Viewer::Customer(customer(1)).scope(None, None), 10);
    let (_, mut all) = officer.listen(Viewer::Officer.scope(None, None), 10);
    assert_eq!(position.number, 10);
    hub.hand_out(vec![entry(11, customer(1)), entry(12, customer(2))], NOW);
    assert_eq!(ids(&mut own), [11]);
    assert_eq!(ids(&mut all), [11, 12]);
    assert_eq!(hub.position().number, 12);
}

#[test]
fn a_narrowed_stream_is_handed_no_more() {
    let hub = hub();
    let seat = seat(&hub, Viewer::Officer);
    let other_loan: LoanId = Uuid::from_u128(8).into();
    let (_, mut entries) = seat.listen(Viewer::Officer.scope(None, Some(other_loan)), 10);
    hub.hand_out(vec![entry(11, customer(1))], NOW);
    assert_eq!(ids(&mut entries), Vec::<i64>::new());
}

#[test]
fn there_are_so_many_places_and_a_dropped_one_is_free_again() {
    let hub = hub();
    let viewer = Viewer::Customer(customer(1));
    let mut seats = vec![seat(&hub, viewer), seat(&hub, viewer)];
    assert_eq!(take(&hub, viewer).err(), Some(Full::OfCustomer));
    seats.push(seat(&hub, Viewer::Customer(customer(2))));
    seats.push(seat(&hub, Viewer::Officer));
    assert_eq!(take(&hub, Viewer::Officer).err(), Some(Full::OfInstance));
    assert_eq!(take(&hub, Viewer::Customer(customer(3))).err(), Some(Full::OfInstance));
    seats.remove(0);
    assert!(take(&hub, viewer).is_ok());
}

#[test]
fn one_officer_has_so_many_places_and_another_their_own() {
    let hub = hub();
    let seats: Vec<Seat> = (0..3).map(|_| seat(&hub, Viewer::Officer)).collect();
    assert_eq!(take(&hub, Viewer::Officer).err(), Some(Full::OfOfficer));
    let other = Uuid::from_u128(98);
    let later = NOW + Duration::minutes(10);
    let others = hub.take_seat(Viewer::Officer, other, later).unwrap();
    let (_, mut entries) = others.listen(Viewer::Officer.scope(None, None), 10);
    hub.hand_out(vec![entry(11, customer(1))], NOW);
    assert_eq!(ids(&mut entries), [11], "each officer is handed everything");
    // Officers count among the streams of the instance as customers do.
    assert_eq!(take(&hub, Viewer::Customer(customer(1))).err(), Some(Full::OfInstance));
    assert_eq!(hub.take_seat(Viewer::Officer, other, later).err(), Some(Full::OfInstance));
    drop(seats);
    assert!(take(&hub, Viewer::Officer).is_ok());
}

#[test]
fn a_slow_stream_is_handed_no_more_and_costs_the_others_nothing() {
    let hub = hub();
    let viewer = Viewer::Customer(customer(1));
    let (slow, quick) = (seat(&hub, viewer), seat(&hub, viewer));
    let (_, mut slow_entries) = slow.listen(viewer.scope(None, None), 10);
    let (_, mut quick_entries) = quick.listen(viewer.scope(None, None), 10);
    for id in 11..=15 {
        hub.hand_out(vec![entry(id, customer(1))], NOW);
        assert_eq!(ids(&mut quick_entries), [id]);
    }
    assert_eq!(ids(&mut slow_entries), [11, 12, 13], "as many as the buffer holds");
    assert_eq!(slow_entries.try_recv(), Err(TryRecvError::Disconnected));
    assert!(!slow.is_lost());
    // It has read by itself up to 17, which is not handed out yet.
    let (position, mut again) = slow.listen(viewer.scope(None, None), 17);
    assert_eq!(position.number, 15);
    hub.hand_out((16..=18).map(|id| entry(id, customer(1))).collect(), NOW);
    assert_eq!(ids(&mut again), [18]);
    hub.sweep(NOW + Duration::seconds(31));
    assert!(!slow.is_lost(), "it is not behind any more");
}

#[test]
fn a_stream_that_stays_behind_is_cut_off() {
    let hub = hub();
    let viewer = Viewer::Customer(customer(1));
    let slow = seat(&hub, viewer);
    let _entries = slow.listen(viewer.scope(None, None), 10);
    hub.hand_out((11..=15).map(|id| entry(id, customer(1))).collect(), NOW);
    hub.sweep(NOW + Duration::seconds(29));
    assert!(!slow.is_lost());
    hub.sweep(NOW + Duration::seconds(30));
    assert!(slow.is_lost());
    // Its place is free although the client may still hold the connection, and
    // what is left of it gives nothing back a second time.
    let _others = [seat(&hub, viewer), seat(&hub, viewer)];
    drop(slow);
    assert_eq!(take(&hub, viewer).err(), Some(Full::OfCustomer));
}

#[test]
fn an_expired_stream_loses_its_place() {
    let hub = hub();
    let seat = seat(&hub, Viewer::Officer);
    let (_, mut entries) = seat.listen(Viewer::Officer.scope(None, None), 10);
    hub.sweep(NOW + Duration::minutes(9));
    assert_eq!(entries.try_recv(), Err(TryRecvError::Empty));
    hub.sweep(NOW + Duration::minutes(10));
    assert_eq!(entries.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn another_feed_ends_every_stream() {
    let hub = hub();
    let seat = seat(&hub, Viewer::Officer);
    let (_, mut entries) = seat.listen(Viewer::Officer.scope(None, None), 10);
    hub.restart("ffffffffffff-0".parse().unwrap());
    assert_eq!(entries.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(hub.position().to_string(), "ffffffffffff-0");
}

#[test]
fn without_streams_the_feed_is_passed_by() {
    let hub = hub();
    assert!(hub.skip_if_empty(50));
    assert_eq!(hub.position().number, 50);
    let seat = seat(&hub, Viewer::Officer);
    assert!(!hub.skip_if_empty(60));
    assert_eq!(hub.position().number, 50);
    drop(seat);
    assert!(hub.skip_if_empty(60));
}

#[test]
fn some_places_are_never_a_customers() {
    let limits = Limits { streams_max: 10, ..hub().limits };
    let hub = Hub::new(limits, "0123456789ab-10".parse().unwrap());
    let seats: Vec<_> = (0..9).map(|n| seat(&hub, Viewer::Customer(customer(n)))).collect();
    assert_eq!(take(&hub, Viewer::Customer(customer(9))).err(), Some(Full::OfInstance));
    let officer = seat(&hub, Viewer::Officer);
    assert_eq!(take(&hub, Viewer::Officer).err(), Some(Full::OfInstance));
    drop((seats, officer));
}
