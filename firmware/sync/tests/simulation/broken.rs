// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ways to do it wrong, one for each thing that could be forgotten: with any of them the simulation
//! must find a violation, or it could not find one at all.

/// One decision done wrong in the simulation's own code around the machines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Broken {
    /// The centre keeps what it has already.
    KeepsReplays,
    /// The centre keeps entries that don't follow what it has.
    KeepsBehindGaps,
    /// The centre lets a restored box write over its earlier entries.
    OverwritesForks,
    /// The box moves its cursor as it sends.
    MovesCursorUnanswered,
    /// The centre charges every settlement.
    ChargesEveryRelease,
    /// The box takes a lease that it took before.
    TakesLeasesAgain,
    /// The centre offers again what a restored box seems to have forgotten.
    OffersLeasesAgain,
    /// The centre gives what is asked for.
    GivesAll,
    /// The centre ends leases by its clock.
    EndsLeasesByClock,
    /// The centre gives at once after it was put back.
    GivesAfterRestore,
    /// The box takes leases whatever generation they are of.
    TakesLateLeases,
    /// A closed lease gives back all of it.
    GivesBackSpent,
    /// Lost entries are thought to have spent nothing.
    TrustsLostEntries,
    /// The box leaves tombstones for when the copy is complete.
    DelaysTombstones,
    /// The box takes tombstones out of the new copy only.
    SparesServingCopy,
    /// Whatever record comes last counts.
    TakesOlderRecords,
    /// The box takes pages in any order.
    TakesAnyPage,
}
