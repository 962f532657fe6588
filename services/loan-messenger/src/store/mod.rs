//! The SQL, one file for each table, or for those that change together: `message` writes
//! `mailbox` as well, `delivery` writes `turn` and `attempt`, and `contact` what a
//! customer has chosen.

pub mod contact;
pub mod delivery;
pub mod fact;
pub mod intent;
pub mod message;
pub mod queue;
pub mod recipient;
pub mod verification;
