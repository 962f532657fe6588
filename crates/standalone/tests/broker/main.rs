//! The embedded broker as our services use it, with the real client library.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compaction;
mod delivery;
mod fence;
mod groups;
mod process;
mod support;
