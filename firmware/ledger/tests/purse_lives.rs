// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The purse's promise: over any order of leases, releases, ends and power cuts, what the ledger says
//! was spent and set aside on a lease never passes its amount, and nothing is spent on a closed one.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod given;

use std::collections::BTreeMap;
use std::sync::Arc;

use given::disk_with_key;
use given::spending::{Given, check, lease, need, quota, release, settle, start, stop};
use platen_model::{Lease, LeaseId};
use platen_store::{Keys, SimDisk};
use proptest::prelude::*;

const PRINTERS: u32 = 3;

#[derive(Clone, Debug)]
enum Step {
    Take {
        of: u8,
        amount: u64,
    },
    Release {
        printer: u32,
        needs: Vec<(u8, u64, bool)>,
    },
    Settle {
        printer: u32,
        charges: Vec<(u8, u64)>,
    },
    Stop {
        printer: u32,
    },
    Close {
        serial: u64,
    },
    PowerCut {
        after: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let printer = 0..PRINTERS;
    let needs = prop::collection::vec((0..2_u8, 0..9_u64, any::<bool>()), 0..3);
    let charges = prop::collection::vec((0..2_u8, 0..12_u64), 0..3);
    prop_oneof![
        2 => (0..2_u8, 1..20_u64).prop_map(|(of, amount)| Step::Take { of, amount }),
        5 => (printer.clone(), needs).prop_map(|(printer, needs)| Step::Release { printer, needs }),
        4 => (printer.clone(), charges).prop_map(|(printer, charges)| Step::Settle { printer, charges }),
        1 => printer.prop_map(|printer| Step::Stop { printer }),
        1 => (1..8_u64).prop_map(|serial| Step::Close { serial }),
        1 => (0..6_usize).prop_map(|after| Step::PowerCut { after }),
    ]
}

/// The box, over its power cuts.
struct Life {
    disk: SimDisk,
    keys: Arc<Keys>,
    given: Given,
    amounts: BTreeMap<LeaseId, u64>,
    granted: Vec<Lease>,
    /// Jobs on their way, by printer.
    under_way: BTreeMap<u32, u32>,
    next: u32,
}

impl Life {
    fn begin(seed: u64) -> Self {
        let (disk, keys) = disk_with_key(seed);
        let given = start(&disk, &keys).unwrap();
        Self {
            disk,
            keys,
            given,
            amounts: BTreeMap::new(),
            granted: Vec::new(),
            under_way: BTreeMap::new(),
            next: 1,
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Take { of, amount } => {
                let serial = self.granted.len() as u64 + 1;
                self.granted.push(lease(serial, of, amount));
                self.amounts.insert(lease(serial, of, amount).id, amount);
                let _ = self.given.purse.take(&self.granted);
            }
            Step::Release { printer, needs } => {
                let needs: Vec<_> = needs
                    .iter()
                    .map(|&(of, amount, above)| need(of, amount, above))
                    .collect();
                if !self.under_way.contains_key(&printer)
                    && release(&self.given, self.next, 1, &needs)
                {
                    self.under_way.insert(printer, self.next);
                }
                self.next += 1;
            }
            Step::Settle { printer, charges } => {
                let charges: Vec<_> = charges
                    .iter()
                    .map(|&(of, amount)| (quota(of), amount))
                    .collect();
                if let Some(number) = self.under_way.remove(&printer) {
                    settle(&self.given, number, 1, &charges);
                }
            }
            Step::Stop { printer } => {
                if let Some(number) = self.under_way.remove(&printer) {
                    stop(&self.given, number, 1);
                }
            }
            // One that it has not taken yet is offered to it, and not recalled.
            Step::Close { serial } if serial > self.given.purse.taken_upto() => {}
            Step::Close { serial } => self.given.purse.close(&[lease(serial, 0, 0).id]),
            Step::PowerCut { after } => self.disk.freeze_at_sync(self.disk.syncs() + after),
        }
        self.recover_from_power_cut();
    }

    /// The box comes up again; the centre sends all leases again, as it may.
    fn recover_from_power_cut(&mut self) {
        if !self.disk.is_frozen() {
            return;
        }
        self.disk = self.disk.crash();
        self.given = start(&self.disk, &self.keys).unwrap();
        self.under_way.clear();
        self.given.purse.take(&self.granted).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_order_of_events_and_power_cuts_spends_more_than_a_lease_or_on_a_closed_one(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut life = Life::begin(seed);
        for step in steps {
            life.run(step);
        }
        check(&life.given.ledger, &life.amounts)?;
        // What the purse thinks after one more start is what the ledger says.
        drop(life.given);
        let again = start(&life.disk, &life.keys);
        if let Some(given) = again {
            check(&given.ledger, &life.amounts)?;
        }
    }
}
