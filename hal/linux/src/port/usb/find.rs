// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Printers at the kernel's `usblp` driver, by what sysfs tells of them: no printer is opened or
//! asked for it, also not one that prints. Source: Linux `drivers/usb/class/usblp.c` (attribute
//! `ieee1284_id`, class `usbmisc`) and Documentation/ABI/stable/sysfs-bus-usb.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use platen_wire::ieee1284::DeviceId;

use crate::port::wanted::{Named, PRINTERS_MAX, Wanted};

/// Longest attribute that is read, bytes; sysfs gives no more than a page.
const ATTRIBUTE_BYTES_MAX: u64 = 4096;

/// Where device files and sysfs are.
#[derive(Clone, Debug)]
pub(super) struct Roots {
    /// Directory of `lp0` and its like.
    pub(super) devices: PathBuf,
    /// Directory of the class's entries of the same names.
    pub(super) class: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            devices: "/dev/usb".into(),
            class: "/sys/class/usbmisc".into(),
        }
    }
}

impl Roots {
    /// The device file of the first printer that fits, by its number.
    pub(super) fn find(&self, wanted: &Wanted) -> Option<PathBuf> {
        let mut numbers: Vec<u32> = fs::read_dir(&self.class)
            .ok()?
            .filter_map(|entry| number_of(entry.ok()?.file_name().to_str()?))
            .collect();
        numbers.sort_unstable();
        let names = numbers.iter().map(|number| format!("lp{number}"));
        let mut fitting = names
            .take(PRINTERS_MAX)
            .filter(|name| wanted.fits(&self.named(name)));
        Some(self.devices.join(fitting.next()?))
    }

    /// The device id of the printer at a device file, as the kernel read it when it was put in.
    pub(super) fn device_id(&self, device: &Path) -> Option<DeviceId> {
        let name = device.file_name()?.to_str()?;
        let id = attribute(&self.class.join(name).join("device/ieee1284_id"))?;
        Some(DeviceId::from_text(id.as_bytes()))
    }

    fn named(&self, name: &str) -> Named {
        // `device` is the interface; the device that it is part of stands above it.
        let interface = self.class.join(name).join("device");
        let device = fs::canonicalize(&interface).ok();
        let device = device.as_deref().and_then(Path::parent);
        let of_device = |name| device.and_then(|device| attribute(&device.join(name)));
        let id = attribute(&interface.join("ieee1284_id")).unwrap_or_default();
        let id = DeviceId::from_text(id.as_bytes());
        let both = |one: Option<String>, other: Option<&str>| {
            one.into_iter().chain(other.map(str::to_owned)).collect()
        };
        Named {
            serials: both(of_device("serial"), id.serial()),
            models: both(of_device("product"), id.model()),
        }
    }
}

fn number_of(name: &str) -> Option<u32> {
    name.strip_prefix("lp")?.parse().ok()
}

fn attribute(path: &Path) -> Option<String> {
    let mut octets = Vec::new();
    let file = fs::File::open(path).ok()?;
    file.take(ATTRIBUTE_BYTES_MAX)
        .read_to_end(&mut octets)
        .ok()?;
    let text = String::from_utf8_lossy(&octets).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sysfs with printers of these names, serial numbers and ids.
    pub(in super::super) fn sysfs(folder: &Path, printers: &[(&str, &str, &str)]) -> Roots {
        let class = folder.join("class");
        fs::create_dir_all(&class).unwrap();
        for (at, (name, serial, id)) in printers.iter().enumerate() {
            let device = folder.join(format!("1-{at}"));
            let interface = device.join(format!("1-{at}:1.0"));
            fs::create_dir_all(&interface).unwrap();
            fs::write(device.join("serial"), format!("{serial}\n")).unwrap();
            fs::write(interface.join("ieee1284_id"), id).unwrap();
            let entry = class.join(name);
            fs::create_dir_all(&entry).unwrap();
            let link = entry.join("device");
            if !link.exists() {
                std::os::unix::fs::symlink(&interface, link).unwrap();
            }
        }
        Roots {
            devices: folder.join("dev"),
            class,
        }
    }

    fn wanted(rest: &str) -> Wanted {
        Wanted::parse("usb:", rest).unwrap().unwrap()
    }

    #[test]
    fn a_printer_is_found_by_either_of_its_serial_numbers_whatever_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let roots = sysfs(
            folder.path(),
            &[
                ("lp10", "B2", "MFG:Sim;MDL:Laser 475;SN:475-SIM;"),
                ("lp2", "A1", "MFG:Sim;MDL:Label;"),
                ("hiddev0", "C3", ""),
            ],
        );
        let at = |name: &str| Some(folder.path().join("dev").join(name));
        assert_eq!(roots.find(&wanted("auto")), at("lp2"));
        assert_eq!(roots.find(&wanted("?serial=475-sim")), at("lp10"));
        assert_eq!(roots.find(&wanted("?serial=B2")), at("lp10"));
        assert_eq!(roots.find(&wanted("?model=Label")), at("lp2"));
        assert_eq!(roots.find(&wanted("?serial=C3")), None);
        let id = roots.device_id(&folder.path().join("dev/lp10")).unwrap();
        assert_eq!(id.model(), Some("Laser 475"));
    }

    #[test]
    fn a_bus_without_printers_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let roots = sysfs(folder.path(), &[]);
        assert_eq!(roots.find(&wanted("auto")), None);
        let nowhere = Roots {
            devices: "/nowhere".into(),
            class: "/nowhere".into(),
        };
        assert_eq!(nowhere.find(&wanted("auto")), None);
    }
}
