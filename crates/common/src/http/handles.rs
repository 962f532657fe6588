//! File handles: each connection is one, and whoever may open fewer than it is allowed connections
//! is deaf to everybody once they are all taken, to those who ask for its health too.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Handles for the database, Kafka, the admin port and files.
const RESERVE: u64 = 1_024;

/// What a process has at first on most systems.
const SOFT_USUAL: u64 = 1_024;

/// How many connections of `wanted` there are handles for, of `allowed`, beside `onward` connections
/// to other services. Fewer than `wanted` are said in the log.
#[must_use]
pub fn connections_max(wanted: u32, onward: u64, allowed: u64) -> usize {
    let bound = bound(u64::from(wanted), RESERVE + onward, allowed);
    if bound < u64::from(wanted) {
        tracing::warn!(
            allowed,
            wanted,
            bound,
            "fewer file handles (RLIMIT_NOFILE) than HTTP_CONNECTIONS_MAX asks for: so many connections are taken at most; raise `ulimit -n` or LimitNOFILE, or lower HTTP_CONNECTIONS_MAX"
        );
    }
    usize::try_from(bound).unwrap_or(usize::MAX)
}

/// Has the process take all handles that it may have: shells and service managers give 1,024 at
/// first, for programs that call `select`. Says how many there are then.
pub fn raise_handles() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        tracing::warn!(
            SOFT_USUAL,
            "the limit of file handles can't be read, and is taken for this"
        );
        return SOFT_USUAL;
    };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() {
        return soft;
    }
    hard
}

/// All but the reserve, which is at most half.
fn bound(wanted: u64, reserve: u64, allowed: u64) -> u64 {
    wanted.min(allowed - reserve.min(allowed / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_connections_than_handles_for_them() {
        for (wanted, allowed, expected) in [
            (8_192, 1_048_576, 8_192),
            (8_192, u64::MAX, 8_192),
            (8_192, 4_096, 3_072),
            (8_192, 1_024, 512),
            (100, 1_024, 100),
            (8_192, 0, 0),
        ] {
            assert_eq!(bound(wanted, 1_024, allowed), expected, "{wanted} of {allowed}");
        }
    }

    #[test]
    fn all_that_are_allowed_are_taken() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        assert_eq!(raise_handles(), hard);
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE), Ok((hard, hard)));
    }
}
