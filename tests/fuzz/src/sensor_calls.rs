// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The calls that a fingerprint sensor's owner makes, on a sensor that lies; each within its limit.

use platen_hal::finger::TEMPLATE_MAX;
use platen_hal::{FingerLight, FingerLook, FingerprintSensor, ReaderError};
use platen_hal_sim::SimDelay;

/// One of the calls, and the milliseconds that the trait gives it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Call {
    Start,
    Identify,
    Verify,
    Enrol,
    EnrolOn,
    Slots,
    Template,
    PutTemplate,
    Delete,
    DeleteAll,
    Light,
}

impl Call {
    fn limit_ms(self) -> u64 {
        match self {
            Self::Identify | Self::Verify | Self::EnrolOn | Self::DeleteAll => 5_000,
            Self::Template | Self::PutTemplate => 10_000,
            _ => 2_000,
        }
    }
}

const CALLS: [Call; 16] = [
    Call::Start,
    Call::Identify,
    Call::Light,
    Call::Identify,
    Call::Slots,
    Call::Enrol,
    Call::EnrolOn,
    Call::EnrolOn,
    Call::EnrolOn,
    Call::EnrolOn,
    Call::Verify,
    Call::Template,
    Call::PutTemplate,
    Call::Delete,
    Call::DeleteAll,
    Call::Identify,
];

/// Slot that the calls name; it is one of the lies' as well.
const SLOT: u16 = 3;

/// Makes all calls; a sensor that is lost is started again. `seen` is told of each call, with the
/// slot of a finger that was known.
///
/// # Panics
/// When a call waits longer than its limit, or returns what it must not.
pub(crate) fn run(
    sensor: &mut dyn FingerprintSensor,
    delay: &SimDelay,
    mut seen: impl FnMut(Call, Option<u16>),
) {
    let mut waited_ms = 0;
    for call in CALLS {
        let result = make(sensor, call);
        let spent = delay.total_ms() - waited_ms;
        assert!(spent <= call.limit_ms(), "{call:?} waits {spent} ms");
        waited_ms += spent;
        seen(call, result.as_ref().ok().copied().flatten());
        if matches!(result, Err(ReaderError::Gone { .. })) && call != Call::Start {
            let _ = sensor.start();
            waited_ms = delay.total_ms();
        }
    }
}

/// Makes a call; returns the slot of the finger that it knows.
fn make(sensor: &mut dyn FingerprintSensor, call: Call) -> Result<Option<u16>, ReaderError> {
    let known = |look| match look {
        FingerLook::Known { slot, .. } => Some(slot),
        _ => None,
    };
    match call {
        Call::Start => sensor.start().map(|_| None),
        Call::Identify => sensor.identify().map(known),
        Call::Verify => {
            let slot = sensor.verify(SLOT).map(known)?;
            assert!(slot.is_none_or(|slot| slot == SLOT), "verified another");
            Ok(slot)
        }
        Call::Enrol => sensor.enrol(SLOT).map(|_| None),
        Call::EnrolOn => sensor.enrol_on().map(|_| None),
        Call::Slots => {
            let slots = sensor.slots()?;
            assert!(slots.windows(2).all(|pair| pair[0] < pair[1]));
            Ok(None)
        }
        Call::Template => {
            let length = sensor.template(SLOT)?.len();
            assert!(length <= TEMPLATE_MAX, "template of {length} bytes");
            Ok(None)
        }
        Call::PutTemplate => sensor.put_template(SLOT, &[7; 200]).map(|()| None),
        Call::Delete => sensor.delete(SLOT).map(|()| None),
        Call::DeleteAll => sensor.delete_all().map(|()| None),
        Call::Light => sensor.light(FingerLight::Good).map(|()| None),
    }
}
