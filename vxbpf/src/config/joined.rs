//! Two sorted maps side by side.

use std::{cmp::Ordering, collections::BTreeMap};

/// What two maps have of each key, in order. For a million keys this is many times faster than looking each of them up.
pub(super) fn joined<'a, K: Ord, A, B>(
    a: &'a BTreeMap<K, A>,
    b: &'a BTreeMap<K, B>,
) -> impl Iterator<Item = (&'a K, Option<&'a A>, Option<&'a B>)> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (a.peek(), b.peek()) {
            (Some((a, _)), Some((b, _))) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let (mut of_a, mut of_b) = (None, None);
        if order.is_le() {
            of_a = a.next();
        }
        if order.is_ge() {
            of_b = b.next();
        }
        let key = of_a.map(|(key, _)| key).or(of_b.map(|(key, _)| key))?;
        Some((key, of_a.map(|(_, value)| value), of_b.map(|(_, value)| value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_comes_once_and_in_order_with_what_each_map_has() {
        let map = |keys: &[u8]| keys.iter().map(|key| (*key, ())).collect::<BTreeMap<_, _>>();
        let (a, b) = (map(&[1, 3, 4]), map(&[0, 3, 5, 6]));
        let rows: Vec<_> = joined(&a, &b).map(|(key, a, b)| (*key, a.is_some(), b.is_some())).collect();
        let expected = [
            (0, false, true),
            (1, true, false),
            (3, true, true),
            (4, true, false),
            (5, false, true),
            (6, false, true),
        ];
        assert_eq!(rows, expected);
    }
}
