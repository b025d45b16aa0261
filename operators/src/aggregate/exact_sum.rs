//! Sums of floats that no order of addition can change.
//!
//! Every finite `f64` is a multiple of 2^-1074, so every sum of them is an integer multiple of
//! 2^-1074 as well. The sum is kept as that number, exactly; it is rounded once, when it is read.
//! Adding, taking back and merging are therefore associative and commutative, and the stored form
//! is a function of the value alone.
//!
//! Nearly all sums fit a 128-bit integer times a power of two (`Narrow`). The others spill into a
//! fixed-point number wide enough for any sum of 2^64 floats (`Wide`; Kulisch's accumulator, see
//! U. Kulisch, *Computer Arithmetic and Validity*, 2008, chapter 8), and come back when they fit.

use std::ops::{AddAssign, Neg, SubAssign};

use serde::{Deserialize, Serialize};

/// The exponent of the least bit that an `f64` can have.
const LEAST: i32 = -1074;
/// 1024 bits before the point, 1074 behind it, 64 for carries and one for the sign.
const LIMBS: usize = 35;
/// How many bits a narrow sum may use, so that adding two of them can't overflow.
const NARROW_BITS: u32 = 125;

/// An exact sum of `f64` values.
///
/// ```
/// use tidegate_operators::ExactSum;
///
/// let mut forwards = ExactSum::default();
/// let mut backwards = ExactSum::default();
/// let values = [1e308, 0.1, -1e308, 5e-324, 0.2];
/// values.iter().for_each(|value| forwards += ExactSum::from(*value));
/// values.iter().rev().for_each(|value| backwards += ExactSum::from(*value));
/// assert_eq!(forwards, backwards);
/// assert_eq!(forwards.to_f64(), 0.30000000000000004);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExactSum(Form);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Form {
    /// `mantissa` times 2^`exponent`; the mantissa is odd, or both are 0.
    Narrow {
        mantissa: i128,
        exponent: i16,
    },
    Wide(Box<Wide>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Wide {
    /// Two's complement, least limb first, in units of 2^-1074.
    limbs: Vec<u64>,
    /// How many NaNs, positive and negative infinities are in the sum.
    nans: i64,
    infinities: i64,
    negative_infinities: i64,
}

impl Default for ExactSum {
    fn default() -> Self {
        ExactSum(Form::Narrow { mantissa: 0, exponent: 0 })
    }
}

impl From<f64> for ExactSum {
    fn from(value: f64) -> Self {
        if !value.is_finite() {
            let mut wide = Wide::zero();
            if value.is_nan() {
                wide.nans = 1;
            } else if value > 0.0 {
                wide.infinities = 1;
            } else {
                wide.negative_infinities = 1;
            }
            return ExactSum(Form::Wide(Box::new(wide)));
        }
        let bits = value.to_bits();
        let biased = ((bits >> 52) & 0x7ff) as i32;
        let fraction = (bits & ((1 << 52) - 1)) as i128;
        let magnitude = if biased == 0 { fraction } else { fraction | (1 << 52) };
        let mantissa = if bits >> 63 == 0 { magnitude } else { -magnitude };
        ExactSum(Form::narrow(mantissa, LEAST + (biased - 1).max(0)))
    }
}

impl ExactSum {
    /// The sum, rounded to the nearest `f64`, ties to even.
    pub fn to_f64(&self) -> f64 {
        match &self.0 {
            Form::Narrow { mantissa, exponent } => scale(*mantissa, i32::from(*exponent)),
            Form::Wide(wide) => wide.to_f64(),
        }
    }
}

impl AddAssign for ExactSum {
    fn add_assign(&mut self, other: Self) {
        if let (
            Form::Narrow { mantissa: left, exponent: left_exponent },
            Form::Narrow { mantissa: right, exponent: right_exponent },
        ) = (&self.0, &other.0)
        {
            let exponent = (*left_exponent).min(*right_exponent);
            let left = shift_left(*left, (*left_exponent - exponent) as u32);
            let right = shift_left(*right, (*right_exponent - exponent) as u32);
            if let (Some(left), Some(right)) = (left, right) {
                let sum = left + right;
                if fits(sum) {
                    self.0 = Form::narrow(sum, i32::from(exponent));
                    return;
                }
            }
        }
        let mut wide = std::mem::take(self).into_wide();
        wide.add(&other.into_wide());
        self.0 = wide.into_form();
    }
}

impl Neg for ExactSum {
    type Output = Self;

    fn neg(self) -> Self {
        match self.0 {
            Form::Narrow { mantissa, exponent } => {
                ExactSum(Form::Narrow { mantissa: -mantissa, exponent })
            }
            Form::Wide(mut wide) => {
                wide.negate();
                ExactSum(Form::Wide(wide))
            }
        }
    }
}

impl SubAssign for ExactSum {
    fn sub_assign(&mut self, other: Self) {
        *self += -other;
    }
}

impl ExactSum {
    fn into_wide(self) -> Wide {
        match self.0 {
            Form::Wide(wide) => *wide,
            Form::Narrow { mantissa, exponent } => {
                let mut wide = Wide::zero();
                let shift = (i32::from(exponent) - LEAST) as usize;
                let extended = [mantissa as u64, (mantissa >> 64) as u64];
                let sign = (mantissa >> 127) as u64;
                let (limb, bit) = (shift / 64, shift % 64);
                for index in limb..LIMBS {
                    let word = |offset: usize| extended.get(offset).copied().unwrap_or(sign);
                    let low = word(index - limb);
                    let below = if index == limb { 0 } else { word(index - limb - 1) };
                    wide.limbs[index] =
                        if bit == 0 { low } else { (low << bit) | (below >> (64 - bit)) };
                }
                wide
            }
        }
    }
}

impl Form {
    fn narrow(mantissa: i128, exponent: i32) -> Form {
        if mantissa == 0 {
            return Form::Narrow { mantissa: 0, exponent: 0 };
        }
        let zeros = mantissa.trailing_zeros();
        Form::Narrow { mantissa: mantissa >> zeros, exponent: (exponent + zeros as i32) as i16 }
    }
}

impl Wide {
    fn zero() -> Wide {
        Wide { limbs: vec![0; LIMBS], nans: 0, infinities: 0, negative_infinities: 0 }
    }

    fn add(&mut self, other: &Wide) {
        let mut carry = false;
        for (limb, added) in self.limbs.iter_mut().zip(&other.limbs) {
            let (sum, first) = limb.overflowing_add(*added);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *limb = sum;
            carry = first || second;
        }
        self.nans += other.nans;
        self.infinities += other.infinities;
        self.negative_infinities += other.negative_infinities;
    }

    /// The negative of everything: it takes back what its original added.
    fn negate(&mut self) {
        negate(&mut self.limbs);
        self.nans = -self.nans;
        self.infinities = -self.infinities;
        self.negative_infinities = -self.negative_infinities;
    }

    fn into_form(self) -> Form {
        if (self.nans, self.infinities, self.negative_infinities) == (0, 0, 0) {
            let (negative, magnitude) = self.magnitude();
            match (lowest_bit(&magnitude), highest_bit(&magnitude)) {
                (Some(low), Some(high)) if high - low < NARROW_BITS as usize => {
                    let mantissa = window(&magnitude, low) as i128;
                    let mantissa = if negative { -mantissa } else { mantissa };
                    return Form::narrow(mantissa, LEAST + low as i32);
                }
                (None, _) => return Form::Narrow { mantissa: 0, exponent: 0 },
                _ => {}
            }
        }
        Form::Wide(Box::new(self))
    }

    fn magnitude(&self) -> (bool, Vec<u64>) {
        let negative = self.limbs[LIMBS - 1] >> 63 == 1;
        let mut magnitude = self.limbs.clone();
        if negative {
            negate(&mut magnitude);
        }
        (negative, magnitude)
    }

    fn to_f64(&self) -> f64 {
        if self.nans != 0 || (self.infinities != 0 && self.negative_infinities != 0) {
            return f64::NAN;
        }
        if self.infinities != 0 {
            return f64::INFINITY;
        }
        if self.negative_infinities != 0 {
            return f64::NEG_INFINITY;
        }
        let (negative, magnitude) = self.magnitude();
        let Some(high) = highest_bit(&magnitude) else { return 0.0 };
        // The top 126 bits, the last of which stands for everything below it: rounding to 53
        // bits then goes the right way.
        let low = high.saturating_sub(NARROW_BITS as usize);
        let lost = lowest_bit(&magnitude).is_some_and(|lowest| lowest < low);
        let mantissa = (window(&magnitude, low) | u128::from(lost)) as i128;
        scale(if negative { -mantissa } else { mantissa }, LEAST + low as i32)
    }
}

fn fits(mantissa: i128) -> bool {
    mantissa.unsigned_abs() < 1 << NARROW_BITS
}

fn shift_left(mantissa: i128, by: u32) -> Option<i128> {
    let room = (mantissa.unsigned_abs().leading_zeros()).checked_sub(128 - NARROW_BITS)?;
    if mantissa == 0 {
        return Some(0);
    }
    (by <= room).then(|| mantissa << by)
}

fn negate(limbs: &mut [u64]) {
    let mut carry = true;
    for limb in limbs {
        let (flipped, overflow) = (!*limb).overflowing_add(u64::from(carry));
        *limb = flipped;
        carry = overflow;
    }
}

fn lowest_bit(limbs: &[u64]) -> Option<usize> {
    let index = limbs.iter().position(|limb| *limb != 0)?;
    Some(index * 64 + limbs[index].trailing_zeros() as usize)
}

fn highest_bit(limbs: &[u64]) -> Option<usize> {
    let index = limbs.iter().rposition(|limb| *limb != 0)?;
    Some(index * 64 + 63 - limbs[index].leading_zeros() as usize)
}

/// The 126 bits from bit `low` on.
fn window(limbs: &[u64], low: usize) -> u128 {
    let (index, bit) = (low / 64, low % 64);
    let limb = |offset: usize| u128::from(limbs.get(index + offset).copied().unwrap_or(0));
    let bits = if bit == 0 {
        limb(0) | (limb(1) << 64)
    } else {
        (limb(0) >> bit) | (limb(1) << (64 - bit)) | (limb(2) << (128 - bit))
    };
    bits & ((1 << (NARROW_BITS + 1)) - 1)
}

/// `mantissa` times 2^`exponent`, rounded to nearest, ties to even.
fn scale(mantissa: i128, exponent: i32) -> f64 {
    // The conversion rounds; scaling by powers of two is exact. It can't fall below the normal
    // range with bits to lose, because no sum has bits below 2^-1074.
    let rounded = mantissa as f64;
    let power = |exponent: i32| f64::from_bits(((exponent + 1023) as u64) << 52);
    if exponent >= -1022 {
        if exponent <= 1023 {
            rounded * power(exponent)
        } else {
            rounded * power(1023) * power(exponent - 1023)
        }
    } else {
        rounded * power(-1022) * power(exponent + 1022)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> ExactSum {
        let mut total = ExactSum::default();
        for value in values {
            total += ExactSum::from(*value);
        }
        total
    }

    /// A small generator, so that the crate's tests need no other: Steele and Vigna's splitmix64.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = *state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    fn any_float(state: &mut u64) -> f64 {
        loop {
            let value = f64::from_bits(random(state));
            if value.is_finite() {
                return value;
            }
        }
    }

    #[test]
    fn one_value_is_itself() {
        let mut state = 1;
        for _ in 0..10_000 {
            let value = any_float(&mut state);
            assert_eq!(ExactSum::from(value).to_f64(), value);
        }
        for value in [0.0, 5e-324, f64::MIN_POSITIVE, f64::MAX, f64::MIN, -1.5] {
            assert_eq!(ExactSum::from(value).to_f64(), value);
        }
    }

    #[test]
    fn two_values_round_as_the_machine_rounds() {
        let mut state = 2;
        for _ in 0..10_000 {
            let (a, b) = (any_float(&mut state), any_float(&mut state));
            // Also pairs of similar size, where rounding is at work.
            let near = a * (1.0 + (random(&mut state) % 1000) as f64 / 333.0);
            for other in [b, near] {
                if (a + other).is_finite() {
                    assert_eq!(sum(&[a, other]).to_f64(), a + other, "{a:e} + {other:e}");
                }
            }
        }
    }

    #[test]
    fn order_grouping_and_retraction_change_nothing() {
        let mut state = 3;
        for round in 0..300 {
            let mut values: Vec<f64> = (0..20)
                .map(|_| {
                    let value = any_float(&mut state);
                    if round % 2 == 0 { value } else { (value.to_bits() % 1_000_000) as f64 / 64.0 }
                })
                .collect();
            let expected = sum(&values);
            let (left, right) = values.split_at(7);
            let mut grouped = sum(right);
            grouped += sum(left);
            assert_eq!(grouped, expected);

            let extra = any_float(&mut state);
            let mut there_and_back = expected.clone();
            there_and_back += ExactSum::from(extra);
            there_and_back -= ExactSum::from(extra);
            assert_eq!(there_and_back, expected);

            values.reverse();
            assert_eq!(sum(&values), expected);
        }
    }

    #[test]
    fn sums_to_nothing_are_the_empty_sum() {
        let mut state = 4;
        let values: Vec<f64> = (0..50).map(|_| any_float(&mut state)).collect();
        let mut total = sum(&values);
        for value in values.iter().rev() {
            total -= ExactSum::from(*value);
        }
        assert_eq!(total, ExactSum::default());
    }

    #[test]
    fn infinities_and_nans_can_be_taken_back() {
        let mut total = sum(&[1.5, f64::INFINITY]);
        assert_eq!(total.to_f64(), f64::INFINITY);
        total += ExactSum::from(f64::NEG_INFINITY);
        assert!(total.to_f64().is_nan());
        total -= ExactSum::from(f64::INFINITY);
        assert_eq!(total.to_f64(), f64::NEG_INFINITY);
        total -= ExactSum::from(f64::NEG_INFINITY);
        assert_eq!(total, sum(&[1.5]));
        total += ExactSum::from(f64::NAN);
        assert!(total.to_f64().is_nan());
        total -= ExactSum::from(f64::NAN);
        assert_eq!(total.to_f64(), 1.5);
    }

    #[test]
    fn sums_beyond_the_range_are_infinite_until_they_come_back() {
        let mut total = sum(&[f64::MAX, f64::MAX]);
        assert_eq!(total.to_f64(), f64::INFINITY);
        total -= ExactSum::from(f64::MAX);
        assert_eq!(total.to_f64(), f64::MAX);
    }
}
