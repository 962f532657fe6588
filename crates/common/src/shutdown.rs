//! How the process ends: softly first, then hard.

use tokio_util::sync::CancellationToken;

/// Two signals that everything in the process listens to. Cloning is cheap.
///
/// *Soft*: take no new work and finish what is begun. *Hard*: stop at once,
/// because the bound has passed, a second signal came or a task has crashed.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// Nothing has been asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process is to end in good order.
    #[must_use]
    pub fn soft(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Cancelled when the process is to end at once.
    #[must_use]
    pub fn hard(&self) -> CancellationToken {
        self.hard.clone()
    }

    /// Asks for an end in good order.
    pub fn begin(&self) {
        self.soft.cancel();
    }

    /// Asks for an end at once.
    pub fn force(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }
}

/// Waits for SIGTERM or SIGINT.
pub async fn signalled() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hard_implies_soft_and_soft_does_not_imply_hard() {
        let shutdown = Shutdown::new();
        shutdown.begin();
        assert!(shutdown.soft().is_cancelled());
        assert!(!shutdown.hard().is_cancelled());

        let shutdown = Shutdown::new();
        shutdown.force();
        assert!(shutdown.soft().is_cancelled() && shutdown.hard().is_cancelled());
    }
}
