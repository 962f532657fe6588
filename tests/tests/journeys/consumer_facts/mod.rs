//! The facts of the consumers, each on the real broker and database: every
//! event has one effect, whatever is delivered twice, ends half way or is away.

mod delivery;
mod letters;
mod loans;
mod outages;
pub(crate) mod replay;
mod services;
