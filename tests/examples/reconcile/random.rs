//! Numbers that look random and follow from a seed: a run can be had again, message by message and fault by fault.

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    /// The sequence of these seeds together.
    pub(crate) fn new(seeds: &[&[u8]]) -> Self {
        // FNV-1a, with a mark behind each seed.
        let octets = seeds.iter().flat_map(|seed| seed.iter().copied().chain([0xff]));
        Self(octets.fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
            (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound.max(1) as u64).unwrap_or(0)
    }

    /// Both ends included.
    pub(crate) fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    pub(crate) fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == 0
    }

    /// As many small numbers as large ones: each number of binary digits is as likely as the others.
    pub(crate) fn magnitude(&mut self, least: usize, most: usize) -> usize {
        let digits = self.between(least, most);
        self.below(1 << digits)
    }
}
