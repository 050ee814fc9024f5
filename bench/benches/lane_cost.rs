//! What a lane adds to the work on its slots, with divan's statistics: `cargo bench -p kolo-bench --bench lane_cost`.
//!
//! The turns are those of `kolo-bench ring`, which compares them round by round.

#[path = "../src/ring/cost.rs"]
mod cost;

use divan::Bencher;
use divan::counter::ItemsCount;
use kolo_ring::{BusySpin, Park, WaitStrategy};

fn main() {
    divan::main();
}

#[divan::bench]
fn plain_array(bencher: Bencher) {
    let mut array = cost::Array::new();
    bencher.counter(ItemsCount::new(cost::BATCH)).bench_local(move || array.turn());
}

#[divan::bench(types = [BusySpin, Park])]
fn lane<W: WaitStrategy>(bencher: Bencher) {
    let mut lane = cost::Lane::<W>::new();
    bencher.counter(ItemsCount::new(cost::BATCH)).bench_local(move || lane.turn());
}
