//! The one place where this crate reads the environment: it is a tool for
//! developers and tests, which are set up by their surroundings.

use std::ffi::OsString;

/// A variable of the environment, unless it is empty.
#[expect(clippy::disallowed_methods, reason = "tests and tools have no settings of their own")]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
