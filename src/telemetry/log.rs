//! Our own log: lines of `key=value` or of JSON on stderr, as Prometheus writes them.
//!
//! One line is one write of at most [`limits::LOG_LINE_BYTES_MAX`] bytes; control characters are
//! escaped, so that nothing a peer says can forge a line or move a terminal's cursor. A stuck
//! reader cannot stop the program: a line waits for room for [`limits::LOG_WAIT_MS`], then it is
//! dropped, and the next line that gets through says how many were. While the reader stays stuck
//! later lines do not wait at all.
//!
//! Records of other crates appear from warnings upward only: below that they may show headers.

use std::fmt::{self, Write as _};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use log::kv::{Key, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::limits;
use crate::model::calendar::Millis;
use crate::sys::clock::Clock;

/// The shape of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `time=... level=INFO source=... msg="..." key=value`.
    Logfmt,
    /// One JSON object.
    Json,
}

/// Installs the program's log. Later calls change nothing.
pub fn init(level: LevelFilter, format: Format, clock: Arc<dyn Clock>) {
    let logger = Logger {
        level,
        format,
        clock,
        lost: AtomicU64::new(0),
    };
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(level);
    }
}

struct Logger {
    level: LevelFilter,
    format: Format,
    clock: Arc<dyn Clock>,
    /// Lines dropped since the last one that got through.
    lost: AtomicU64,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with("narthex");
        let level = if ours {
            self.level
        } else {
            self.level.min(LevelFilter::Warn)
        };
        metadata.level() <= level
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let wait_ms = if lost == 0 { limits::LOG_WAIT_MS } else { 0 };
        let line = line(self.format, Millis(self.clock.wall()), record, lost);
        if !write_out(&mut std::io::stderr().lock(), line.as_bytes(), wait_ms) {
            self.lost.fetch_add(lost + 1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}

/// Whether `out` took the line. A closed end takes everything: there is nobody to tell.
fn write_out(out: &mut (impl std::io::Write + AsFd), line: &[u8], wait_ms: i64) -> bool {
    let wait = Timespec {
        tv_sec: 0,
        tv_nsec: wait_ms * 1_000_000,
    };
    let mut ends = [PollFd::from_borrowed_fd(out.as_fd(), PollFlags::OUT)];
    if matches!(poll(&mut ends, Some(&wait)), Ok(0)) {
        return false;
    }
    let _nobody_listens = out.write_all(line);
    true
}

fn line(format: Format, time: Millis, record: &Record<'_>, lost: u64) -> String {
    let mut line = Line {
        text: String::with_capacity(256),
        format,
    };
    if format == Format::Json {
        line.text.push('{');
    }
    line.field("time", &time);
    line.field("level", &level_name(record.level()));
    if let (Some(file), Some(number)) = (record.file(), record.line()) {
        let file = file.rsplit('/').next().unwrap_or(file);
        line.field("source", &format_args!("{file}:{number}"));
    }
    line.field("msg", record.args());
    // Our visitor never fails.
    let _infallible = record.key_values().visit(&mut line);
    if lost > 0 {
        line.field("log_lines_lost", &lost);
    }
    line.finish()
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "ERROR",
        Level::Warn => "WARN",
        Level::Info => "INFO",
        Level::Debug | Level::Trace => "DEBUG",
    }
}

/// A line in the making.
struct Line {
    text: String,
    format: Format,
}

/// What a bounded line keeps for its end: the mark of the cut, a closing quote and brace, and the
/// longest escape of one character.
const RESERVE: usize = 32;

impl Line {
    fn field(&mut self, key: &str, value: &dyn fmt::Display) {
        if self.text.len() + key.len() + RESERVE > limits::LOG_LINE_BYTES_MAX {
            return;
        }
        let value = value.to_string();
        match self.format {
            Format::Json => {
                let separator = if self.text.len() > 1 { ",\"" } else { "\"" };
                self.text.push_str(separator);
                self.escaped(key);
                self.text.push_str("\":\"");
                self.escaped(&value);
                self.text.push('"');
            }
            Format::Logfmt => {
                if !self.text.is_empty() {
                    self.text.push(' ');
                }
                self.text.push_str(key);
                self.text.push('=');
                if needs_quotes(&value) {
                    self.text.push('"');
                    self.escaped(&value);
                    self.text.push('"');
                } else {
                    self.escaped(&value);
                }
            }
        }
    }

    /// Appends text with quotes, backslashes and control characters escaped, cut where the line
    /// is full.
    fn escaped(&mut self, text: &str) {
        for character in text.chars() {
            if self.text.len() + RESERVE > limits::LOG_LINE_BYTES_MAX {
                self.text.push_str("...");
                return;
            }
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                other if is_unprintable(other) => {
                    // Writing to a String cannot fail. All of these are below U+10000.
                    let _infallible = write!(self.text, "\\u{:04x}", u32::from(other));
                }
                other => self.text.push(other),
            }
        }
    }

    fn finish(mut self) -> String {
        if self.format == Format::Json {
            self.text.push('}');
        }
        self.text.push('\n');
        self.text
    }
}

/// Control characters, line separators and the marks that turn the direction of text.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn needs_quotes(value: &str) -> bool {
    value.is_empty()
        || value
            .chars()
            .any(|c| c == ' ' || c == '=' || c == '"' || c == '\\' || is_unprintable(c))
}

impl<'kvs> VisitSource<'kvs> for Line {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        self.field(key.as_str(), &value);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
