//! File systems of a test's own: small, so that they fill up, and on loop devices, so that power
//! can be cut. Need root.

use std::path::{Path, PathBuf};

use super::effort::{run, shown};

/// Says what is needed when the machine has it not.
const NEEDED: &str = "this test mounts file systems: it needs root and, but for tmpfs, loop \
                      devices; NARTHEX_E2E_UNPRIVILEGED=1 leaves such tests out";

/// The file that takes space away.
const FILLER: &str = "filler";

/// A mounted file system. Unmounted when dropped.
pub(crate) struct Volume {
    point: PathBuf,
    /// The file behind the loop device; none for a tmpfs.
    image: Option<PathBuf>,
}

impl Volume {
    /// A tmpfs of so many KiB at `point`.
    pub(crate) fn tmpfs(point: &Path, kib: u64) -> Volume {
        std::fs::create_dir_all(point).expect("a mount point");
        let size = format!("size={kib}k");
        must(
            "mount",
            &["-t", "tmpfs", "-o", &size, "tmpfs", shown(point)],
        );
        Volume {
            point: point.to_owned(),
            image: None,
        }
    }

    /// A new file system of that kind, of so many MiB, at `point`, in a file beside it.
    pub(crate) fn made(kind: &str, point: &Path, mib: u64) -> Volume {
        let image = point.with_extension("image");
        make(kind, &image, mib << 20);
        Volume::of(&image, point)
    }

    /// The file system in an image, at `point`. Journals are replayed by mounting.
    pub(crate) fn of(image: &Path, point: &Path) -> Volume {
        std::fs::create_dir_all(point).expect("a mount point");
        let volume = Volume {
            point: point.to_owned(),
            image: Some(image.to_owned()),
        };
        volume.mount();
        volume
    }

    fn mount(&self) {
        let image = self.image.as_ref().expect("not a tmpfs");
        // A device of its own each time: `mount -o loop` would find the one of a mount that is
        // not over yet, and with it the dead file system.
        let device = must("losetup", &["--find", "--show", shown(image)]);
        let device = device.trim();
        let mounted = run("mount", &[device, shown(&self.point)]);
        // Goes with the mount.
        must("losetup", &["--detach", device]);
        mounted.unwrap_or_else(|error| panic!("{error}\n{NEEDED}"));
    }

    /// Takes all space that is left.
    pub(crate) fn fill(&self) {
        let path = self.point.join(FILLER);
        let mut file = std::fs::File::create(path).expect("a filler");
        // Large pieces leave a rest, small ones take it.
        for size in [64 << 10, 512, 1] {
            let piece = vec![0; size];
            while std::io::Write::write(&mut file, &piece).is_ok() {}
        }
        // What a file system only promised is taken for good.
        let _full = file.sync_all();
    }

    /// Gives the space back.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.point.join(FILLER)).expect("the filler");
    }

    /// Cuts the power: what is not on disk yet never gets there, and everything fails from now on.
    pub(crate) fn cut_power(&self) {
        must("xfs_io", &["-x", "-c", "shutdown", shown(&self.point)]);
    }

    /// Power comes back: unmounts and mounts again. Nothing may use it.
    pub(crate) fn restore_power(&self) {
        must("umount", &[shown(&self.point)]);
        self.mount();
    }

    /// The dead device is taken away and comes back while files of it are open: those stay dead.
    pub(crate) fn plug_in_again(&self) {
        must("umount", &["-l", shown(&self.point)]);
        self.mount();
    }

    /// The dead device is taken away, and an empty one comes.
    pub(crate) fn exchange(&self) {
        must("umount", &["-l", shown(&self.point)]);
        let image = self.image.as_ref().expect("not a tmpfs");
        let size = std::fs::metadata(image).expect("the image").len();
        // The old one stays as it is for those that have it open.
        std::fs::remove_file(image).expect("to remove it");
        make("ext4", image, size);
        self.mount();
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily, if the test failed and left something running on it.
        if run("umount", &[shown(&self.point)]).is_err() {
            let _gone = run("umount", &["-l", shown(&self.point)]);
        }
    }
}

/// Makes a file system in a new file of so many bytes.
pub(crate) fn make(kind: &str, image: &Path, bytes: u64) {
    let file = std::fs::File::create(image).expect("an image");
    file.set_len(bytes).expect("a sparse file");
    must(&format!("mkfs.{kind}"), &["-q", shown(image)]);
}

fn must(program: &str, arguments: &[&str]) -> String {
    run(program, arguments).unwrap_or_else(|error| panic!("{error}\n{NEEDED}"))
}
