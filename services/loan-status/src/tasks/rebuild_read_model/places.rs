//! What the ends of topics tell of a rebuild from them.

use common::consumer::replay::Places;

/// Where topics end before the place that the consumer has come to.
pub(super) fn beyond(committed: &Places, ends: &Places) -> Vec<String> {
    ends.iter()
        .filter_map(|(key, end)| committed.get(key).map(|place| (key, end, place)))
        .filter(|(_, end, place)| place > end)
        .map(|((topic, partition), end, place)| {
            format!("{topic}/{partition} ends at {end}, and {place} was come to")
        })
        .collect()
}

/// Where topics are not kept from their beginning.
pub(super) fn cut(beginnings: &Places) -> Vec<String> {
    beginnings
        .iter()
        .filter(|(_, place)| **place > 0)
        .map(|((topic, partition), place)| format!("{topic}/{partition} begins at {place}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_without_its_beginning_is_not_taken_for_a_whole_one() {
        let places = |second| {
            Places::from([(("topic".to_owned(), 0), 0), (("topic".to_owned(), 1), second)])
        };
        assert_eq!(cut(&places(0)), Vec::<String>::new());
        assert_eq!(cut(&places(17)), ["topic/1 begins at 17"]);
    }

    #[test]
    fn a_topic_that_ends_before_what_was_read_is_not_the_same() {
        let places = |place| Places::from([(("topic".to_owned(), 0), place)]);
        assert_eq!(beyond(&places(17), &places(17)), Vec::<String>::new());
        assert_eq!(beyond(&Places::new(), &places(0)), Vec::<String>::new());
        assert_eq!(beyond(&places(17), &places(0)), ["topic/0 ends at 0, and 17 was come to"]);
    }
}
