//! Making what a row presupposes, and undoing it.

use std::{
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use aya::maps::{HashMap, Map, MapData};
use nix::time::{ClockId, clock_gettime};
use vxbpf::dataplane::{
    ArpMiss, Dataplane, Destination, Df, FdbFilter, FdbSpec, FdbState, Neighbour, Origin, Remote, Tos, Ttl,
    VniChange, VniOptions, VtepFilter, VtepPolicy,
};
use vxbpf_common::{Addr, Mac, Vni, nexthop::NextHop};

use super::{
    bed::{Bed, R1, R2, VNIS, vni},
    run::{Hook, Input, Program},
    version::{here, other_version},
};

/// What is there before a row's frame comes. All in the row's VNI.
#[derive(Clone, Debug)]
pub enum Given {
    /// An FDB entry, instead of one that may be there.
    Fdb(Mac, Destination, FdbState),
    /// No FDB entry any more.
    Deleted(Mac),
    /// A remote in the flood list.
    Flood(Remote),
    /// A remote in the list of a group.
    Group(Mac, Remote),
    /// A neighbour.
    Neigh(IpAddr, Neighbour),
    /// A neighbour in another VNI.
    NeighIn(u32, IpAddr, Neighbour),
    /// Options of the VNI.
    Options(VniChange),
    /// `vtep allow`.
    Allow(IpAddr),
    /// `vtep allow` in another VNI.
    AllowIn(u32, IpAddr),
    /// `vtep deny`.
    Deny(IpAddr),
    /// A frame that the program met before, in both hooks: interface and bytes.
    Heard(Program, String, Vec<u8>),
    /// Time enough for a station's entry to expire.
    Expired(Mac),
    /// A remote that the kernel's neighbour code has not seen a frame for in ten seconds.
    Due(IpAddr),
    /// The sweep of the daemon.
    Swept,
}

impl Bed {
    /// Makes everything as it was in the beginning, counters excepted.
    pub(super) fn reset(&mut self) -> Result<()> {
        let dataplane = &mut self.instance.dataplane;
        for number in VNIS {
            dataplane.vni_set(vni(number), &change(&VniOptions::default()))?;
        }
        dataplane.fdb_flush(&FdbFilter::default())?;
        for left in dataplane.fdb(&FdbFilter::default())? {
            let list = FdbFilter { vni: Some(left.vni), mac: Some(left.mac), ..FdbFilter::default() };
            dataplane.fdb_flush(&list)?;
        }
        dataplane.neigh_flush(None)?;
        for vtep in dataplane.vteps(None)? {
            if vtep.policy != VtepPolicy::None {
                dataplane.vtep_forget(vtep.vni, vtep.addr)?;
            }
        }
        dataplane.sweep()?;
        self.probe()?;
        let dataplane = &self.instance.dataplane;
        let left = (dataplane.fdb(&FdbFilter::default())?, dataplane.vteps(None)?);
        ensure!(left.0.is_empty() && left.1.is_empty(), "the last row left {left:?}");
        Ok(())
    }

    /// Lets the data path look for the way to the remotes anew, but not take the turn through the kernel's neighbour
    /// code that one frame in ten seconds takes: which row's frame that is must not be a matter of time.
    pub(super) fn probe(&self) -> Result<()> {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
        let probed = u64::try_from(Duration::from(now).as_nanos())?;
        let hop = NextHop { expires: 0, probed, ifindex: 0, mtu: 0, src_mac: Mac::ZERO, dst_mac: Mac::ZERO };
        let mut hops = self.next_hops()?;
        for remote in [R1, R2].into_iter().flat_map(|remote| [remote, other_version(remote)]) {
            hops.insert(Addr::from(remote), hop, 0)?;
        }
        Ok(())
    }

    /// The one map that has no verbs, because nobody but the data path has to do with it.
    fn next_hops(&self) -> Result<HashMap<MapData, Addr, NextHop>> {
        let map = MapData::from_pin(self.pins().join("NEXTHOPS"))?;
        Ok(HashMap::try_from(Map::LruHashMap(map))?)
    }

    /// Makes what a row presupposes in its VNI.
    pub(super) fn give(&mut self, number: u32, given: &Given) -> Result<()> {
        let vni = vni(number);
        let dataplane = &mut self.instance.dataplane;
        match given {
            Given::Fdb(mac, to, state) => {
                let spec = FdbSpec { vni, mac: *mac, to: to.clone(), state: *state };
                dataplane.fdb_replace(&spec, Origin::Command)?;
            }
            Given::Deleted(mac) => dataplane.fdb_del(vni, *mac, None)?,
            Given::Flood(remote) => append(dataplane, vni, Mac::ZERO, remote)?,
            Given::Group(group, remote) => append(dataplane, vni, *group, remote)?,
            Given::Neigh(addr, neighbour) => {
                dataplane.neigh_add(vni, *addr, *neighbour, Origin::Command)?;
            }
            Given::NeighIn(other, addr, neighbour) => {
                dataplane.neigh_add(super::bed::vni(*other), *addr, *neighbour, Origin::Command)?;
            }
            Given::Options(change) => dataplane.vni_set(vni, change)?,
            Given::Allow(addr) => dataplane.vtep_allow(vni, *addr, Origin::Command)?,
            Given::AllowIn(other, addr) => {
                dataplane.vtep_allow(super::bed::vni(*other), *addr, Origin::Command)?;
            }
            Given::Deny(addr) => dataplane.vtep_deny(vni, *addr, Origin::Command)?,
            Given::Heard(program, dev, frame) => {
                for hook in [Hook::Xdp, Hook::Tc] {
                    self.run(hook, &Input::new(*program, dev, frame.clone()))?;
                }
            }
            Given::Expired(mac) => self.wait_until_expired(number, *mac)?,
            Given::Due(remote) => drop(self.next_hops()?.remove(&Addr::from(*remote))),
            Given::Swept => drop(dataplane.sweep()?),
        }
        Ok(())
    }

    fn wait_until_expired(&self, number: u32, mac: Mac) -> Result<()> {
        const PATIENCE: Duration = Duration::from_secs(10);
        // The data path's clock is behind by up to a tick of the timer (bpf_ktime_get_coarse_ns), 10 ms at 100 Hz.
        const TICK: Duration = Duration::from_millis(20);
        let begin = Instant::now();
        while self.instance.dataplane.fdb_get(vni(number), mac).is_ok() {
            ensure!(begin.elapsed() < PATIENCE, "the entry of {mac} does not expire");
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(TICK);
        Ok(())
    }

    /// Where a station is, if anybody knows: the VTEP or the port.
    pub(super) fn place(&self, number: u32, mac: Mac) -> Result<Option<String>> {
        let filter = FdbFilter { vni: Some(vni(number)), mac: Some(mac), ..FdbFilter::default() };
        let found = self.instance.dataplane.fdb(&filter).context("read the FDB")?;
        Ok(found.first().map(|info| match (&info.dev, info.dst) {
            (Some(dev), _) => dev.clone(),
            (None, dst) => dst.map_or_else(String::new, |dst| dst.to_string()),
        }))
    }
}

/// Adds a remote to a list.
fn append(dataplane: &mut Dataplane, vni: Vni, mac: Mac, remote: &Remote) -> Result<()> {
    let to = Destination::Remote(remote.clone());
    let spec = FdbSpec { vni, mac, to, state: FdbState::Permanent };
    Ok(dataplane.fdb_append(&spec, Origin::Command)?)
}

/// The change that makes any options these.
fn change(options: &VniOptions) -> VniChange {
    VniChange {
        name: None,
        learning: Some(options.learning),
        ageing: Some(options.ageing),
        limit: Some(options.limit),
        arp_miss: Some(options.arp_miss),
        ttl: Some(options.ttl),
        tos: Some(options.tos),
        df: Some(options.df),
        vtep_filter: Some(options.vtep_filter),
        group: Some(options.group),
    }
}

impl Given {
    /// The same with the addresses of VTEPs as things speak of them that are being made.
    pub(super) fn here(mut self) -> Self {
        match &mut self {
            Self::Fdb(_, Destination::Remote(Remote { addr, .. }), _)
            | Self::Flood(Remote { addr, .. })
            | Self::Group(_, Remote { addr, .. })
            | Self::Allow(addr)
            | Self::AllowIn(_, addr)
            | Self::Deny(addr)
            | Self::Due(addr) => *addr = here(*addr),
            Self::Fdb(..)
            | Self::Deleted(_)
            | Self::Neigh(..)
            | Self::NeighIn(..)
            | Self::Options(_)
            | Self::Heard(..)
            | Self::Expired(_)
            | Self::Swept => {}
        }
        self
    }

    /// A neighbour.
    pub fn neigh(addr: impl Into<IpAddr>, neighbour: impl Into<Neighbour>) -> Self {
        Self::Neigh(addr.into(), neighbour.into())
    }
}

/// Changes of a VNI's options, by one each.
impl Given {
    /// Learning on or off.
    pub fn learning(on: bool) -> Self {
        Self::Options(VniChange { learning: Some(on), ..VniChange::default() })
    }

    /// Ageing, in seconds.
    pub fn ageing(seconds: u32) -> Self {
        Self::Options(VniChange { ageing: Some(seconds), ..VniChange::default() })
    }

    /// Limit of dynamic entries.
    pub fn limit(entries: u32) -> Self {
        Self::Options(VniChange { limit: Some(entries), ..VniChange::default() })
    }

    /// `arp-miss drop`.
    pub fn arp_miss_drop() -> Self {
        Self::Options(VniChange { arp_miss: Some(ArpMiss::Drop), ..VniChange::default() })
    }

    /// Outer TTL.
    pub fn ttl(ttl: Ttl) -> Self {
        Self::Options(VniChange { ttl: Some(ttl), ..VniChange::default() })
    }

    /// Outer TOS.
    pub fn tos(tos: Tos) -> Self {
        Self::Options(VniChange { tos: Some(tos), ..VniChange::default() })
    }

    /// Outer DF.
    pub fn df(df: Df) -> Self {
        Self::Options(VniChange { df: Some(df), ..VniChange::default() })
    }

    /// `group ADDR`, which lets anybody send.
    pub fn group(group: impl Into<IpAddr>) -> Self {
        Self::Options(VniChange { group: Some(Some(here(group))), ..VniChange::default() })
    }

    /// `vtep-filter known`.
    pub fn known_vteps() -> Self {
        Self::Options(VniChange { vtep_filter: Some(VtepFilter::Known), ..VniChange::default() })
    }

    /// `vtep-filter any`.
    pub fn any_vtep() -> Self {
        Self::Options(VniChange { vtep_filter: Some(VtepFilter::Any), ..VniChange::default() })
    }
}
