//! What an endpoint needs of HTTP: extractors whose failures are problems, the
//! address of the caller and of ourselves, and the stack that stands before
//! every router.

mod activity;
mod address;
mod age;
mod body;
mod conditional;
mod crowd;
mod deadline;
mod handles;
mod params;
mod places;
mod server;
mod stack;
mod stall;

pub use address::{BaseUrl, ClientAddress, Edge};
pub use body::{DEPTH_MAX, Json};
pub use conditional::{IfMatch, etag};
pub use crowd::{Crowd, Full, Place, subscriber};
pub use deadline::{caller_waits_until, tell_deadline};
pub use handles::{connections_max, raise_handles};
pub use params::{Path, Query};
pub use places::take_place;
pub use server::{HEADER_BYTES_MAX, HEADER_READ_SECONDS, PerClient, ServerLimits, serve};
#[cfg(any(test, feature = "test-support"))]
pub use stack::test_layers;
pub use stack::{BODY_BYTES_MAX, REQUEST_SECONDS, Stack, stack};
