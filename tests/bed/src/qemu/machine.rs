// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two machines that guests run on: what they boot, and QEMU's words for their parts.

use std::path::{Path, PathBuf};

use super::archive::Target;
use crate::daemon::source_folder;
use crate::process::{BedError, own_program};

/// A machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Machine {
    /// A PC.
    X86_64,
    /// QEMU's `virt` board with a Cortex-A72.
    Aarch64,
}

/// The box's programs that every guest has, and the bed's own.
const PROGRAMS: [&str; 3] = ["platend", "platenctl", "platen-guest"];
const CROSS: &str = "aarch64-unknown-linux-gnu";

impl Machine {
    /// What `tests/guest/kernel.sh` made.
    pub(super) fn kernel_folder(self) -> Result<PathBuf, BedError> {
        let arch = match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        };
        let folder = source_folder().join(".cache/qemu").join(arch);
        if folder.join("recipe").is_file() {
            return Ok(folder);
        }
        Err(BedError::Missing {
            program: folder.display().to_string(),
            hint: format!("`tests/guest/kernel.sh {arch}` makes it, as `make test` does"),
        })
    }

    /// The programs for this machine's processor.
    pub(super) fn programs(self) -> Result<Vec<PathBuf>, BedError> {
        let name = |name: &&str| match self {
            Self::X86_64 => own_program(name),
            Self::Aarch64 => cross_program(name),
        };
        PROGRAMS.iter().map(name).collect()
    }

    pub(super) fn target(self) -> Target {
        match self {
            Self::X86_64 => Target {
                strip: "strip",
                libraries: &[
                    "/lib/x86_64-linux-gnu",
                    "/lib64",
                    "/usr/lib/x86_64-linux-gnu",
                ],
            },
            Self::Aarch64 => Target {
                strip: "aarch64-linux-gnu-strip",
                libraries: &["/usr/aarch64-linux-gnu/lib"],
            },
        }
    }

    pub(super) fn qemu(self) -> &'static str {
        match self {
            Self::X86_64 => "qemu-system-x86_64",
            Self::Aarch64 => "qemu-system-aarch64",
        }
    }

    /// Processor, board, and what only a PC has here: a USB keyboard, two serial ports that end in
    /// sockets, a watchdog. `{folder}` stands for the guest's folder. TCG, as a software KVM is
    /// often there and boots nothing.
    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::X86_64 => &[
                "-cpu",
                "max",
                "-device",
                "qemu-xhci",
                "-device",
                "usb-kbd,id=keyboard",
                "-chardev",
                "socket,id=serial1,path={folder}/serial1.sock,server=on,wait=off",
                "-device",
                "pci-serial,chardev=serial1",
                "-chardev",
                "socket,id=serial2,path={folder}/serial2.sock,server=on,wait=off",
                "-device",
                "pci-serial,chardev=serial2",
                "-device",
                "i6300esb",
            ],
            Self::Aarch64 => &["-M", "virt", "-cpu", "cortex-a72"],
        }
    }

    pub(super) fn console(self) -> &'static str {
        match self {
            Self::X86_64 => "ttyS0",
            Self::Aarch64 => "ttyAMA0",
        }
    }

    /// The board's folder below `board/`.
    #[must_use]
    pub fn board(self) -> &'static str {
        match self {
            Self::X86_64 => "qemu_x86_64",
            Self::Aarch64 => "qemu_aarch64",
        }
    }
}

fn cross_program(name: &str) -> Result<PathBuf, BedError> {
    let folder = source_folder().join("target/cross").join(CROSS);
    let builds = ["guest", "release"].map(|profile| folder.join(profile).join(name));
    builds
        .iter()
        .find(|path| Path::is_file(path))
        .cloned()
        .ok_or_else(|| BedError::Missing {
            program: name.to_owned(),
            hint: "`make guest-aarch64` builds it".to_owned(),
        })
}
