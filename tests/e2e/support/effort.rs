//! How much of a test is run: little in `make test`, much in `make soak`.

use std::path::Path;
use std::process::Command;

use narthex::sys::jitter::Jitter;

/// Whether `make soak` asks for the long versions (`NARTHEX_E2E_SOAK=1`).
pub(crate) fn is_soak() -> bool {
    is_set("NARTHEX_E2E_SOAK")
}

/// The first in `make test`, the second in `make soak`.
pub(crate) fn pick<T>(small: T, large: T) -> T {
    if is_soak() { large } else { small }
}

/// Dice for a test. Says the seed; `NARTHEX_E2E_SEED` throws the same again.
pub(crate) fn dice(test: &str) -> Jitter {
    let given = std::env::var("NARTHEX_E2E_SEED").ok();
    let given = given.map(|text| text.parse().expect("NARTHEX_E2E_SEED is a number"));
    let seed = given.unwrap_or_else(|| Jitter::from_system().next_u64());
    println!("{test}: NARTHEX_E2E_SEED={seed}");
    Jitter::seeded(seed)
}

/// A number from `from` to `to`, both included.
pub(crate) fn between(dice: &mut Jitter, from: u64, to: u64) -> u64 {
    from + dice.next_u64() % (to - from + 1)
}

/// Whether tests that mount file systems, or look into other processes, are left out
/// (`NARTHEX_E2E_UNPRIVILEGED=1`); says so if they are.
pub(crate) fn is_unprivileged(what: &str) -> bool {
    let left_out = is_set("NARTHEX_E2E_UNPRIVILEGED");
    if left_out {
        println!("left out because of NARTHEX_E2E_UNPRIVILEGED: {what}");
    }
    left_out
}

fn is_set(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| value == "1")
}

/// Runs a program to its end and returns what it printed; an error names the command and says
/// what it complained of.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("cannot start {program}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let (errors, shown) = (text(&output.stderr), arguments.join(" "));
    Err(format!("{program} {shown}: {}: {errors}", output.status))
}

/// A path as an argument.
pub(crate) fn shown(path: &Path) -> &str {
    path.to_str().expect("paths of tests are plain")
}
