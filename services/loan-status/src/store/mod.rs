//! The SQL, one file for each table.

pub mod cancellation;
pub mod entry;
pub mod feed_counter;
pub mod loan;
