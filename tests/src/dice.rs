//! Chance that can be had again.

/// Numbers that look random and depend on nothing but the seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, both included.
    #[must_use = "it goes on to the next number"]
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// True so many times of a hundred.
    #[must_use = "it goes on to the next number"]
    pub fn percent(&mut self, chance: u64) -> bool {
        self.between(1, 100) <= chance
    }

    /// The time to the next of arrivals that come so many times a second and know nothing of each
    /// other (a Poisson process), in seconds.
    #[expect(clippy::cast_precision_loss, reason = "53 bits of chance are enough")]
    #[must_use = "it goes on to the next number"]
    pub fn next_arrival(&mut self, per_second: f64) -> f64 {
        let share = ((self.next() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        -share.ln() / per_second
    }
}
