//! The systemd units: systemd understands them, and what they leave open is what is promised.

use std::path::Path;

use super::tools::{files, path, read, run};

const NARTHEX: &str = env!("CARGO_BIN_EXE_narthex");

/// The unit with drop-ins, in a folder, for a program that is there.
fn unit(folder: &Path, drop_ins: &[&Path]) -> String {
    let text = read("packaging/systemd/narthex.service").replace("/usr/bin/narthex", NARTHEX);
    let unit = folder.join("narthex.service");
    std::fs::write(&unit, text).expect("write");
    let beside = folder.join("narthex.service.d");
    std::fs::create_dir_all(&beside).expect("create");
    for drop_in in drop_ins {
        let name = drop_in.file_name().expect("a file");
        std::fs::copy(drop_in, beside.join(name)).expect("copy");
    }
    unit.to_string_lossy().into_owned()
}

/// Exposure in tenths.
fn exposure(unit: &str) -> u32 {
    let (_, text) = run(
        "systemd-analyze",
        &[
            "security",
            "--offline=true",
            "--threshold=100",
            "--no-pager",
            unit,
        ],
    );
    let figure = text.split("Overall exposure level for ").nth(1);
    let figure = figure.and_then(|rest| rest.split_whitespace().nth(1));
    let figure = figure.and_then(|figure| figure.replace('.', "").parse().ok());
    figure.unwrap_or_else(|| panic!("no exposure in {text}"))
}

/// What `systemd-analyze verify` says of a unit, without what it says of others.
fn complaints(unit: &str) -> Vec<String> {
    let (_, text) = run("systemd-analyze", &["verify", "--man=no", unit]);
    let lines = text.lines().filter(|line| line.contains("narthex"));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_service_is_understood_and_leaves_open_what_is_promised() {
    let folder = tempfile::tempdir().expect("folder");
    let unit = unit(folder.path(), &[]);
    assert_eq!(complaints(&unit), Vec::<String>::new());
    assert_eq!(exposure(&unit), 11);
}

#[test]
fn the_allow_list_makes_it_ten() {
    let folder = tempfile::tempdir().expect("folder");
    let list = path("packaging/systemd/drop-ins/allow-list.conf");
    assert_eq!(exposure(&unit(folder.path(), &[&list])), 10);
}

#[test]
fn every_drop_in_is_understood_and_opens_little() {
    let drop_ins = files("packaging/systemd/drop-ins");
    assert!(drop_ins.len() >= 6);
    for drop_in in drop_ins {
        let folder = tempfile::tempdir().expect("folder");
        let unit = unit(folder.path(), &[&drop_in]);
        assert_eq!(complaints(&unit), Vec::<String>::new(), "{drop_in:?}");
        let exposure = exposure(&unit);
        assert!(exposure <= 16, "{drop_in:?}: {exposure}");
    }
}

#[test]
fn a_mistake_in_a_unit_is_found() {
    let folder = tempfile::tempdir().expect("folder");
    let wrong = folder.path().join("wrong.conf");
    std::fs::write(
        &wrong,
        "[Service]\nProtectSystm=strict\nProtectHome=maybe\n",
    )
    .expect("write");
    let unit = unit(folder.path(), &[&wrong]);
    assert_eq!(complaints(&unit).len(), 2);
}

#[test]
fn the_socket_is_understood() {
    let folder = tempfile::tempdir().expect("folder");
    unit(folder.path(), &[]);
    let socket = folder.path().join("narthex.socket");
    std::fs::write(&socket, read("packaging/systemd/socket/narthex.socket")).expect("write");
    assert_eq!(complaints(&socket.to_string_lossy()), Vec::<String>::new());
}

#[test]
fn stopping_takes_less_than_the_unit_allows() {
    let text = read("packaging/systemd/narthex.service");
    let seconds = |key: &str| {
        let rest = text.split(key).nth(1).unwrap_or_default();
        let number = rest
            .split('s')
            .next()
            .and_then(|text| text.parse::<u64>().ok());
        number.unwrap_or_else(|| panic!("no {key}"))
    };
    let flush = seconds("flush-deadline=");
    // The web side and the providers have five seconds more each.
    assert!(flush + 10 < seconds("TimeoutStopSec="));
}

#[test]
fn the_script_for_openrc_is_a_shell_script() {
    let script = path("packaging/openrc/narthex");
    let (sound, text) = run("sh", &["-n", &script.to_string_lossy()]);
    assert!(sound, "{text}");
}
