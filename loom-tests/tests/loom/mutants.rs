//! The models must be able to fail: each site of the protocol, weakened alone, breaks every model named beside it.
//!
//! A failing model may abort its process, so each mutant has one of its own: this test binary, asked for one model, with
//! one site weakened. Mutants always run at bound 1; what fails there fails at any bound. `docs/mutants.md` is what this
//! prints, without the times, and a test compares the two. To renew it:
//!
//! ```sh
//! KOLO_MUTANTS=renew cargo test -p kolo-loom-tests mutants
//! ```

use crate::parties::BOUND;
use kolo_loom_tests::{Site, WEAKEN};
use std::fmt::Write as _;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What weakening a site means, and the models that must notice. A site that is added has to be given one here.
fn mutant(site: Site) -> (&'static str, &'static [&'static str]) {
    const SEEN_WHOLE: &str = "handover::a_published_slot_is_seen_whole";
    const ACROSS_A_WRAP: &str = "handover::nothing_is_lost_doubled_or_reordered_across_a_wrap";
    const ENRICHED: &str = "handover::the_sink_sees_what_the_engine_wrote";
    const SURVEYED: &str = "handover::a_monitor_sees_no_count_overtake_the_one_it_follows";
    const NO_LEAK: &str = "handover::handles_dropped_in_any_order_leak_nothing";
    const NOT_OVERWRITTEN: &str = "gates::no_slot_is_overwritten_before_its_release";
    const WITHIN_REACH: &str = "gates::the_producer_stays_within_reach_of_the_acknowledged_prefix";
    const REVOKE: &str = "gates::a_revoke_waits_for_what_is_acknowledged_not_for_what_is_sent";
    const CHAIN: &str = "sleep::nobody_in_a_chain_sleeps_through_a_change";
    const ACKNOWLEDGEMENT: &str = "sleep::the_producer_sleeps_through_no_acknowledgement";
    const OUTSIDE: &str = "sleep::the_lane_and_an_outside_event_both_wake_a_sleeper";
    const NO_CLOSE_MISSED: &str = "sleep::nobody_sleeps_through_a_close_that_comes_alone";
    const CLOSE: &str = "ends::a_close_lets_everything_before_it_through";
    const CLOSE_ALONE: &str = "ends::a_close_alone_shows_everything_before_it";
    const PANIC: &str = "ends::a_panic_with_a_batch_in_hand_lets_nothing_go_and_stops_everyone";
    const GIVEN_UP: &str = "ends::an_acknowledger_that_gives_up_ends_the_wait_for_it";
    const POISON_AT_GATE: &str = "ends::a_producer_that_only_acknowledgements_hold_back_hears_of_poison";
    match site {
        Site::Publish => ("store Relaxed", &[SEEN_WHOLE]),
        Site::Observe => ("load Relaxed", &[SEEN_WHOLE, ENRICHED]),
        Site::Release => ("store Relaxed", &[NOT_OVERWRITTEN, ENRICHED]),
        Site::Gate => ("load Relaxed", &[NOT_OVERWRITTEN]),
        Site::Close => ("store Relaxed", &[CLOSE_ALONE]),
        Site::Acknowledge => ("store Relaxed", &[REVOKE]),
        Site::ObserveAcknowledged => ("load Relaxed", &[REVOKE]),
        Site::Survey => ("loads Relaxed", &[SURVEYED]),
        Site::SlotGate => ("one slot further", &[NOT_OVERWRITTEN]),
        Site::InFlightGate => ("one slot further", &[WITHIN_REACH]),
        Site::SecondGate => ("reads what was sent", &[WITHIN_REACH]),
        Site::AccessEnd => ("ends after the store", &[SEEN_WHOLE, NOT_OVERWRITTEN]),
        Site::Wrap => ("a batch goes one slot beyond", &[ACROSS_A_WRAP]),
        Site::Count => ("lets one more go", &[ACROSS_A_WRAP]),
        Site::Predecessor => ("every stage follows the producer", &[ENRICHED]),
        Site::Follower => ("the party ahead is woken instead", &[CHAIN]),
        Site::Announce => ("left out", &[CHAIN, ACKNOWLEDGEMENT, OUTSIDE]),
        Site::AnnounceFence => ("left out", &[CHAIN, ACKNOWLEDGEMENT, OUTSIDE]),
        Site::Recheck => ("left out", &[CHAIN, ACKNOWLEDGEMENT, OUTSIDE]),
        Site::ReadyAtClose => ("left out", &[NO_CLOSE_MISSED]),
        Site::ReadyAtPoison => ("left out", &[PANIC]),
        Site::RecheckLane => ("left out", &[OUTSIDE]),
        Site::RecheckOutside => ("left out", &[OUTSIDE]),
        Site::SignalFence => ("left out", &[CHAIN, ACKNOWLEDGEMENT, OUTSIDE]),
        Site::Signal => ("left out", &[CHAIN]),
        Site::SignalAcknowledged => ("left out", &[ACKNOWLEDGEMENT, REVOKE, OUTSIDE]),
        Site::CloseInWord => ("a flag beside the count", &[CLOSE]),
        Site::CloseLast => ("closes at the first sight of the close", &[CLOSE]),
        Site::ClosePropagates => ("left out", &[CLOSE]),
        Site::PoisonCount => ("counts one more", &[PANIC]),
        Site::PoisonPropagates => ("left out", &[PANIC]),
        Site::PoisonAtSecondGate => ("left out", &[POISON_AT_GATE]),
        Site::PoisonOnDrop => ("left out", &[PANIC]),
        Site::DropLetsNothingGo => ("a dropped handle releases a slot", &[PANIC]),
        Site::PoisonOnAbandon => ("left out", &[GIVEN_UP]),
        Site::Drained => ("waits for what was sent", &[REVOKE]),
        Site::SlotsFreed => ("one share of the slots is kept", &[NO_LEAK]),
    }
}

/// How a model failed, and in which of its executions.
struct Failure {
    execution: usize,
    showed: &'static str,
}

/// What a mutant came to: no failure means that it survived.
struct Outcome {
    failure: Option<Failure>,
    took: Duration,
}

/// Reads what a failing model printed: the number of the execution, then the reason.
fn failure(printed: &str) -> Failure {
    let (_, after) = printed.split_once("in execution ").unwrap_or_else(|| panic!("failed oddly: {printed}"));
    let execution =
        after.split(':').next().and_then(|number| number.parse().ok()).expect("the number of the execution");
    // The first panic alone: unwinding out of a model may panic again.
    let reason = after.split("in execution ").next().unwrap_or_default();
    let showed = [
        ("deadlock", "somebody sleeps for ever"),
        ("maximum number of branches", "somebody spins for ever"),
        ("Causality violation", "a slot is touched by two at a time"),
        ("out of range", "a slot outside of the ring"),
        ("leaked", "a slot is never freed"),
    ];
    let known = showed.into_iter().find(|(sign, _)| reason.contains(sign));
    Failure { execution, showed: known.map_or("a wrong outcome", |(_, showed)| showed) }
}

fn run(site: Site, model: &str) -> Outcome {
    let start = Instant::now();
    let own = std::env::current_exe().expect("the path of this test");
    let mut command = Command::new(own);
    command.args(["--exact", "--nocapture", model]).env(WEAKEN, format!("{site:?}")).env(BOUND, "1");
    let outcome = command.output().expect("this test can be started again");
    let took = start.elapsed();
    let (out, err) = (String::from_utf8_lossy(&outcome.stdout), String::from_utf8_lossy(&outcome.stderr));
    assert!(out.contains("running 1 test"), "{site:?}: there is no model {model}");
    Outcome { failure: (!outcome.status.success()).then(|| failure(&err)), took }
}

/// All mutants, in the order of the sites, on as many threads as there are cores.
fn run_all() -> Vec<(Site, &'static str, &'static str, Outcome)> {
    let mutants: Vec<(Site, &str, &str)> = Site::ALL
        .iter()
        .flat_map(|&site| {
            let (what, models) = mutant(site);
            assert!(
                !models.is_empty(),
                "{site:?}: no model leans on it; if none can be broken by it, it is not a site"
            );
            models.iter().map(move |&model| (site, what, model))
        })
        .collect();
    let next = Mutex::new(mutants.iter().enumerate());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |cores| cores.get()) {
            scope.spawn(|| {
                loop {
                    let Some((number, &(site, what, model))) = next.lock().unwrap().next() else { return };
                    let outcome = run(site, model);
                    done.lock().unwrap().push((number, (site, what, model, outcome)));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|&(number, _)| number);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

const HEAD: &str = "\
# The mutants

Each line is one place of the [ring](ring.md) that its protocol leans on, weakened alone, and a model that then fails.
The models run the ring's own source files under loom with at most one preemption a schedule; the last column says in
which of the explored executions the model failed. An ordinary run of the models passes with every site in place.

This page is written by a test, which fails when the page is out of date, when a mutant survives or when a site has no model:

```sh
cargo test -p kolo-loom-tests mutants -- --nocapture                # compares, and prints the times too
KOLO_MUTANTS=renew cargo test -p kolo-loom-tests mutants            # writes the page anew
KOLO_LOOM_WEAKEN=Gate cargo test -p kolo-loom-tests gates::         # one mutant, and how its model fails
```

| site | weakened | the model that caught it | what it saw | in execution |
|---|---|---|---|---:|
";

#[test]
fn every_weakened_site_breaks_the_models_that_need_it() {
    let mut page = HEAD.to_owned();
    let mut survivors = Vec::new();
    for (site, what, model, Outcome { failure, took }) in run_all() {
        let model = model.rsplit("::").next().expect("a path").replace('_', " ");
        let Some(Failure { execution, showed }) = failure else {
            survivors.push(format!("{site:?} ({what}): {model}"));
            continue;
        };
        println!("{site:?} | {what} | {model} | {showed} | {execution} executions | {} ms", took.as_millis());
        writeln!(page, "| `{site:?}` | {what} | {model} | {showed} | {execution} |").expect("a string grows");
    }
    assert!(survivors.is_empty(), "no model noticed the weakened site: {survivors:#?}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/mutants.md");
    if std::env::var("KOLO_MUTANTS").is_ok_and(|wish| wish == "renew") {
        std::fs::write(path, page).expect("docs/mutants.md can be written");
        return;
    }
    let committed = std::fs::read_to_string(path).expect("docs/mutants.md");
    let stale = page.lines().zip(committed.lines()).find(|(now, then)| now != then);
    assert!(
        page == committed,
        "docs/mutants.md is out of date, first at {stale:?}; KOLO_MUTANTS=renew cargo test -p kolo-loom-tests mutants"
    );
}
