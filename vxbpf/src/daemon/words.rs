//! An event as a sentence.

use tracing::Level;
use vxbpf_common::{
    Addr,
    event::{Event, KIND_ADD, KIND_AGE, KIND_CHANGE, KIND_DELETE, KIND_LEARN, KIND_MISS, KIND_MOVE},
    fdb::{ORIGIN_CONFIG, STATE_PERMANENT, STATE_STATIC},
};

/// What an event of the data path says, and how loud. `dev` names an interface. Drops are not for here: they come in crowds.
pub(super) fn sentence(event: &Event, dev: impl Fn(u32) -> String) -> Option<(Level, String)> {
    let Event { mac, vni, .. } = event;
    let here = || place(event.ifindex, event.remote, &dev);
    match event.kind {
        KIND_LEARN => Some((Level::INFO, format!("learned {mac} in VNI {vni} behind {}", here()))),
        KIND_MOVE => {
            let from = place(event.old_ifindex, event.old_remote, &dev);
            Some((Level::INFO, format!("{mac} in VNI {vni} moved from {from} to {}", here())))
        }
        KIND_MISS => {
            Some((Level::DEBUG, format!("no entry for {mac} in VNI {vni}: frame from {} flooded", here())))
        }
        _ => None,
    }
}

/// What a change says, and how loud. Of a remote it says what does not go without saying, as `fdb show` does: another VNI, and
/// another UDP port than `dstport`.
pub(super) fn change(event: &Event, dstport: u16, dev: impl Fn(u32) -> String) -> Option<(Level, String)> {
    let here = || place(event.ifindex, event.remote, &dev) + &beside(event, dstport);
    match event.kind {
        KIND_ADD => Some((told(event), format!("added {} {}, {}", what(event), here(), state(event.state)))),
        KIND_CHANGE => {
            let before = place(event.old_ifindex, event.old_remote, &dev);
            let stayed = (event.old_ifindex, event.old_remote) == (event.ifindex, event.remote);
            let moved = if stayed { here() } else { format!("{before}, now {}", here()) };
            let state = match (state(event.old_state), state(event.state)) {
                (old, new) if old == new => new.to_owned(),
                (old, new) => format!("{old}, now {new}"),
            };
            Some((told(event), format!("changed {} {moved}, {state}", what(event))))
        }
        KIND_DELETE => Some((told(event), format!("removed {} {}", what(event), here()))),
        KIND_AGE => Some((Level::INFO, format!("aged out {} {}", what(event), here()))),
        _ => None,
    }
}

/// Whether an event is about what somebody changed, which may be thousands of entries at once.
pub(super) fn is_change(event: &Event) -> bool {
    matches!(event.kind, KIND_ADD | KIND_CHANGE | KIND_DELETE | KIND_AGE)
}

/// Changes of the config file are told as such.
fn told(event: &Event) -> Level {
    if event.origin == ORIGIN_CONFIG { Level::DEBUG } else { Level::INFO }
}

/// The VNI and the UDP port of a remote, in the words of `fdb add`.
fn beside(event: &Event, dstport: u16) -> String {
    let mut words = String::new();
    if !event.remote.is_none() {
        if event.dst_vni != event.vni {
            words += &format!(" vni {}", event.dst_vni);
        }
        if event.dstport != dstport.to_be_bytes() {
            words += &format!(" port {}", u16::from_be_bytes(event.dstport));
        }
    }
    words
}

/// What an entry is, up to its place.
fn what(event: &Event) -> String {
    let Event { mac, vni, .. } = event;
    match (mac.is_zero(), mac.is_group()) {
        (true, _) => format!("remote of the flood list of VNI {vni}:"),
        (_, true) => format!("remote of group {mac} in VNI {vni}:"),
        _ => format!("{mac} in VNI {vni} behind"),
    }
}

fn state(state: u8) -> &'static str {
    match state {
        STATE_PERMANENT => "permanent",
        STATE_STATIC => "static",
        _ => "dynamic",
    }
}

/// A port, or a VTEP.
pub(super) fn place(ifindex: u32, remote: Addr, dev: impl Fn(u32) -> String) -> String {
    match (ifindex, remote.is_none()) {
        (0, true) => "the underlay".to_owned(),
        (0, false) => remote.to_string(),
        _ => format!("port {}", dev(ifindex)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use bytemuck::Zeroable as _;
    use vxbpf_common::{
        Mac,
        event::{KIND_DROP, KINDS},
        fdb::STATE_DYNAMIC,
    };

    use super::*;

    /// An event of station 02:42:c0:a8:00:03 in VNI 42.
    pub(in crate::daemon) fn event(kind: u8) -> Event {
        let mac = Mac::new([2, 0x42, 0xc0, 0xa8, 0, 3]);
        Event { vni: 42, kind, mac, dst_vni: 42, dstport: 4789_u16.to_be_bytes(), ..Event::zeroed() }
    }

    #[test]
    fn an_event_is_a_sentence() {
        let remote = Addr::v4([192, 168, 104, 3]);
        let rows = [
            (
                Event { remote, ..event(KIND_LEARN) },
                "INFO learned 02:42:c0:a8:00:03 in VNI 42 behind 192.168.104.3",
            ),
            (
                Event { ifindex: 7, ..event(KIND_LEARN) },
                "INFO learned 02:42:c0:a8:00:03 in VNI 42 behind port veth7",
            ),
            (
                Event { ifindex: 7, old_remote: remote, ..event(KIND_MOVE) },
                "INFO 02:42:c0:a8:00:03 in VNI 42 moved from 192.168.104.3 to port veth7",
            ),
            (
                Event { remote: Addr::v4([192, 168, 104, 4]), old_remote: remote, ..event(KIND_MOVE) },
                "INFO 02:42:c0:a8:00:03 in VNI 42 moved from 192.168.104.3 to 192.168.104.4",
            ),
            (
                Event { ifindex: 7, ..event(KIND_MISS) },
                "DEBUG no entry for 02:42:c0:a8:00:03 in VNI 42: frame from port veth7 flooded",
            ),
            (
                Event { remote, ..event(KIND_ADD) },
                "INFO added 02:42:c0:a8:00:03 in VNI 42 behind 192.168.104.3, permanent",
            ),
            (
                Event { remote, dst_vni: 43, dstport: 4790_u16.to_be_bytes(), ..event(KIND_ADD) },
                "INFO added 02:42:c0:a8:00:03 in VNI 42 behind 192.168.104.3 vni 43 port 4790, permanent",
            ),
            (
                Event { remote, origin: ORIGIN_CONFIG, mac: Mac::ZERO, ..event(KIND_ADD) },
                "DEBUG added remote of the flood list of VNI 42: 192.168.104.3, permanent",
            ),
            (
                Event { remote, old_ifindex: 7, old_state: STATE_DYNAMIC, ..event(KIND_CHANGE) },
                "INFO changed 02:42:c0:a8:00:03 in VNI 42 behind port veth7, now 192.168.104.3, dynamic, now permanent",
            ),
            (
                Event { remote, mac: Mac::new([1, 0, 0x5e, 0, 0, 5]), ..event(KIND_DELETE) },
                "INFO removed remote of group 01:00:5e:00:00:05 in VNI 42: 192.168.104.3",
            ),
            (
                Event { ifindex: 7, ..event(KIND_AGE) },
                "INFO aged out 02:42:c0:a8:00:03 in VNI 42 behind port veth7",
            ),
        ];
        for (event, expected) in rows {
            let dev = |ifindex| format!("veth{ifindex}");
            let said = |event| if is_change(event) { change(event, 4789, dev) } else { sentence(event, dev) };
            let (level, text) = said(&event).expect("a sentence");
            assert_eq!(format!("{level} {text}"), expected);
        }
        for kind in [KIND_DROP, 8, 255] {
            assert_eq!(sentence(&event(kind), |_| String::new()), None);
            assert_eq!(change(&event(kind), 4789, |_| String::new()), None);
        }
        assert_eq!(KINDS, 8);
    }
}
