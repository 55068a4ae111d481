//! `narthex log rejected`: prints what receivers refused for good, from the files that an agent
//! keeps of it. The agent may be running.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lexopt::{Arg, Parser};

use crate::agent::exit::ExitStatus;
use crate::model::calendar::Millis;
use crate::model::time::Wall;
use crate::remote::rejected::entry::Entry;
use crate::remote::rejected::{self, file};
use crate::sys::fs::RealFs;

use super::Terminal;

const USAGE: &str = "usage: narthex log rejected [--json] [--job NAME] <storage folder>\n";

/// What is to be shown.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    dir: PathBuf,
    json: bool,
    job: Option<String>,
}

/// Runs the command. Exit status 0 also when there is nothing to show.
pub(super) fn main(arguments: &[OsString], terminal: &mut Terminal<'_>) -> ExitStatus {
    let request = match parse(arguments) {
        Ok(request) => request,
        Err(error) => {
            terminal.complain(&format!(
                "Error parsing command line arguments: {error}\n{USAGE}"
            ));
            return ExitStatus::Usage;
        }
    };
    if !request.dir.join("narthex").is_dir() {
        terminal.complain(&format!(
            "{} holds no data of narthex: give the folder of --storage.agent.path\n",
            request.dir.display()
        ));
        return ExitStatus::Failure;
    }
    match read(&request.dir) {
        Ok(entries) => {
            show(&entries, &request, terminal);
            ExitStatus::Success
        }
        Err(error) => {
            terminal.complain(&format!(
                "cannot read refused samples in {}: {error}\n",
                request.dir.display()
            ));
            ExitStatus::Failure
        }
    }
}

fn parse(arguments: &[OsString]) -> Result<Request, String> {
    let mut parser = Parser::from_args(arguments.iter());
    let mut request = Request::default();
    let mut dir = None;
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Long("json") => request.json = true,
            Arg::Long("job") => {
                let name = parser.value().map_err(|error| error.to_string())?;
                request.job = Some(name.to_string_lossy().into_owned());
            }
            Arg::Value(value) if dir.is_none() => dir = Some(PathBuf::from(value)),
            other => return Err(other.unexpected().to_string()),
        }
    }
    request.dir = dir.ok_or("the storage folder is missing")?;
    Ok(request)
}

fn read(dir: &Path) -> std::io::Result<Vec<Entry>> {
    file::read(&RealFs, &rejected::folder(dir))
}

fn show(entries: &[Entry], request: &Request, terminal: &mut Terminal<'_>) {
    let job = request.job.as_deref();
    let wanted = entries
        .iter()
        .filter(|own| job.is_none_or(|job| own.job == job));
    let mut shown = 0;
    let mut heading = String::new();
    for entry in wanted {
        shown += 1;
        if request.json {
            let line = serde_json::to_string(entry).unwrap_or_default();
            terminal.say(&format!("{line}\n"));
            continue;
        }
        let own = about(entry);
        if own != heading {
            terminal.say(&own);
            heading = own;
        }
        let time = Millis(Wall(entry.timestamp_ms));
        terminal.say(&format!("  {} {} @ {time}\n", entry.series(), entry.value));
    }
    if shown == 0 && !request.json {
        terminal.say("no refused samples\n");
    }
}

/// What the samples of one refusal share.
fn about(entry: &Entry) -> String {
    let answer = if entry.answer.is_empty() {
        "no answer"
    } else {
        &entry.answer
    };
    format!(
        "{} endpoint {:?}, job {:?}, {}: {answer}\n",
        entry.time, entry.remote_name, entry.job, entry.reason
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs::Storage;

    fn line(job: &str, reason: &str) -> String {
        format!(
            "{{\"time\":\"2026-01-02T03:04:05Z\",\"remote_name\":\"central\",\"job\":\"{job}\",\
             \"reason\":\"{reason}\",\"status\":400,\"answer\":\"HTTP 400: bad\",\
             \"labels\":{{\"__name__\":\"m\",\"a\":\"b\"}},\"value\":\"1.5\",\"timestamp_ms\":5}}\n"
        )
    }

    fn run(dir: &Path, arguments: &[&str]) -> (ExitStatus, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut terminal = Terminal {
            out: &mut out,
            err: &mut err,
        };
        let mut all: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        all.push(dir.into());
        let status = main(&all, &mut terminal);
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (status, text(out), text(err))
    }

    #[test]
    fn refused_samples_are_printed_by_refusal() {
        let dir = tempfile::tempdir().expect("folder");
        let folder = rejected::folder(dir.path());
        RealFs.create_dir(&folder).expect("made");
        let text = [
            line("one", "invalid"),
            line("one", "invalid"),
            line("two", "too_large"),
        ];
        let file = RealFs.create(&folder.join("central.jsonl")).expect("made");
        file.write_at(0, text.concat().as_bytes()).expect("written");
        let (status, out, _) = run(dir.path(), &[]);
        assert_eq!(status, ExitStatus::Success);
        let about = "2026-01-02T03:04:05Z endpoint \"central\", job ";
        let sample = "  m{a=\"b\"} 1.5 @ 1970-01-01T00:00:00.005Z\n";
        let expected = format!(
            "{about}\"one\", invalid: HTTP 400: bad\n{sample}{sample}\
             {about}\"two\", too_large: HTTP 400: bad\n{sample}"
        );
        assert_eq!(out, expected);
        let (_, out, _) = run(dir.path(), &["--job", "two"]);
        assert!(out.contains("two") && !out.contains("one"), "{out}");
        let (_, out, _) = run(dir.path(), &["--json", "--job=two"]);
        assert_eq!(out, line("two", "too_large"));
    }

    #[test]
    fn nothing_and_mistakes_are_told() {
        let dir = tempfile::tempdir().expect("folder");
        let (status, _, err) = run(dir.path(), &[]);
        assert_eq!(status, ExitStatus::Failure);
        assert!(err.contains("holds no data of narthex"), "{err}");
        RealFs
            .create_dir(&dir.path().join("narthex"))
            .expect("made");
        let (status, out, _) = run(dir.path(), &[]);
        assert_eq!(
            (status, out.as_str()),
            (ExitStatus::Success, "no refused samples\n")
        );
        let (status, _, err) = run(dir.path(), &["--nonsense"]);
        assert_eq!(status, ExitStatus::Usage);
        assert!(err.contains(USAGE), "{err}");
    }
}
