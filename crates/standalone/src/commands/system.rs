//! `standalone up`, `down`, `status`, `logs`, `reset`, `ctl`, `gateway-url`

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use standalone::Service;
use standalone::supervisor::{self, DataDir, PartName, PortPlan, UpOptions};

/// Which system is meant.
#[derive(Args)]
pub(crate) struct Where {
    /// The folder that holds everything of one system: data, logs, passwords.
    #[arg(long, env = "DEV_DATA", default_value = ".dev")]
    data: PathBuf,
}

impl Where {
    fn dir(&self) -> anyhow::Result<DataDir> {
        DataDir::new(&self.data)
    }
}

#[derive(Args)]
pub(crate) struct Up {
    #[command(flatten)]
    system: Where,
    /// The folder of the six binaries; that of this program if not given.
    #[arg(long)]
    bin_dir: Option<PathBuf>,
    /// Ports from this one on instead of the usual ones: the gateway here, the
    /// others within the next 21.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1024..=i64::from(PortPlan::BASE_MAX)))]
    port_base: Option<u16>,
    /// Only these processes and what they need (comma list): postgres, broker,
    /// or services.
    #[arg(long, value_delimiter = ',')]
    only: Vec<PartName>,
    /// Return when all is ready and leave it running in the background.
    #[arg(long)]
    detach: bool,
    /// This is the process in the background.
    #[arg(long, hide = true)]
    detached: bool,
}

#[derive(Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    system: Where,
    /// Whose; all if none is named.
    names: Vec<PartName>,
    /// Go on with what is added.
    #[arg(short, long)]
    follow: bool,
    /// How many of the last lines of each.
    #[arg(short = 'n', long, default_value_t = 40)]
    lines: usize,
}

#[derive(Args)]
pub(crate) struct Ctl {
    #[command(flatten)]
    system: Where,
    /// What `loanctl` is told.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// One thread: the supervisor only waits.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

pub(crate) fn up(arguments: &Up) -> anyhow::Result<ExitCode> {
    standalone::private::by_default();
    let data = arguments.system.dir()?;
    if arguments.detach {
        let mut again: Vec<String> =
            std::env::args().skip(1).filter(|argument| argument != "--detach").collect();
        again.push("--detached".to_owned());
        return block_on(supervisor::up_in_background(&data, &again));
    }
    if arguments.detached {
        // Away from the terminal, whose end must not be ours.
        nix::unistd::setsid().or_else(|error| match error {
            // It leads its group already, and needs no more.
            nix::errno::Errno::EPERM => Ok(nix::unistd::getpid()),
            other => Err(other),
        })?;
    }
    let bin_dir = arguments
        .bin_dir
        .clone()
        .or_else(standalone::binaries::folder)
        .context("it is not known where the binaries are: say --bin-dir")?;
    let options = UpOptions {
        data,
        bin_dir: std::path::absolute(bin_dir)?,
        port_base: arguments.port_base,
        only: arguments.only.clone(),
        detached: arguments.detached,
    };
    block_on(supervisor::up(&options))
}

pub(crate) fn down(system: &Where) -> anyhow::Result<ExitCode> {
    block_on(supervisor::down(&system.dir()?))?;
    println!("the data are kept");
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn reset(system: &Where) -> anyhow::Result<ExitCode> {
    block_on(supervisor::reset(&system.dir()?))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn status(system: &Where) -> anyhow::Result<ExitCode> {
    block_on(supervisor::status(&system.dir()?))
}

pub(crate) fn logs(arguments: &Logs) -> anyhow::Result<ExitCode> {
    let data = arguments.system.dir()?;
    block_on(supervisor::logs(&data, &arguments.names, arguments.lines, arguments.follow))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns only if it fails.
pub(crate) fn ctl(arguments: &Ctl) -> anyhow::Result<ExitCode> {
    let bin_dir =
        standalone::binaries::folder().context("it is not known where the binaries are")?;
    supervisor::operate(&arguments.system.dir()?, &bin_dir, &arguments.arguments)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn gateway_url(system: &Where) -> anyhow::Result<ExitCode> {
    let data = system.dir()?;
    let state = if data.is_running()? { data.state() } else { None };
    let state = state.context("nothing runs; `./dev up` starts it")?;
    let gateway =
        state.children.get(Service::Gateway.name()).context("the gateway does not run")?;
    println!("http://{}", gateway.address);
    Ok(ExitCode::SUCCESS)
}
