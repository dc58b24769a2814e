//! Numbers as people read them: three digits that count, with a prefix, and never more precise than they are.

/// Units that prefixes go with: `1.46 M frames/s`. Others are spelled out.
const PREFIXES: [(f64, &str); 3] = [(1e9, " G"), (1e6, " M"), (1e3, " k")];

/// A value with three digits that count: `1.46 M`, `73.2`, `0.051`.
pub fn short(value: f64) -> String {
    let size = value.abs();
    // What would be rounded up to 1000 already has the next prefix.
    match PREFIXES.into_iter().find(|(unit, _)| size >= unit * 0.9995) {
        Some((unit, prefix)) => format!("{}{prefix}", three_digits(value / unit)),
        None => three_digits(value),
    }
}

fn three_digits(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if size >= 99.95 => format!("{value:.0}"),
        _ if size >= 9.995 => format!("{value:.1}"),
        _ if size >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    };
    // Whole numbers are often counts.
    if value.fract() == 0.0 { format!("{value:.0}") } else { text }
}

/// Nanoseconds with the unit that fits: `812 ns`, `1.31 s`.
pub fn nanoseconds(value: f64) -> String {
    if value == 0.0 {
        return "0 s".to_owned();
    }
    let (unit, name) = [(1e9, "s"), (1e6, "ms"), (1e3, "us")]
        .into_iter()
        .find(|(unit, _)| value.abs() >= unit * 0.9995)
        .unwrap_or((1.0, "ns"));
    format!("{} {name}", three_digits(value / unit))
}

/// Units of time, in nanoseconds.
const TIMES: [(&str, f64); 4] = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)];

/// A value of some unit. A time says its own unit, the one that fits; for others that stands elsewhere, as
/// [`heading`] has it.
pub fn value(value: f64, unit: &str) -> String {
    match TIMES.into_iter().find(|(name, _)| *name == unit) {
        Some((_, nanos)) => nanoseconds(value * nanos),
        None => short(value),
    }
}

/// What stands above values of some unit.
pub fn heading(unit: &str) -> &str {
    if TIMES.iter().any(|(name, _)| *name == unit) { "time" } else { unit }
}

/// A ratio: `9.1x`, `0.97x`.
pub fn times(ratio: f64) -> String {
    if ratio >= 9.995 { format!("{ratio:.1}x") } else { format!("{ratio:.2}x") }
}

/// Bytes of memory in the largest binary unit: `23.5 GiB`.
pub fn bytes(value: u64) -> String {
    // Exact up to eight petabytes.
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = value as f64;
    let (unit, name) = [(1_073_741_824.0, "GiB"), (1_048_576.0, "MiB"), (1024.0, "KiB")]
        .into_iter()
        .find(|(unit, _)| value >= *unit)
        .unwrap_or((1.0, "bytes"));
    format!("{} {name}", three_digits(value / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_three_digits_that_count() {
        let rows = [
            (0.0, "0"),
            (0.0512, "0.051"),
            (1.0, "1"),
            (1.234, "1.23"),
            (12.34, "12.3"),
            (73.96, "74.0"),
            (99.97, "100"),
            (999.4, "999"),
            (999.6, "1.00 k"),
            (160_432.0, "160 k"),
            (1_460_000.0, "1.46 M"),
            (2e9, "2 G"),
        ];
        for (value, text) in rows {
            assert_eq!(short(value), text, "{value}");
        }
    }

    #[test]
    fn times_say_their_unit() {
        assert_eq!((value(1_310.0, "us").as_str(), heading("us")), ("1.31 ms", "time"));
        assert_eq!((value(0.0, "s").as_str(), heading("s")), ("0 s", "time"));
        assert_eq!((value(1_310.0, "frames/s").as_str(), heading("frames/s")), ("1.31 k", "frames/s"));
    }

    #[test]
    fn times_and_durations() {
        assert_eq!(times(0.966), "0.97x");
        assert_eq!(times(10.04), "10.0x");
        assert_eq!(nanoseconds(812.3), "812 ns");
        assert_eq!(nanoseconds(1_310_000_000.0), "1.31 s");
        assert_eq!(nanoseconds(45_600.0), "45.6 us");
        assert_eq!(bytes(25_276_375_040), "23.5 GiB");
    }
}
