// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Puts the items of a message together into groups, attributes and collections, and counts them
//! against the limits. Collections stand on a stack here, so their depth costs no call depth.

use super::attribute::{Attribute, Collection, Group};
use super::fault::{Fault, ValueFault};
use super::limits::Limits;
use super::message::Message;
use super::tag::{GroupTag, ValueTag};
use super::value::Value;

/// What has been read so far.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    groups: Vec<Group>,
    /// Collections begun and not ended, outermost first.
    open: Vec<Collection>,
    attributes: usize,
    values: usize,
    faults: Vec<ValueFault>,
}

impl Assembly {
    /// A delimiter tag: the next group begins.
    pub(super) fn begin_group(&mut self, tag: GroupTag, limits: &Limits) -> Result<(), Fault> {
        self.end_of_group()?;
        if self.groups.len() >= limits.groups {
            return Err(Fault::TooManyGroups { max: limits.groups });
        }
        self.groups.push(Group::new(tag));
        Ok(())
    }

    /// A group may end only outside collections.
    fn end_of_group(&self) -> Result<(), Fault> {
        if self.open.is_empty() {
            Ok(())
        } else {
            Err(Fault::CollectionNotEnded)
        }
    }

    /// The end-of-attributes tag.
    pub(super) fn finish(&mut self) -> Result<(Vec<Group>, Vec<ValueFault>), Fault> {
        self.end_of_group()?;
        Ok((
            std::mem::take(&mut self.groups),
            std::mem::take(&mut self.faults),
        ))
    }

    /// One item: a tag with its name and value.
    pub(super) fn item(
        &mut self,
        tag: ValueTag,
        name: &[u8],
        octets: &[u8],
        limits: &Limits,
    ) -> Result<(), Fault> {
        if self.open.is_empty() {
            self.top_level(tag, name, limits)?;
        } else if !name.is_empty() {
            return Err(Fault::CollectionFraming);
        }
        match tag {
            ValueTag::BEGIN_COLLECTION => self.begin_collection(octets, limits),
            ValueTag::MEMBER_NAME => self.begin_member(octets, limits),
            ValueTag::END_COLLECTION => self.end_collection(octets, limits),
            _ => {
                let (value, fault) = Value::read(tag, octets);
                if let Some(fault) = fault {
                    self.note(fault);
                }
                self.place(value, limits)
            }
        }
    }

    /// Outside collections a name begins an attribute and no name adds a value to the last one.
    fn top_level(&mut self, tag: ValueTag, name: &[u8], limits: &Limits) -> Result<(), Fault> {
        if matches!(tag, ValueTag::MEMBER_NAME | ValueTag::END_COLLECTION) {
            return Err(Fault::OutsideCollection { tag: tag.octet() });
        }
        let Some(group) = self.groups.last_mut() else {
            return Err(Fault::OutsideGroup);
        };
        if name.is_empty() {
            return match group.attributes.is_empty() {
                true => Err(Fault::ValueWithoutAttribute),
                false => Ok(()),
            };
        }
        if group.attributes.len() >= limits.group_attributes {
            return Err(Fault::TooManyAttributes {
                max: limits.group_attributes,
            });
        }
        begin(&mut group.attributes, &mut self.attributes, name, limits)
    }

    fn begin_collection(&mut self, octets: &[u8], limits: &Limits) -> Result<(), Fault> {
        if !octets.is_empty() {
            return Err(Fault::CollectionFraming);
        }
        if self.open.len() >= limits.depth {
            return Err(Fault::TooDeep { max: limits.depth });
        }
        if self
            .open
            .last()
            .is_some_and(|outer| outer.members.is_empty())
        {
            return Err(Fault::MemberWithoutName);
        }
        self.open.push(Collection::default());
        Ok(())
    }

    fn begin_member(&mut self, name: &[u8], limits: &Limits) -> Result<(), Fault> {
        let tag = ValueTag::MEMBER_NAME.octet();
        let Some(collection) = self.open.last_mut() else {
            return Err(Fault::OutsideCollection { tag });
        };
        last_member_has_value(collection)?;
        if collection.members.len() >= limits.members {
            return Err(Fault::TooManyAttributes {
                max: limits.members,
            });
        }
        if name.is_empty() {
            return Err(Fault::MemberWithoutName);
        }
        if name.len() > limits.name_bytes {
            return Err(Fault::NameTooLong {
                max: limits.name_bytes,
            });
        }
        begin(&mut collection.members, &mut self.attributes, name, limits)
    }

    fn end_collection(&mut self, octets: &[u8], limits: &Limits) -> Result<(), Fault> {
        if !octets.is_empty() {
            return Err(Fault::CollectionFraming);
        }
        let tag = ValueTag::END_COLLECTION.octet();
        let Some(collection) = self.open.pop() else {
            return Err(Fault::OutsideCollection { tag });
        };
        last_member_has_value(&collection)?;
        self.place(Value::Collection(collection), limits)
    }

    /// Adds a value to the attribute or member that was begun last.
    fn place(&mut self, value: Value, limits: &Limits) -> Result<(), Fault> {
        if self.values >= limits.values {
            return Err(Fault::TooManyValues { max: limits.values });
        }
        let attribute = match self.open.last_mut() {
            Some(collection) => collection
                .members
                .last_mut()
                .ok_or(Fault::MemberWithoutName)?,
            None => self
                .groups
                .last_mut()
                .and_then(|group| group.attributes.last_mut())
                .ok_or(Fault::ValueWithoutAttribute)?,
        };
        if attribute.values.len() >= limits.attribute_values {
            return Err(Fault::TooManyValues {
                max: limits.attribute_values,
            });
        }
        attribute.values.push(value);
        self.values += 1;
        Ok(())
    }

    /// Keeps a fault with the place where it is, the first few of them.
    fn note(&mut self, fault: Fault) {
        let place = self
            .groups
            .last()
            .and_then(|group| Some((group, group.attributes.last()?)));
        if let Some((group, attribute)) = place
            && self.faults.len() < Message::FAULTS_KEPT
        {
            let attribute = attribute.name.clone();
            self.faults.push(ValueFault {
                group: group.tag,
                attribute,
                fault,
            });
        }
    }
}

/// Begins an attribute or member that gets its values later.
fn begin(
    list: &mut Vec<Attribute>,
    count: &mut usize,
    name: &[u8],
    limits: &Limits,
) -> Result<(), Fault> {
    if *count >= limits.attributes {
        return Err(Fault::TooManyAttributes {
            max: limits.attributes,
        });
    }
    *count += 1;
    // Keywords are lower case by the book, but options of printer drivers are sent as they are.
    if !name.iter().all(|octet| (0x20..0x7f).contains(octet)) {
        return Err(Fault::NameSyntax);
    }
    let name = String::from_utf8(name.to_vec()).map_err(|_| Fault::NameSyntax)?;
    list.push(Attribute {
        name,
        values: Vec::with_capacity(1),
    });
    Ok(())
}

fn last_member_has_value(collection: &Collection) -> Result<(), Fault> {
    match collection.members.last() {
        Some(member) if member.values.is_empty() => Err(Fault::MemberWithoutValue),
        _ => Ok(()),
    }
}
