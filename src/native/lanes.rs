//! Compile a loop for the widest vectors that this machine has.

/// Run `work` compiled for AVX2 where the processor has it, else for the baseline.
///
/// `work` and all it calls must be `#[inline(always)]` to profit. The result is the same bits either way: fused
/// multiply-add is left off, and Rust never reassociates float sums.
#[inline]
pub fn widest<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the only feature that the function requires.
        return unsafe { avx2(work) };
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_give_the_same_bits() {
        #[expect(clippy::inline_always, reason = "as the functions that it is for")]
        #[inline(always)]
        fn sum(values: &[f32]) -> f32 {
            values.iter().fold(0.1, |sum, v| sum * 0.999 + v * 1.000_001)
        }
        let values: Vec<f32> = (0..10_000_u32).map(|n| n as f32 * 0.37).collect();
        assert_eq!(widest(|| sum(&values)).to_bits(), sum(&values).to_bits());
    }
}
