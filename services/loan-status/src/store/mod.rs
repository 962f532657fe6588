//! The SQL, one file for each table.

pub mod cancellation;
pub mod entry;
pub mod fact;
pub mod feed_counter;
pub mod loan;
pub mod rebuild;
pub mod shadow;
