//! `./dev up` and its companions: one supervisor that runs the whole system in
//! the foreground of its own process, and what others ask of it.
//!
//! One supervisor a data folder: it holds a lock there for as long as it lives,
//! and writes down what it runs. The kernel ends its children if it is killed;
//! what outlives it even so is found by what was written down and stopped
//! before the next start.

mod crew;
mod data;
mod down;
mod leftovers;
mod listing;
mod operate;
mod part;
mod plan;
mod show;
mod up;

pub use data::{ChildState, DataDir, State};
pub use down::{down, reset};
pub use listing::{logs, status};
pub use operate::operate;
pub use plan::{PartName, PortPlan};
pub use up::{UpOptions, up, up_in_background};
