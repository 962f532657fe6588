//! What the gateway adds: alone in front of an upstream that does nothing, beside nginx in
//! front of the same.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use standalone::{Service, StackBuilder};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::Figure;
use crate::wrk::{Seen, Wrk};

/// Connections at once: one for what is added to a request, many for the rate.
const CONNECTIONS: [u32; 2] = [1, 64];

/// The two: what does nothing, and nginx before it.
pub(crate) struct Nginx {
    _running: [Child; 2],
    _folder: TempDir,
    upstream: u16,
    proxy: u16,
}

impl Nginx {
    pub(crate) async fn start() -> Result<Self> {
        let folder = TempDir::with_prefix("online-loan-edge-")?;
        let (upstream, proxy) = (free_port()?, free_port()?);
        let does_nothing = "default_type application/json; return 201 '{\"done\": true}';";
        let passes_on =
            "proxy_pass http://upstream; proxy_http_version 1.1; proxy_set_header Connection \"\";";
        let running = [
            nginx(folder.path(), "upstream", upstream, does_nothing, upstream)?,
            nginx(folder.path(), "proxy", proxy, passes_on, upstream)?,
        ];
        for port in [upstream, proxy] {
            let until = Instant::now() + Duration::from_secs(10);
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                ensure!(Instant::now() < until, "nginx does not listen");
                sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(Self { _running: running, _folder: folder, upstream, proxy })
    }

    /// The gateway leads there.
    pub(crate) fn settings(&self, builder: StackBuilder) -> StackBuilder {
        let url = format!("http://127.0.0.1:{}", self.upstream);
        // All of it comes from one address.
        builder.env(Service::Gateway, "REQUEST_URL", &url).env(
            Service::Gateway,
            "RATE_LIMIT_PER_SECOND",
            "1000000",
        )
    }

    pub(crate) async fn measure(&self, gateway: &str, seconds: u32) -> Result<Vec<Figure>> {
        let wrk = Wrk::new()?;
        let nginx = format!("http://127.0.0.1:{}", self.proxy);
        let mut figures = Vec::new();
        for connections in CONNECTIONS {
            let ours = wrk
                .run("the gateway, then what does nothing", gateway, connections, seconds)
                .await?;
            let theirs =
                wrk.run("nginx, then what does nothing", &nginx, connections, seconds).await?;
            // In front of the gateway nginx is the upstream alone; before itself it is both.
            let theirs_ms = (theirs.ms_of("nginx") - ours.ms_of("nginx")).max(0.0);
            figures.push(told(connections, &ours, &theirs, theirs_ms));
        }
        Ok(figures)
    }
}

fn told(connections: u32, ours: &Seen, theirs: &Seen, theirs_ms: f64) -> Figure {
    let added = ours.p50.saturating_sub(theirs.p50);
    let ours_ms = ours.ms_of("gateway");
    let share = theirs_ms / ours_ms.max(f64::MIN_POSITIVE);
    let tell = |seen: &Seen| {
        let (p50, p99) = (seen.p50.as_micros(), seen.p99.as_micros());
        format!("{:.0}/s, p50 {p50} µs, p99 {p99} µs", seen.rate)
    };
    let measured = format!(
        "gateway {}, {:.3} ms of processor a request; nginx {}, {theirs_ms:.3} ms; \
         the gateway's p50 is {} µs above nginx's, and it has {share:.2} of nginx's requests for a processor second",
        tell(ours),
        ours_ms,
        tell(theirs),
        added.as_micros(),
    );
    if connections == 1 {
        let goal = "p50 at most 150 µs above nginx's";
        let met = added <= Duration::from_micros(150);
        Figure { name: "the gateway beside nginx, one connection", measured, goal, met }
    } else {
        let goal = "≥ 0.5 of nginx's requests for a processor second";
        Figure {
            name: "the gateway beside nginx, 64 connections",
            measured,
            goal,
            met: share >= 0.5,
        }
    }
}

/// One process that serves one place.
fn nginx(folder: &Path, name: &str, port: u16, location: &str, upstream: u16) -> Result<Child> {
    let home = folder.join(name);
    std::fs::create_dir_all(&home)?;
    let at = home.display();
    let settings = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;\n\
         events {{ worker_connections 2048; }}\n\
         http {{\n\
           access_log off; keepalive_requests 1000000000;\n\
           client_body_temp_path {at}/body; proxy_temp_path {at}/proxied; fastcgi_temp_path {at}/fastcgi;\n\
           uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n\
           upstream upstream {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000000; }}\n\
           server {{ listen 127.0.0.1:{port}; location / {{ {location} }} }}\n\
         }}\n"
    );
    let file = home.join("nginx.conf");
    std::fs::write(&file, settings)?;
    Command::new("nginx")
        .arg("-c")
        .arg(&file)
        .args(["-p"])
        .arg(&home)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("nginx is not installed; it is Debian's package `nginx-light`")
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
