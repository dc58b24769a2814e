//! Outer header fields: ECN, DSCP, TTL and DF, and what of the inner packet they are made of.

use vxbpf_common::Mac;
use vxbpf_tests::{
    packet::Frame,
    stage::{Crafted, Opt, Stage, Underlay, VNI, Vxlan, device},
};

use crate::behaviour::{Behaviour, Group};

pub(crate) const GROUP: Group = Group { title: "Outer header fields", behaviours: BEHAVIOURS };

/// A station behind node 2.
const STATION: Mac = Mac::new([2, 0x42, 0, 0, 9, 9]);

const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::new("the inner ECN field becomes what RFC 6040 makes of it and the outer one, or the packet is dropped as an error: all 16 combinations", ecn_in)
        .differs("Behind VLAN tags, too, where the kernel leaves the inner packet as it is.")
        .fails_if("`ecn::decap` leaves an inner ECT(0) as it is when ECT(1) is outside"),
    Behaviour::new("the outer TOS is fixed or inherited, with the ECN field of the inner packet: all 16 combinations", tos)
        .differs("An inner CE stays CE outside (RFC 6040); with the kernel it is ECT(0).")
        .fails_if("`encap.rs` sends the configured TOS as it is"),
    Behaviour::new("the outer TTL is fixed or inherited", ttl).fails_if("`encap.rs` inherits a TTL of 0"),
    Behaviour::new("the outer DF bit is set, unset or inherited", df)
        .underlays(&[Underlay::V4])
        .differs("Inherited from behind VLAN tags, too, where it is unset with the kernel. Without the option it is set; with the kernel unset.")
        .fails_if("`encap.rs` takes `inherit` for `set`"),
];

/// What is in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inner {
    V4,
    V6,
    NotIp,
}

/// In which VLANs it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tags {
    None,
    One,
    Two,
}

const KINDS: [(Inner, Tags); 8] = [
    (Inner::V4, Tags::None),
    (Inner::V6, Tags::None),
    (Inner::NotIp, Tags::None),
    (Inner::V4, Tags::One),
    (Inner::V6, Tags::One),
    (Inner::NotIp, Tags::One),
    (Inner::V4, Tags::Two),
    (Inner::V6, Tags::Two),
];

/// A frame of a kind, whose IP packet is changed so.
fn frame(stage: &Stage, kind: (Inner, Tags), [src, dst]: [Mac; 2], change: impl Fn(Frame) -> Frame) -> Frame {
    let frame = stage.frame(src, dst);
    let frame = match kind.0 {
        Inner::V4 => change(frame.ipv4([198, 51, 100, 1].into(), [198, 51, 100, 2].into()).udp(1000, 2000)),
        Inner::V6 => {
            change(frame.ipv6("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap()).udp(1000, 2000))
        }
        Inner::NotIp => frame,
    };
    match kind.1 {
        Tags::None => frame,
        Tags::One => frame.vlan(4),
        Tags::Two => frame.service_vlan(4).vlan(8),
    }
}

/// RFC 6040 section 4.2, figure 4: what an inner field becomes, by the outer one.
fn figure_4(inner: u8, outer: u8) -> Option<u8> {
    const FIGURE: [[Option<u8>; 4]; 4] = [
        // Outer Not-ECT, ECT(1), ECT(0), CE. Inner Not-ECT:
        [Some(0), Some(0), Some(0), None],
        // ECT(1):
        [Some(1), Some(1), Some(1), Some(3)],
        // ECT(0):
        [Some(2), Some(1), Some(2), Some(3)],
        // CE:
        [Some(3), Some(3), Some(3), Some(3)],
    ];
    FIGURE[usize::from(inner)][usize::from(outer)]
}

fn ecn_in(stage: &mut Stage) {
    let (node, pod) = (stage.node_at(1), stage.pod(1, 1));
    node.fdb_port(VNI, pod.mac, &pod.port);
    let outer = stage.outer(2, 1);
    let mut all = Vec::new();
    for kind in KINDS {
        for inner in 0..4 {
            for marked in 0..4 {
                let plain = frame(stage, kind, [STATION, pod.mac], |frame| frame.tos(0x28 | inner));
                // `frame` numbers each one; this is the same one with another field.
                let gets = |ecn: u8| retos(&plain, kind, 0x28 | ecn);
                let looks = kind.0 != Inner::NotIp && (kind.1 == Tags::None || node.is_ours());
                let gives = if looks { figure_4(inner, marked).map(gets) } else { Some(plain.bytes()) };
                let what = format!("{kind:?}: outer {marked:02b}, inner {inner:02b}");
                all.push(Crafted::new(what, outer.clone().tos(0xb8 | marked).around(&plain.bytes()), gives));
            }
        }
    }
    stage.assert_gives(&all);
    let errors = all.iter().filter(|crafted| crafted.gives.is_none()).count() as u64;
    assert_eq!(node.rx_errors(VNI), errors);
    assert_eq!(node.drops("ecn_not_capable").unwrap_or(errors), errors);
}

/// The bytes of a frame with another TOS.
fn retos(frame: &Frame, kind: (Inner, Tags), tos: u8) -> Vec<u8> {
    if kind.0 == Inner::NotIp { frame.bytes() } else { frame.clone().tos(tos).bytes() }
}

/// Makes VNI 42 of node 1 anew, with other options. The station is behind node 2.
fn with(stage: &Stage, options: &[Opt]) {
    let node = stage.node_at(1);
    let (name, port) = (device(VNI), &stage.pod(1, 1).port);
    if node.is_ours() {
        node.del_port(port);
    }
    node.del_vni(VNI);
    node.add_vni(VNI, options);
    node.add_port(port, VNI, &[]);
    node.fdb_ok(&format!("add {STATION} dev {name} dst {} self static", stage.vtep(2)));
}

/// What node 1 sends when its pod sends these, in their order; each exactly once.
fn sent(stage: &Stage, frames: &[Frame]) -> Vec<Vxlan> {
    let watch = stage.watch();
    let bytes: Vec<_> = frames.iter().map(Frame::bytes).collect();
    stage.pod(1, 1).send(&bytes);
    let packets = watch.packets(1);
    assert_eq!(packets.len(), frames.len(), "packets sent");
    let find = |bytes: &Vec<u8>| packets.iter().find(|packet| packet.inner == *bytes).cloned();
    bytes.iter().map(|bytes| find(bytes).unwrap_or_else(|| panic!("nothing around {bytes:x?}"))).collect()
}

fn tos(stage: &mut Stage) {
    let node = stage.node_at(1);
    let pair = [stage.pod(1, 1).mac, STATION];
    with(stage, &[]);
    // The ECN bits of a fixed TOS do not count. (Below 2 the number means something else to the kernel.)
    for (option, fixed) in [
        ("0", Some(0)),
        ("184", Some(0xb8)),
        ("185", Some(0xb8)),
        ("186", Some(0xb8)),
        ("187", Some(0xb8)),
        ("inherit", None),
    ] {
        node.set_vni(VNI, Opt::Tos(option));
        let (mut frames, mut expected) = (Vec::new(), Vec::new());
        for kind in KINDS {
            for ecn in 0..4 {
                frames.push(frame(stage, kind, pair, |frame| frame.tos(0x28 | ecn)));
                let is_ip = kind.0 != Inner::NotIp;
                let dscp = fixed.unwrap_or(if is_ip { 0x28 } else { 0 });
                let outside = if ecn == 3 && !node.is_ours() { 2 } else { ecn };
                expected.push(format!("{kind:?}, {ecn:02b}: {:02x}", dscp | if is_ip { outside } else { 0 }));
            }
        }
        let packets = sent(stage, &frames);
        let mut heard = Vec::new();
        for (at, packet) in packets.iter().enumerate() {
            heard.push(format!("{:?}, {:02b}: {:02x}", KINDS[at / 4], at % 4, packet.tos));
        }
        assert_eq!(heard, expected, "tos {option}");
    }
}

fn ttl(stage: &mut Stage) {
    let pair = [stage.pod(1, 1).mac, STATION];
    for (options, fixed) in [
        (&[][..], Some(64)),
        (&[Opt::Ttl("1")], Some(1)),
        (&[Opt::Ttl("255")], Some(255)),
        (&[Opt::Ttl("inherit")], None),
    ] {
        with(stage, options);
        let cases: Vec<_> = KINDS.iter().flat_map(|kind| [0, 1, 17, 255].map(|ttl| (*kind, ttl))).collect();
        let frames: Vec<_> =
            cases.iter().map(|(kind, ttl)| frame(stage, *kind, pair, |frame| frame.ttl(*ttl))).collect();
        for ((kind, ttl), packet) in cases.iter().zip(sent(stage, &frames)) {
            // What there is nothing to inherit for has the default.
            let inherited = if kind.0 == Inner::NotIp || *ttl == 0 { 64 } else { *ttl };
            assert_eq!(packet.ttl, fixed.unwrap_or(inherited), "{options:?}: {kind:?}, TTL {ttl}");
        }
    }
}

fn df(stage: &mut Stage) {
    let node = stage.node_at(1);
    let pair = [stage.pod(1, 1).mac, STATION];
    with(stage, &[]);
    for (option, fixed) in [
        (None, Some(node.is_ours())),
        (Some("set"), Some(true)),
        (Some("unset"), Some(false)),
        (Some("inherit"), None),
    ] {
        if let Some(option) = option {
            node.set_vni(VNI, Opt::Df(option));
        }
        let cases: Vec<_> = KINDS.iter().flat_map(|kind| [false, true].map(|df| (*kind, df))).collect();
        let change =
            |kind: Inner, df: bool| move |frame: Frame| if kind == Inner::V4 { frame.df(df) } else { frame };
        let frames: Vec<_> =
            cases.iter().map(|(kind, df)| frame(stage, *kind, pair, change(kind.0, *df))).collect();
        for ((kind, df), packet) in cases.iter().zip(sent(stage, &frames)) {
            let inherited = match kind.0 {
                _ if kind.1 != Tags::None && !node.is_ours() => false,
                Inner::V4 => *df,
                Inner::V6 => true,
                Inner::NotIp => false,
            };
            let expected = Some(fixed.unwrap_or(inherited));
            assert_eq!(packet.df, expected, "df {option:?}: {kind:?}, inner DF {df}");
        }
    }
}
