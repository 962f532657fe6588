//! The rules: what a customer is told, in which words, and who may read it.
//! Pure: no I/O, no clock.

pub mod notice;
pub mod template;
pub mod viewer;
