//! An application over few and many connections that are kept, and what each part takes for it.

use anyhow::Result;
use standalone::{Service, StackBuilder};

use crate::Figure;
use crate::latency::ms;
use crate::wrk::Wrk;

/// One request under way at a time, some, and as many as siege's.
const CONNECTIONS: [u32; 3] = [1, 10, 100];

/// All of it comes from one address.
pub(crate) fn settings(builder: StackBuilder) -> StackBuilder {
    builder.env(Service::Gateway, "RATE_LIMIT_PER_SECOND", "1000000")
}

pub(crate) async fn measure(gateway: &str, seconds: u32) -> Result<Vec<Figure>> {
    let wrk = Wrk::new()?;
    // Plans and pools are as they are under load.
    wrk.run("the gateway", gateway, 100, 3).await?;
    let mut figures = Vec::new();
    for connections in CONNECTIONS {
        let seen = wrk.run("the gateway", gateway, connections, seconds).await?;
        let cost = seen.costs.of_one(seen.requests);
        let (name, goal, met) = match connections {
            1 => ("one kept connection", "told", true),
            10 => ("ten kept connections", "told", true),
            _ => ("a hundred kept connections", "≥ 3,000/s", seen.rate >= 3_000.0),
        };
        let (p50, p99) = (ms(seen.p50), ms(seen.p99));
        figures.push(Figure {
            name,
            measured: format!("{:.0}/s, p50 {p50} ms, p99 {p99} ms; {}", seen.rate, cost.measured),
            goal,
            met,
        });
    }
    Ok(figures)
}
