//! The rules: what a customer is told, in which words, how it reaches them, and who
//! may read it. Pure: no I/O, no clock.

pub mod address;
pub mod delivery;
pub mod letter;
pub mod notice;
pub mod sample;
pub mod template;
pub mod viewer;
