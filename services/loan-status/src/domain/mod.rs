//! The rules: what an event means for what is shown, who may see it, and how a
//! place in the feed is named, and how two read models differ. Pure: no I/O, no clock.

pub mod change;
pub mod feed_id;
pub mod rebuild;
pub mod viewer;
