// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SNMP messages, versions 1 (RFC 1157) and 2c (RFC 1901, RFC 3416), as a manager needs them:
//! requests to read, and the responses. No traps, no setting, no version 3.
//!
//! Communities travel in clear and prove nothing: what a device answers is worth what the network
//! between is worth.

mod ber;
mod oid;

use thiserror::Error;

pub use oid::{ARCS_MAX, Oid};

use ber::Reader;

/// UDP port of an agent, RFC 1157 §4.
pub const AGENT_PORT: u16 = 161;
/// Longest message that is read. Agents must be able to send 484 octets (RFC 1157 §4); what fits
/// one Ethernet frame is usual.
pub const MESSAGE_OCTETS_MAX: usize = 8192;
/// Most variables in one message that are read.
pub const BINDINGS_MAX: usize = 256;
/// Longest community, in octets.
pub const COMMUNITY_OCTETS_MAX: usize = 255;

// Tags: RFC 1157 §4.1 and appendix A of RFC 1155, RFC 3416 §3.
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const IP_ADDRESS: u8 = 0x40;
const COUNTER32: u8 = 0x41;
const GAUGE32: u8 = 0x42;
const TIME_TICKS: u8 = 0x43;
const OPAQUE: u8 = 0x44;
const COUNTER64: u8 = 0x46;
const NO_SUCH_OBJECT: u8 = 0x80;
const NO_SUCH_INSTANCE: u8 = 0x81;
const END_OF_MIB_VIEW: u8 = 0x82;

/// Version of the protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// Version 1, RFC 1157: no [`PduKind::GetBulk`], no 64-bit counters.
    V1,
    /// Version 2 with communities, RFC 1901.
    V2c,
}

impl Version {
    fn number(self) -> i32 {
        match self {
            Self::V1 => 0,
            Self::V2c => 1,
        }
    }
}

/// What a message asks or answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PduKind {
    /// The values of the named objects.
    Get,
    /// The objects that follow the named ones.
    GetNext,
    /// An answer.
    Response,
    /// Several objects that follow the named ones; version 2c alone.
    GetBulk,
}

impl PduKind {
    const ALL: [(Self, u8); 4] = [
        (Self::Get, 0xa0),
        (Self::GetNext, 0xa1),
        (Self::Response, 0xa2),
        (Self::GetBulk, 0xa5),
    ];

    fn tag(self) -> u8 {
        let rows = Self::ALL.iter();
        rows.fold(0xa0, |tag, row| if row.0 == self { row.1 } else { tag })
    }

    fn of_tag(tag: u8) -> Option<Self> {
        let row = Self::ALL.iter().find(|row| row.1 == tag);
        row.map(|row| row.0)
    }
}

/// What an object is.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing: what stands in requests.
    Null,
    /// A signed number.
    Integer(i32),
    /// Octets; text in the device's own character set.
    Octets(Vec<u8>),
    /// Another object's name.
    ObjectId(Oid),
    /// An IPv4 address.
    IpAddress([u8; 4]),
    /// A counter that wraps at 32 bits.
    Counter32(u32),
    /// A gauge (also `Unsigned32`).
    Gauge32(u32),
    /// Hundredths of a second.
    TimeTicks(u32),
    /// Anything, wrapped.
    Opaque(Vec<u8>),
    /// A counter that wraps at 64 bits.
    Counter64(u64),
    /// Version 2c: there is no such object.
    NoSuchObject,
    /// Version 2c: the object has no such row.
    NoSuchInstance,
    /// Version 2c: nothing follows.
    EndOfMibView,
}

/// A question or an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pdu {
    /// What it is.
    pub kind: PduKind,
    /// The question's number, which its answer repeats.
    pub request_id: i32,
    /// `error-status` of an answer, 0 without an error; `non-repeaters` of [`PduKind::GetBulk`].
    pub error_status: i32,
    /// `error-index` of an answer, from 1; `max-repetitions` of [`PduKind::GetBulk`].
    pub error_index: i32,
    /// Names and values.
    pub bindings: Vec<(Oid, Value)>,
}

/// One message: a datagram.
#[derive(Clone, Eq, PartialEq)]
pub struct Message {
    /// Its version.
    pub version: Version,
    /// The community: something like a password in clear.
    pub community: Vec<u8>,
    /// What it says.
    pub pdu: Pdu,
}

impl std::fmt::Debug for Message {
    /// Without the community.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("version", &self.version)
            .field("pdu", &self.pdu)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SnmpError {
    /// It ends too early.
    #[error("message ends before what it announces")]
    Short,
    /// It is longer than [`MESSAGE_OCTETS_MAX`], or has more behind its end.
    #[error("message is too long")]
    Long,
    /// A length in a form that SNMP does not use.
    #[error("length is not in the definite form")]
    Length,
    /// Something else stands where it should.
    #[error("element of another type than expected")]
    Tag,
    /// A version other than 1 and 2c.
    #[error("version is neither 1 nor 2c")]
    Version,
    /// An empty number, or one that does not fit its type.
    #[error("number does not fit its type")]
    Number,
    /// A name that is none, or too long.
    #[error("object identifier is not well formed")]
    Name,
    /// More than [`BINDINGS_MAX`] variables.
    #[error("message has too many variables")]
    Bindings,
    /// A community longer than [`COMMUNITY_OCTETS_MAX`].
    #[error("community is too long")]
    Community,
}

impl Message {
    /// The datagram.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let pdu = &self.pdu;
        let mut list = Vec::new();
        for (name, value) in &pdu.bindings {
            let mut binding = Vec::new();
            ber::put_object_id(&mut binding, OBJECT_ID, name);
            put_value(&mut binding, value);
            ber::put(&mut list, SEQUENCE, &binding);
        }
        let mut body = Vec::new();
        for number in [pdu.request_id, pdu.error_status, pdu.error_index] {
            ber::put_signed(&mut body, INTEGER, number.into());
        }
        ber::put(&mut body, SEQUENCE, &list);
        let mut contents = Vec::new();
        ber::put_signed(&mut contents, INTEGER, self.version.number().into());
        ber::put(&mut contents, OCTET_STRING, &self.community);
        ber::put(&mut contents, pdu.kind.tag(), &body);
        let mut message = Vec::new();
        ber::put(&mut message, SEQUENCE, &contents);
        message
    }

    /// Reads a datagram, all of it.
    ///
    /// # Errors
    /// [`SnmpError`], the first thing that is wrong.
    pub fn decode(datagram: &[u8]) -> Result<Self, SnmpError> {
        if datagram.len() > MESSAGE_OCTETS_MAX {
            return Err(SnmpError::Long);
        }
        let mut outer = Reader::new(datagram);
        let mut contents = Reader::new(outer.expect(SEQUENCE)?);
        let version = match contents.integer(INTEGER)? {
            0 => Version::V1,
            1 => Version::V2c,
            _ => return Err(SnmpError::Version),
        };
        let community = contents.expect(OCTET_STRING)?;
        if community.len() > COMMUNITY_OCTETS_MAX {
            return Err(SnmpError::Community);
        }
        let (tag, body) = contents.element()?;
        let kind = PduKind::of_tag(tag).ok_or(SnmpError::Tag)?;
        if !outer.is_empty() || !contents.is_empty() {
            return Err(SnmpError::Long);
        }
        Ok(Self {
            version,
            community: community.to_vec(),
            pdu: read_pdu(kind, body)?,
        })
    }
}

fn read_pdu(kind: PduKind, body: &[u8]) -> Result<Pdu, SnmpError> {
    let mut reader = Reader::new(body);
    let mut number = || reader.integer(INTEGER);
    let (request_id, error_status, error_index) = (number()?, number()?, number()?);
    let mut list = Reader::new(reader.expect(SEQUENCE)?);
    if !reader.is_empty() {
        return Err(SnmpError::Long);
    }
    let mut bindings = Vec::new();
    while !list.is_empty() {
        if bindings.len() == BINDINGS_MAX {
            return Err(SnmpError::Bindings);
        }
        let mut binding = Reader::new(list.expect(SEQUENCE)?);
        let name = ber::object_id(binding.expect(OBJECT_ID)?)?;
        let (tag, contents) = binding.element()?;
        if !binding.is_empty() {
            return Err(SnmpError::Long);
        }
        bindings.push((name, read_value(tag, contents)?));
    }
    Ok(Pdu {
        kind,
        request_id,
        error_status,
        error_index,
        bindings,
    })
}

fn read_value(tag: u8, contents: &[u8]) -> Result<Value, SnmpError> {
    let short = |contents| {
        let number = ber::unsigned(contents, 4)?;
        u32::try_from(number).map_err(|_| SnmpError::Number)
    };
    let empty = |value| match contents {
        [] => Ok(value),
        _ => Err(SnmpError::Long),
    };
    match tag {
        NULL => empty(Value::Null),
        INTEGER => i32::try_from(ber::signed(contents)?)
            .map(Value::Integer)
            .map_err(|_| SnmpError::Number),
        OCTET_STRING => Ok(Value::Octets(contents.to_vec())),
        OBJECT_ID => ber::object_id(contents).map(Value::ObjectId),
        IP_ADDRESS => <[u8; 4]>::try_from(contents)
            .map(Value::IpAddress)
            .map_err(|_| SnmpError::Number),
        COUNTER32 => short(contents).map(Value::Counter32),
        GAUGE32 => short(contents).map(Value::Gauge32),
        TIME_TICKS => short(contents).map(Value::TimeTicks),
        OPAQUE => Ok(Value::Opaque(contents.to_vec())),
        COUNTER64 => ber::unsigned(contents, 8).map(Value::Counter64),
        NO_SUCH_OBJECT => empty(Value::NoSuchObject),
        NO_SUCH_INSTANCE => empty(Value::NoSuchInstance),
        END_OF_MIB_VIEW => empty(Value::EndOfMibView),
        _ => Err(SnmpError::Tag),
    }
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => ber::put(out, NULL, &[]),
        Value::Integer(number) => ber::put_signed(out, INTEGER, (*number).into()),
        Value::Octets(octets) => ber::put(out, OCTET_STRING, octets),
        Value::ObjectId(name) => ber::put_object_id(out, OBJECT_ID, name),
        Value::IpAddress(octets) => ber::put(out, IP_ADDRESS, octets),
        Value::Counter32(number) => ber::put_unsigned(out, COUNTER32, (*number).into()),
        Value::Gauge32(number) => ber::put_unsigned(out, GAUGE32, (*number).into()),
        Value::TimeTicks(number) => ber::put_unsigned(out, TIME_TICKS, (*number).into()),
        Value::Opaque(octets) => ber::put(out, OPAQUE, octets),
        Value::Counter64(number) => ber::put_unsigned(out, COUNTER64, *number),
        Value::NoSuchObject => ber::put(out, NO_SUCH_OBJECT, &[]),
        Value::NoSuchInstance => ber::put(out, NO_SUCH_INSTANCE, &[]),
        Value::EndOfMibView => ber::put(out, END_OF_MIB_VIEW, &[]),
    }
}

#[cfg(test)]
mod tests;
