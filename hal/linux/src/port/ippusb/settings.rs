// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which interfaces of a printer, and which of their alternate settings, carry IPP over USB, by its
//! descriptors. Source: USB-IF *IPP over USB* 1.0 §4; HP printers older than that have vendor
//! specific ones of their own (ipp-usb's manual).

use nusb::DeviceInfo;
use nusb::descriptors::{ConfigurationDescriptor, InterfaceDescriptor, TransferType};
use nusb::transfer::Direction;

/// Class, subclass and protocol of IPP over USB.
const IPP: (u8, u8, u8) = (7, 1, 4);
/// The same for HP's older printers.
const IPP_OF_HP: (u8, u8, u8) = (0xff, 9, 1);
const HP: u16 = 0x03f0;
/// Settings that are tried; printers have two or three.
const SETTINGS_MAX: usize = 8;

/// Where to talk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Setting {
    pub(super) interface: u8,
    pub(super) alternate: u8,
    /// Address of the bulk endpoint to us, and from us.
    pub(super) input: u8,
    pub(super) output: u8,
}

/// Whether it is worth a look: the settings that are not chosen now are read only from the opened
/// device, and other devices had better not be opened.
pub(super) fn may_have_ipp(device: &DeviceInfo) -> bool {
    let mut interfaces = device.interfaces();
    let hp = device.vendor_id() == HP;
    interfaces.any(|one| one.class() == IPP.0 || (hp && one.class() == IPP_OF_HP.0))
}

/// All settings for IPP, in the order of the descriptors.
pub(super) fn settings(configuration: &ConfigurationDescriptor<'_>, vendor: u16) -> Vec<Setting> {
    let all = configuration.interface_alt_settings();
    all.filter(|one| is_ipp(one, vendor))
        .filter_map(|one| setting(&one))
        .take(SETTINGS_MAX)
        .collect()
}

fn is_ipp(one: &InterfaceDescriptor<'_>, vendor: u16) -> bool {
    let kind = (one.class(), one.subclass(), one.protocol());
    kind == IPP || (vendor == HP && kind == IPP_OF_HP)
}

fn setting(one: &InterfaceDescriptor<'_>) -> Option<Setting> {
    let bulk = |direction| {
        let mut endpoints = one.endpoints();
        let found = endpoints.find(|endpoint| {
            endpoint.transfer_type() == TransferType::Bulk && endpoint.direction() == direction
        });
        found.map(|endpoint| endpoint.address())
    };
    Some(Setting {
        interface: one.interface_number(),
        alternate: one.alternate_setting(),
        input: bulk(Direction::In)?,
        output: bulk(Direction::Out)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(number: u8, alternate: u8, kind: (u8, u8, u8), ends: &[(u8, u8)]) -> Vec<u8> {
        let count = u8::try_from(ends.len()).unwrap();
        let (class, subclass, protocol) = kind;
        let mut octets = vec![9, 4, number, alternate, count, class, subclass, protocol, 0];
        for (address, attributes) in ends {
            octets.extend([7, 5, *address, *attributes, 0x00, 0x02, 0]);
        }
        octets
    }

    fn found(interfaces: &[Vec<u8>], vendor: u16) -> Vec<Setting> {
        let body = interfaces.concat();
        let length = u16::try_from(9 + body.len()).unwrap().to_le_bytes();
        let count = u8::try_from(interfaces.len()).unwrap();
        let head = [9, 2, length[0], length[1], count, 1, 0, 0xc0, 0];
        let octets = [head.as_slice(), &body].concat();
        settings(&ConfigurationDescriptor::new(&octets).unwrap(), vendor)
    }

    const BULK: [(u8, u8); 2] = [(0x01, 2), (0x81, 2)];

    #[test]
    fn settings_for_ipp_are_found_beside_and_behind_the_usual_ones() {
        let all = found(
            &[
                interface(0, 0, (7, 1, 2), &BULK),
                interface(0, 1, IPP, &[(0x02, 2), (0x82, 2), (0x83, 3)]),
                interface(1, 0, (0xff, 9, 1), &BULK),
                interface(2, 0, IPP, &[(0x84, 2), (0x04, 2)]),
            ],
            0x04b8,
        );
        let setting = |interface, alternate, input, output| Setting {
            interface,
            alternate,
            input,
            output,
        };
        assert_eq!(all, [setting(0, 1, 0x82, 0x02), setting(2, 0, 0x84, 0x04)]);
    }

    #[test]
    fn hp_s_own_kind_counts_for_hp_alone() {
        let own = [interface(0, 0, IPP_OF_HP, &BULK)];
        assert_eq!(found(&own, HP).len(), 1);
        assert!(found(&own, 0x04b8).is_empty());
    }

    #[test]
    fn an_interface_without_both_ends_is_passed_over() {
        let lame = [
            interface(0, 0, IPP, &[(0x81, 2)]),
            interface(1, 0, IPP, &[(0x81, 3), (0x01, 3)]),
            interface(2, 0, IPP, &[]),
        ];
        assert!(found(&lame, 0x04b8).is_empty());
    }

    #[test]
    fn a_device_with_no_end_of_settings_is_not_tried_for_ever() {
        let many: Vec<_> = (0..20).map(|n| interface(n, 0, IPP, &BULK)).collect();
        assert_eq!(found(&many, 0x04b8).len(), SETTINGS_MAX);
    }
}
