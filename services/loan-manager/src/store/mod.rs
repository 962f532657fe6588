//! The SQL, one file for each table.

pub mod booking;
pub mod fact;
pub mod history;
pub mod item;
