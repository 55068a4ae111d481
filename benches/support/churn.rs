//! Pages some of whose series are others than at the step before.

use std::hash::{DefaultHasher, Hash, Hasher};

/// How often a replaced series differs from all before it; then its first form comes back.
pub(crate) const GENERATIONS: usize = 3;

/// Writes a row with one more label; with number zero, as it is.
pub(crate) fn labelled(out: &mut String, row: &str, label: &str, number: usize) {
    if number == 0 {
        out.push_str(row);
    } else if let Some((name, rest)) = row.split_once('{') {
        *out += &format!("{name}{{{label}=\"{number}\",{rest}");
    } else {
        let (name, value) = row.split_once(' ').expect("a name and a value");
        *out += &format!("{name}{{{label}=\"{number}\"}} {value}");
    }
    out.push('\n');
}

/// The page in which one of `parts` series is another one than at the step before.
pub(crate) fn replaced(page: &str, parts: usize, step: usize) -> String {
    let mut out = String::new();
    for line in page.lines() {
        if line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let key = line.rsplit_once(' ').map_or(line, |(key, _)| key);
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let own = (hasher.finish() % parts as u64) as usize;
        labelled(
            &mut out,
            line,
            "generation",
            (step + own) / parts % GENERATIONS,
        );
    }
    out
}
