//! `--help` and `--version`.

use std::fmt::Write;

use crate::web::BuildInfo;

use super::flags::{FLAGS, Flag, Role, Shape};

/// Columns of a line of help.
const WIDTH: usize = 80;
/// Where the description of a flag begins.
const INDENT: usize = 32;

const INTRODUCTION: &str = "\
usage: narthex [<flags>]
       narthex check config [--syntax-only] <file>...
       narthex check web-config <file>...
       narthex discover [--job=<name>] [--timeout=30s] [--watch] [--json] <file>
       narthex log inspect|verify|dump|rejected [<flags>] <folder>
       narthex receive [--listen-address=<address>] [--file=<file>] [--strict] [--json|--quiet]

A Prometheus-compatible metrics agent for small machines at the edge.
It reads a Prometheus configuration file, scrapes and delivers by remote write.

Flags:
  -h, --help                    Show this help.
      --version                 Show the version.
      --licenses                Show what it is made of, with all licences.
";

/// The text of `--help`.
pub(super) fn help() -> String {
    let mut text = INTRODUCTION.to_owned();
    for flag in FLAGS.iter().filter(|flag| flag.role == Role::Used) {
        describe(&mut text, flag);
    }
    text.push_str("\nAccepted for compatibility, without effect:\n");
    let names = FLAGS
        .iter()
        .filter(|flag| matches!(flag.role, Role::Ignored(_)));
    let names: Vec<String> = names.map(|flag| format!("--{}", flag.name)).collect();
    wrap(&mut text, &names.join(" "), 2);
    text.push_str(
        "\nExit status: 0 stopped as asked, 1 failed while running, 2 wrong command line or\n\
         configuration, 3 flags of a Prometheus server.\n",
    );
    text
}

fn describe(text: &mut String, flag: &Flag) {
    let name = match (flag.shape, flag.default) {
        (Shape::Switch, "true") => format!("      --[no-]{}", flag.name),
        (Shape::Switch, _) => format!("      --{}", flag.name),
        (_, "") => format!("      --{}=<value>", flag.name),
        (_, default) => format!("      --{}={default}", flag.name),
    };
    text.push_str(&name);
    if name.len() + 2 > INDENT {
        text.push('\n');
    } else {
        text.extend(std::iter::repeat_n(' ', INDENT - name.len()));
    }
    let start = text.rfind('\n').map_or(0, |at| at + 1);
    let is_begun = text.len() > start;
    let mut wrapped = String::new();
    wrap(&mut wrapped, flag.help, INDENT);
    text.push_str(if is_begun {
        wrapped.trim_start()
    } else {
        &wrapped
    });
}

/// Appends words in lines of at most [`WIDTH`] columns.
fn wrap(text: &mut String, words: &str, indent: usize) {
    let mut column = 0;
    for word in words.split(' ') {
        if column > 0 && column + 1 + word.len() > WIDTH {
            text.push('\n');
            column = 0;
        }
        let gap = if column == 0 { indent } else { 1 };
        text.extend(std::iter::repeat_n(' ', gap));
        text.push_str(word);
        column += gap + word.len();
    }
    text.push('\n');
}

/// What was built. The build sets the variables; without them the fields are empty.
pub(super) fn build_info() -> BuildInfo {
    let text = |value: Option<&str>| value.unwrap_or("").to_owned();
    BuildInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: text(option_env!("NARTHEX_REVISION")),
        branch: text(option_env!("NARTHEX_BRANCH")),
        build_user: text(option_env!("NARTHEX_BUILD_USER")),
        build_date: text(option_env!("NARTHEX_BUILD_DATE")),
        go_version: "none (Rust)".to_owned(),
    }
}

/// What the program was built for, as the build says it or as far as it is known here.
fn target() -> String {
    let known = || {
        let library = if cfg!(target_env = "musl") {
            "musl"
        } else {
            "gnu"
        };
        format!("{}-linux-{library}", std::env::consts::ARCH)
    };
    option_env!("NARTHEX_TARGET").map_or_else(known, str::to_owned)
}

/// The text of `--version`, in Prometheus's shape.
pub(super) fn version(build: &BuildInfo) -> String {
    let mut text = String::new();
    let BuildInfo {
        version,
        branch,
        revision,
        ..
    } = build;
    // Writing to a String cannot fail.
    let _infallible = write!(
        text,
        "narthex, version {version} (branch: {branch}, revision: {revision})\n  \
         build user:       {}\n  build date:       {}\n  platform:         {}/{}\n  \
         target:           {}\n  features:         {}\n  \
         licence:          {} (narthex --licenses shows all)\n",
        build.build_user,
        build.build_date,
        std::env::consts::OS,
        std::env::consts::ARCH,
        target(),
        if cfg!(feature = "internals") {
            "internals"
        } else {
            "none"
        },
        env!("CARGO_PKG_LICENSE"),
    );
    text
}
