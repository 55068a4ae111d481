//! Logs that earlier programs wrote are read for ever: `tests/data/log` (its README says how).
//!
//! `NARTHEX_RECORD_LOG=v2 cargo test --lib wal::tests::recorded` records what this program writes
//! as `tests/data/log/v2`, and with `v2-histograms` of the scene that has native histograms.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::scene;
use super::*;
use crate::sys::fs::{RealFs, Storage};
use crate::wal::inspect::Folder;
use crate::wal::inspect::dump::{Selection, dump};
use crate::wal::inspect::verify::verify;

/// Ways to damage the log of the scene, by name: which file, and what happens to its bytes.
type Harm = (&'static str, &'static str, fn(&mut Vec<u8>));

const HARMS: [Harm; 5] = [
    // The body of a frame.
    ("flipped", "segments/0000000000000001.seg", |bytes| {
        bytes[1450] ^= 4;
    }),
    // A hole over several frames.
    ("zeroed", "segments/0000000000000001.seg", |bytes| {
        bytes[1000..1512].fill(0);
    }),
    ("headless", "segments/0000000000000002.seg", |bytes| {
        bytes[..64].fill(0xff);
    }),
    ("torn", "segments/0000000000000003.seg", |bytes| {
        bytes.truncate(bytes.len() - 40);
    }),
    ("position", "positions/one.pos", |bytes| {
        bytes[900] ^= 1;
    }),
];

fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/log")
}

fn dump_of(storage: Arc<dyn Storage>, dir: &Path) -> String {
    let folder = Folder::open(storage, dir).expect("a log");
    let mut out = Vec::new();
    dump(&folder, &Selection::default(), &mut out).expect("a vector takes all");
    String::from_utf8(out).expect("text")
}

/// The blocks of a dump by number.
fn blocks(dump: &str) -> BTreeMap<u64, String> {
    let mut blocks: BTreeMap<u64, String> = BTreeMap::new();
    for line in dump.lines().filter(|line| !line.starts_with("# lost")) {
        if let Some(rest) = line.strip_prefix("# sequence ") {
            let number = rest.split(',').next().expect("a number");
            blocks.insert(number.parse().expect("a number"), String::new());
        }
        let mut last = blocks.last_entry().expect("a block");
        last.get_mut().push_str(line);
        last.get_mut().push('\n');
    }
    blocks
}

/// What the log's own reader gives of a copy.
fn read_by_reader(dir: &Path) -> BTreeSet<u64> {
    let mut files = Vec::new();
    for part in ["segments", "positions"] {
        for entry in fs::read_dir(dir.join("narthex").join(part))
            .into_iter()
            .flatten()
        {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name");
            let bytes = fs::read(&path).expect("readable");
            files.push((Path::new(DIR).join("narthex").join(part).join(name), bytes));
        }
    }
    let clock = Arc::new(ManualClock::new(Mono::from_millis(1), Wall(0)));
    let opened = reopen(&SimFs::holding(files), &clock, options());
    let mut reader = LogReader::onlooker(Arc::clone(&opened.log));
    let (mut after, mut read) = (Sequence::ZERO, BTreeSet::new());
    loop {
        after = match reader.next(after).expect("the disk can be read") {
            Next::Block(block) => {
                read.insert(block.sequence.0);
                block.sequence
            }
            Next::Gap { last, .. } => last,
            Next::CaughtUp => return read,
        };
    }
}

/// The numbers in a `.lost` file: ranges, one a line.
fn lost(text: &str) -> BTreeSet<u64> {
    let number = |text: &str| -> u64 { text.trim().parse().expect("a number") };
    let range = |line: &str| {
        let (first, last) = line.split_once('-').expect("a range");
        number(first)..=number(last)
    };
    text.lines().flat_map(range).collect()
}

#[test]
fn what_earlier_programs_wrote_is_read_for_ever() {
    let mut logs = 0;
    for version in fs::read_dir(home()).expect("recorded logs") {
        let version = version.expect("an entry").path();
        if !version.is_dir() {
            continue;
        }
        let golden = fs::read_to_string(version.join("whole.dump")).expect("a dump");
        for entry in fs::read_dir(&version).expect("a folder") {
            let dir = entry.expect("an entry").path();
            if dir.is_dir() {
                check_recorded(&dir, &golden);
                logs += 1;
            }
        }
    }
    assert!(logs > HARMS.len(), "only {logs} recorded logs found");
}

fn check_recorded(dir: &Path, golden: &str) {
    let shown = dir.display();
    let text = dump_of(Arc::new(RealFs), dir);
    let report = verify(&Folder::open(Arc::new(RealFs), dir).expect("a log"));
    let lost = if dir.ends_with("whole") {
        assert_eq!(text, golden, "{shown}");
        assert!(report.is_sound() && report.notes.is_empty(), "{report}");
        BTreeSet::new()
    } else {
        // A write that did not finish is no damage.
        assert_eq!(report.is_sound(), dir.ends_with("torn"), "{report}");
        assert!(!report.is_sound() || !report.notes.is_empty(), "{report}");
        lost(&fs::read_to_string(dir.with_extension("lost")).expect("what is lost"))
    };
    let mut expected = blocks(golden);
    expected.retain(|number, _| !lost.contains(number));
    assert_eq!(blocks(&text), expected, "{shown}");
    let numbers: BTreeSet<u64> = expected.into_keys().collect();
    assert_eq!(read_by_reader(dir), numbers, "{shown}");
}

/// The scene holds what the recorded logs are there for, and this program still writes it so that
/// it is read alike.
#[test]
fn the_scene_is_read_as_it_was_recorded() {
    let text = as_recorded("v1", false);
    for part in [
        "# exemplar {trace_id=\"4bf92f\"} 0.04 1700000000500\n",
        "# exemplar {trace_id=\"0af765\"} 0.2\n",
        "StaleNaN",
        " NaN ",
        " +Inf ",
        " 1600000000000\n",
        "{\"disk.used\",",
        "job \"app\"",
    ] {
        assert!(text.contains(part), "{part} is not in the scene");
    }
}

#[test]
fn the_scene_with_histograms_is_read_as_it_was_recorded() {
    let text = as_recorded("v1-histograms", true);
    for part in [
        "{count:",
        ",schema:2,zero_threshold:",
        ",positive_spans:[",
        "{count:2.5,sum:12.5,schema:-53,custom_values:[0.1,1,2.5],",
        ",reset:gauge}",
        " st@1699999123456\n",
        "app_latency{instance=\"app.example:9100\",job=\"app\",path=\"/\"} StaleNaN",
    ] {
        assert!(text.contains(part), "{part} is not in the scene");
    }
}

/// The dump of the scene as this program writes it, which is that of the recorded log.
fn as_recorded(name: &str, histograms: bool) -> String {
    let disk = scene::disk(histograms);
    let text = dump_of(Arc::new(disk.clone()), Path::new(DIR));
    let wanted = std::env::var("NARTHEX_RECORD_LOG").ok();
    // A new name is one of the same scene.
    if let Some(version) = wanted
        && version.ends_with("-histograms") == histograms
    {
        record(&home().join(version), &disk, &text);
    }
    let golden = home().join(name).join("whole.dump");
    assert_eq!(text, fs::read_to_string(golden).expect("a dump"));
    text
}

/// Writes the scene's log and its damaged copies.
fn record(version: &Path, disk: &SimFs, text: &str) {
    let whole = disk.files();
    let write = |name: &str, files: &BTreeMap<PathBuf, Vec<u8>>| {
        for (path, bytes) in files {
            let path = path.strip_prefix(DIR).expect("below the folder");
            let path = version.join(name).join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, bytes).expect("written");
        }
    };
    write("whole", &whole);
    fs::write(version.join("whole.dump"), text).expect("written");
    for (name, file, harm) in HARMS {
        let mut files = whole.clone();
        let path = Path::new(DIR).join("narthex").join(file);
        harm(files.get_mut(&path).expect("the file"));
        // Positions are large: only those that are damaged.
        files.retain(|own, _| *own == path || own.extension().is_some_and(|end| end == "seg"));
        write(name, &files);
        let left = dump_of(Arc::new(SimFs::holding(files)), Path::new(DIR));
        let (all, left) = (blocks(text), blocks(&left));
        let lost = all.keys().filter(|number| !left.contains_key(number));
        let lines: String = lost.map(|number| format!("{number}-{number}\n")).collect();
        fs::write(version.join(name).with_extension("lost"), lines).expect("written");
    }
}
