//! A place in the feed: `<epoch>-<number>`, the `id` of an entry and of an
//! event of the live stream, and what comes back as `Last-Event-ID`.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Which feed a number belongs to: a rebuilt feed gives the same numbers to
/// other entries, and is therefore another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(String);

/// A place in the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedId {
    /// The feed.
    pub epoch: Epoch,
    /// The number of the entry; 0 is the place before the first one.
    pub number: i64,
}

/// A text that names no place in any feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be <epoch>-<number>")]
pub struct NotAFeedId;

impl Epoch {
    /// How many hexadecimal digits an epoch has.
    pub const LENGTH: usize = 12;

    /// The place of an entry in this feed.
    #[must_use]
    pub fn at(&self, number: i64) -> FeedId {
        FeedId { epoch: self.clone(), number }
    }
}

impl FromStr for Epoch {
    type Err = NotAFeedId;

    fn from_str(text: &str) -> Result<Self, NotAFeedId> {
        let good = text.len() == Self::LENGTH
            && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if good { Ok(Self(text.to_owned())) } else { Err(NotAFeedId) }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FeedId {
    type Err = NotAFeedId;

    /// Reads exactly what is written by [`fmt::Display`]: a place has one
    /// spelling.
    fn from_str(text: &str) -> Result<Self, NotAFeedId> {
        let (epoch, number) = text.split_once('-').ok_or(NotAFeedId)?;
        let epoch: Epoch = epoch.parse()?;
        let canonical = number.bytes().all(|byte| byte.is_ascii_digit())
            && (number == "0" || !number.starts_with('0'));
        if !canonical {
            return Err(NotAFeedId);
        }
        let number = number.parse().map_err(|_| NotAFeedId)?;
        Ok(Self { epoch, number })
    }
}

impl fmt::Display for FeedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

impl Serialize for FeedId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn is_read_as_it_is_written() {
        for text in ["0123456789ab-0", "0123456789ab-1", "ffffffffffff-9223372036854775807"] {
            assert_eq!(text.parse::<FeedId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_names_no_place() {
        for text in [
            "",
            "-",
            "7",
            "0123456789ab",
            "0123456789ab-",
            "0123456789ab-007",
            "0123456789ab--1",
            "0123456789ab-+1",
            "0123456789AB-1",
            "0123456789a-1",
            "0123456789abc-1",
            "0123456789ab-1 ",
            "0123456789ab-9223372036854775808",
            "0123456789ab-1-2",
            "0123456789ag-1",
            "0123456789ab-１",
        ] {
            assert_eq!(text.parse::<FeedId>(), Err(NotAFeedId), "{text}");
        }
    }
}
