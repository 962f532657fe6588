//! How much is turned away where so many places are there and nobody waits.
//!
//! Erlang's loss formula (A. K. Erlang, 1917): with arrivals that know nothing of each other and on
//! average `offered` places asked for at once, of `places` that are there. It holds whatever
//! the distribution of the time that a place is taken (B. A. Sevastyanov, 1957): so it does for a
//! dependency that is slow in any manner.

/// The share that is turned away, 0 to 1.
///
/// `offered` is arrivals per second times the seconds that each takes its place (erlang).
#[must_use]
pub fn turned_away(offered: f64, places: u32) -> f64 {
    // By recurrence, since the formula's factorials grow beyond all numbers.
    (1..=places).map(f64::from).fold(1.0, |lost, place| {
        let carried = offered * lost;
        carried / (place + carried)
    })
}

/// How many instances of so many places each are needed so that at most this share is turned away,
/// when arrivals are spread over them by chance.
#[must_use]
pub fn instances(offered: f64, places: u32, share_max: f64) -> u32 {
    (1..).find(|count| turned_away(offered / f64::from(*count), places) <= share_max).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    #[test]
    fn it_is_erlangs_table() {
        for (offered, places, known) in [
            (1.0, 1, 0.5),
            (1.0, 2, 0.2),
            (5.0, 5, 0.284_87),
            (10.0, 10, 0.214_58),
            (10.0, 15, 0.036_50),
        ] {
            let share = turned_away(offered, places);
            assert!((share - known).abs() < 0.000_01, "{offered} {places}: {share}");
        }
        assert!(turned_away(0.0, 3) < f64::EPSILON && turned_away(7.0, 0) >= 1.0);
    }

    // What is not a formula: arrivals by chance, each of which takes a place for 300 to 500 ms.
    #[test]
    fn a_simulation_turns_away_as_much() {
        for offered in [8.0, 16.0, 24.0] {
            let mut dice = Dice(7);
            let (mut now, mut taken, mut lost) = (0.0_f64, Vec::<f64>::new(), 0_u32);
            let arrivals = 200_000;
            for _ in 0..arrivals {
                now += dice.next_arrival(offered / 0.4);
                taken.retain(|until| *until > now);
                if taken.len() < 16 {
                    let ms = u32::try_from(dice.between(300, 500)).unwrap_or_default();
                    taken.push(now + f64::from(ms) / 1_000.0);
                } else {
                    lost += 1;
                }
            }
            let (simulated, said) =
                (f64::from(lost) / f64::from(arrivals), turned_away(offered, 16));
            assert!((simulated - said).abs() < 0.01, "{offered}: {simulated} and {said}");
        }
    }

    #[test]
    fn more_instances_are_asked_for_until_few_are_turned_away() {
        assert_eq!(instances(10.0, 15, 0.04), 1);
        assert_eq!(instances(10.0, 15, 0.01), 2);
    }
}
