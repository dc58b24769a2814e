//! The FDB cache: frames of a station that sends to more others than it has decisions.

use anyhow::Result;
use vxbpf::{
    dataplane::{Destination, FdbState, Remote},
    netdev::IpVersion,
};
use vxbpf_common::Mac;
use vxbpf_tests::packet::{
    A, B, Bed, C, Crowd, DSTPORT, Event, Frame, Given, Hook, IP_A, IP_B, Outer, Program, R1, R2, Row, SIZES,
    UNDERLAY, V, longest_frame, over,
};

/// Tells a story in both hooks, over both versions of IP.
fn tell(story: fn(&mut Crowd<'_>) -> Result<()>) {
    let each =
        [IpVersion::V4, IpVersion::V6].map(|version| [Hook::Tc, Hook::Xdp].map(|hook| (version, hook)));
    let failures: Vec<_> = Bed::with(|bed| {
        let failed = |(version, hook)| {
            let end = over(version, || bed.among_others(hook, story));
            end.err().map(|e| format!("in {hook:?} over {version:?}: {e:#}"))
        };
        each.into_iter().flatten().filter_map(failed).collect()
    })
    .expect("a test bed");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn to(dst: Mac) -> Frame {
    Frame::new(A, dst).ipv4(IP_A, IP_B).udp(1, 2)
}

/// A frame from B, or from another in its place.
fn from(src: Mac) -> Frame {
    Frame::new(src, A).ipv4(IP_B, IP_A)
}

/// A row with A behind `p1`, and the other that B shares its place with behind a remote.
fn row(crowd: &Crowd<'_>, name: &str) -> Result<Row> {
    Ok(Row::new(name).station_on(A, "p1").station_at(crowd.other("p1", A, B)?, R1))
}

fn moved_to(remote: std::net::IpAddr) -> Given {
    let to = Destination::Remote(Remote { addr: remote, dst_vni: None, port: None });
    Given::Fdb(B, to, FdbState::Permanent)
}

/// What a remote brings.
fn heard_from(remote: std::net::IpAddr) -> Given {
    Given::Heard(Program::FromUnderlay, UNDERLAY.to_owned(), Outer::from(remote, V).around(&from(B).bytes()))
}

/// To B behind a remote that the row names.
fn to_b(row: &Row, remote: std::net::IpAddr) -> Row {
    row.clone().from_port("p1", &to(B)).encapsulated(remote, Outer::to(remote, V))
}

/// To B whom nobody knows.
fn to_nobody(row: &Row) -> Row {
    row.clone().from_port("p1", &to(B)).flooded().copied_to("p2").copied_to("t1").tells([Event::Miss(B)])
}

#[test]
fn each_station_of_many_is_sent_to_behind_its_own_remote() {
    tell(|crowd| {
        let frames = [
            (to(B), R1),
            (Frame::new(A, C).ipv4(IP_A, IP_B), R2),
            (Frame::new(A, Mac::new([2, 0, 0, 0, 1, 1])), R1),
            (Frame::new(A, Mac::new([2, 0, 0, 0, 1, 2])).vlan(5).ipv4(IP_A, IP_B).tcp(3, 4), R2),
            (Frame::new(A, Mac::new([2, 0, 0, 0, 1, 3])).arp_reply(IP_A, IP_B), R1),
            (
                Frame::new(A, Mac::new([2, 0, 0, 0, 1, 4]))
                    .ipv4(IP_A, IP_B)
                    .udp(5, 6)
                    .padded_to(longest_frame()),
                R2,
            ),
        ];
        let mut all = Row::new("a frame to one of many").station_on(A, "p1");
        for (frame, remote) in &frames {
            let dst = Mac::new(frame.bytes()[..6].try_into()?);
            all = all.station_at(dst, *remote).station_at(crowd.other("p1", A, dst)?, *remote);
        }
        crowd.begin(&all)?;
        // Twice, so that each is sent to when all are cached.
        for (frame, remote) in frames.iter().chain(&frames) {
            crowd.cached(&all.clone().from_port("p1", frame).encapsulated(*remote, Outer::to(*remote, V)))?;
        }
        Ok(())
    });
}

#[test]
fn cached_stations_have_the_vni_and_the_udp_port_of_their_own() {
    tell(|crowd| {
        let station = |last| Mac::new([2, 0, 0, 0, 2, last]);
        let ways = [
            (station(1), V, DSTPORT),
            (station(2), 7, DSTPORT),
            (station(3), V, 8472),
            (station(4), 7, 8472),
        ];
        let mut all =
            Row::new("a frame to a station with a VNI and a UDP port of its own").station_on(A, "p1");
        for (dst, dst_vni, port) in ways {
            all = all.station_in(dst, R1, dst_vni, port).station_at(crowd.other("p1", A, dst)?, R1);
        }
        crowd.begin(&all)?;
        for (dst, dst_vni, port) in ways.into_iter().chain(ways) {
            let outer = Outer::to(R1, dst_vni).dstport(port);
            crowd.cached(&all.clone().from_port("p1", &to(dst)).encapsulated(R1, outer))?;
        }
        Ok(())
    });
}

#[test]
fn a_cached_station_is_another_in_another_vni() {
    tell(|crowd| {
        let here = to_b(&row(crowd, "a frame to a station")?.station_at(B, R1), R1);
        let there = Row::new("a frame to a station of that address in another VNI").in_vni(SIZES);
        let there =
            there.station_on(A, "m3000").station_at(crowd.other("m3000", A, B)?, R2).station_at(B, R2);
        let there = there.from_port("m3000", &to(B)).encapsulated(R2, Outer::to(R2, SIZES));
        crowd.begin(&here)?;
        crowd.and(&there)?;
        for row in [&here, &there, &here, &there] {
            crowd.cached(row)?;
        }
        Ok(())
    });
}

#[test]
fn a_cached_station_that_a_command_moves_is_sent_to_there_at_once() {
    tell(|crowd| {
        let row = row(crowd, "a frame to a station that a command moves")?.station_at(B, R1);
        crowd.begin(&row)?;
        crowd.cached(&to_b(&row, R1))?;
        crowd.then(&row, moved_to(R2))?;
        let row = row.given(moved_to(R2));
        crowd.meets(&to_b(&row, R2))?;
        crowd.cached(&to_b(&row, R2))
    });
}

#[test]
fn a_cached_station_that_a_command_deletes_is_flooded_to_at_once() {
    tell(|crowd| {
        let row = row(crowd, "a frame to a station that a command deletes")?.station_at(B, R1);
        crowd.begin(&row)?;
        crowd.cached(&to_b(&row, R1))?;
        crowd.then(&row, Given::Deleted(B))?;
        crowd.meets(&to_nobody(&row))
    });
}

#[test]
fn a_cached_station_that_a_killed_writer_moved_is_sent_to_there_once_another_comes() {
    tell(|crowd| {
        let row = row(crowd, "a frame to a station that a killed writer moved")?;
        let row = row.station_at(B, R1).station_at(C, R2);
        crowd.begin(&row)?;
        crowd.cached(&to_b(&row, R1))?;
        crowd.killed_moving(&row, [B, C])?;
        crowd.meets(&to_b(&row, R2))
    });
}

#[test]
fn a_cached_station_that_is_heard_from_another_remote_is_sent_to_there_at_once() {
    tell(|crowd| {
        let row = row(crowd, "a frame to a station that another remote brings")?;
        let row = row.given(Given::Allow(R1)).given(Given::Allow(R2)).given(heard_from(R1));
        crowd.begin(&row)?;
        for remote in [R1, R2, R1] {
            crowd.then(&row, heard_from(remote))?;
            crowd.meets(&to_b(&row, remote))?;
            crowd.cached(&to_b(&row, remote))?;
        }
        Ok(())
    });
}

#[test]
fn a_cached_station_that_is_heard_on_a_port_is_delivered_to_at_once() {
    tell(|crowd| {
        let row = row(crowd, "a frame to a station that a port brings")?;
        let row = row.given(Given::Allow(R1)).given(heard_from(R1));
        crowd.begin(&row)?;
        crowd.cached(&to_b(&row, R1))?;
        crowd.then(&row, Given::Heard(Program::FromPort, "p2".to_owned(), from(B).bytes()))?;
        crowd.meets(&row.clone().from_port("p1", &to(B)).delivered("p2"))?;
        crowd.then(&row, heard_from(R1))?;
        crowd.meets(&to_b(&row, R1))?;
        crowd.cached(&to_b(&row, R1))
    });
}

#[test]
fn a_cached_station_that_expires_is_flooded_to() {
    tell(|crowd| {
        let row = row(crowd, "a frame to a station that expires")?;
        let row = row.given(Given::Allow(R1)).given(Given::ageing(1)).given(heard_from(R1));
        crowd.begin(&row)?;
        crowd.cached(&to_b(&row, R1))?;
        crowd.then(&row, Given::Expired(B))?;
        crowd.meets(&to_nobody(&row))?;
        crowd.then(&row, heard_from(R1))?;
        crowd.cached(&to_b(&row, R1))
    });
}

#[test]
fn stations_behind_remotes_that_nothing_names_are_not_cached() {
    tell(|crowd| {
        let other = crowd.other("p1", A, B)?;
        let row = Row::new("a frame to a station behind a remote that nothing names").station_on(A, "p1");
        let row = row.given(Given::any_vtep()).heard_from(R1, &from(other)).heard_from(R2, &from(B));
        crowd.begin(&row)?;
        crowd.asked(&to_b(&row, R2))
    });
}

#[test]
fn the_fdb_knows_when_a_station_that_has_a_decision_was_last_sent_to() {
    tell(|crowd| {
        let row = to_b(&row(crowd, "a frame to a station again and again")?.station_at(B, R1), R1);
        crowd.begin(&row)?;
        crowd.cached(&row)?;
        crowd.decided(&row)
    });
}
