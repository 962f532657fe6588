//! File handles: each connection is one, and whoever may open fewer than it is allowed connections
//! is deaf to everybody once they are all taken, to those who ask for its health too.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Handles for the database, Kafka, the admin port and files.
const RESERVE: u64 = 1_024;

/// How many connections of `wanted` there are handles for, beside `onward` connections to other
/// services. Takes all handles that the process may
/// have (shells and service managers give 1,024 at first, for programs that call `select`), and says
/// so in the log where those are too few.
#[must_use]
pub fn connections_max(wanted: u32, onward: u64) -> usize {
    let allowed = match raise() {
        Ok(allowed) => allowed,
        Err(error) => {
            tracing::warn!(%error, "the limit of file handles can't be read");
            return usize::try_from(wanted).unwrap_or(usize::MAX);
        }
    };
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

/// The soft limit as high as it may be, if it can be raised; what it is then.
fn raise() -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() {
        return Ok(soft);
    }
    Ok(hard)
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
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or_default();
        assert_eq!(raise(), Ok(hard));
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE), Ok((hard, hard)));
    }
}
