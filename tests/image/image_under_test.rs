// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A disk written with the image, and the guests that start from it one after the other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use platen_bed::qemu::{Disk, Guest, ImageOptions, Start};
use tempfile::TempDir;

/// The disk that a person wrote the image to.
const DISK_MIB: u64 = 900;
/// What may take long on an emulated processor.
pub(crate) const LONG: Duration = Duration::from_secs(180);

/// A box: its disk, and where its guests have their folders.
pub(crate) struct BoxDisk {
    pub(crate) disk: Disk,
    pub(crate) image: PathBuf,
    folder: TempDir,
    starts: usize,
}

impl BoxDisk {
    /// A disk with the image as it was built last.
    pub(crate) fn new() -> Self {
        Self::of(&image("0.1.0"))
    }

    /// A disk with the image of that build.
    pub(crate) fn of(image: &Path) -> Self {
        let folder = TempDir::new().unwrap();
        let disk = Disk::copy(
            &image.join("disk.img"),
            &folder.path().join("disk.img"),
            DISK_MIB,
        );
        Self {
            disk: disk.unwrap(),
            image: image.to_owned(),
            folder,
            starts: 0,
        }
    }

    /// Switches the box on.
    pub(crate) fn start(&mut self, start: Start) -> Guest {
        self.start_with(&ImageOptions::new(start))
    }

    /// Switches it on, with further words for QEMU.
    pub(crate) fn start_with(&mut self, options: &ImageOptions) -> Guest {
        self.starts += 1;
        let folder = self.folder.path().join(format!("guest-{}", self.starts));
        let guest = Guest::start_image(&folder, &self.image, &self.disk, options);
        guest.unwrap_or_else(|error| panic!("{error}"))
    }
}

/// The folder of a build of the image.
pub(crate) fn image(version: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/image-test");
    let folder = root.join(version);
    let hint = "`make image-for-tests` builds it, as `make test` does";
    assert!(
        folder.join("disk.img").is_file(),
        "{}: {hint}",
        folder.display()
    );
    folder
}
