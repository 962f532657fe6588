//! The switches that break promises are in no binary that anybody runs.

use anyhow::{Context, Result};
use standalone::Service;

#[test]
fn no_usual_binary_knows_how_to_break_a_promise() -> Result<()> {
    let folder = standalone::binaries::folder().context("no binaries")?;
    for service in Service::ALL {
        let binary = std::fs::read(folder.join(service.name()))?;
        let text = String::from_utf8_lossy(&binary);
        for word in ["SABOTAGE", "relay-marks-before-ack", "void-left-out"] {
            assert!(!text.contains(word), "{service} knows {word}");
        }
    }
    Ok(())
}
