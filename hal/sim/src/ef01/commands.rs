// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the sensor does for each command. Sources: *ZFM-20 series user manual* Ver 2.0; *R503 user
//! manual* V1.2.2, pp. 13–34.

use super::{Ef01Uart, LONG, QUICK};
use crate::finger::{FEATURES, Features, Surface, same};

const OK: u8 = 0x00;
const NO_FINGER: u8 = 0x02;
const FEW_FEATURES: u8 = 0x07;
const NOT_FOUND: u8 = 0x09;
const MERGE_FAILED: u8 = 0x0a;
const NO_SUCH_PAGE: u8 = 0x0b;
const UNREADABLE: u8 = 0x0c;
const WRONG_PASSWORD: u8 = 0x13;
const NO_PICTURE: u8 = 0x15;
const REGISTER: u8 = 0x1a;
const PASSWORD_WANTED: u8 = 0x21;

impl Ef01Uart {
    pub(super) fn command(&mut self, content: &[u8]) {
        let Some((code, arguments)) = content.split_first() else {
            return;
        };
        self.field.lock().remember(u16::from(*code));
        self.taking = None;
        if !self.open && *code != 0x13 {
            return self.answer(&[PASSWORD_WANTED], QUICK);
        }
        match (code, arguments) {
            (0x01, []) => self.take_picture(),
            (0x02, [buffer]) => self.make_features(*buffer),
            (0x04 | 0x1b, [buffer, s1, s0, c1, c0]) => {
                let start = u16::from_be_bytes([*s1, *s0]);
                let count = u16::from_be_bytes([*c1, *c0]);
                self.search(*buffer, start, count);
            }
            (0x05, []) => self.merge(),
            (0x06, [buffer, p1, p0]) => self.store(*buffer, u16::from_be_bytes([*p1, *p0])),
            (0x07, [buffer, p1, p0]) => self.load(*buffer, u16::from_be_bytes([*p1, *p0])),
            (0x08, [buffer]) => self.upload(*buffer),
            (0x09, [buffer]) => self.download(*buffer),
            (0x0c, [p1, p0, c1, c0]) => {
                let start = u16::from_be_bytes([*p1, *p0]);
                let count = u16::from_be_bytes([*c1, *c0]);
                self.delete(start, count);
            }
            (0x0d, []) => {
                self.field.lock().templates.clear();
                self.answer(&[OK], LONG);
            }
            _ => self.tell(*code, arguments),
        }
    }

    /// Commands that only tell or light.
    fn tell(&mut self, code: u8, arguments: &[u8]) {
        match (code, arguments) {
            (0x0f, []) => self.parameters(),
            (0x13, [p3, p2, p1, p0]) => {
                self.open = u32::from_be_bytes([*p3, *p2, *p1, *p0]) == self.setup.password;
                let code = if self.open { OK } else { WRONG_PASSWORD };
                self.answer(&[code], QUICK);
            }
            (0x1d, []) => {
                let count = self.field.lock().templates.len();
                let [high, low] = u16::try_from(count).unwrap_or(0).to_be_bytes();
                self.answer(&[OK, high, low], QUICK);
            }
            (0x1f, [quarter]) => self.index(*quarter),
            (0x35, light @ [1..=6, _, 1..=7, _]) if self.setup.r503 => self.lit(light),
            (0x36, []) if self.setup.r503 => self.answer(&[OK], QUICK),
            (0x3c, []) if self.setup.r503 => {
                let mut told = vec![OK];
                told.extend(b"R503\0\0\0\0\0\0\0\0\0\0\0\0BATCSERIAL\0\0\x01\x00GR192RGB");
                told.extend([0, 192, 0, 192]);
                let size = u16::try_from(self.setup.template_bytes).unwrap_or(0);
                told.extend(size.to_be_bytes());
                told.extend(self.setup.capacity.to_be_bytes());
                self.answer(&told, QUICK);
            }
            (0x50 | 0x51, []) if !self.setup.r503 => self.lit(&[code]),
            _ => self.answer(&[REGISTER], QUICK),
        }
    }

    fn lit(&mut self, light: &[u8]) {
        self.field.lock().set_light(light);
        self.answer(&[OK], QUICK);
    }

    fn take_picture(&mut self) {
        let (surface, seen) = {
            let mut field = self.field.lock();
            (field.surface, field.capture())
        };
        if surface == Surface::Bare {
            return self.answer(&[NO_FINGER], LONG);
        }
        self.picture = Some(seen);
        self.answer(&[OK], LONG);
    }

    fn make_features(&mut self, buffer: u8) {
        let code = match (self.picture, self.buffer(buffer)) {
            (None, _) => NO_PICTURE,
            (Some(None), _) => FEW_FEATURES,
            (Some(seen), Some(into)) => {
                *into = seen;
                OK
            }
            _ => REGISTER,
        };
        self.answer(&[code], LONG);
    }

    /// Buffers 1 and 2, of an R503 1 to 6.
    fn buffer(&mut self, buffer: u8) -> Option<&mut Option<Features>> {
        let last = if self.setup.r503 { 6 } else { 2 };
        let inside = (1..=last).contains(&buffer);
        self.buffers
            .get_mut(usize::from(buffer.wrapping_sub(1)))
            .filter(|_| inside)
    }

    fn features(&mut self, buffer: u8) -> Option<Features> {
        self.buffer(buffer).and_then(|buffer| *buffer)
    }

    fn search(&mut self, buffer: u8, start: u16, count: u16) {
        let end = start.saturating_add(count).min(self.setup.capacity);
        let pages = start..end;
        let best = self.features(buffer).and_then(|seen| {
            let field = self.field.lock();
            field.best(&seen, |slot| pages.contains(&slot))
        });
        match best {
            Some((page, score)) => {
                let [p1, p0] = page.to_be_bytes();
                let [s1, s0] = score.to_be_bytes();
                self.answer(&[OK, p1, p0, s1, s0], LONG);
            }
            None => self.answer(&[NOT_FOUND, 0, 0, 0, 0], LONG),
        }
    }

    /// All buffers that hold a touch must be of one finger.
    fn merge(&mut self) {
        let touches: Vec<Features> = self.buffers.iter().flatten().copied().collect();
        let code = match touches.split_first() {
            Some((first, rest)) if !rest.is_empty() && rest.iter().all(|t| same(first, t)) => {
                self.buffers = [Some(*first), Some(*first), None, None, None, None];
                OK
            }
            _ => MERGE_FAILED,
        };
        self.answer(&[code], LONG);
    }

    fn store(&mut self, buffer: u8, page: u16) {
        let code = match self.features(buffer) {
            _ if page >= self.setup.capacity => NO_SUCH_PAGE,
            Some(features) => {
                self.field.lock().templates.insert(page, features);
                OK
            }
            None => REGISTER,
        };
        self.answer(&[code], LONG);
    }

    fn load(&mut self, buffer: u8, page: u16) {
        let stored = self.field.lock().templates.get(&page).copied();
        let code = match (stored, self.buffer(buffer)) {
            (Some(_), Some(into)) => {
                *into = stored;
                OK
            }
            (None, _) => UNREADABLE,
            _ => REGISTER,
        };
        self.answer(&[code], QUICK);
    }

    fn upload(&mut self, buffer: u8) {
        let Some(features) = self.features(buffer) else {
            return self.answer(&[0x0d], QUICK);
        };
        self.answer(&[OK], QUICK);
        let template = self.template(&features);
        let mut parts = template.chunks(self.setup.packet_bytes()).peekable();
        while let Some(part) = parts.next() {
            let kind = if parts.peek().is_some() { 0x02 } else { 0x08 };
            self.say(kind, part, QUICK);
        }
    }

    fn download(&mut self, buffer: u8) {
        let Some(into) = self.buffer(buffer) else {
            return self.answer(&[0x0e], QUICK);
        };
        *into = None;
        self.taking = Some((usize::from(buffer - 1), Vec::new()));
        self.answer(&[OK], QUICK);
    }

    /// A part of a template; a whole one of this sensor's length goes to its buffer.
    pub(super) fn take(&mut self, last: bool, part: &[u8]) {
        let Some((buffer, mut template)) = self.taking.take() else {
            return;
        };
        template.extend_from_slice(part);
        if !last {
            self.taking = Some((buffer, template));
            return;
        }
        let features = template.first_chunk::<FEATURES>().copied();
        let whole = features.is_some_and(|features| self.template(&features) == template);
        if let (Some(into), true) = (self.buffers.get_mut(buffer), whole) {
            *into = features;
        }
    }

    fn delete(&mut self, start: u16, count: u16) {
        let end = start.saturating_add(count);
        if start >= self.setup.capacity || end > self.setup.capacity {
            return self.answer(&[0x10], QUICK);
        }
        let mut field = self.field.lock();
        field
            .templates
            .retain(|slot, _| !(start..end).contains(slot));
        drop(field);
        self.answer(&[OK], LONG);
    }

    fn parameters(&mut self) {
        let mut told = vec![OK, 0, 0, 0, 0];
        told.extend(self.setup.capacity.to_be_bytes());
        told.extend([0, 3]);
        told.extend(self.setup.address.to_be_bytes());
        told.extend([0, self.setup.packet, 0, 6]);
        self.answer(&told, QUICK);
    }

    fn index(&mut self, quarter: u8) {
        if quarter > 3 {
            return self.answer(&[NO_SUCH_PAGE], QUICK);
        }
        let start = u16::from(quarter) * 256;
        let mut told = vec![OK];
        {
            let field = self.field.lock();
            told.extend((0..32).map(|byte| {
                (0..8).fold(0_u8, |bits, bit| {
                    let used = field.templates.contains_key(&(start + byte * 8 + bit));
                    bits | u8::from(used) << bit
                })
            }));
        }
        self.answer(&told, QUICK);
    }
}
