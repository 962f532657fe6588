//! The SQL, one file for each table.

pub mod booking;
pub mod item;
