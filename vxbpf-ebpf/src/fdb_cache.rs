//! The FDB cache at work (`vxbpf_common::fdb_cache`): asked for stations that too many others share the decisions' places
//! with.

use vxbpf_common::{
    Mac,
    decision::Decision,
    fdb_cache::{CacheKey, CacheRow, Towards},
};

use crate::maps;

/// What is cached where a station of the same VNI as another belongs.
#[inline(always)]
pub(crate) fn row(from: &Decision, dst: Mac) -> Option<CacheRow> {
    maps::cache_row(CacheKey::new(from.vni_slot, dst)?).map(|row| {
        // SAFETY: an array's row, eight words. Volatile, because others write it meanwhile.
        CacheRow::from([0, 1, 2, 3, 4, 5, 6, 7].map(|i| unsafe { row.cast::<u64>().add(i).read_volatile() }))
    })
}

/// Caches what the FDB says of a station, found in the generation of `from`.
#[inline(always)]
pub(crate) fn keep(from: &Decision, dst: Mac, expires: u64, towards: Towards) {
    let Some(key) = CacheKey::new(from.vni_slot, dst) else { return };
    if let Some(row) = maps::cache_row(key) {
        // SAFETY: an array's row. Others write it meanwhile, whole words at a time; an entry of which some words are new
        // has no seal that fits.
        unsafe { (*row).keep(key, from.generation, expires, towards) };
    }
}
