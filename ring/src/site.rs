//! The places where the protocol leans on an ordering, a fence, a check or a count: one name each.
//!
//! Code that leans on one passes its name to [`sync`](crate::sync), which in the lane that runs ignores it. The models
//! of `loom-tests` compile the same files beside a `sync` that can weaken one site, and demand that some model then
//! fails. So a name here is a claim that the line is needed, and the claim is tested; docs/mutants.md has the results.
//! An atomic operation that names neither a site nor a reason to be relaxed fails a test.

macro_rules! sites {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A place where the protocol can be broken by weakening one line.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Site { $($(#[$doc])* $name,)* }

        impl Site {
            /// Every site.
            pub const ALL: &[Site] = &[$(Site::$name,)*];
        }
    };
}

sites! {
    /// Release store of the producer's cursor: the follower's [`Observe`](Site::Observe) sees the slots filled.
    Publish,
    /// Acquire load of the predecessor's cursor by a stage: pairs with `Publish` and `Release`.
    Observe,
    /// Release store of a stage's cursor: the next stage sees what was written, the producer may overwrite.
    Release,
    /// Acquire load of the last stage's cursor by the producer: nothing of the earlier lap is still being read.
    Gate,
    /// Release store of a cursor with the close: it may be the only store that a follower sees.
    Close,
    /// Release store of the acknowledged prefix.
    Acknowledge,
    /// Acquire load of the acknowledged prefix: pairs with `Acknowledge`.
    ObserveAcknowledged,
    /// Acquire loads of the monitor, from the last cursor to the first: no count overtakes the one it follows.
    Survey,
    /// How far the producer may run ahead of the last stage: the number of slots, not one more.
    SlotGate,
    /// How far the producer may run ahead of the acknowledged prefix.
    InFlightGate,
    /// The second gate follows the acknowledged prefix, not what was merely sent.
    SecondGate,
    /// A batch's slots are not touched any more once the cursor moves.
    AccessEnd,
    /// A batch ends at the wrap.
    Wrap,
    /// As many slots are let go as the caller said.
    Count,
    /// A stage follows the stage before it, not an earlier one.
    Predecessor,
    /// A party wakes the one that follows it, not another.
    Follower,
    /// Announcing sleep, so that whoever moves a cursor knows of a sleeper.
    Announce,
    /// Fence between announcing sleep and looking once more: pairs with `SignalFence`.
    AnnounceFence,
    /// Looking once more after announcing sleep.
    Recheck,
    /// A stage that looks once more takes the close for something to wake up for.
    ReadyAtClose,
    /// A party that looks once more takes poison for something to wake up for.
    ReadyAtPoison,
    /// A caller that waits for the lane and for something outside asks about the lane once more: the caller's own line.
    RecheckLane,
    /// Such a caller asks about the outside once more: an earlier sleep, for the lane alone, may have used up the wake-up.
    RecheckOutside,
    /// Fence between moving a cursor and asking whether its follower sleeps: pairs with `AnnounceFence`.
    SignalFence,
    /// Waking the party that follows a cursor.
    Signal,
    /// Waking the producer when the acknowledged prefix moves.
    SignalAcknowledged,
    /// The close lies in the cursor's own word, not in a flag beside it that could be seen before the last count.
    CloseInWord,
    /// A stage closes only once it has consumed everything before the close.
    CloseLast,
    /// A stage that sees the close passes it on.
    ClosePropagates,
    /// Poison leaves the count where it is: no slot is let go by it.
    PoisonCount,
    /// A party that sees poison passes it on.
    PoisonPropagates,
    /// A producer that only the second gate holds back looks for poison: no acknowledgement will come.
    PoisonAtSecondGate,
    /// A handle dropped before its lane has ended poisons it.
    PoisonOnDrop,
    /// What a dropped handle had claimed stays where it is: no drop lets slots go, in a panic or otherwise.
    DropLetsNothingGo,
    /// An acknowledger dropped while released slots are unacknowledged poisons its lane.
    PoisonOnAbandon,
    /// Drained means acknowledged, not merely sent.
    Drained,
    /// The last handle frees the slots.
    SlotsFreed,
}
