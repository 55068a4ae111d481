//! Completions offer every flag that the program has, in each shell.

use std::process::Command;

use super::tools::{path, run};

const NARTHEX: &str = env!("CARGO_BIN_EXE_narthex");

/// Every flag in the help, as it is completed: with `=` when a value follows.
pub(crate) fn flags(command: &[&str]) -> Vec<String> {
    let (_, help) = run(NARTHEX, &[command, &["--help"]].concat());
    let mut flags = Vec::new();
    for line in help.lines().filter(|line| line.starts_with("  ")) {
        // What stands further to the right explains a flag.
        let indent = line.len() - line.trim_start().len();
        let line = if indent < 10 { line.trim_start() } else { "" };
        let line = line.strip_prefix("-h, ").unwrap_or(line);
        let Some(word) = line.split(' ').next().filter(|word| word.starts_with("--")) else {
            continue;
        };
        if word == "--storage.agent.no-lockfile" {
            // Here begins the list of those without effect.
            break;
        }
        match (word.split_once('='), word.strip_prefix("--[no-]")) {
            (Some((name, _)), _) => flags.push(format!("{name}=")),
            (None, Some(name)) => flags.extend([format!("--{name}"), format!("--no-{name}")]),
            (None, None) => flags.push(word.to_owned()),
        }
    }
    flags
}

/// What a shell says when it runs a script with the program in its path.
fn shell(program: &str, arguments: &[&str]) -> String {
    let folder = std::path::Path::new(NARTHEX).parent().expect("a folder");
    let path = format!(
        "{}:{}",
        folder.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.is_empty(), "{program}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn bash(words: &[&str]) -> Vec<String> {
    let script = path("packaging/completions/narthex.bash");
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "source {}; COMP_WORDS=({}); COMP_CWORD={}; _narthex; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
        quoted.join(" "),
        words.len() - 1,
    );
    shell("bash", &["-c", &script])
        .lines()
        .map(str::to_owned)
        .collect()
}

fn fish(line: &str) -> Vec<String> {
    let script = path("packaging/completions/narthex.fish");
    let script = format!("source {}; complete -C '{line}'", script.display());
    let text = shell("fish", &["--no-config", "-c", &script]);
    let word = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
    text.lines().map(word).collect()
}

#[test]
fn bash_offers_every_flag() {
    for (command, all) in [
        (&[][..], flags(&[])),
        (&["receive"], flags(&["receive"])),
        (&["discover"], flags(&["discover"])),
    ] {
        assert!(all.len() >= 5, "{all:?}");
        let mut words = vec!["narthex"];
        words.extend(command);
        words.push("--");
        let offered = bash(&words);
        let missing: Vec<&String> = all.iter().filter(|flag| !offered.contains(flag)).collect();
        assert!(missing.is_empty(), "{command:?}: {missing:?}");
    }
    assert_eq!(bash(&["narthex", "--log.level", "=", "w"]), ["warn"]);
    assert_eq!(bash(&["narthex", "--log.level", "w"]), ["warn"]);
    assert_eq!(bash(&["narthex", "ch"]), ["check"]);
    assert_eq!(bash(&["narthex", "check", ""]), ["config"]);
    assert!(bash(&["narthex", "log", "dump", "--f"]).contains(&"--from=".to_owned()));
}

#[test]
fn fish_offers_every_flag() {
    let offered = fish("narthex --");
    let all = flags(&[]);
    let missing: Vec<&String> = all.iter().filter(|flag| !offered.contains(flag)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(fish("narthex ").contains(&"discover".to_owned()));
    assert!(fish("narthex log ").contains(&"verify".to_owned()));
    assert!(fish("narthex receive --s").contains(&"--strict".to_owned()));
}

#[test]
fn zsh_offers_every_flag() {
    let script = path("packaging/completions/_narthex");
    // Outside of a line editor the functions that offer words are stood in for.
    let stand_ins = "_call_program() { shift; \"$@\" }; compadd() { [[ $1 == -S ]] && shift 2; \
                     shift; print -l -- \"$@\" }; _files() { print FILES }; compset() { : }; ";
    let offered = |words: &str, prefix: &str| {
        let script = format!(
            "{stand_ins} words=({words}); CURRENT=$#words; PREFIX='{prefix}'; source {}",
            script.display()
        );
        let text = shell("zsh", &["-f", "-c", &script]);
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = flags(&[]);
    let shown = offered("narthex --", "--");
    let missing: Vec<&String> = all.iter().filter(|flag| !shown.contains(flag)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(offered("narthex ''", "").contains(&"check".to_owned()));
    assert!(offered("narthex log ''", "").contains(&"rejected".to_owned()));
    assert_eq!(offered("narthex check config x", "x"), ["FILES"]);
}
