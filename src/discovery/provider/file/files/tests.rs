use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::*;

/// A disk in memory whose files have a version for a stamp.
#[derive(Clone, Debug, Default)]
struct FakeDisk(Rc<RefCell<BTreeMap<String, (u64, String)>>>);

impl FakeDisk {
    fn write(&self, path: &str, text: &str) {
        let mut files = self.0.borrow_mut();
        let file = files.entry(path.to_owned()).or_default();
        *file = (file.0 + 1, text.to_owned());
    }

    fn remove(&self, path: &str) {
        self.0.borrow_mut().remove(path);
    }
}

impl Disk for FakeDisk {
    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        if folder == "forbidden" {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let files = self.0.borrow();
        let here = files.keys().filter(|path| glob::split(path).0 == folder);
        Ok(here.map(|path| glob::split(path).1.to_owned()).collect())
    }

    fn stamp(&self, path: &str) -> io::Result<Stamp> {
        let files = self.0.borrow();
        let (version, text) = files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Stamp {
            inode: *version,
            size: text.len() as u64,
            ..Stamp::default()
        })
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let files = self.0.borrow();
        let (_, text) = files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(text.as_bytes().to_vec())
    }
}

const TWO: &str = "- targets: [a]\n- targets: [b]\n";
const ONE: &str = "- targets: [a]\n";

fn at(millis: u64) -> Mono {
    Mono::from_millis(millis)
}

fn settled(now: Mono) -> Mono {
    now + limits::SD_FILE_SETTLE
}

fn addresses<D: Disk>(files: &Files<D>) -> Vec<String> {
    let groups = files.groups();
    let targets = groups.iter().flat_map(|group| group.targets.iter());
    targets
        .map(|target| target["__address__"].to_string())
        .collect()
}

/// `d/*.yml` with `d/x.yml` that was read at 0.
fn running(text: &str) -> (FakeDisk, Files<FakeDisk>) {
    let disk = FakeDisk::default();
    disk.write("d/x.yml", text);
    let mut files = Files::new(vec!["d/*.yml".into()], disk.clone());
    assert!(files.turn(at(0), true).changed);
    (disk, files)
}

#[test]
fn new_files_are_read_at_once_with_source_and_path() {
    let (disk, mut files) = running(TWO);
    disk.write("d/y.yml", "- targets: [c]\n  labels: {x: y}\n");
    disk.write("d/z.txt", "- targets: [no]\n");
    let turn = files.turn(at(10), false);
    assert!(turn.changed && turn.errors.is_empty());
    assert_eq!(addresses(&files), ["a", "b", "c"]);
    let groups = files.groups();
    let sources: Vec<_> = groups.iter().map(|group| group.source.as_str()).collect();
    assert_eq!(sources, ["d/x.yml:0", "d/x.yml:1", "d/y.yml:0"]);
    assert_eq!(groups[2].labels[META_FILEPATH], "d/y.yml");
    assert_eq!(groups[2].labels["x"], "y");
}

#[test]
fn a_change_is_believed_when_it_has_settled() {
    let (disk, mut files) = running(TWO);
    disk.write("d/x.yml", ONE);
    let turn = files.turn(at(100), false);
    assert!(!turn.changed);
    assert_eq!(turn.look_again, settled(at(100)));
    disk.write("d/x.yml", "- targets: [c]\n");
    assert_eq!(files.turn(at(140), false).look_again, settled(at(140)));
    assert_eq!(addresses(&files), ["a", "b"]);
    assert!(files.turn(settled(at(140)), false).changed);
    assert_eq!(addresses(&files), ["c"]);
}

#[test]
fn a_file_that_was_emptied_has_a_second_to_be_written() {
    let (disk, mut files) = running(TWO);
    disk.write("d/x.yml", "");
    let turn = files.turn(at(100), false);
    assert_eq!(turn.look_again, at(100) + limits::SD_FILE_GONE);
    assert!(!files.turn(at(900), false).changed);
    assert_eq!(addresses(&files), ["a", "b"]);
    assert!(files.turn(at(1100), false).changed);
    assert!(addresses(&files).is_empty());
}

#[test]
fn half_a_list_is_not_believed_while_its_writer_has_the_file_open() {
    let (disk, mut files) = running(TWO);
    disk.write("d/x.yml", ONE);
    files.written(at(100), Path::new("./d/x.yml"));
    assert!(!files.turn(at(100), false).changed);
    assert!(!files.turn(at(2000), false).changed);
    assert_eq!(addresses(&files), ["a", "b"]);
    disk.write("d/x.yml", TWO);
    files.written(at(2010), Path::new("d/x.yml"));
    files.closed(Path::new("d/x.yml"));
    files.turn(at(2010), false);
    let turn = files.turn(settled(at(2010)), false);
    assert!(!turn.changed, "the same as before");
    assert_eq!(turn.look_again, Mono::NEVER);
}

#[test]
fn a_writer_that_never_closes_is_believed_after_a_while() {
    let (disk, mut files) = running(TWO);
    disk.write("d/x.yml", ONE);
    files.written(at(100), Path::new("d/x.yml"));
    files.turn(at(100), false);
    let turn = files.turn(at(200), false);
    assert_eq!(turn.look_again, at(100) + limits::SD_FILE_WRITER);
    assert!(files.turn(turn.look_again, false).changed);
    assert_eq!(addresses(&files), ["a"]);
}

#[test]
fn a_broken_file_keeps_its_targets_and_is_an_error_once_per_change() {
    let (disk, mut files) = running(TWO);
    disk.write("d/x.yml", "- targets: [a");
    files.turn(at(100), false);
    let turn = files.turn(settled(at(100)), false);
    assert_eq!((turn.changed, turn.errors.len()), (false, 1));
    assert!(
        turn.errors[0]
            .to_string()
            .starts_with("d/x.yml: yaml: line ")
    );
    assert_eq!(addresses(&files), ["a", "b"]);
    assert!(files.turn(at(300), false).errors.is_empty());
    assert_eq!(files.turn(at(400), true).errors.len(), 1);
    disk.write("d/x.yml", TWO);
    files.turn(at(500), false);
    assert!(files.turn(settled(at(500)), false).changed, "mended");
}

#[test]
fn a_missing_file_is_given_time_to_come_back() {
    let (disk, mut files) = running(TWO);
    disk.remove("d/x.yml");
    let turn = files.turn(at(100), false);
    assert_eq!(turn.look_again, at(100) + limits::SD_FILE_GONE);
    assert_eq!(addresses(&files), ["a", "b"]);
    disk.write("d/x.yml", ONE);
    files.turn(at(500), false);
    assert_eq!(files.turn(settled(at(500)), false).look_again, Mono::NEVER);
    disk.remove("d/x.yml");
    let gone = files.turn(at(1000), false).look_again;
    let turn = files.turn(gone, false);
    assert!(turn.changed);
    assert_eq!(turn.gone, ["d/x.yml"]);
    assert!(files.groups().is_empty());
}

#[test]
fn a_folder_that_cannot_be_listed_keeps_its_files() {
    let disk = FakeDisk::default();
    let patterns = vec!["forbidden/*.yml".into(), "forbidden/x.yml".into()];
    disk.write("forbidden/x.yml", ONE);
    let mut files = Files::new(patterns, disk);
    let turn = files.turn(at(0), true);
    assert_eq!(turn.errors.len(), 1);
    assert_eq!(addresses(&files), ["a"]);
    files.turn(at(0) + Duration::from_secs(9), true);
    assert_eq!(addresses(&files), ["a"]);
}

#[test]
fn json_and_yaml_are_told_apart_by_the_name() {
    let disk = FakeDisk::default();
    disk.write("a.JSON", r#"[{"targets":["j"]}]"#);
    disk.write("b.YML", "- targets: [y]\n");
    let mut files = Files::new(vec!["a.JSON".into(), "b.YML".into()], disk);
    assert!(files.turn(at(0), true).errors.is_empty());
    assert_eq!(addresses(&files), ["j", "y"]);
    assert_eq!(files.folders().collect::<Vec<_>>(), [".", "."]);
}
