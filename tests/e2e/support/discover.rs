//! `narthex discover --watch --json` under way: its events, and the targets that follow.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::process::Process;
use super::wait;

/// Longest wait for something that should happen within seconds.
pub(crate) const SOON: Duration = Duration::from_secs(40);

/// The running command.
pub(crate) struct Discover {
    process: Process,
}

impl Discover {
    /// Starts it in a folder, with the configuration `discover.yml` there. `command` runs narthex.
    pub(crate) fn watch(mut command: Command, dir: &Path, config: &str) -> Discover {
        let file = dir.join("discover.yml");
        std::fs::write(&file, config).expect("to write");
        command.args(["discover", "--watch", "--json"]).arg(&file);
        Discover {
            process: Process::spawn(command, &dir.join("discover.log")),
        }
    }

    /// All events so far; a line that is not complete yet is left out.
    pub(crate) fn events(&self) -> Vec<Value> {
        let log = self.process.log();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines.collect()
    }

    /// The targets there are now, by the source of their group.
    pub(crate) fn targets(&self) -> BTreeMap<String, Value> {
        let mut targets = BTreeMap::new();
        for event in self.events() {
            if event["kind"] != "target" {
                continue;
            }
            let source = event["source"].as_str().expect("a source").to_owned();
            match &event["after"] {
                Value::Null => targets.remove(&source),
                after => targets.insert(source, after.clone()),
            };
        }
        targets
    }

    /// Waits until the targets please.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        probe: impl Fn(&BTreeMap<String, Value>) -> Option<T>,
    ) -> T {
        wait::try_until(SOON, || probe(&self.targets()))
            .unwrap_or_else(|| panic!("waited in vain for {what}; so far:\n{}", self.process.log()))
    }

    /// Interrupts it and returns its exit status.
    pub(crate) fn interrupt(mut self) -> Option<i32> {
        self.process.signal(Signal::INT);
        self.process.wait(SOON).code()
    }
}
