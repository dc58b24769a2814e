//! What is inside: tags, fragments, segments. It arrives as it was sent.

use vxbpf_common::Mac;
use vxbpf_tests::{
    bench::iperf::Server,
    packet::Frame,
    pod::Pod,
    raw::Capture,
    topology::{Backend, Overlay, Plan},
    traffic::transfer,
};

/// Sends frames from one pod and captures them at another.
#[track_caller]
fn assert_unchanged(from: &Pod, to: &Pod, frames: &[Vec<u8>]) {
    let capture =
        Capture::start(&to.netns, "eth0", &format!("ether src {} and (not arp or greater 60)", from.mac));
    from.send(frames);
    let arrived = capture.wait_for(frames.len());
    assert_eq!(arrived.len(), frames.len());
    for (sent, arrived) in frames.iter().zip(&arrived) {
        assert!(sent == arrived, "sent    {sent:02x?}\narrived {arrived:02x?}");
    }
}

#[test]
fn tagged_frames_pass_unchanged() {
    let nodes = &[(Backend::Vxbpf, 2), (Backend::Vxbpf, 1), (Backend::Kernel, 1)];
    let overlay = Overlay::create(&Plan { nodes, ..Plan::default() });
    overlay.ping_all();
    let (tagged, service) = (1, 2);
    let frames = |from: &Pod, to: Mac| {
        let frame = |tags: u8| {
            let frame = Frame::new(from.mac, to).ipv4(from.addr, [10, 0, 0, 9].into()).udp(7, 7);
            let frame = if tags & service != 0 { frame.service_vlan(100) } else { frame };
            if tags & tagged != 0 { frame.vlan(5) } else { frame }
        };
        let v6 = |last: &str| format!("fd00::{last}").parse().unwrap();
        let ipv6 = || Frame::new(from.mac, to).ipv6(v6("1"), v6("2")).udp(7, 7);
        let arp = Frame::new(from.mac, to).vlan(7).arp_request(from.addr, [10, 0, 0, 9].into()).padded_to(70);
        vec![
            frame(0).bytes(),
            frame(tagged).bytes(),
            frame(service).bytes(),
            frame(tagged | service).bytes(),
            frame(tagged).padded_to(1400).bytes(),
            frame(tagged | service).padded_to(60).bytes(),
            arp.bytes(),
            Frame::new(from.mac, to).vlan(9).bytes(),
            ipv6().vlan(5).bytes(),
            ipv6().service_vlan(100).vlan(5).bytes(),
            ipv6().service_vlan(100).vlan(5).vlan(6).bytes(),
            frame(tagged | service).vlan(6).bytes(),
            Frame::new(from.mac, to).service_vlan(100).vlan(5).vlan(6).bytes(),
        ]
    };
    for (from, to) in
        [((1, 1), (2, 1)), ((1, 1), (3, 1)), ((3, 1), (1, 1)), ((1, 1), (1, 2)), ((2, 1), (3, 1))]
    {
        let (from, to) = (overlay.pod(from.0, from.1), overlay.pod(to.0, to.1));
        assert_unchanged(from, to, &frames(from, to.mac));
        assert_unchanged(from, to, &frames(from, Mac::new([0xff; 6])));
    }
}

#[test]
fn frames_of_any_ethertype_pass_unchanged() {
    let overlay = Overlay::pair();
    overlay.ping_all();
    let (from, to) = (overlay.pod(1, 1), overlay.pod(2, 1));
    let v6 = |last: &str| format!("fd00::{last}").parse().unwrap();
    let frames = [
        Frame::new(from.mac, to.mac).bytes(),
        Frame::new(from.mac, to.mac).padded_to(1464).bytes(),
        Frame::new(from.mac, to.mac).ipv6(v6("1"), v6("2")).udp(1, 2).bytes(),
        Frame::new(from.mac, to.mac).ipv6(v6("1"), v6("2")).tcp(1, 2).padded_to(1464).bytes(),
        Frame::new(from.mac, to.mac).ipv4(from.addr, [10, 0, 0, 9].into()).options().bytes(),
        Frame::new(from.mac, to.mac).ipv4(from.addr, [10, 0, 0, 9].into()).udp(1, 2).first_fragment().bytes(),
        Frame::new(from.mac, to.mac).ipv4(from.addr, [10, 0, 0, 9].into()).udp(1, 2).last_fragment().bytes(),
        Frame::new(from.mac, to.mac).arp_reply(from.addr, to.addr).padded_to(60).bytes(),
    ];
    assert_unchanged(from, to, &frames);
}

#[test]
fn frames_with_little_in_them_pass_unchanged() {
    let nodes = &[(Backend::Vxbpf, 2), (Backend::Vxbpf, 1), (Backend::Kernel, 1)];
    let overlay = Overlay::create(&Plan { nodes, ..Plan::default() });
    overlay.ping_all();
    for (from, to) in [((1, 1), (3, 1)), ((1, 1), (1, 2)), ((3, 1), (1, 1)), ((1, 1), (2, 1))] {
        let (from, to) = (overlay.pod(from.0, from.1), overlay.pod(to.0, to.1));
        // EAPOL start is that short, and nobody pads on a veth.
        let frames = [0, 4, 19, 20].map(|len| Frame::new(from.mac, to.mac).payload(vec![7; len]).bytes());
        assert_unchanged(from, to, &frames);
    }
}

#[test]
fn fragments_of_inner_packets_arrive_whole() {
    let overlay =
        Overlay::create(&Plan { nodes: &[(Backend::Vxbpf, 2), (Backend::Vxbpf, 1)], ..Plan::default() });
    for (from, to) in [((1, 1), (2, 1)), ((2, 1), (1, 1)), ((1, 1), (1, 2))] {
        let to = overlay.pod(to.0, to.1).addr;
        overlay.pod(from.0, from.1).must(&format!("ping -n -q -c 3 -i 0.05 -W 5 -s 4000 {to}"));
    }
}

#[test]
fn tcp_with_offloads_arrives_as_it_was_sent() {
    let overlay =
        Overlay::create(&Plan { nodes: &[(Backend::Vxbpf, 2), (Backend::Vxbpf, 1)], ..Plan::default() });
    let offloads = overlay.pod(1, 1).must("ethtool -k eth0");
    assert!(offloads.contains("tx-checksumming: on") && offloads.contains("tcp-segmentation-offload: on"));
    for (from, to) in [((1, 1), (2, 1)), ((2, 1), (1, 1)), ((1, 1), (1, 2))] {
        transfer(overlay.pod(from.0, from.1), overlay.pod(to.0, to.1), 16 << 20);
    }
}

#[test]
fn iperf3_runs_both_ways_with_tcp_and_udp() {
    let overlay = Overlay::pair();
    overlay.ping_all();
    let (client, server) = (overlay.pod(1, 1), overlay.pod(2, 1));
    for options in ["", "-R", "-u -b 20M -l 1300"] {
        let _listening = Server::start(&server.netns, server.addr, None).unwrap();
        let report = client.must(&format!("iperf3 -c {} -t 1 -J {options}", server.addr));
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let received = &report["end"][if options.contains("-u") { "sum" } else { "sum_received" }]["bytes"];
        assert!(received.as_u64().is_some_and(|bytes| bytes > 0), "{options}: {report}");
    }
}
