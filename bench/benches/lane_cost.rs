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

#[divan::bench(consts = [cost::SINGLE, cost::BATCH])]
fn plain_array<const N: usize>(bencher: Bencher) {
    let mut array = cost::Array::<N>::new();
    bencher.counter(ItemsCount::new(N)).bench_local(move || array.turn());
}

#[divan::bench(types = [BusySpin, Park], consts = [cost::SINGLE, cost::BATCH])]
fn lane<W: WaitStrategy, const N: usize>(bencher: Bencher) {
    let mut lane = cost::Lane::<W, N>::new();
    bencher.counter(ItemsCount::new(N)).bench_local(move || lane.turn());
}
