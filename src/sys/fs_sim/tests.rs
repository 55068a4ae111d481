//! The simulated disk does to files what it says.

use super::*;

#[test]
fn a_crash_keeps_what_was_synced_and_may_keep_the_rest() {
    let (dir, path) = (Path::new("/d"), Path::new("/d/f"));
    let mut outcomes = BTreeSet::new();
    for seed in 0..64 {
        let disk = SimFs::default();
        let file = disk.create(path).expect("created");
        file.write_at(0, &[1; 1024]).expect("written");
        file.sync().expect("synced");
        disk.sync_dir(dir).expect("synced");
        file.write_at(1024, &[2; 1024]).expect("written");
        let after = disk.crash(seed).open(path).expect("name was synced");
        let mut bytes = vec![0; 4096];
        let len = after.read_at(0, &mut bytes).expect("read");
        assert!(bytes[..1024].iter().all(|byte| *byte == 1));
        assert!(bytes[1024..len].iter().all(|byte| *byte == 2 || *byte == 0));
        outcomes.insert(bytes[1024..len].to_vec());
    }
    assert!(outcomes.len() >= 4, "{}", outcomes.len());
}

#[test]
fn an_unsynced_name_may_vanish() {
    let disk = SimFs::default();
    disk.create(Path::new("/d/f")).expect("created");
    let there = |seed| disk.crash(seed).open(Path::new("/d/f")).is_ok();
    assert!((0..32).any(there) && !(0..32).all(there));
}

#[test]
fn faults_strike_where_they_were_set() {
    let disk = SimFs::default();
    let file = disk.create(Path::new("/f")).expect("created");
    disk.inject(3, Fault::Full);
    file.write_at(0, b"ab").expect("written");
    assert!(file.write_at(2, b"cd").is_err());
    assert_eq!(file.len().expect("len"), 3);
    file.write_at(0, b"xy").expect("no growth needed");
    disk.heal();
    disk.inject(disk.operations() + 1, Fault::Once);
    assert!(file.sync().is_err());
    assert!(file.sync().is_ok());
}

#[test]
fn what_cannot_be_read_or_opened_says_so_until_it_is_healed() {
    let (disk, path) = (SimFs::default(), Path::new("/f"));
    let file = disk.create(path).expect("created");
    file.write_at(0, &[7; 9000]).expect("written");
    disk.unreadable(path, 4096..8192);
    let mut bytes = [0; 96];
    assert!(file.read_at(4000, &mut bytes).is_ok());
    assert!(file.read_at(4001, &mut bytes).is_err());
    assert!(file.read_at(8100, &mut bytes).is_err());
    assert!(file.read_at(8192, &mut bytes).is_ok());
    disk.refuse(path, io::ErrorKind::QuotaExceeded);
    assert!(disk.open(path).is_err() && disk.open_to_read(path).is_err());
    disk.heal();
    let mut whole = [0; 9000];
    let file = disk.open(path).expect("opens again");
    file.read_exact_at(0, &mut whole).expect("healed");
}
