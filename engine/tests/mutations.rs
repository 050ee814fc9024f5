//! Bytes from outside, mutated: nothing panics, and what [`entries`] asserts holds. The fuzzer does the same for longer;
//! this runs everywhere, and always over the same inputs.

#[path = "common/entries.rs"]
mod entries;

use std::fs;
use std::path::Path;

/// How many mutations each seed goes through, unless KOLO_MUTATIONS says otherwise.
const MUTATIONS: usize = 400;

/// Numbers that look random and always are the same (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

/// Bytes that matter somewhere.
const TELLING: &[u8] = b"\"\\{}[]():,.@-+*/%<>=!&|^~#\n\r\t 0129eEnulx\x00\x7f\xc3\xa9\xff";

/// Changes a few bytes: one replaced, dropped or put in, a stretch repeated, cut out, or taken from another seed.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = at + random.below(bytes.len() - at + 1).min(40);
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] = TELLING[random.below(TELLING.len())],
            1 if at < bytes.len() => _ = bytes.remove(at),
            2 => bytes.insert(at, TELLING[random.below(TELLING.len())]),
            3 => _ = bytes.drain(at..end),
            4 => bytes.splice(at..at, bytes[at..end].to_vec()).for_each(drop),
            _ => {
                let from = random.below(other.len() + 1);
                let stretch = &other[from..from + random.below(other.len() - from + 1).min(40)];
                bytes.splice(at..end, stretch.iter().copied()).for_each(drop);
            }
        }
    }
}

fn survive(name: &str) {
    let entry = entries::entry(name);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut paths: Vec<_> =
        fs::read_dir(&folder).expect("a folder of seeds").map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).expect("a seed")).collect();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    let mutations = std::env::var("KOLO_MUTATIONS").map_or(MUTATIONS, |count| count.parse().expect("a number"));
    let mut random = Random(1);
    for seed in &seeds {
        entry(seed);
        for _ in 0..mutations {
            let mut bytes = seed.clone();
            let other = &seeds[random.below(seeds.len())];
            mutate(&mut bytes, other, &mut random);
            entry(&bytes);
        }
    }
}

#[test]
fn syntax() {
    survive("syntax");
}

#[test]
fn check() {
    survive("check");
}

#[test]
fn json() {
    survive("json");
}

#[test]
fn evt() {
    survive("evt");
}

#[test]
fn engine() {
    survive("engine");
}
