//! The models must be able to fail: each site of the protocol, weakened alone, breaks every model named beside it.

use kolo_loom_tests::{Site, WEAKEN};
use std::process::Command;

/// The models that lean on a site. A site that is added has to be given one here.
fn models_that_need(site: Site) -> &'static [&'static str] {
    match site {
        Site::Publish | Site::Observe => &["a_published_slot_is_seen_whole", "the_sink_sees_what_the_engine_wrote"],
        Site::Release => &["no_slot_is_overwritten_before_its_release", "the_sink_sees_what_the_engine_wrote"],
        Site::Gate | Site::SlotGate => &["no_slot_is_overwritten_before_its_release"],
        Site::Count | Site::Wrap => &["nothing_is_lost_doubled_or_reordered_across_a_wrap"],
        Site::Predecessor => &["the_sink_sees_what_the_engine_wrote"],
        Site::Close => &["a_close_alone_shows_everything_before_it"],
        Site::CloseLast | Site::ClosePropagates => &["a_close_lets_everything_before_it_through"],
        Site::Acknowledge | Site::ObserveAcknowledged | Site::Drained => {
            &["drained_means_acknowledged_and_shows_what_came_before"]
        }
        Site::PoisonOnAbandon => &["an_acknowledger_that_gives_up_ends_the_wait_for_it"],
        Site::InFlightGate => &["the_producer_stays_within_reach_of_the_acknowledged_prefix"],
        Site::Survey => &["a_monitor_sees_no_count_overtake_the_one_it_follows"],
        Site::AnnounceFence | Site::SignalFence | Site::Recheck => {
            &["nobody_in_a_chain_sleeps_through_a_change", "the_ring_and_an_outside_event_both_wake_a_sleeper"]
        }
        Site::Signal => &["nobody_in_a_chain_sleeps_through_a_change"],
        Site::SignalAcknowledged => {
            &["the_producer_sleeps_through_no_acknowledgement", "drained_means_acknowledged_and_shows_what_came_before"]
        }
        Site::PoisonCount | Site::PoisonPropagates | Site::PoisonOnDrop => {
            &["a_panic_with_a_batch_in_hand_lets_nothing_go_and_stops_everyone"]
        }
    }
}

/// A failing model may abort its process, so each mutant has one of its own: this test binary, asked for one model.
fn survives(site: Site, model: &str) -> bool {
    let own = std::env::current_exe().expect("the path of this test");
    let name = format!("models::{model}");
    let outcome = Command::new(own).args(["--exact", &name]).env(WEAKEN, format!("{site:?}")).output();
    let outcome = outcome.expect("this test can be started again");
    let started = String::from_utf8_lossy(&outcome.stdout).contains("running 1 test");
    assert!(started, "{site:?}: there is no model {model}");
    outcome.status.success()
}

#[test]
fn every_weakened_site_breaks_the_models_that_need_it() {
    let mut survivors = Vec::new();
    for &site in Site::ALL {
        for &model in models_that_need(site) {
            if survives(site, model) {
                survivors.push((site, model));
            }
        }
    }
    assert!(survivors.is_empty(), "the model did not notice the weakened site: {survivors:#?}");
}
