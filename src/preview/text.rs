//! For people. Whatever a source of targets sent comes out as printable text. Pure.

use std::fmt::{self, Write};

use super::Seen;
use super::changes::Change;
use super::snapshot::{Fate, JobView, TargetView};
use crate::discovery::status::ProviderStatus;
use crate::model::calendar::Rfc3339;
use crate::model::labels::{Labels, is_legacy_label_name};
use crate::model::time::Wall;

/// Everything there is.
#[must_use]
pub fn whole(seen: &Seen) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for (name, job) in &seen.snapshot.jobs {
        let _written = write_job(&mut text, name, job);
    }
    text.push_str("providers:\n");
    for status in &seen.providers {
        let _written = writeln!(text, "  {}", Provider(status));
    }
    text
}

fn write_job(text: &mut String, name: &str, job: &JobView) -> fmt::Result {
    let found = job.targets().count();
    let scraped = job.count(|fate| matches!(fate, Fate::Scraped { .. }));
    let dropped = job.count(|fate| matches!(fate, Fate::Dropped));
    let failed = job.count(|fate| matches!(fate, Fate::Failed(_)));
    writeln!(
        text,
        "job {name:?}: {found} targets found, {scraped} scraped, {dropped} dropped, {failed} wrong"
    )?;
    if let Some(error) = &job.over_limit {
        writeln!(text, "  NONE is scraped: {error}")?;
    }
    for target in job.targets() {
        writeln!(text, "  {}", FateLine(&target.fate))?;
        writeln!(text, "    before {}", Shown(&target.discovered))?;
        if let Fate::Scraped { labels, .. } = &target.fate {
            writeln!(text, "    after  {}", Shown(labels))?;
        }
    }
    text.write_char('\n')
}

/// One change: a line, or a line and its details.
#[must_use]
pub fn change(change: &Change<'_>, now: Wall) -> String {
    let mut text = format!("{} ", Rfc3339(now));
    let _written = match change {
        Change::Group {
            job,
            source,
            before,
            after,
        } => {
            let count = |targets: &Option<usize>| match targets {
                None => "none".to_owned(),
                Some(targets) => targets.to_string(),
            };
            let (sign, before, after) = (sign(before, after), count(before), count(after));
            writeln!(
                text,
                "{sign} group job {job:?} source {source:?} targets {before} -> {after}"
            )
        }
        Change::Target {
            job,
            source: _,
            before,
            after,
        } => {
            let sign = sign(before, after);
            write_target(&mut text, sign, job, *before, *after)
        }
        Change::Provider(status) => writeln!(text, "* provider {}", Provider(status)),
    };
    text
}

fn write_target(
    text: &mut String,
    sign: char,
    job: &str,
    before: Option<&TargetView>,
    after: Option<&TargetView>,
) -> fmt::Result {
    let Some(target) = after.or(before) else {
        return Ok(());
    };
    let fate = FateLine(&target.fate);
    writeln!(text, "{sign} target job {job:?} {fate}")?;
    let one = |text: &mut String, target: &TargetView, sign: char| {
        writeln!(text, "    {sign} before {}", Shown(&target.discovered))?;
        match &target.fate {
            Fate::Scraped { labels, .. } => writeln!(text, "    {sign} after  {}", Shown(labels)),
            other => writeln!(text, "    {sign} {}", FateLine(other)),
        }
    };
    if let Some(before) = before {
        one(text, before, '-')?;
    }
    after.map_or(Ok(()), |after| one(text, after, '+'))
}

fn sign<T>(before: &Option<T>, after: &Option<T>) -> char {
    match (before, after) {
        (None, _) => '+',
        (_, None) => '-',
        _ => '~',
    }
}

struct FateLine<'a>(&'a Fate);

impl fmt::Display for FateLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Fate::Scraped { url, .. } => Printable(url).fmt(f),
            Fate::Duplicate => f.write_str("the same as another target"),
            Fate::Dropped => f.write_str("dropped"),
            Fate::Failed(error) => write!(f, "cannot be scraped: {}", Printable(error)),
        }
    }
}

/// Labels as Prometheus writes them; names that are odd are quoted too.
struct Shown<'a>(&'a Labels);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('{')?;
        for (index, (name, value)) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            if is_legacy_label_name(name) {
                f.write_str(name)?;
            } else {
                write!(f, "{name:?}")?;
            }
            write!(f, "={value:?}")?;
        }
        f.write_char('}')
    }
}

struct Provider<'a>(&'a ProviderStatus);

impl fmt::Display for Provider<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.0;
        let jobs: Vec<String> = status.jobs.iter().map(|job| format!("{job:?}")).collect();
        let (groups, targets) = (status.groups, status.targets);
        write!(
            f,
            "{} for {}: {groups} groups, {targets} targets",
            status.mechanism,
            jobs.join(", ")
        )?;
        match status.last_success {
            Some(at) => write!(f, ", last success {}", Rfc3339(at))?,
            None => f.write_str(", no answer yet")?,
        }
        if let Some(took) = status.last_refresh {
            write!(f, ", took {:.1} ms", took.as_secs_f64() * 1000.0)?;
        }
        match &status.last_error {
            Some((at, error)) => write!(f, ", FAILED {}: {}", Rfc3339(*at), Printable(error)),
            None => Ok(()),
        }
    }
}

/// Text without control characters, which could move the cursor of a terminal.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() {
                f.write_char('\u{fffd}')?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}
