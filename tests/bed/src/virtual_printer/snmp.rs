// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The printer's SNMP agent: versions 1 and 2c, community `public`, reading only (RFC 1157, RFC
//! 3416). Written apart from the firmware's codec, so that one mistake is not in both; `snmpwalk`
//! is the judge of this one.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use super::device::Device;
use super::mib::{Mib, Object};

const COMMUNITY: &[u8] = b"public";
/// `mib-2`, in its encoding: 1.3 is one octet.
const MIB_2: [u8; 5] = [0x2b, 6, 1, 2, 1];
/// How soon the thread notices that the printer ends.
const LOOK_UP: Duration = Duration::from_millis(50);
/// Longest answer; what does not fit is `tooBig` or, for bulk, left out.
const ANSWER_MAX: usize = 1400;

/// How the agent behaves.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Manner {
    /// As the standards say.
    #[default]
    Good,
    /// It answers nothing.
    Silent,
    /// It answers with octets that are no SNMP, and many of them.
    Garbage,
}

/// Serves until the device stops.
pub(super) fn serve(socket: &UdpSocket, device: &Arc<Device>) {
    if socket.set_read_timeout(Some(LOOK_UP)).is_err() {
        return;
    }
    let mut datagram = [0; 2048];
    while !device.is_stopping() {
        let Ok((length, sender)) = socket.recv_from(&mut datagram) else {
            continue;
        };
        let question = datagram.get(..length).unwrap_or_default();
        let (manner, facts) = device.agent();
        let answers = match manner {
            Manner::Silent => Vec::new(),
            Manner::Garbage => vec![[question, &[0x30, 0x84, 0xff, 0xff]].concat(); 20],
            Manner::Good => answer(question, &facts.mib()).into_iter().collect(),
        };
        for answer in answers {
            // Whoever asked asks again.
            let _: io::Result<usize> = socket.send_to(&answer, sender);
        }
    }
}

/// The answer to one datagram; none for what is not understood, as agents do.
fn answer(datagram: &[u8], mib: &Mib) -> Option<Vec<u8>> {
    let (message, _) = element(datagram, 0x30)?;
    let (version, rest) = element(message, 0x02)?;
    let (community, rest) = element(rest, 0x04)?;
    let kind = *rest.first()?;
    let (body, _) = element(rest, kind)?;
    let (id, body) = element(body, 0x02)?;
    let (_, body) = element(body, 0x02)?;
    let (second, body) = element(body, 0x02)?;
    let (mut list, _) = element(body, 0x30)?;
    let modern = match version {
        [0] => false,
        [1] => true,
        _ => return None,
    };
    if community != COMMUNITY || (kind == 0xa5 && !modern) {
        return None;
    }
    let mut names = Vec::new();
    while !list.is_empty() {
        let (binding, after) = element(list, 0x30)?;
        names.push(element(binding, 0x06)?.0.to_vec());
        list = after;
    }
    let found = match kind {
        0xa0 => find(&names, mib, modern, get),
        0xa1 => find(&names, mib, modern, next),
        0xa5 => Ok(bulk(names.clone(), number(second), mib)),
        _ => return None,
    };
    let (status, index, bindings) = match found {
        Ok(found) if found.concat().len() > ANSWER_MAX => (1, 0, unanswered(&names)),
        Ok(found) => (0, 0, found),
        Err(index) => (2, index, unanswered(&names)),
    };
    let body = [
        wrapped(0x02, id),
        wrapped(0x02, &[status]),
        wrapped(0x02, &[index]),
        wrapped(0x30, &bindings.concat()),
    ];
    let message = [
        wrapped(0x02, version),
        wrapped(0x04, community),
        wrapped(0xa2, &body.concat()),
    ];
    Some(wrapped(0x30, &message.concat()))
}

/// How one name is answered: its own name or the next, and the value.
type Look = fn(&[u8], &Mib) -> Result<(Vec<u8>, Vec<u8>), u8>;

/// All bindings, or the index of the name that is not there: version 2c has a value for that.
fn find(names: &[Vec<u8>], mib: &Mib, modern: bool, look: Look) -> Result<Vec<Vec<u8>>, u8> {
    let each = names
        .iter()
        .zip(1..)
        .map(|(name, index)| match look(name, mib) {
            Ok((found, value)) => Ok(binding(&found, &value)),
            Err(missing) if modern => Ok(binding(name, &[missing, 0])),
            Err(_) => Err(index),
        });
    each.collect()
}

fn get(name: &[u8], mib: &Mib) -> Result<(Vec<u8>, Vec<u8>), u8> {
    let arcs = below_mib_2(name).ok_or(0x80)?;
    let object = mib.get(&arcs).ok_or(0x81)?;
    Ok((name.to_vec(), value(object)))
}

fn next(name: &[u8], mib: &Mib) -> Result<(Vec<u8>, Vec<u8>), u8> {
    // Names before mib-2 as a whole are followed by its first object, names behind it by nothing.
    let arcs = match below_mib_2(name) {
        Some(arcs) => arcs,
        None if arcs_of(name) < arcs_of(&MIB_2) => Vec::new(),
        None => return Err(0x82),
    };
    let mut after = mib
        .range(arcs.clone()..)
        .filter(|(found, _)| **found != arcs);
    let (found, object) = after.next().ok_or(0x82)?;
    let mut whole = MIB_2.to_vec();
    found.iter().for_each(|arc| put_arc(&mut whole, *arc));
    Ok((whole, value(object)))
}

fn bulk(mut names: Vec<Vec<u8>>, repetitions: u32, mib: &Mib) -> Vec<Vec<u8>> {
    let mut bindings: Vec<Vec<u8>> = Vec::new();
    for _ in 0..repetitions.min(100) {
        let mut row: Vec<Vec<u8>> = Vec::new();
        for name in &mut names {
            row.push(match next(name, mib) {
                Ok((found, value)) => {
                    let binding = binding(&found, &value);
                    *name = found;
                    binding
                }
                Err(missing) => binding(name, &[missing, 0]),
            });
        }
        let length = bindings.concat().len() + row.concat().len();
        if length > ANSWER_MAX && !bindings.is_empty() {
            break;
        }
        bindings.extend(row);
    }
    bindings
}

fn unanswered(names: &[Vec<u8>]) -> Vec<Vec<u8>> {
    names.iter().map(|name| binding(name, &[5, 0])).collect()
}

fn binding(name: &[u8], value: &[u8]) -> Vec<u8> {
    wrapped(0x30, &[wrapped(0x06, name), value.to_vec()].concat())
}

fn value(object: &Object) -> Vec<u8> {
    match object {
        Object::Integer(number) => wrapped(0x02, &number.to_be_bytes()),
        Object::Text(text) => wrapped(0x04, text),
        Object::Counter(count) => wrapped(0x41, &[&[0], &count.to_be_bytes()[..]].concat()),
    }
}

/// One element with the tag that is wanted, and what follows it.
fn element(octets: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = octets.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0x81 | 0x82 => {
            let (long, rest) = rest.split_at_checked(usize::from(first & 3))?;
            (
                long.iter()
                    .fold(0, |all, one| all * 256 + usize::from(*one)),
                rest,
            )
        }
        0..=0x7f => (usize::from(*first), rest),
        _ => return None,
    };
    (*found == tag).then_some(())?;
    rest.split_at_checked(length)
}

fn wrapped(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len())
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    let mut out = vec![tag];
    match length {
        [0, short @ 0..=0x7f] => out.push(short),
        [high, low] => out.extend([0x82, high, low]),
    }
    out.extend_from_slice(contents);
    out
}

fn number(contents: &[u8]) -> u32 {
    contents
        .iter()
        .fold(0, |all, one| (all << 8) | u32::from(*one))
}

/// The numbers of a name, its first two in one.
fn arcs_of(name: &[u8]) -> Vec<u32> {
    let mut arcs = Vec::new();
    let mut arc = 0_u32;
    for octet in name {
        arc = (arc << 7) | u32::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            arcs.push(arc);
            arc = 0;
        }
    }
    arcs
}

fn below_mib_2(name: &[u8]) -> Option<Vec<u32>> {
    name.strip_prefix(&MIB_2).map(arcs_of)
}

fn put_arc(out: &mut Vec<u8>, arc: u32) {
    let bytes = arc.to_le_bytes();
    // The objects here have numbers below 2^14.
    let low = bytes[0] & 0x7f;
    let high = (arc >> 7) & 0x7f;
    if high > 0 {
        out.push(0x80 | u8::try_from(high).unwrap_or(0));
    }
    out.push(low);
}
