//! The rules of a request: what it may hold and how it comes to its end. Pure:
//! no I/O, no clock.

pub mod standing;
pub mod submission;
pub mod viewer;
