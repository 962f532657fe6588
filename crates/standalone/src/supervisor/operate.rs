//! `ctl`: the operator's command for the system that runs here.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::data::DataDir;
use super::plan::PartName;
use crate::secrets::Secrets;
use crate::services::Service;
use crate::wiring::operator_environment;

/// Becomes `loanctl`, which is told the addresses and the credential of the system
/// that runs. What the caller's own environment says stands above that. Returns
/// only if it fails.
///
/// # Errors
///
/// Nothing runs, or the program is not there.
pub fn operate(data: &DataDir, bin_dir: &Path, arguments: &[OsString]) -> anyhow::Result<()> {
    let state = if data.is_running()? { data.state() } else { None };
    let state = state.context("nothing runs; `./dev up` starts it")?;
    let secrets = Secrets::load_or_generate(&data.secrets())?;
    let broker = state.children.get(PartName::Broker.name());
    let bootstrap = broker.map_or_else(String::new, |broker| broker.address.clone());
    let admin = |service: Service| {
        let address = state.children.get(service.name())?.admin_address.as_ref()?;
        Some(format!("http://{address}"))
    };
    let program = bin_dir.join("loanctl");
    let mut command = Command::new(&program);
    command.args(arguments);
    let gateway = state.children.get(Service::Gateway.name());
    let gateway = gateway.map(|gateway| ("GATEWAY_URL", format!("http://{}", gateway.address)));
    let mail = ("MAIL_DROP", data.mail().display().to_string());
    let here = gateway.into_iter().chain([mail]).map(|(name, value)| (name.to_owned(), value));
    for (name, value) in operator_environment(admin, &bootstrap, &secrets).into_iter().chain(here) {
        if crate::environment::variable(&name).is_none() {
            command.env(name, value);
        }
    }
    Err(command.exec()).with_context(|| format!("cannot run {}", program.display()))
}
