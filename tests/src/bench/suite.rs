//! All measurements, in the order in which they are made.

use super::{
    arp, continuity, fdb_size, first_packet, frames, loading, measure::Measure, replication, rr, tcp, udp,
    vnis,
};

/// Those that the filters mean: whose names have a filter's words, or else a part like it; all without filters.
pub fn wanted(filters: &[String]) -> Vec<Box<dyn Measure>> {
    let mut measures = all();
    let ids: Vec<String> = measures.iter().map(|measure| measure.id()).collect();
    measures.retain(|measure| {
        filters.is_empty() || filters.iter().any(|filter| means(filter, &measure.id(), &ids))
    });
    measures
}

fn means(filter: &str, id: &str, ids: &[String]) -> bool {
    let has_words = |id: &str| format!("-{id}-").contains(&format!("-{filter}-"));
    if ids.iter().any(|id| has_words(id)) { has_words(id) } else { id.contains(filter) }
}

fn all() -> Vec<Box<dyn Measure>> {
    let topics = [
        frames::all(),
        tcp::all(),
        rr::all(),
        udp::all(),
        arp::all(),
        replication::all(),
        fdb_size::all(),
        vnis::all(),
        loading::all(),
        first_packet::all(),
        continuity::all(),
    ];
    topics.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{
        super::targets::{Against, TARGETS},
        *,
    };

    fn ids(filters: &[&str]) -> Vec<String> {
        let filters: Vec<_> = filters.iter().map(|filter| (*filter).to_owned()).collect();
        wanted(&filters).iter().map(|measure| measure.id()).collect()
    }

    #[test]
    fn a_filter_is_a_name_or_a_part_of_some() {
        assert_eq!(ids(&["frames-64-1"]), ["frames-64-1"]);
        assert_eq!(ids(&["arp"]), ["arp", "arp-suppress"]);
        assert_eq!(ids(&["repli"]), ["replication-1", "replication-16", "replication-128"]);
        assert_eq!(ids(&["frames-64"]), ["frames-64-1", "frames-64-1000"]);
        assert_eq!(ids(&["replication-16", "frames-64-1"]), ["frames-64-1", "replication-16"]);
        assert!(ids(&["nothing"]).is_empty());
    }

    #[test]
    fn measurements_have_names_of_their_own() {
        let all = ids(&[]);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn targets_are_about_what_is_measured() {
        let named = |id: &str| all().into_iter().find(|measure| measure.id() == id);
        for target in TARGETS {
            let measure = named(target.measurement).unwrap_or_else(|| panic!("{}: not measured", target.id));
            let contenders = measure.contenders();
            assert!(target.contenders.iter().all(|who| contenders.contains(who)), "{}", target.id);
            match target.against {
                Against::Contender(other) => assert!(contenders.contains(&other), "{}: {other:?}", target.id),
                Against::Measurement(other) => assert!(named(other).is_some(), "{}: {other}", target.id),
                Against::Nothing | Against::Never => {}
            }
        }
    }
}
