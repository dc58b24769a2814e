//! Packets that do not fit the underlay: the pod that sends them is told, and adapts.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use vxbpf_tests::{
    command::line_in,
    packet::Frame,
    pod::Pod,
    raw::Capture,
    scratch::setting,
    topology::{Backend, Overlay, Plan},
    traffic::try_transfer_to,
    wait,
};

/// The underlay's MTU once it has dropped, and what of it is left to pods.
const LESS: u16 = 1400;
const LEFT: u16 = LESS - 50;
/// What a change may take to be followed.
const FOLLOWED: Duration = Duration::from_secs(2);

/// Two nodes with a pod each, which know each other's MAC addresses, also by IPv6.
fn pair(near: Backend, far: Backend) -> Overlay {
    let overlay = Overlay::create(&Plan { nodes: &[(near, 1), (far, 1)], ..Plan::default() });
    introduce(overlay.pod(1, 1), overlay.pod(2, 1));
    overlay.ping_all();
    overlay
}

/// Gives two pods IPv6 addresses, and has them know each other.
fn introduce(one: &Pod, two: &Pod) {
    for (pod, other) in [(one, two), (two, one)] {
        pod.netns.run(|| setting("net/ipv6/conf/eth0/disable_ipv6", "0")).unwrap();
        pod.must(&format!("ip address add {}/64 dev eth0 nodad", v6(pod)));
        pod.knows(other);
        pod.must(&format!("ip neigh replace {} lladdr {} dev eth0 nud permanent", v6(other), other.mac));
    }
}

fn v6(pod: &Pod) -> Ipv6Addr {
    let [.., last] = pod.addr.octets();
    Ipv6Addr::new(0xfd12, 0, 0, 0, 0, 0, 0, last.into())
}

/// What a pod hears when it sends frames to another after the underlay's MTU has dropped.
fn heard(backend: Backend, frames: impl Fn(&Pod, &Pod) -> Vec<Vec<u8>>, answers: usize) -> Vec<Vec<u8>> {
    let overlay = pair(backend, Backend::Kernel);
    overlay.nodes[0].must(&format!("ip link set eth1 mtu {LESS}"));
    let (from, to) = (overlay.pod(1, 1), overlay.pod(2, 1));
    thread::sleep(FOLLOWED);
    // Not what the other tells everybody, such as what groups it listens to.
    let capture =
        Capture::start(&from.netns, "eth0", &format!("ether src {} and ether dst {}", to.mac, from.mac));
    from.send(&frames(from, to));
    let heard = capture.wait_for(answers);
    assert!(heard.len() == answers, "{heard:x?}");
    heard
}

#[test]
fn the_answer_is_the_kernels_byte_for_byte() {
    let frames = |from: &Pod, to: &Pod| {
        let v4 = || Frame::new(from.mac, to.mac).ipv4(from.addr, to.addr).df(true).ttl(64);
        let v6 = || Frame::new(from.mac, to.mac).ipv6(v6(from), v6(to)).ttl(64);
        [v4().udp(9, 9), v4().tcp(9, 9), v4(), v6().udp(9, 9), v6().tcp(9, 9), v6()]
            .into_iter()
            .map(|frame| frame.padded_to(14 + usize::from(LEFT) + 1).bytes())
            .collect()
    };
    let kernel = heard(Backend::Kernel, frames, 6);
    let vxbpf = heard(Backend::Vxbpf, frames, 6);
    for (kernel, vxbpf) in kernel.iter().zip(&vxbpf) {
        assert!(kernel == vxbpf, "kernel {kernel:02x?}\nvxbpf  {vxbpf:02x?}");
    }
}

#[test]
fn an_answer_has_the_tag_of_the_packet() {
    let frames = |from: &Pod, to: &Pod| {
        let v4 = Frame::new(from.mac, to.mac).ipv4(from.addr, to.addr).df(true).udp(9, 9);
        vec![v4.vlan(5).padded_to(14 + 4 + usize::from(LEFT)).bytes()]
    };
    let heard = heard(Backend::Vxbpf, frames, 1);
    let (tag, rest) = (heard[0][12..16].to_vec(), [&heard[0][..12], &heard[0][16..]].concat());
    assert_eq!(tag, [0x81, 0, 0, 5]);
    // The tag takes four bytes of the MTU.
    assert_eq!(rest[14 + 20..14 + 20 + 2], [3, 4]);
    assert_eq!(rest[14 + 20 + 6..14 + 20 + 8], (LEFT - 4).to_be_bytes());
    // Summed up with its checksum, the message is all ones.
    let sum = rest[34..].chunks(2).map(|word| u64::from(u16::from_be_bytes([word[0], word[1]]))).sum::<u64>();
    assert_eq!(sum % 0xffff, 0);
}

/// What ping says of one packet that is too long by a byte.
#[track_caller]
fn ping_says(from: &Pod, to: &Pod, left: u16, expected: &str) {
    let headers = |len: u16| left + 1 - len - 8;
    let v4 = format!("ping -n -c 1 -W 5 -M do -s {} {}", headers(20), to.addr);
    let v6 = format!("ping -n -c 1 -W 5 -M do -s {} {}", headers(40), v6(to));
    for (line, expected) in [
        (v4, format!("Frag needed and DF set (mtu = {expected})")),
        (v6, format!("Packet too big: mtu={expected}")),
    ] {
        let said = line_in(&from.netns, &line);
        assert!(said.stdout.contains(&expected), "{line}: {said:?}");
    }
}

#[test]
fn a_pod_behind_a_smaller_underlay_is_told_and_its_tcp_adapts() {
    for far in [Backend::Vxbpf, Backend::Kernel] {
        let overlay = pair(Backend::Vxbpf, far);
        let (one, two) = (&overlay.nodes[0], &overlay.nodes[1]);
        let fragments = Capture::start(&two.netns, "eth1", "ip[6:2] & 0x3fff != 0");
        let (pod, other) = (overlay.pod(1, 1), overlay.pod(2, 1));
        let offloads = pod.must("ethtool -k eth0");
        assert!(
            offloads.contains("tx-checksumming: on") && offloads.contains("tcp-segmentation-offload: on")
        );
        for node in [one, two] {
            node.must(&format!("ip link set eth1 mtu {LESS}"));
        }
        thread::sleep(FOLLOWED);
        ping_says(pod, other, LEFT, "1350");
        assert_eq!(one.drops("too_big"), 2);
        pod.must("ip route flush cache");
        for (from, to) in [(pod, other), (other, pod)] {
            for addr in [to.addr.into(), v6(to).into()] {
                try_transfer_to(&from.netns, &to.netns, addr, 8 << 20).unwrap();
            }
        }
        // TCP ran into it before it adapted, in both families.
        assert!(one.drops("too_big") >= 4);
        // Packets that may be fragmented are, by whoever sent them. (The kernel would fragment outer packets of theirs.)
        if far == Backend::Vxbpf {
            pod.must(&format!("ping -n -q -c 3 -i 0.05 -W 5 -M dont -s 3000 {}", other.addr));
        }
        assert_eq!(fragments.frames(), Vec::<Vec<u8>>::new(), "of the outer packet");
    }
}

#[test]
fn tcp_goes_on_when_the_underlays_mtu_drops_meanwhile() {
    let overlay = pair(Backend::Vxbpf, Backend::Vxbpf);
    let (from, to) = (overlay.pod(1, 1), overlay.pod(2, 1));
    for addr in [IpAddr::from(to.addr), v6(to).into()] {
        let dropped = overlay.nodes[0].drops("too_big");
        let stop = AtomicBool::new(false);
        let set_mtu = |mtu: u16| overlay.nodes[0].must(&format!("ip link set eth1 mtu {mtu}"));
        thread::scope(|scope| {
            // At any time there is a connection in the middle of its work.
            let transfers = scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    try_transfer_to(&from.netns, &to.netns, addr, 32 << 20)?;
                }
                anyhow::Ok(())
            });
            let before = to.received();
            wait::expect("a transfer", wait::SOON, || to.received() > before + 100);
            set_mtu(LESS);
            let told = wait::until(wait::SOON, || overlay.nodes[0].drops("too_big") > dropped);
            stop.store(true, Ordering::Relaxed);
            transfers.join().unwrap().unwrap();
            assert!(told, "nothing was too big");
        });
        set_mtu(1500);
        thread::sleep(FOLLOWED);
    }
}

#[test]
fn a_pod_hears_that_another_ports_mtu_is_smaller() {
    let overlay = Overlay::create(&Plan { nodes: &[(Backend::Vxbpf, 2)], ..Plan::default() });
    let (from, to) = (overlay.pod(1, 1), overlay.pod(1, 2));
    introduce(from, to);
    overlay.ping_all();
    overlay.nodes[0].must("ip link set veth2 mtu 1300");
    thread::sleep(FOLLOWED);
    ping_says(from, to, 1305, "1300");
    assert_eq!(overlay.nodes[0].drops("too_big"), 2);
    for addr in [IpAddr::from(to.addr), v6(to).into()] {
        try_transfer_to(&from.netns, &to.netns, addr, 4 << 20).unwrap();
    }
}

#[test]
fn what_does_not_fit_is_said_when_a_port_is_added_and_when_the_underlay_changes() {
    let mut overlay = Overlay::create(&Plan { nodes: &[(Backend::Vxbpf, 1)], ..Plan::default() });
    let add = |overlay: &Overlay, port: u16, pod: u16| {
        let node = &overlay.nodes[0];
        node.ok("port del veth1");
        node.must(&format!("ip link set veth1 mtu {port}"));
        overlay.pod(1, 1).must(&format!("ip link set eth0 mtu {pod}"));
        let said = node.vxbpf("port add veth1 vni 42");
        assert!(said.is_ok(), "{said:?}");
        said.stderr
    };
    let both = "ip link set dev veth1 mtu 1450, and at its other end: ip link set dev eth0 mtu 1450";
    for (port, pod) in [(1500, 1500), (1500, 1450), (1450, 1500)] {
        let said = add(&overlay, port, pod);
        assert!(said.starts_with(&format!("warning: veth1 has MTU {port}, but ")), "{said}");
        assert!(said.contains(both), "{said}");
    }
    assert_eq!(add(&overlay, 1450, 1450), "");
    assert_eq!(add(&overlay, 1400, 1300), "");
    add(&overlay, 1450, 1450);
    overlay.node(1).must(&format!("ip link set eth1 mtu {LESS}"));
    let daemon = overlay.node(1).daemon();
    daemon.wait_log("the MTU of the underlay interface eth1 is 1400 now, was 1500");
    daemon.wait_log("veth1 has MTU 1450, but no more than 1350 fits the underlay's 1400");
}
