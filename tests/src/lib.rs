//! What the journeys and the benches share.
//!
//! * [`client`]: a client of the gateway that hides nothing.
//! * [`dice`]: chance that can be had again.
//! * [`harness`]: a journey's system of real processes.
//! * [`loss`]: how much a bounded number of places turns away.
//! * [`mail_server`], [`hook_receiver`]: where messages go, and what can happen to them there.
//! * [`proxy`]: a TCP proxy between two processes that can misbehave.
//! * [`read_your_writes`]: whether whoever writes reads it, whatever happens to loan-status.
//! * [`rebuild`]: the read model is made anew beside the processes.
//! * [`siege`]: the operators' siege line.
//! * [`apache_kafka`]: a real Apache Kafka in place of the embedded broker.

pub use ::client;

pub mod apache_kafka;
pub mod dice;
pub mod harness;
pub mod hook_receiver;
pub mod loss;
pub mod mail_server;
pub mod proxy;
pub mod read_your_writes;
pub mod rebuild;
pub mod siege;
