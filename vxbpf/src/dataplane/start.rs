//! Starting an instance, taking a running one over, and removing one.

use std::net::{IpAddr, UdpSocket};

use aya::{maps::Array, util::KernelVersion};
use vxbpf_common::{
    ABI_VERSION, Addr, Mac,
    instance::{INSTANCE_AUTO, INSTANCE_CLSACT, INSTANCE_GRO, INSTANCE_XDP, Instance},
};

use super::{
    Dataplane,
    attach::{self, FROM_HELPER, FROM_PORT, FROM_UNDERLAY, FROM_UNDERLAY_XDP, On},
    helpers::{self, Helpers},
    maps::{self, Maps},
    names, object,
    options::{InstanceName, Locals, Mode, Settings},
    others::{Others, helper_is_shared, underlay_is_shared},
    place::{self, Place},
};
use crate::{
    Error, Result,
    netdev::{self, Link, LinkKind, Offload},
    netns::{self, NetNs},
};

/// How starting went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    /// The instance ran already; its state was kept, and its programs were replaced between two packets.
    pub taken_over: bool,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Dataplane {
    /// Starts an instance in the current network namespace, or takes a running one over, and holds its daemon's lock.
    /// When it fails, forwarding goes on as before.
    pub fn start(settings: &Settings) -> Result<(Self, Started)> {
        let place = Place::of(&settings.instance);
        check_host()?;
        place::mount()?;
        let daemon = place.lock_daemon(&settings.instance)?;
        let lock = place.lock()?;
        let mut started = Started::default();
        if place.is_there() && !is_half_made(&place) {
            let mut dataplane = Self::open(&settings.instance)?;
            if dataplane.is_alive()? {
                drop(lock);
                dataplane.take_over(settings, &mut started)?;
                // While nobody listened, the underlay may have changed.
                dataplane.follow_links(|_| {})?;
                dataplane.daemon = Some(daemon);
                started.taken_over = true;
                return Ok((dataplane, started));
            }
            dataplane.leave_groups();
            dataplane.detach_clsact();
            started.warnings.push(
                "removed what was left of an instance whose network namespace, underlay or helper device is gone"
                    .to_owned(),
            );
        }
        // Pins without an instance are of a start that was killed half-way.
        place.remove_pins()?;
        match Self::start_anew(settings, &place, &mut started) {
            Ok(mut dataplane) => {
                dataplane.daemon = Some(daemon);
                Ok((dataplane, started))
            }
            Err(e) => {
                let _ = place.remove_pins();
                place.remove_locks();
                Err(e)
            }
        }
    }

    fn start_anew(settings: &Settings, place: &Place, started: &mut Started) -> Result<Self> {
        let (link, local) = underlay(settings)?;
        // Held until they can see that we have the interface.
        let others = Others::beside(&settings.instance, NetNs::current()?)?;
        others.check_underlay(&link)?;
        started.warnings.extend(settings.local.iter().filter(|addr| !has_address(*addr)).map(|addr| {
            format!("local address {addr} is not one of this host's: what remotes send to it does not arrive")
        }));
        let clsact = !kernel_is(6, 6);
        place.create()?;
        let mut object = object::load(place, &settings.limits)?;
        object::pin_programs(place, &mut object)?;
        let had_gro = netdev::offload(&link.name, Offload::Gro).unwrap_or(true);
        let helpers = Helpers::create(settings.dstport, local, started)?;
        let mut attached = false;
        let done = (|| {
            let mut instance = Instance {
                local4: local.v4.map_or(Addr::NONE, |addr| Addr::v4(addr.octets())),
                local6: local.v6.map_or(Addr::NONE, |addr| Addr::v6(addr.octets())),
                mac: link.mac.unwrap_or(Mac::ZERO),
                netns: NetNs::current()?.inode(),
                started: names::now(),
                ifindex: link.index,
                helper: helpers.v4.index,
                helper6: helpers.v6.as_ref().map_or(0, |helper| helper.index),
                dstport: settings.dstport.to_be_bytes(),
                flags: if clsact { INSTANCE_CLSACT } else { 0 }
                    | if settings.mode == Mode::Auto { INSTANCE_AUTO } else { 0 },
                name: names::to_bytes(&link.name),
                helper_name: names::to_bytes(&helpers.v4.name),
            };
            let mut abi: Array<_, u32> = maps::open(place, "ABI")?;
            abi.set(0, ABI_VERSION, 0).map_err(|e| maps::kernel("write map ABI", &e))?;
            let mut maps = Maps::open(place)?;
            for helper in helpers.iter() {
                attach::tc(place, FROM_HELPER, On { dev: &helper.name, ifindex: helper.index }, clsact)?;
            }
            let on = On { dev: &link.name, ifindex: link.index };
            if turn_gro_on(&link.name, started) {
                instance.flags |= INSTANCE_GRO;
            }
            if attach_xdp(place, &mut maps, &link, settings.mode)? {
                instance.flags |= INSTANCE_XDP;
            }
            attach::tc(place, FROM_UNDERLAY, on, clsact)?;
            attached = true;
            maps.instance.set(0, instance, 0).map_err(|e| maps::kernel("write map INSTANCE", &e))?;
            Ok(Self::new(settings.instance.clone(), place.clone(), maps, instance))
        })();
        if done.is_err() {
            // Else a filter of that name would be another instance's.
            if attached {
                let _ =
                    attach::off(place, FROM_UNDERLAY, On { dev: &link.name, ifindex: link.index }, clsact);
            }
            if !had_gro {
                let _ = netdev::set_offload(&link.name, Offload::Gro, false);
            }
            helpers.undo();
        }
        done
    }

    /// Puts our programs in the place of those that run. State, ports and settings stay.
    fn take_over(&mut self, settings: &Settings, started: &mut Started) -> Result<()> {
        let _lock = self.lock()?;
        self.check_same(settings)?;
        let clsact = self.instance.flags & INSTANCE_CLSACT != 0;
        let mut object = object::load(&self.place, &settings.limits)?;
        object::pin_programs(&self.place, &mut object)?;
        for (program, _, link) in self.place.links() {
            if !attach::update(&self.place, &program, &link)? {
                let _ = std::fs::remove_file(&link);
            }
        }
        if clsact {
            let iface = self.iface();
            for (dev, ifindex) in helpers::of(&self.instance) {
                attach::update_clsact(&self.place, FROM_HELPER, On { dev: &dev, ifindex })?;
            }
            attach::update_clsact(
                &self.place,
                FROM_UNDERLAY,
                On { dev: &iface, ifindex: self.instance.ifindex },
            )?;
        }
        for (ifindex, port) in self.maps.ports.entries()? {
            let dev = names::from_bytes(&port.name);
            let updated = |link: &Link| {
                !clsact
                    || attach::update_clsact(&self.place, FROM_PORT, On { dev: &link.name, ifindex }).is_ok()
            };
            if !self.running(FROM_PORT, ifindex)?.is_some_and(|link| updated(&link)) {
                self.port_remove(ifindex, &port)?;
                started.warnings.push(format!("port {dev} is gone, or our program at it is: removed"));
            }
        }
        Ok(())
    }

    /// Whether the programs without which nothing is forwarded still run. Pins outlive the interfaces, and a network
    /// namespace that has the inode of one that is gone has nothing else of it.
    fn is_alive(&self) -> Result<bool> {
        let all = || {
            for (dev, ifindex) in helpers::of(&self.instance) {
                if self.running(FROM_HELPER, ifindex)?.is_none_or(|link| link.name != dev) {
                    return Ok(false);
                }
            }
            self.runs(FROM_UNDERLAY, self.instance.ifindex)
        };
        match all() {
            Err(Error::NotFound { .. }) => Ok(false), // the network namespace
            alive => alive,
        }
    }

    /// A running instance is taken over as it is, or not at all.
    fn check_same(&self, settings: &Settings) -> Result<()> {
        let refuse = |why: String| {
            Err(Error::State {
                what: format!("instance {}", self.name),
                why,
                hint: Some(format!(
                    "remove it first (vxbpf detach -i {}), or choose another name with -i",
                    self.name
                )),
            })
        };
        if NetNs::current()?.inode() != self.instance.netns {
            let (_, name) = netns::find(self.instance.netns)?;
            return refuse(format!("runs in another network namespace ({name})"));
        }
        let iface = self.iface();
        match netdev::link(&settings.iface) {
            Ok(link) if link.index == self.instance.ifindex => {}
            Ok(_) if settings.iface == iface => {
                return refuse(format!("lost its interface: {iface} was made anew"));
            }
            Ok(_) => return refuse(format!("runs on {iface}, not on {}", settings.iface)),
            Err(e) => return Err(e),
        }
        if settings.dstport != self.dstport() {
            return refuse(format!("runs on UDP port {}, not {}", self.dstport(), settings.dstport));
        }
        let ours = names::locals(&self.instance);
        if settings.local.iter().any(|local| !ours.iter().any(|ours| ours == local)) {
            return refuse(format!("has the local address {ours}"));
        }
        let xdp = self.instance.flags & INSTANCE_XDP != 0;
        if (settings.mode == Mode::Xdp && !xdp) || (settings.mode == Mode::Tc && xdp) {
            return refuse(format!("runs in mode {}, not {}", if xdp { "xdp" } else { "tc" }, settings.mode));
        }
        Ok(())
    }

    /// Removes an instance: links, pins, helper device, locks. Not while another process is its daemon.
    pub fn detach(instance: &InstanceName) -> Result<()> {
        let place = Place::of(instance);
        let dataplane = Self::open(instance);
        if let Err(Error::System { .. } | Error::NotRunning { .. }) = dataplane {
            return dataplane.map(drop);
        }
        // Unless we are the daemon, nobody is to become it meanwhile.
        let ours = place.daemon_pid() == Some(std::process::id());
        let _daemon = if ours { None } else { Some(place.lock_daemon(instance).map_err(has_daemon)?) };
        let _lock = place.lock()?;
        // Pins of another version's layout are removed all the same; what they say of the helper is not read.
        if let Ok(dataplane) = dataplane {
            dataplane.detach_clsact();
            dataplane.leave_groups();
            place.remove_pins()?;
            // Where the namespace is gone, so are the devices.
            if let Ok((netns, _)) = netns::find(dataplane.instance.netns) {
                if dataplane.instance.flags & INSTANCE_GRO != 0 && !underlay_is_shared(&dataplane.instance) {
                    let ifindex = dataplane.instance.ifindex;
                    // The interface may be gone, which is no reason to leave anything else.
                    let _ = netns.run(|| match netdev::link_at(ifindex)? {
                        Some(link) => netdev::set_offload(&link.name, Offload::Gro, false),
                        None => Ok(()),
                    })?;
                }
                for (dev, ifindex) in helpers::of(&dataplane.instance) {
                    if !helper_is_shared(&dataplane.instance, ifindex) {
                        netns.run(|| netdev::delete(&dev))??;
                    }
                }
            }
        } else {
            place.remove_pins()?;
        }
        place.remove_locks();
        Ok(())
    }

    /// Filters on clsact qdiscs have no pins that go with the others.
    fn detach_clsact(&self) {
        if self.instance.flags & INSTANCE_CLSACT == 0 {
            return;
        }
        self.off_clsact(FROM_UNDERLAY, self.instance.ifindex);
        for (_, ifindex) in helpers::of(&self.instance) {
            self.off_clsact(FROM_HELPER, ifindex);
        }
        for (ifindex, _) in self.maps.ports.entries().unwrap_or_default() {
            self.off_clsact(FROM_PORT, ifindex);
        }
    }
}

/// What stands in the way of [`Dataplane::detach`].
fn has_daemon(error: Error) -> Error {
    if let Error::Running { instance, pid } = error {
        let hint = format!("end it first: kill {pid} (without run --keep that detaches, too)");
        return Error::State {
            what: format!("instance {instance}"),
            why: format!("has a daemon, process {pid}"),
            hint: Some(hint),
        };
    }
    error
}

/// Whether the pins are of a start that was killed half-way.
fn is_half_made(place: &Place) -> bool {
    let instance: Result<Array<_, Instance>> = maps::open(place, "INSTANCE");
    let ifindex = instance.ok().and_then(|map| map.get(&0, 0).ok()).map_or(0, |instance| instance.ifindex);
    maps::abi(place).unwrap_or(0) == 0 || (maps::abi(place).ok() == Some(ABI_VERSION) && ifindex == 0)
}

/// Whether the running kernel is that version or newer.
fn kernel_is(major: u8, minor: u8) -> bool {
    KernelVersion::current().is_ok_and(|kernel| kernel >= KernelVersion::new(major, minor, 0))
}

/// What everything needs.
fn check_host() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        return Err(Error::system("load BPF programs")(denied));
    }
    if !kernel_is(5, 15) {
        return Err(Error::state("this kernel", "is older than Linux 5.15, which vxbpf needs"));
    }
    Ok(())
}

/// The underlay interface and our addresses on it.
fn underlay(settings: &Settings) -> Result<(Link, Locals)> {
    let link = netdev::link(&settings.iface)?;
    let what = || format!("interface {}", link.name);
    if !link.ethernet {
        return Err(Error::state(what(), "carries no Ethernet frames; vxbpf needs an Ethernet underlay"));
    }
    if !link.up {
        return Err(Error::State {
            what: what(),
            why: "is down".to_owned(),
            hint: Some(format!("set it up first: ip link set dev {} up", link.name)),
        });
    }
    let mut local = settings.local;
    if local == Locals::default() {
        local = Locals::first_of(netdev::global_addresses(link.index)?);
    }
    if local == Locals::default() {
        return Err(Error::State {
            what: what(),
            why: "has no global address to be our VTEP address".to_owned(),
            hint: Some("give it one, or name one with --local".to_owned()),
        });
    }
    for addr in local.iter() {
        if !Addr::from(addr).is_host() {
            return Err(Error::state(format!("local address {addr}"), "is not a unicast address"));
        }
        if matches!(addr, IpAddr::V6(addr) if addr.is_unicast_link_local()) {
            return Err(Error::state(
                format!("local address {addr}"),
                "is link-local; VTEPs have global addresses",
            ));
        }
    }
    Ok((link, local))
}

/// Whether an address is one of this network namespace's, as far as that can be told: of an interface, if not yet ready to
/// be bound, or of a local route.
fn has_address(addr: IpAddr) -> bool {
    let bound = UdpSocket::bind((addr, 0));
    !bound.is_err_and(|e| e.kind() == std::io::ErrorKind::AddrNotAvailable)
        || netdev::addresses().map_or(true, |all| all.contains(&addr))
}

/// Without GRO on the underlay every segment of a TCP stream would take the way by itself. NICs have it on; a veth,
/// say, does not. Says whether it had to be turned on; `detach` turns it off again.
fn turn_gro_on(dev: &str, started: &mut Started) -> bool {
    let done = match netdev::offload(dev, Offload::Gro) {
        Ok(true) => return false,
        Ok(false) => netdev::set_offload(dev, Offload::Gro, true),
        Err(e) => Err(e),
    };
    match done {
        Ok(()) => true,
        Err(e) => {
            started.warnings.push(format!("{e}: without GRO, TCP through the overlay is slower"));
            false
        }
    }
}

/// Attaches XDP to the underlay where the mode asks for it; says whether it did.
fn attach_xdp(place: &Place, maps: &mut Maps, link: &Link, mode: Mode) -> Result<bool> {
    let wanted = match mode {
        Mode::Tc => false,
        Mode::Xdp => true,
        Mode::Auto => link.kind == LinkKind::Hardware,
    };
    if !wanted {
        return Ok(false);
    }
    let on = On { dev: &link.name, ifindex: link.index };
    attach::xdp_both_ways(place, FROM_UNDERLAY_XDP, on, mode, &mut maps.devs)
}
