use rdkafka::message::{OwnedMessage, Timestamp};

use super::*;
use crate::consumer::replay::distance;

fn places(place: i64) -> Places {
    Places::from([(("topic".to_owned(), 0), place)])
}

fn message(offset: i64) -> Incoming {
    let topic = "topic".to_owned();
    Incoming::new(OwnedMessage::new(None, None, topic, Timestamp::NotAvailable, 0, offset, None))
}

fn is_given(progress: &mut Progress, offset: i64, end: i64) -> bool {
    matches!(progress.sort_in(message(offset), &places(end)), Ok(Some(_)))
}

#[test]
fn the_end_is_reached_where_its_last_place_is_no_message() {
    // a transaction of two messages, and what ends it.
    let mut progress = Progress::new(places(0));
    let ends = places(3);
    assert!(is_given(&mut progress, 0, 3) && is_given(&mut progress, 1, 3));
    assert_eq!(distance(&progress.places, &ends), 1);
    assert!(!progress.come_to(&places(2)), "that was known");
    assert!(progress.come_to(&places(3)));
    assert_eq!(distance(&progress.places, &ends), 0);
    assert_eq!(progress.read_to, places(2), "what a consumer of messages can come to");
    // The next transaction.
    assert!(!is_given(&mut progress, 1, 6), "it was had before");
    assert!(is_given(&mut progress, 3, 6));
    assert_eq!(progress.read_to, places(4));
}

#[test]
fn what_is_held_is_neither_lost_nor_waited_for() {
    let mut progress = Progress::new(places(0));
    assert!(is_given(&mut progress, 0, 2));
    // The end is 2, the place before it no message's, and the next one is there already.
    assert!(progress.sort_in(message(2), &places(2)).is_err());
    assert_eq!(distance(&progress.places, &places(2)), 0);
    assert!(!progress.come_to(&places(4)), "the one at 2 is not had yet");
    let held = progress.held.pop_front().map(|held| held.message.offset());
    assert_eq!(held, Some(2));
    assert!(is_given(&mut progress, 2, 4));
    assert!(progress.come_to(&places(4)));
}

#[test]
fn a_client_that_knows_no_position_has_not_moved() {
    let mut progress = Progress::new(places(5));
    assert!(!progress.come_to(&Places::new()));
    assert!(!progress.come_to(&places(0)));
    assert_eq!(progress.places, places(5));
}
