//! Ports: interfaces given to a VNI.

use std::collections::HashMap;

use vxbpf_common::{
    Vni,
    fdb::STATE_DYNAMIC,
    flood::MAX_PORTS,
    instance::INSTANCE_CLSACT,
    port::{MacLockKey, PORT_AUTO, PORT_ISOLATED, PORT_MAC_LOCK, PORT_VETH, PORT_XDP, Port},
};

use super::{
    Dataplane,
    attach::{self, FROM_PORT, FROM_PORT_XDP, On},
    info::PortInfo,
    names,
    options::{Mode, Origin, PortOptions},
};
use crate::{
    Error, Result,
    netdev::{self, Link, LinkKind},
    netns::{self, NetNs},
};

/// What adding a port brought about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortAdded {
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Dataplane {
    /// Gives an interface of the instance's network namespace to a VNI, and attaches the programs to it.
    pub fn port_add(
        &mut self,
        dev: &str,
        vni: Vni,
        options: &PortOptions,
        origin: Origin,
    ) -> Result<PortAdded> {
        self.exclusive(|this| this.port_added(dev, vni, options, origin))
    }

    fn port_added(
        &mut self,
        dev: &str,
        vni: Vni,
        options: &PortOptions,
        origin: Origin,
    ) -> Result<PortAdded> {
        self.vni_config(vni)?;
        let (link, links) = self.in_netns(|| Ok((netdev::link(dev)?, netdev::links()?)))??;
        self.check_port(&link)?;
        // An interface of that name that was here before, and went away unseen.
        if let Some((stale, port)) = self.port_by_name(dev)? {
            if !self.runs(FROM_PORT, stale)? {
                self.port_remove(stale, &port)?;
            }
            // It is still here, by another name, and so may others be.
            self.follow_ports(&links)?;
        }
        let mut added = PortAdded::default();
        if let Some(underlay) = links.iter().find(|link| link.index == self.instance.ifindex) {
            added.warnings.extend(self.port_fits(&link, underlay, vni));
        }
        let xdp = match options.mode {
            Mode::Tc => false,
            Mode::Xdp => true,
            Mode::Auto => link.kind == LinkKind::Hardware,
        };
        if xdp && link.kind == LinkKind::Veth {
            added.warnings.push(format!(
                "{dev} is a veth in mode xdp: in the pod, turn GRO on (ethtool -K IFACE gro on), or nothing arrives there, checksum \
                 offload off (ethtool -K IFACE tx off), or its TCP breaks, and VLAN offload off (ethtool -K IFACE txvlan off), \
                 or frames lose their tags"
            ));
        }
        let port = self.port_value(&link, vni, options, origin)?;
        let done =
            self.port_enter(&link, &port, options).and_then(|()| self.port_attach(&link, xdp, options.mode));
        match done {
            Ok(attached_xdp) => {
                let flags = port.flags | if attached_xdp { PORT_XDP } else { 0 };
                self.maps.ports.insert(&link.index, &Port { flags, ..port })?;
                Ok(added)
            }
            Err(e) => {
                self.port_forget(link.index, &port)?;
                Err(e)
            }
        }
    }

    /// Takes an interface away from its VNI, with the stations behind it. It may be gone already.
    pub fn port_del(&mut self, dev: &str) -> Result<()> {
        let _lock = self.lock()?;
        let (ifindex, port) =
            self.port_by_name(dev)?.ok_or_else(|| Error::not_found(format!("port {dev}")))?;
        self.port_remove(ifindex, &port)
    }

    /// The same where the interface is gone: its name may be another's by now.
    pub fn port_lost(&mut self, ifindex: u32) -> Result<()> {
        let _lock = self.lock()?;
        match self.maps.ports.get(&ifindex)? {
            Some(port) => self.port_remove(ifindex, &port),
            None => Ok(()),
        }
    }

    /// The ports, by name.
    pub fn ports(&self) -> Result<Vec<PortInfo>> {
        let mut locked: HashMap<u32, Vec<_>> = HashMap::new();
        for (key, _) in self.maps.mac_lock.entries()? {
            locked.entry(key.ifindex()).or_default().push(key.mac());
        }
        let mut ports = Vec::new();
        for (ifindex, port) in self.maps.ports.entries()? {
            let mut mac_lock = locked.remove(&ifindex).unwrap_or_default();
            mac_lock.sort();
            ports.push(PortInfo {
                dev: names::from_bytes(&port.name),
                ifindex,
                vni: names::vni(port.vni),
                mode: if port.has(PORT_XDP) { Mode::Xdp } else { Mode::Tc },
                auto: port.has(PORT_AUTO),
                isolated: port.has(PORT_ISOLATED),
                mac_lock,
                origin: names::origin_from_byte(port.origin),
                counters: self.row(port.slot)?,
            });
        }
        ports.sort_by(|a, b| a.dev.cmp(&b.dev));
        Ok(ports)
    }

    /// The names of the ports, by interface index.
    pub(super) fn port_names(&self) -> Result<HashMap<u32, String>> {
        let ports = self.maps.ports.entries()?;
        Ok(ports.into_iter().map(|(ifindex, port)| (ifindex, names::from_bytes(&port.name))).collect())
    }

    /// The index of a port that is in that VNI.
    pub(super) fn port_in(&self, dev: &str, vni: Vni) -> Result<u32> {
        match self.port_by_name(dev)? {
            Some((ifindex, port)) if port.vni == vni.get() => Ok(ifindex),
            Some((_, port)) => {
                Err(Error::state(format!("port {dev}"), format!("is in VNI {}, not {vni}", port.vni)))
            }
            None => Err(Error::State {
                what: format!("port {dev}"),
                why: "does not exist".to_owned(),
                hint: Some(format!("add it first: vxbpf port add {dev} vni {vni}")),
            }),
        }
    }

    fn port_by_name(&self, dev: &str) -> Result<Option<(u32, Port)>> {
        let name = names::to_bytes(dev);
        if let Some(index) = self.index() {
            let Some(&ifindex) = index.ports.get(&name).filter(|_| dev.len() < 16) else { return Ok(None) };
            return Ok(self.maps.ports.get(&ifindex)?.map(|port| (ifindex, port)));
        }
        Ok(self.maps.ports.entries()?.into_iter().find(|(_, port)| dev.len() < 16 && port.name == name))
    }

    fn check_port(&mut self, link: &Link) -> Result<()> {
        let what = || format!("interface {}", link.name);
        if let Some(port) = self.maps.ports.get(&link.index)? {
            return Err(Error::exists(format!("port {} (in VNI {})", link.name, port.vni)));
        }
        if link.index == self.instance.ifindex {
            return Err(Error::state(what(), "is the underlay; it carries the tunnels"));
        }
        if link.index == self.instance.helper || link.index == self.instance.helper6 {
            return Err(Error::state(what(), "is our helper device"));
        }
        if !link.ethernet {
            return Err(Error::state(what(), "carries no Ethernet frames"));
        }
        self.check_port_is_free(link)
    }

    fn port_value(&mut self, link: &Link, vni: Vni, options: &PortOptions, origin: Origin) -> Result<Port> {
        let flag = |on: bool, bit: u32| if on { bit } else { 0 };
        // redirect_peer goes into another namespace or nowhere (skb_do_redirect).
        let to_pod = link.kind == LinkKind::Veth && link.leads_out;
        Ok(Port {
            vni: vni.get(),
            slot: self.new_slot()?,
            flags: flag(options.isolated, PORT_ISOLATED)
                | flag(!options.mac_lock.is_empty(), PORT_MAC_LOCK)
                | flag(to_pod, PORT_VETH)
                | flag(options.mode == Mode::Auto, PORT_AUTO),
            origin: names::origin_to_byte(origin),
            reserved: [0; 3],
            name: names::to_bytes(&link.name),
        })
    }

    fn port_enter(&mut self, link: &Link, port: &Port, options: &PortOptions) -> Result<()> {
        for mac in &options.mac_lock {
            if !mac.is_station() {
                return Err(Error::state(format!("mac-lock {mac}"), "is not a station's MAC address"));
            }
            self.maps.mac_lock.insert(&MacLockKey::new(link.index, *mac), &1)?;
        }
        let vni = names::vni(port.vni);
        let mut list = self.flood_list(vni)?;
        let len = list.ports_len as usize;
        let Some(free) = list.ports.get_mut(len) else {
            return Err(Error::Full {
                what: format!("VNI {vni}'s list of ports"),
                max: MAX_PORTS as u64,
                hint: "spread the stations over more than one VNI, or put a bridge behind a port".to_owned(),
            });
        };
        *free = link.index;
        list.ports_len += 1;
        self.maps.ports.insert(&link.index, port)?;
        if let Some(index) = self.index_mut() {
            index.ports.insert(port.name, link.index);
        }
        self.maps.flood.insert(&port.vni, &list)
    }

    /// Attaches the programs, all of them or none; says whether XDP is among them.
    fn port_attach(&mut self, link: &Link, xdp: bool, mode: Mode) -> Result<bool> {
        let clsact = self.instance.flags & INSTANCE_CLSACT != 0;
        let on = On { dev: &link.name, ifindex: link.index };
        let place = self.place.clone();
        let devs = &mut self.maps.devs;
        let work = move || {
            attach::tc(&place, FROM_PORT, on, clsact)?;
            if !xdp {
                return Ok(false);
            }
            let done = attach::xdp_both_ways(&place, FROM_PORT_XDP, on, mode, devs);
            if done.is_err() {
                attach::off(&place, FROM_PORT_XDP, on, false)?;
                attach::off(&place, FROM_PORT, on, clsact)?;
            }
            done
        };
        in_netns(self.instance.netns, work)?
    }

    /// Removes all traces of a port. Call with the lock held.
    pub(super) fn port_remove(&mut self, ifindex: u32, port: &Port) -> Result<()> {
        let clsact = self.instance.flags & INSTANCE_CLSACT != 0;
        let dev = names::from_bytes(&port.name);
        let on = On { dev: &dev, ifindex };
        attach::off(&self.place, FROM_PORT_XDP, on, false)?;
        if clsact {
            self.off_clsact(FROM_PORT, ifindex);
        } else {
            attach::off(&self.place, FROM_PORT, on, false)?;
        }
        self.port_forget(ifindex, port)
    }

    /// Removes a port, without its programs, and the stations behind it. Call with the lock held.
    fn port_forget(&mut self, ifindex: u32, port: &Port) -> Result<()> {
        let _ = self.maps.devs.remove(ifindex);
        self.maps.ports.remove(&ifindex)?;
        if let Some(index) = self.index_mut() {
            index.ports.remove(&port.name);
        }
        if let Some(mut list) = self.maps.flood.get(&port.vni)? {
            let len = list.ports_len as usize;
            let kept: Vec<u32> = list.ports.iter().take(len).copied().filter(|i| *i != ifindex).collect();
            list.ports_len = 0;
            for (to, from) in list.ports.iter_mut().zip(kept) {
                *to = from;
                list.ports_len += 1;
            }
            self.maps.flood.insert(&port.vni, &list)?;
        }
        self.maps.mac_lock.remove_where(|key, _| key.ifindex() == ifindex)?;
        let behind = self.maps.fdb.remove_where(|_, entry| entry.ifindex == ifindex)?;
        self.tell_all_deleted(&behind);
        let learned = behind.iter().any(|(_, entry)| entry.state == STATE_DYNAMIC);
        if learned { self.recount(names::vni(port.vni)) } else { Ok(()) }
    }

    pub(super) fn in_netns<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        in_netns(self.instance.netns, work)
    }
}

/// Does something in the network namespace of that inode.
pub(super) fn in_netns<T: Send>(inode: u64, work: impl FnOnce() -> T + Send) -> Result<T> {
    if NetNs::current()?.inode() == inode {
        return Ok(work());
    }
    netns::find(inode)?.0.run(work)
}
