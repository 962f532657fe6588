//! The SQL, one file for each table. `message` writes `mailbox` as well: the
//! two change in one statement.

pub mod fact;
pub mod message;
pub mod recipient;
