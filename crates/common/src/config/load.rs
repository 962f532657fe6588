//! Reading the settings.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, Parser};

use super::health;

/// The largest settings file that is read.
const FILE_BYTES_MAX: u64 = 256 * 1024;

const CONFIG_ID: &str = "config";

/// Defaults of one program that differ from the common ones: the setting's
/// environment name and its value.
pub type Defaults<'a> = &'a [(&'a str, String)];

/// Why the program does not start, in one line.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// `--help` or `--version`: the text to print, and no failure.
    #[error("{0}")]
    Help(String),
    /// A setting is missing or wrong.
    #[error("{0}")]
    Wrong(String),
}

/// The settings of this process. Where one is wrong, says so in one line on
/// standard error and ends with 2.
#[must_use]
pub fn load<C: Parser>() -> C {
    load_with(&[])
}

/// As [`load`], with defaults of this program's own.
#[must_use]
pub fn load_with<C: Parser>(defaults: Defaults<'_>) -> C {
    let read = matches::<C>(std::env::args_os(), defaults).and_then(|(command, matches)| {
        if matches.get_flag(health::ID) {
            end_with_health(&command, &matches);
        }
        settings_of(&command, matches)
    });
    match read {
        Ok(settings) => settings,
        Err(ConfigError::Help(text)) => {
            print!("{text}");
            std::process::exit(0)
        }
        Err(ConfigError::Wrong(line)) => {
            eprintln!("error: {line}");
            std::process::exit(2)
        }
    }
}

/// Asks the process that runs with these settings, and ends with 0 if it is ready, with
/// 1 if not.
fn end_with_health(command: &Command, matches: &ArgMatches) -> ! {
    let address = id_of(command, "ADMIN_ADDR")
        .and_then(|id| matches.get_one::<SocketAddr>(id.as_str()).copied());
    let outcome = address.ok_or_else(|| "it has no ADMIN_ADDR".to_owned()).and_then(health::check);
    match outcome {
        Ok(()) => std::process::exit(0),
        Err(reason) => {
            eprintln!("{reason}");
            std::process::exit(1)
        }
    }
}

/// Reads the settings from these arguments, the environment and the file that
/// either names.
pub fn try_load_from<C: Parser>(
    args: impl IntoIterator<Item = OsString>,
    defaults: Defaults<'_>,
) -> Result<C, ConfigError> {
    let (command, matches) = matches::<C>(args, defaults)?;
    settings_of(&command, matches)
}

fn settings_of<C: Parser>(command: &Command, mut matches: ArgMatches) -> Result<C, ConfigError> {
    C::from_arg_matches_mut(&mut matches).map_err(|error| in_one_line(command, &error))
}

/// What these arguments, the environment and the file say together.
fn matches<C: Parser>(
    args: impl IntoIterator<Item = OsString>,
    defaults: Defaults<'_>,
) -> Result<(Command, ArgMatches), ConfigError> {
    let args: Vec<OsString> = args.into_iter().collect();
    let command = prepared(C::command(), defaults);
    let command = match config_file(&command, &args) {
        Some(path) => with_file(command, &path)?,
        None => command,
    };
    let matches = command
        .clone()
        .try_get_matches_from(args)
        .map_err(|error| in_one_line(&command, &error))?;
    Ok((command, matches))
}

/// The command with the file's argument, the program's own defaults, and no
/// value of the environment in its help: whether one is a secret is not left to
/// whoever declares it.
fn prepared(command: Command, defaults: Defaults<'_>) -> Command {
    let command = command
        .arg(
            Arg::new(CONFIG_ID)
                .long("config")
                .env("CONFIG_FILE")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help(
                    "A TOML file with settings by their environment names in any case; \
                     flags and environment stand above it [default: none]",
                ),
        )
        .arg(Arg::new(health::ID).long(health::ID).action(ArgAction::SetTrue).help(
            "Asks the process that runs with these settings whether it is ready, and \
                     ends with 0 if so and 1 if not: a container's health check",
        ))
        .mut_args(|arg| {
            // An empty variable is one that a template left out.
            let is_empty = arg.get_env().and_then(variable).is_some_and(|value| value.is_empty());
            let arg = arg.hide_env_values(true);
            if is_empty { arg.env(None::<&str>) } else { arg }
        });
    defaults
        .iter()
        .fold(command, |command, (name, value)| with_default(command, name, value.clone()))
}

#[expect(clippy::disallowed_methods, reason = "settings are what the environment is for")]
fn variable(name: &std::ffi::OsStr) -> Option<OsString> {
    std::env::var_os(name)
}

fn with_default(command: Command, name: &str, value: String) -> Command {
    let Some(id) = id_of(&command, name) else {
        return command;
    };
    command.mut_arg(id, |arg| arg.required(false).default_value(value))
}

fn id_of(command: &Command, name: &str) -> Option<clap::Id> {
    command
        .get_arguments()
        .find(|arg| arg.get_env().is_some_and(|env| env.eq_ignore_ascii_case(name)))
        .map(|arg| arg.get_id().clone())
}

/// The file that a flag or the environment names. Everything else may still be
/// wrong or missing here: it is looked at when the file has been read.
fn config_file(command: &Command, args: &[OsString]) -> Option<PathBuf> {
    command
        .clone()
        .mut_args(|arg| arg.required(false))
        .ignore_errors(true)
        .try_get_matches_from(args)
        .ok()?
        .get_one::<PathBuf>(CONFIG_ID)
        .cloned()
}

/// The command with the file's values as its defaults: below flags and
/// environment by construction.
fn with_file(command: Command, path: &Path) -> Result<Command, ConfigError> {
    let shown = path.display();
    let wrong = |reason: String| ConfigError::Wrong(format!("settings file {shown}: {reason}"));
    let size = std::fs::metadata(path).map_err(|e| wrong(e.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(wrong(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    // The parser's own message quotes the line, and the line may hold a secret.
    let table: BTreeMap<String, toml::Value> = toml::from_str(&text).map_err(|error| {
        let line = error
            .span()
            .map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
        wrong(format!("not valid TOML at line {line}"))
    })?;
    let mut command = command;
    for (key, value) in table {
        let name = key.replace('-', "_");
        if id_of(&command, &name).is_none() {
            return Err(wrong(format!("unknown setting `{key}`")));
        }
        let text = as_text(&value).ok_or_else(|| {
            wrong(format!("`{key}` must be a text, a number, a boolean or a list"))
        })?;
        command = with_default(command, &name, text);
    }
    Ok(command)
}

fn as_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(as_text).collect();
            Some(items?.join(","))
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

/// clap explains at length; an operator's log wants one line.
fn in_one_line(command: &Command, error: &clap::Error) -> ConfigError {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return ConfigError::Help(error.render().to_string());
    }
    let arguments: Vec<String> = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(one)) => vec![named(command, one)],
        Some(ContextValue::Strings(many)) => many.iter().map(|one| named(command, one)).collect(),
        _ => Vec::new(),
    };
    let line = match error.kind() {
        ErrorKind::MissingRequiredArgument => format!("{} is not set", arguments.join(", ")),
        ErrorKind::UnknownArgument => {
            // It may be the value of another one gone astray, and a secret: only what
            // looks like a name is repeated.
            let is_name = |text: &&String| {
                text.len() <= 32
                    && text.bytes().all(|byte| {
                        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
                    })
            };
            match arguments.iter().find(is_name) {
                Some(name) => format!("unknown argument {name}"),
                None => "unknown argument".to_owned(),
            }
        }
        _ => wrong_value(command, error, &arguments.join(", ")),
    };
    ConfigError::Wrong(format!("{line} (--help lists every setting)"))
}

fn wrong_value(command: &Command, error: &clap::Error, argument: &str) -> String {
    use std::error::Error as _;
    if argument.is_empty() {
        let text = error.render().to_string();
        let first = text.lines().next().unwrap_or("wrong settings");
        return first.trim_start_matches("error: ").to_owned();
    }
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) if !is_secret(command, argument) => {
            format!(" `{}`", value.escape_debug())
        }
        _ => String::new(),
    };
    let reason = match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(source), _) => format!(": {source}"),
        (None, Some(ContextValue::Strings(valid))) => format!(": one of {}", valid.join(", ")),
        _ => String::new(),
    };
    let line = format!("{argument} has a wrong value{value}{reason}");
    line.lines().collect::<Vec<_>>().join(" ")
}

/// `--http-addr <HTTP_ADDR>` as an operator knows it: `HTTP_ADDR`.
fn named(command: &Command, usage: &str) -> String {
    let long = usage.split([' ', '=']).next().unwrap_or(usage);
    command
        .get_arguments()
        .find(|arg| arg.get_long().is_some_and(|own| long == format!("--{own}")))
        .and_then(|arg| arg.get_env())
        .map_or_else(|| usage.to_owned(), |env| env.to_string_lossy().into_owned())
}

/// Secrets are told by their type: such a value is read by no parser that could
/// refuse it, but a wrong *file* or a later check must not print it either.
fn is_secret(command: &Command, argument: &str) -> bool {
    let secret = clap::builder::ValueParser::from(clap::value_parser!(super::Secret)).type_id();
    id_of(command, argument).is_some_and(|id| {
        command
            .get_arguments()
            .find(|arg| *arg.get_id() == id)
            .is_some_and(|arg| arg.get_value_parser().type_id() == secret)
    })
}

#[cfg(test)]
mod tests;
