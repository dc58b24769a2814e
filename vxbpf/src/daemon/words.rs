//! An event as a sentence.

use tracing::Level;
use vxbpf_common::{
    Addr,
    event::{Event, KIND_LEARN, KIND_MISS, KIND_MOVE},
};

/// What an event says, and how loud. `dev` names an interface. Drops are not for here: they come in crowds.
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
    use vxbpf_common::{
        Mac,
        event::{KIND_DROP, KINDS},
    };

    use super::*;

    /// An event of station 02:42:c0:a8:00:03 in VNI 42.
    pub(in crate::daemon) fn event(kind: u8) -> Event {
        Event {
            at: 0,
            vni: 42,
            ifindex: 0,
            old_ifindex: 0,
            kind,
            reason: 0,
            reserved: [0; 2],
            mac: Mac::new([2, 0x42, 0xc0, 0xa8, 0, 3]),
            remote: Addr::NONE,
            old_remote: Addr::NONE,
        }
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
        ];
        for (event, said) in rows {
            let (level, text) = sentence(&event, |ifindex| format!("veth{ifindex}")).expect("a sentence");
            assert_eq!(format!("{level} {text}"), said);
        }
        for kind in [KIND_DROP, 4, 255] {
            assert_eq!(sentence(&event(kind), |_| String::new()), None);
        }
        assert_eq!(KINDS, 4);
    }
}
