// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the module does for each request. Source: public host code `andpp/BM-Lite` 27c95ab
//! (`bmlite_if.c`, `fpc_hcp_common.h`, `fpc_bep_types.h`).

use super::{Chip, Enrolment};
use crate::finger::{FEATURES, Surface, same};

const ID: u16 = 0x0006;
const MATCH: u16 = 0x000a;
const DATA: u16 = 0x100a;
const RESULT: u16 = 0x2001;
const COUNT: u16 = 0x2002;
const VERSION: u16 = 0x6003;

const NOT_IMPLEMENTED: i8 = -4;
const NO_ROOM: i8 = -6;
const STATE: i8 = -10;
const TIMED_OUT: i8 = -11;
const ID_EXISTS: i8 = -12;
const ID_NOT_FOUND: i8 = -13;
const FORMAT: i8 = -14;
const BAD_IMAGES: i8 = -22;
const NOT_STABLE: i8 = -25;

type Arguments = Vec<(u16, Vec<u8>)>;
/// An answer: its arguments, or a result that is not 0.
type Done = Result<Arguments, i8>;

impl Chip {
    pub(super) fn execute(&mut self, message: &[u8]) {
        let Some((command, arguments)) = read(message) else {
            return;
        };
        self.field.lock().remember(command);
        let done = self.done(command, &arguments);
        let said = match done {
            Ok(arguments) if arguments.is_empty() => vec![(RESULT, vec![0])],
            Ok(arguments) => arguments,
            Err(result) => vec![(RESULT, result.to_le_bytes().to_vec())],
        };
        let mut answer = command.to_le_bytes().to_vec();
        answer.extend(u16::try_from(said.len()).unwrap_or(0).to_le_bytes());
        for (argument, data) in said {
            answer.extend(argument.to_le_bytes());
            answer.extend(u16::try_from(data.len()).unwrap_or(0).to_le_bytes());
            answer.extend(data);
        }
        self.answer(&answer);
    }

    fn done(&mut self, command: u16, arguments: &Arguments) -> Done {
        let names: Vec<u16> = arguments.iter().map(|(name, _)| *name).collect();
        let data = arguments
            .last()
            .map_or(&[][..], |(_, data)| data.as_slice());
        match (command, names.as_slice(), data) {
            (0x0001, [0x5001], [_, _]) => self.capture(),
            (0x0002, [0x0003], []) => {
                if let Some(result) = self.setup.enrolment_refused {
                    return Err(result);
                }
                let left = self.setup.touches;
                self.enrolment = Some(Enrolment { first: None, left });
                Ok(Vec::new())
            }
            (0x0002, [0x0004], []) => self.enrol_add(),
            (0x0002, [0x0005], []) => self.enrol_finish(),
            (0x0003, [], []) => self.identify(),
            (0x0005, [0x0008], []) => {
                self.features = Some(self.picture.ok_or(STATE)?);
                Ok(Vec::new())
            }
            (0x0006, [0x1008, ID], [low, high]) => self.save(u16::from_le_bytes([*low, *high])),
            (0x0006, [0x1005], []) => {
                let template = self.template.ok_or(-18_i8)?;
                Ok(vec![(DATA, self.template_bytes(&template))])
            }
            (0x0006, [0x1006, DATA], template) => self.download(template),
            (0x0007, [0x0002, 0x5001], [_, _]) => match self.field.lock().surface {
                Surface::Bare => Ok(Vec::new()),
                _ => Err(TIMED_OUT),
            },
            (0x3004, [0x1004, VERSION], []) => Ok(vec![(VERSION, b"2.0.0 model".to_vec())]),
            (0x4002, names, data) => self.storage(names, data),
            _ => Err(NOT_IMPLEMENTED),
        }
    }

    fn storage(&mut self, names: &[u16], data: &[u8]) -> Done {
        let id = data.try_into().ok().map(u16::from_le_bytes);
        let mut field = self.field.lock();
        match (names, id) {
            ([0x1005, ID], Some(id)) => {
                self.template = Some(*field.templates.get(&id).ok_or(ID_NOT_FOUND)?);
                Ok(Vec::new())
            }
            ([0x1009, ID], Some(id)) => match field.templates.remove(&id) {
                Some(_) => Ok(Vec::new()),
                None => Err(ID_NOT_FOUND),
            },
            ([0x1009, 0x0007], None) => {
                field.templates.clear();
                Ok(Vec::new())
            }
            ([COUNT], None) => {
                let count = u16::try_from(field.templates.len()).unwrap_or(0);
                Ok(vec![(COUNT, count.to_le_bytes().to_vec())])
            }
            ([ID], None) => {
                let ids = field.templates.keys().flat_map(|id| id.to_le_bytes());
                Ok(vec![(DATA, ids.collect())])
            }
            _ => Err(NOT_IMPLEMENTED),
        }
    }

    fn capture(&mut self) -> Done {
        self.features = None;
        let mut field = self.field.lock();
        self.picture = field.capture();
        match (self.picture, field.surface) {
            (Some(_), _) => Ok(Vec::new()),
            (None, Surface::Bare) => Err(TIMED_OUT),
            (None, _) => Err(NOT_STABLE),
        }
    }

    fn identify(&mut self) -> Done {
        let seen = self.features.ok_or(STATE)?;
        Ok(match self.field.lock().best(&seen, |_| true) {
            Some((id, _)) => vec![(MATCH, vec![1]), (ID, id.to_le_bytes().to_vec())],
            None => vec![(MATCH, vec![0])],
        })
    }

    fn enrol_add(&mut self) -> Done {
        let picture = self.picture.take().ok_or(STATE)?;
        let enrolment = self.enrolment.as_mut().ok_or(STATE)?;
        let first = *enrolment.first.get_or_insert(picture);
        if !same(&first, &picture) {
            return Err(BAD_IMAGES);
        }
        enrolment.left = enrolment.left.saturating_sub(1);
        let left = enrolment.left.to_le_bytes().to_vec();
        Ok(vec![(COUNT, left), (RESULT, vec![0])])
    }

    fn enrol_finish(&mut self) -> Done {
        let enrolment = self.enrolment.take().ok_or(STATE)?;
        match (enrolment.left, enrolment.first) {
            (0, Some(first)) => {
                self.template = Some(first);
                Ok(Vec::new())
            }
            _ => Err(STATE),
        }
    }

    fn save(&mut self, id: u16) -> Done {
        let template = self.template.ok_or(-18_i8)?;
        let mut field = self.field.lock();
        if field.templates.contains_key(&id) {
            return Err(ID_EXISTS);
        }
        if field.templates.len() >= usize::from(self.setup.capacity) {
            return Err(NO_ROOM);
        }
        field.templates.insert(id, template);
        Ok(Vec::new())
    }

    fn download(&mut self, template: &[u8]) -> Done {
        let features = *template.first_chunk::<FEATURES>().ok_or(FORMAT)?;
        if self.template_bytes(&features) != template {
            return Err(FORMAT);
        }
        self.template = Some(features);
        Ok(Vec::new())
    }
}

/// Command and arguments of a message.
fn read(message: &[u8]) -> Option<(u16, Arguments)> {
    let word = |at: usize| {
        let bytes = message.get(at..at + 2)?;
        bytes.try_into().ok().map(u16::from_le_bytes)
    };
    let (command, count) = (word(0)?, word(2)?);
    let mut at = 4;
    let mut arguments = Vec::new();
    for _ in 0..count {
        let length = usize::from(word(at + 2)?);
        let data = message.get(at + 4..at + 4 + length)?;
        arguments.push((word(at)?, data.to_vec()));
        at += 4 + length;
    }
    Some((command, arguments))
}
