//! What runs beside requests and events.

pub mod rebuild_read_model;
