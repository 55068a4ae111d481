//! Reads a command line against the table of flags, the way Prometheus's parser reads it.

use std::ffi::OsString;

use lexopt::{Arg, Parser};

use super::flags::{self, FLAGS, Flag, Role, Shape};
use crate::model::sorting;

/// What is wrong with a command line. The words are those of Prometheus, with help added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UsageError {
    #[error("unknown long flag '--{name}'{}", hint(.name))]
    UnknownFlag { name: String },
    #[error("unknown short flag '-{0}'")]
    UnknownShort(char),
    #[error("unexpected {0}")]
    Unexpected(String),
    #[error("expected argument for flag '--{0}'")]
    NoValue(&'static str),
    #[error("flag '{0}' cannot be repeated")]
    Repeated(&'static str),
    #[error("unexpected value {value:?} for flag '--{name}'")]
    NotASwitch { name: &'static str, value: String },
    #[error("flag '--{name}' is not supported: {instead}")]
    Refused {
        name: &'static str,
        instead: &'static str,
    },
    #[error("{0}")]
    Invalid(String),
    #[error("argument is not valid UTF-8: {0:?}")]
    NotUtf8(OsString),
}

/// A command line that was understood.
#[derive(Debug)]
pub(super) enum Parsed {
    Run(Given),
    Help,
    Version,
    Licenses,
}

/// The flags that were given, in order.
#[derive(Debug, Default)]
pub(super) struct Given(Vec<(&'static Flag, String)>);

impl Given {
    /// The value of a flag: the one given last, or its default.
    pub(super) fn value(&self, name: &str) -> &str {
        let given = self.0.iter().rev().find(|(flag, _)| flag.name == name);
        match given {
            Some((_, value)) => value,
            None => flags::find(name).map_or("", |flag| flag.default),
        }
    }

    /// All values of a repeatable flag, or its default.
    pub(super) fn values(&self, name: &str) -> Vec<&str> {
        let given = self.0.iter().filter(|(flag, _)| flag.name == name);
        let values: Vec<&str> = given.map(|(_, value)| &**value).collect();
        if values.is_empty() {
            vec![self.value(name)]
        } else {
            values
        }
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.value(name) == "true"
    }

    /// Names of given flags that belong to a server, as they would be written.
    pub(super) fn server_only(&self) -> Vec<String> {
        let flags = self
            .0
            .iter()
            .filter(|(flag, _)| flag.role == Role::ServerOnly);
        flags.map(|(flag, _)| format!("--{}", flag.name)).collect()
    }

    /// One sentence for each given flag that has no effect.
    pub(super) fn notices(&self) -> Vec<String> {
        let reasons = self.0.iter().filter_map(|(flag, _)| match flag.role {
            Role::Ignored(reason) => Some(format!("--{} has no effect: {reason}", flag.name)),
            _ => None,
        });
        reasons.collect()
    }

    /// Every flag of an agent with its value, sorted by name.
    pub(super) fn all_values(&self) -> Vec<(String, String)> {
        let own = FLAGS.iter().filter(|flag| flag.role != Role::ServerOnly);
        let mut all: Vec<_> = own
            .map(|flag| (flag.name.to_owned(), self.values(flag.name).join(",")))
            .collect();
        sorting::sort(&mut all);
        all
    }
}

/// Reads the arguments after the program's name.
pub(super) fn parse(arguments: &[OsString]) -> Result<Parsed, UsageError> {
    let mut parser = Parser::from_args(arguments.iter());
    let mut given = Given::default();
    loop {
        let name = match next(&mut parser)? {
            None => return Ok(Parsed::Run(given)),
            Some(name) if matches!(&*name, "help" | "help-long" | "help-man") => {
                return Ok(Parsed::Help);
            }
            Some(name) if name == "version" => return Ok(Parsed::Version),
            Some(name) if name == "licenses" => return Ok(Parsed::Licenses),
            Some(name) => name,
        };
        let (flag, value) = read_flag(&name, &mut parser)?;
        let is_again = given.0.iter().any(|(own, _)| own.name == flag.name);
        if is_again && flag.shape != Shape::Values {
            return Err(UsageError::Repeated(flag.name));
        }
        if let Role::Refused(instead) = flag.role
            && !matches!(&*value, "" | "false")
        {
            return Err(UsageError::Refused {
                name: flag.name,
                instead,
            });
        }
        given.0.push((flag, value));
    }
}

/// The name of the next flag.
fn next(parser: &mut Parser) -> Result<Option<String>, UsageError> {
    match parser.next() {
        Ok(None) => Ok(None),
        Ok(Some(Arg::Long(name))) => Ok(Some(name.to_owned())),
        Ok(Some(Arg::Short('h'))) => Ok(Some("help".to_owned())),
        Ok(Some(Arg::Short(other))) => Err(UsageError::UnknownShort(other)),
        Ok(Some(Arg::Value(value))) => Err(UsageError::Unexpected(text(value)?)),
        Err(error) => Err(UsageError::Invalid(error.to_string())),
    }
}

fn read_flag(name: &str, parser: &mut Parser) -> Result<(&'static Flag, String), UsageError> {
    let switched_off =
        || flags::find(name.strip_prefix("no-")?).filter(|f| f.shape == Shape::Switch);
    if let Some(flag) = flags::find(name) {
        let value = match flag.shape {
            Shape::Switch => switch_value(flag, parser)?,
            Shape::Value | Shape::Values => text(value(flag, parser)?)?,
        };
        return Ok((flag, value));
    }
    if let Some(flag) = switched_off() {
        return Ok((flag, "false".to_owned()));
    }
    Err(UsageError::UnknownFlag {
        name: name.to_owned(),
    })
}

fn switch_value(flag: &'static Flag, parser: &mut Parser) -> Result<String, UsageError> {
    let Some(value) = parser.optional_value() else {
        return Ok("true".to_owned());
    };
    match text(value)? {
        value if matches!(&*value, "true" | "false") => Ok(value),
        value => Err(UsageError::NotASwitch {
            name: flag.name,
            value,
        }),
    }
}

fn value(flag: &'static Flag, parser: &mut Parser) -> Result<OsString, UsageError> {
    if let Some(value) = parser.optional_value() {
        return Ok(value);
    }
    let no_value = || UsageError::NoValue(flag.name);
    let value = parser.value().map_err(|_| no_value())?;
    let is_flag = value.as_encoded_bytes().starts_with(b"--");
    if is_flag { Err(no_value()) } else { Ok(value) }
}

fn text(value: OsString) -> Result<String, UsageError> {
    value.into_string().map_err(UsageError::NotUtf8)
}

/// The flag that was probably meant.
fn hint(name: &str) -> String {
    let near = FLAGS
        .iter()
        .filter(|flag| flag.role == Role::Used)
        .map(|flag| (distance(name, flag.name), flag.name))
        .min();
    match near {
        Some((distance, near)) if distance <= 1 + name.len() / 5 => {
            format!(", did you mean '--{near}'?")
        }
        _ => String::new(),
    }
}

/// The number of bytes to insert, delete or replace between two names.
fn distance(one: &str, two: &str) -> usize {
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (i, left) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in two.bytes().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[two.len()]
}
