//! The journeys: the real binaries as processes, a real PostgreSQL, a real
//! broker. Each journey has a system of its own and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod by_hand;
mod certification;
mod consumer_facts;
mod contract;
mod documents;
mod hostile_input;
mod idempotency;
mod isolation;
mod journey;
mod kafka_login;
mod lone_broker;
mod messages;
mod operator;
mod outbox_facts;
mod ownership;
mod plumbing;
mod raw;
mod read_your_writes;
mod rebuild;
mod relay_fence;
mod roles;
mod sabotage;
mod scale_out;
mod scene;
mod secrets_scan;
mod shutdown;
mod tokens;
mod traces;
mod versions;
