// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A USB device made of this machine's own kernel: `dummy_hcd` is a wire from its host side to its
//! device side, configfs describes the device, FunctionFS lets a program be its function. Source:
//! Linux `Documentation/usb/gadget_configfs.rst`, `functionfs.rst`.

use std::io;
use std::path::{Path, PathBuf};
use std::{fs, os::unix::fs::symlink};

use rustix::mount::{MountFlags, mount};

const GADGETS: &str = "/sys/kernel/config/usb_gadget";
const CONTROLLER: &str = "dummy_udc.0";
/// Vendor and product of the Linux Foundation's printer gadget.
const VENDOR: &str = "0x0525";
const PRODUCT: &str = "0xa4a8";

/// A device that can be plugged in and pulled out.
#[derive(Debug)]
pub struct Gadget {
    folder: PathBuf,
}

impl Gadget {
    /// Describes the device `name` with one function, whose files come to `files`. It is not
    /// plugged in yet: its program must describe the function first.
    ///
    /// # Errors
    /// The system's own.
    pub fn describe(name: &str, files: &Path) -> io::Result<Self> {
        let folder = Path::new(GADGETS).join(name);
        let texts = folder.join("strings/0x409");
        let function = folder.join(format!("functions/ffs.{name}"));
        let config = folder.join("configs/c.1");
        for made in [&folder, &texts, &function, &config, &files.to_owned()] {
            fs::create_dir_all(made)?;
        }
        fs::write(folder.join("idVendor"), VENDOR)?;
        fs::write(folder.join("idProduct"), PRODUCT)?;
        fs::write(texts.join("manufacturer"), "Platen")?;
        fs::write(texts.join("product"), "Simulated printer")?;
        fs::write(texts.join("serialnumber"), "475-SIM")?;
        symlink(&function, config.join("f1"))?;
        mount(name, files, "functionfs", MountFlags::empty(), None)?;
        Ok(Self { folder })
    }

    /// Puts the plug in.
    ///
    /// # Errors
    /// The system's own, also when it is in.
    pub fn plug(&self) -> io::Result<()> {
        fs::write(self.folder.join("UDC"), CONTROLLER)
    }

    /// Pulls the plug out.
    ///
    /// # Errors
    /// The system's own, also when it is out.
    pub fn unplug(&self) -> io::Result<()> {
        fs::write(self.folder.join("UDC"), "\n")
    }
}
