//! The manual pages know the flags of the program, and no others.

use std::collections::BTreeSet;

use super::completions::flags;
use super::tools::read;

/// Flags that a page explains: the items of its lists.
fn explained(page: &str) -> BTreeSet<String> {
    let page = page.replace("\\-", "-");
    let items = page.lines().filter(|line| line.starts_with(".It Fl "));
    let words = items.flat_map(|line| line.split(' ')).map(str::to_owned);
    let flags = words.filter(|word| word.starts_with('-') && word.len() > 1);
    flags.map(|word| format!("-{word}")).collect()
}

#[test]
fn the_manual_explains_every_flag_and_no_other() {
    let commands: [&[&str]; 4] = [&[], &["discover"], &["log"], &["receive"]];
    let all = commands.iter().flat_map(|command| flags(command));
    let all: BTreeSet<String> = all
        .map(|flag| flag.trim_end_matches('=').to_owned())
        .collect();
    let explained = explained(&read("packaging/man/narthex.1"));
    assert_eq!(explained, all);
}

#[test]
fn the_manual_names_the_defaults() {
    let page = read("packaging/man/narthex.1").replace("\\-", "-");
    for (flag, default) in [
        ("storage.agent.sync-interval", "10s"),
        ("web.listen-address", "127.0.0.1:9090"),
    ] {
        assert!(
            page.contains(&format!(".It Fl -{flag} Ns = Ns Ar {default}")),
            "{flag}"
        );
    }
}
