//! What holds for every config file and every state, on the model.

use std::net::{IpAddr, Ipv4Addr};

use proptest::{collection::btree_map, prelude::*};

use super::*;
use crate::{
    config::{
        apply::apply,
        desired::{Decision, Port, Tunnel, port_options},
        model::Model,
    },
    dataplane::{FdbState, Mode, Neighbour},
};

fn vni(number: u8) -> Vni {
    Vni::from_wire([0, 0, number])
}

fn addr(number: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, number).into()
}

fn mac(number: u8) -> Mac {
    Mac::new([2, 0, 0, 0, 0, number])
}

/// The flood list, or a group.
fn list(number: u8) -> Mac {
    if number == 0 { Mac::ZERO } else { Mac::new([1, 0, 0x5e, 0, 0, number]) }
}

fn tunnel(number: u8) -> Tunnel {
    Tunnel { addr: addr(number), vni: None, port: number.is_multiple_of(2).then_some(4790) }
}

/// Few values of each kind, so that files and states meet.
fn desired() -> impl Strategy<Value = Desired> {
    let options = (0..3_u8, any::<bool>()).prop_map(|(ageing, learning)| VniOptions {
        ageing: ageing.into(),
        learning,
        ..VniOptions::default()
    });
    let vnis = btree_map((1..4_u8).prop_map(vni), (options, 0..5_u8), 0..4).prop_map(|vnis| {
        let mut taken = BTreeSet::new();
        let name = |number: u8| (number > 0).then(|| format!("vxlan{number}"));
        let named = vnis.into_iter().map(|(vni, (options, number))| {
            let name = name(number).filter(|name| taken.insert(name.clone()));
            (vni, VniOptions { name, ..options })
        });
        named.collect::<BTreeMap<_, _>>()
    });
    let ports = btree_map(
        (0..3_u8).prop_map(|number| format!("veth{number}")),
        (1..4_u8, any::<bool>()).prop_map(|(number, isolated)| Port {
            vni: vni(number),
            options: port_options(Mode::Auto, Vec::new(), isolated),
        }),
        0..3,
    );
    let station = (0..6_u8, any::<bool>()).prop_map(|(number, dynamic)| Station {
        to: if number < 3 { To::Tunnel(tunnel(number)) } else { To::Port(format!("veth{}", number - 3)) },
        state: if dynamic { FdbState::Dynamic } else { FdbState::Static },
    });
    let neighbour =
        (0..2_u8, any::<bool>()).prop_map(|(number, router)| Neighbour { lladdr: mac(number), router });
    let keyed = || (1..4_u8, 0..4_u8);
    (
        vnis,
        ports,
        btree_map((keyed(), 0..3_u8).prop_map(|((v, t), g)| (vni(v), list(g), tunnel(t))), Just(()), 0..7),
        btree_map(keyed().prop_map(|(v, m)| (vni(v), mac(m))), station, 0..6),
        btree_map(keyed().prop_map(|(v, a)| (vni(v), addr(a))), neighbour, 0..5),
        btree_map(
            keyed().prop_map(|(v, a)| (vni(v), addr(a))),
            prop_oneof![Just(Decision::Allow), Just(Decision::Deny)],
            0..5,
        ),
    )
        .prop_map(|(vnis, ports, flood, fdb, neigh, vteps)| {
            let mut desired = Desired { vnis, ports, flood, fdb, neigh, vteps };
            // As `check` has it: everything is in a VNI that is there, behind a port that is in it.
            let Desired { vnis, ports, flood, fdb, neigh, vteps } = &mut desired;
            ports.retain(|_, port| vnis.contains_key(&port.vni));
            fdb.retain(|(vni, _), station| match &station.to {
                To::Port(dev) => ports.get(dev).is_some_and(|port| port.vni == *vni),
                To::Tunnel(_) => vnis.contains_key(vni),
            });
            flood.retain(|(vni, ..), ()| vnis.contains_key(vni));
            neigh.retain(|(vni, _), _| vnis.contains_key(vni));
            vteps.retain(|(vni, _), _| vnis.contains_key(vni));
            desired
        })
}

/// A state that can be: a set of objects as of a file, each entered by somebody.
fn observed() -> impl Strategy<Value = Observed> {
    let origins =
        proptest::collection::vec(prop_oneof![3 => Just(Origin::Config), 2 => Just(Origin::Command)], 16);
    (desired(), origins, any::<bool>()).prop_map(|(state, origins, learned)| {
        let mut origins = origins.into_iter().cycle();
        let mut observed = Observed::default();
        fn fill<K: Ord, T>(
            map: BTreeMap<K, T>,
            origins: &mut impl Iterator<Item = Origin>,
        ) -> BTreeMap<K, Seen<T>> {
            map.into_iter()
                .zip(origins)
                .map(|((key, value), origin)| (key, Seen::new(value, origin)))
                .collect()
        }
        observed.vnis = fill(state.vnis, &mut origins);
        observed.ports = fill(state.ports, &mut origins);
        observed.flood = fill(state.flood, &mut origins);
        observed.fdb = fill(state.fdb, &mut origins);
        observed.neigh = fill(state.neigh, &mut origins);
        observed.vteps = fill(state.vteps, &mut origins);
        for seen in observed.fdb.values_mut().filter(|seen| learned && seen.value.state == FdbState::Dynamic)
        {
            seen.origin = Origin::Learned;
        }
        observed
    })
}

/// Whether a command's VNI has a name that the file gives to another: no reconcile can have both.
fn quarrel(desired: &Desired, observed: &Observed) -> bool {
    observed.vnis.iter().any(|(vni, seen)| {
        let name = seen.value.name.as_ref();
        seen.origin == Origin::Command
            && !desired.vnis.contains_key(vni)
            && name.is_some()
            && desired.vnis.values().any(|options| options.name.as_ref() == name)
    })
}

/// What commands entered and the file says nothing about, and what of it may go: stations whose port the file takes.
fn survives<K: Ord, T: PartialEq>(
    wanted: impl Fn(&K) -> bool,
    before: &BTreeMap<K, Seen<T>>,
    after: &BTreeMap<K, Seen<T>>,
) -> bool {
    let theirs = before.iter().filter(|(key, seen)| seen.origin == Origin::Command && !wanted(key));
    theirs.into_iter().all(|(key, seen)| after.get(key) == Some(seen))
}

/// Whether everything wanted is there, and the file's own is nothing else.
fn equal<K: Ord, T: PartialEq>(
    wanted: &BTreeMap<K, T>,
    is: &BTreeMap<K, Seen<T>>,
    may_stay: impl Fn(&K) -> bool,
) -> bool {
    let there = wanted.iter().all(|(key, value)| is.get(key).is_some_and(|seen| seen.value == *value));
    let ours = is.iter().filter(|(_, seen)| seen.origin == Origin::Config);
    there && ours.into_iter().all(|(key, _)| wanted.contains_key(key) || may_stay(key))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn from_any_state_to_any_file_gives_the_file_and_keeps_what_commands_entered(
        state in observed(), file in desired(),
    ) {
        prop_assume!(!quarrel(&file, &state));
        let held = held(&file, &state);
        let mut model = Model { state: state.clone(), fails_after: None };
        apply(&mut model, &reconcile(&file, &state)).expect("applies");
        let after = &model.state;

        prop_assert!(equal(&file.vnis, &after.vnis, |vni| held.contains(vni)));
        prop_assert!(equal(&file.ports, &after.ports, |_| false));
        prop_assert!(equal(&file.flood, &after.flood, |_| false));
        prop_assert!(equal(&file.fdb, &after.fdb, |_| false));
        prop_assert!(equal(&file.neigh, &after.neigh, |_| false));
        prop_assert!(equal(&file.vteps, &after.vteps, |_| false));

        prop_assert!(survives(|vni| file.vnis.contains_key(vni), &state.vnis, &after.vnis));
        prop_assert!(survives(|dev| file.ports.contains_key(dev), &state.ports, &after.ports));
        prop_assert!(survives(|key| file.flood.contains_key(key), &state.flood, &after.flood));
        prop_assert!(survives(|key| file.neigh.contains_key(key), &state.neigh, &after.neigh));
        prop_assert!(survives(|key| file.vteps.contains_key(key), &state.vteps, &after.vteps));
        let port_left = |key: &(Vni, Mac)| match &state.fdb[key].value.to {
            To::Port(dev) => after.ports.get(dev).is_none_or(|port| port.value.vni != key.0),
            To::Tunnel(_) => false,
        };
        prop_assert!(survives(|key| file.fdb.contains_key(key) || port_left(key), &state.fdb, &after.fdb));

        prop_assert_eq!(reconcile(&file, after), Vec::new());
    }

    #[test]
    fn a_failure_at_any_change_leaves_all_as_it_was(state in observed(), file in desired(), at in 0..24_usize) {
        prop_assume!(!quarrel(&file, &state));
        let changes = reconcile(&file, &state);
        let mut model = Model { state: state.clone(), fails_after: Some(at) };
        let result = apply(&mut model, &changes);
        prop_assert_eq!(result.is_err(), at < changes.len());
        if result.is_err() {
            // Learned stations go with their port or VNI; they are learned again.
            let mut before = state;
            for state in [&mut before, &mut model.state] {
                state.fdb.retain(|_, seen| seen.origin != Origin::Learned);
            }
            prop_assert_eq!(model.state, before);
        }
    }
}
