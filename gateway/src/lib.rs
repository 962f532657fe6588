//! The gateway: the one door of the online loan services. It holds no rule of the business and no
//! state that must survive.
//!
//! A request passes `stack`, outermost layer first; the table in [`routes`] says what is done
//! with it.
//!
//! * [`config`]: every setting.
//! * [`routes`]: which path goes where, as data.
//! * `stack`, `layers`, `edge`: the layers in their order, their two kinds, and what they share.
//! * `client`, `unbelieved`, `trace`, `cors`, `rate`, `auth`, `body`: what the layers do.
//! * `upstream`, `proxy`: a service's places, retries and answers; passing a request on.
//! * `rescue`: every failure of the gateway's own, and its answer.
//! * [`docs`]: the pages about the API.
//! * [`problems`]: the pages about each problem that is answered.

mod auth;
mod body;
mod client;
pub mod config;
pub mod cors;
pub mod docs;
mod edge;
mod layers;
pub mod problems;
mod proxy;
mod rate;
mod rescue;
pub mod routes;
mod run;
mod stack;
#[cfg(test)]
mod tests;
mod trace;
mod unbelieved;
mod upstream;

pub use run::run;
