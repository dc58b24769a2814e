//! All measurements, in the order in which they are made.

use super::{fdb_size, frames, measure::Measure, replication};

/// Those whose names contain one of the filters; all without filters.
pub fn wanted(filters: &[String]) -> Vec<Box<dyn Measure>> {
    let wanted = |id: &str| filters.is_empty() || filters.iter().any(|filter| id.contains(filter.as_str()));
    all().into_iter().filter(|measure| wanted(&measure.id())).collect()
}

fn all() -> Vec<Box<dyn Measure>> {
    [frames::all(), replication::all(), fdb_size::all()].into_iter().flatten().collect()
}
