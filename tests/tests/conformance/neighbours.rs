//! ARP and ND: which questions are answered in place of a station, and what is left to the stations.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vxbpf_common::Mac;
use vxbpf_tests::{
    packet::Frame,
    pod::Pod as Station,
    stage::{BROADCAST, Node, Opt, Place, Place::Pod, Plan, Stage, VNI, Watch},
};

use crate::behaviour::{Behaviour, Group};

pub(crate) const GROUP: Group = Group { title: "ARP and ND", behaviours: BEHAVIOURS };

/// Somebody whom no pod is. It would be behind node 2.
const MAC: Mac = Mac::new([2, 0x42, 0, 0, 9, 0x99]);
const V4: Ipv4Addr = Ipv4Addr::new(12, 12, 12, 99);
const V6: Ipv6Addr = Ipv6Addr::new(0xfd12, 0, 0, 0, 0, 0, 0, 0x99);

const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::new("a question that the table can answer is answered, and not on the wire", |stage| {
        for question in somebody(stage) {
            answered(stage, &question, 10);
            stage.node_at(1).answer_no_more(VNI, question.addr);
            forwarded(stage, &question, 10);
        }
    })
    .fails_if("proxy.rs has no answer to ND"),
    Behaviour::new("an answered question goes to no other port", |stage| {
        for question in somebody(stage) {
            let watch = stage.watch();
            stage.send(1, 1, &question.frame, 10);
            let heard = if stage.node_at(1).is_ours() { 0 } else { 10 };
            watch.assert(&question.answer, &[(Pod(1, 1), 10)]);
            watch.assert(&question.frame, &[(Pod(1, 2), heard)]);
        }
    })
    .plan(Plan::pods(&[2, 1]))
    .differs("it ends there; the kernel's bridge still floods it to its other ports")
    .fails_if("proxy.rs floods what it has answered"),
    Behaviour::new("the answer for a router says that it is one", |stage| {
        stage.node_at(1).answer_for_router(VNI, V6.into(), MAC);
        let asker = stage.pod(1, 1);
        let answer = Frame::new(MAC, asker.mac).router_advertisement(V6, asker.addr6());
        answered(stage, &Question { answer, ..nd(asker, V6, MAC) }, 1);
    })
    .fails_if("nd.rs never says that a station is a router"),
    Behaviour::new("the host behind an answered address may be down", |stage| {
        let there = stage.pod(2, 1);
        there.must("ip link set eth0 down");
        for question in both(stage.pod(1, 1), there.addr, there.addr6(), there.mac) {
            stage.node_at(1).answer_for(VNI, question.addr, there.mac);
            answered(stage, &question, 1);
        }
    })
    .fails_if("proxy.rs answers only for stations that the FDB has"),
    Behaviour::new("a question for an unknown address is forwarded, and its station answers", |stage| {
        let there = stage.pod(2, 1);
        there.enable_ipv6();
        stage.node_at(1).suppress(VNI);
        for question in both(stage.pod(1, 1), there.addr, there.addr6(), there.mac) {
            let watch = stage.watch();
            stage.send(1, 1, &question.frame, 1);
            watch.assert(&question.frame, &[(stage.wire(1, 2), 1), (Pod(2, 1), 1)]);
            watch.assert(&question.answer, &[(stage.wire(2, 1), 1), (Pod(1, 1), 1)]);
        }
    })
    .fails_if("proxy.rs drops a question that it cannot answer, whatever the policy"),
    Behaviour::new("a question for an unknown address is dropped where that is the policy", |stage| {
        for question in both(stage.pod(1, 1), V4, V6, MAC) {
            let before = stage.node_at(1).drops("arp_miss");
            nothing_comes(stage, &question, 10);
            assert_eq!(stage.node_at(1).drops("arp_miss"), before.map(|before| before + 10));
        }
    })
    .plan(Plan::pods(&[1, 1]).with(&[Opt::Proxy, Opt::MissDrop]))
    .fails_if("proxy.rs forwards a question that it cannot answer, whatever the policy"),
    Behaviour::new("a question to its station alone is forwarded, and the station answers", |stage| {
        let (here, there) = (stage.pod(1, 1), stage.pod(2, 1));
        there.enable_ipv6();
        for mut question in both(here, there.addr, there.addr6(), there.mac) {
            stage.node_at(1).answer_for(VNI, question.addr, there.mac);
            (question.frame, question.answer) = match question.addr {
                IpAddr::V4(addr) => {
                    (Frame::new(here.mac, there.mac).arp_request(here.addr, addr), question.answer)
                }
                IpAddr::V6(addr) => (
                    Frame::new(here.mac, there.mac).unicast_solicitation(here.addr6(), addr),
                    Frame::new(there.mac, here.mac).unicast_advertisement(addr, here.addr6()),
                ),
            };
            let watch = stage.watch();
            stage.send(1, 1, &question.frame, 1);
            watch.assert(&question.frame, &[(stage.wire(1, 2), 1), (Pod(2, 1), 1)]);
            watch.assert(&question.answer, &[(stage.wire(2, 1), 1), (Pod(1, 1), 1)]);
        }
    })
    .fails_if("encap.rs asks the proxy about unicast frames too"),
    Behaviour::new("gratuitous ARP and unsolicited advertisements are forwarded, not answered", |stage| {
        let here = stage.pod(1, 1);
        let arp = |addr| Frame::new(here.mac, BROADCAST).arp_request(addr, addr);
        let reply = |addr| Frame::new(here.mac, BROADCAST).arp_reply(addr, addr);
        let frames = [
            arp(here.addr),
            arp(V4),
            reply(V4),
            Frame::announcement(here.mac, here.addr6()),
            Frame::announcement(here.mac, V6),
        ];
        answers_for_somebody(stage.node_at(1));
        for frame in frames {
            told_to_all(stage, &frame.bytes(), 0);
        }
    })
    .differs("all hear them; a bridge keeps them from ports with neigh_suppress")
    .fails_if("arp.rs takes a request whose sender is its target for a question"),
    Behaviour::new("ARP probes and duplicate address detection are forwarded, not answered", |stage| {
        let here = stage.pod(1, 1);
        let frames = [
            Frame::new(here.mac, BROADCAST).arp_request(Ipv4Addr::UNSPECIFIED, V4),
            Frame::duplicate_probe(here.mac, V6),
            Frame::duplicate_probe(here.mac, V6).nd_option(NONCE, [7; 6]),
        ];
        answers_for_somebody(stage.node_at(1));
        for frame in frames {
            told_to_all(stage, &frame.bytes(), 0);
        }
    })
    .differs("all hear them; a bridge keeps them from ports with neigh_suppress")
    .fails_if("arp.rs takes a request without a sender for a question"),
    Behaviour::new("a solicitation with a nonce is forwarded, not answered", |stage| {
        let here = stage.pod(1, 1);
        answers_for_somebody(stage.node_at(1));
        told_to_all(
            stage,
            &Frame::solicitation(here.mac, here.addr6(), V6).nd_option(NONCE, [7; 6]).bytes(),
            10,
        );
    })
    .differs("its station can honour the nonce; the kernel's bridge answers without it")
    .fails_if("nd.rs looks neither at the length nor at the checksum of a solicitation"),
    Behaviour::new("a corrupt solicitation is forwarded, not answered", |stage| {
        let here = stage.pod(1, 1);
        let mut bytes = Frame::solicitation(here.mac, here.addr6(), V6).bytes();
        bytes[56] ^= 1;
        answers_for_somebody(stage.node_at(1));
        told_to_all(stage, &bytes, 10);
    })
    .differs("the kernel's bridge does not look at the checksum, and answers")
    .fails_if("nd.rs does not look at the checksum of a solicitation"),
    Behaviour::new("a question in a VLAN is forwarded, not answered", |stage| {
        for question in somebody(stage) {
            told_to_all(stage, &question.frame.vlan(5).bytes(), 10);
        }
    })
    .differs("it asks others; a bridge that does not filter VLANs answers, without the tag")
    .fails_if("proxy.rs does not look for a tag beside the data"),
    Behaviour::new("a question that a remote brings is left to the stations here", |stage| {
        let asker = stage.pod(2, 1);
        for question in both(asker, V4, V6, MAC) {
            stage.node_at(1).answer_for(VNI, question.addr, MAC);
            let watch = stage.watch();
            stage.send(2, 1, &question.frame, 3);
            watch.assert(&question.frame, &[(stage.wire(2, 1), 3), (Pod(1, 1), 3)]);
            watch.assert(&question.answer, &[]);
        }
    })
    .fails_if("decap.rs drops what is for a group"),
    Behaviour::new("a question for a station behind the asker's own port is left to it", |stage| {
        let here = stage.pod(1, 1);
        let node = stage.node_at(1);
        node.fdb_port(VNI, MAC, &here.port);
        for question in both(here, V4, V6, MAC) {
            node.suppress(VNI);
            node.answer_for_local(VNI, question.addr, MAC);
            let watch = stage.watch();
            stage.send(1, 1, &question.frame, 3);
            let wire = if node.is_ours() { 3 } else { 0 };
            watch.assert(&question.frame, &[(stage.wire(1, 2), wire), (Pod(2, 1), wire)]);
            watch.assert(&question.answer, &[]);
        }
    })
    .differs("all hear it; a bridge keeps it from ports with neigh_suppress")
    .fails_if("proxy.rs does not ask the FDB where the station is"),
    Behaviour::new("hosts whose neighbours are in the tables need no question on the wire", |stage| {
        let (here, there) = (stage.pod(1, 1), stage.pod(2, 1));
        for (number, pod, other) in [(1, here, there), (2, there, here)] {
            pod.enable_ipv6();
            for addr in [other.addr.into(), other.addr6().into()] {
                stage.node_at(number).answer_for(VNI, addr, other.mac);
            }
        }
        let watch = stage.watch();
        assert!(here.reaches(there.addr) && here.reaches6(there.addr6()));
        for wire in [stage.wire(1, 2), stage.wire(2, 1)] {
            let questions = questions_at(&watch, wire);
            assert!(questions.is_empty(), "{wire:?}: {questions:02x?}");
        }
    })
    .fails_if("proxy.rs has no answer to ND"),
];

/// An option that says that nobody else may answer (RFC 7527).
const NONCE: u8 = 14;

/// Somebody asks who has an address.
struct Question {
    addr: IpAddr,
    frame: Frame,
    /// What the station would answer.
    answer: Frame,
}

fn arp(asker: &Station, addr: Ipv4Addr, mac: Mac) -> Question {
    Question {
        addr: addr.into(),
        frame: Frame::new(asker.mac, BROADCAST).arp_request(asker.addr, addr),
        answer: Frame::new(mac, asker.mac).arp_reply(addr, asker.addr),
    }
}

fn nd(asker: &Station, addr: Ipv6Addr, mac: Mac) -> Question {
    Question {
        addr: addr.into(),
        frame: Frame::solicitation(asker.mac, asker.addr6(), addr),
        answer: Frame::new(mac, asker.mac).advertisement(addr, asker.addr6()),
    }
}

/// One of each family.
fn both(asker: &Station, v4: Ipv4Addr, v6: Ipv6Addr, mac: Mac) -> [Question; 2] {
    [arp(asker, v4, mac), nd(asker, v6, mac)]
}

/// Questions for [`V4`] and [`V6`], which node 1 answers.
fn somebody(stage: &Stage) -> [Question; 2] {
    answers_for_somebody(stage.node_at(1));
    both(stage.pod(1, 1), V4, V6, MAC)
}

fn answers_for_somebody(node: &Node) {
    for addr in [V4.into(), V6.into()] {
        node.answer_for(VNI, addr, MAC);
    }
}

/// The first pod asks; it is answered, and nobody else hears of it.
#[track_caller]
fn answered(stage: &Stage, question: &Question, count: usize) {
    comes(stage, question, count, &[], count);
}

/// The first pod asks; node 2 and its pod hear it, and nobody answers.
#[track_caller]
fn forwarded(stage: &Stage, question: &Question, count: usize) {
    comes(stage, question, count, &[stage.wire(1, 2), Pod(2, 1)], 0);
}

/// The first pod asks, and nothing comes of it.
#[track_caller]
fn nothing_comes(stage: &Stage, question: &Question, count: usize) {
    comes(stage, question, count, &[], 0);
}

#[track_caller]
fn comes(stage: &Stage, question: &Question, count: usize, to: &[Place], answers: usize) {
    let watch = stage.watch();
    stage.send(1, 1, &question.frame, count);
    let places: Vec<_> = to.iter().map(|place| (*place, count)).collect();
    watch.assert(&question.answer, &[(Pod(1, 1), answers)]);
    watch.assert(&question.frame, &places);
}

/// The first pod sends ten times what is no question to the table, which has its target; it comes to everybody, and no
/// answer to the pod. The kernel, asked to keep questions from remotes, keeps this from them, and answers so often.
#[track_caller]
fn told_to_all(stage: &Stage, frame: &[u8], kernel_answers: usize) {
    let watch = stage.watch();
    stage.pod(1, 1).send(&vec![frame.to_vec(); 10]);
    let (heard, answers) = if stage.node_at(1).is_ours() { (10, 0) } else { (0, kernel_answers) };
    for place in [stage.wire(1, 2), Pod(2, 1)] {
        let count = watch.at(place).iter().filter(|heard| heard.as_slice() == frame).count();
        assert_eq!(count, heard, "of {frame:02x?} at {place:?}");
    }
    let count = watch.at(Pod(1, 1)).iter().filter(|heard| heard[6..12] == MAC.octets()).count();
    assert_eq!(count, answers, "answers to {frame:02x?}");
}

/// Questions of either family that came to a wire.
fn questions_at(watch: &Watch<'_>, wire: Place) -> Vec<Vec<u8>> {
    let is_question = |frame: &Vec<u8>| match frame[12..14] {
        [8, 6] => frame[20..22] == [0, 1],
        [0x86, 0xdd] => frame[20] == 58 && frame[54] == 135,
        _ => false,
    };
    watch.at(wire).into_iter().filter(is_question).collect()
}
