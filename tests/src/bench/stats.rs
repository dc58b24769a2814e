//! What becomes of the values of several rounds: their median, and how far they lie apart.

/// Values, summed up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Half of them are smaller.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// Sums up; there must be a value, and values must be numbers.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        if values.iter().any(|value| value.is_nan()) {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get((values.len() - 1) / 2)?;
        Some(Self { median: f64::midpoint(lower, upper), min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one_or_between_the_two() {
        let median = |values: &[f64]| Summary::of(values.iter().copied()).map(|summary| summary.median);
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[4.0]), Some(4.0));
        assert_eq!(median(&[9.0, 1.0]), Some(5.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[1.0, 100.0, 2.0, 4.0]), Some(3.0));
    }

    #[test]
    fn the_spread_is_from_the_smallest_to_the_largest() {
        let summary = Summary::of([3.0, -1.0, 2.0]).unwrap();
        assert_eq!((summary.min, summary.max), (-1.0, 3.0));
    }

    #[test]
    fn what_is_no_number_is_not_summed_up() {
        assert_eq!(Summary::of([1.0, f64::NAN]), None);
    }
}
