//! The programs of `vxbpf-limit`, loaded and attached: the hops of ours without encapsulation, what could be reached at
//! best. An attachment lasts as long as its value.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader,
    maps::xdp::DevMap,
    programs::{SchedClassifier, TcAttachType, Xdp, XdpMode},
};
use vxbpf::netdev;
use vxbpf_limit::Traffic;

use crate::scratch::Netns;

/// Wraps the bytes, for the parser wants them aligned.
#[repr(C, align(32))]
struct Aligned<B: ?Sized>(B);

static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/vxbpf-limit")));

/// Makes the maps, and makes the globals what is given. No program is loaded yet.
pub(super) fn load(traffic: Option<&Traffic>, target: Option<u32>) -> Result<Ebpf> {
    let target = target.map(u32::to_ne_bytes);
    let mut loader = EbpfLoader::new();
    if let Some(target) = &target {
        loader.override_global("TARGET", target.as_slice(), true);
    }
    if let Some(traffic) = traffic {
        loader.override_global("TRAFFIC", bytemuck::bytes_of(traffic), true);
    }
    loader.load(&OBJECT.0).context("load the benchmark's programs")
}

/// Loads a program and attaches it to the ingress of an interface, in TC.
pub(super) fn attach_tc(ebpf: &mut Ebpf, program: &str, netns: &Netns, dev: &str) -> Result<()> {
    let loaded: &mut SchedClassifier = ebpf.program_mut(program).context("no such program")?.try_into()?;
    loaded.load()?;
    netns
        .run(|| loaded.attach(dev, TcAttachType::Ingress).map(drop).context("attach it"))
        .with_context(|| format!("program {program} on {dev}"))
}

/// Loads a program and attaches it to an interface, in its driver.
pub(super) fn attach_xdp(ebpf: &mut Ebpf, program: &str, netns: &Netns, dev: &str) -> Result<()> {
    let loaded: &mut Xdp = ebpf.program_mut(program).context("no such program")?.try_into()?;
    loaded.load()?;
    netns
        .run(|| loaded.attach(dev, XdpMode::Driver).map(drop).context("attach it"))
        .with_context(|| format!("program {program} on {dev}"))
}

/// A program that sends what an interface receives out of another one.
#[derive(Debug)]
pub struct Limit {
    _ebpf: Ebpf,
}

impl Limit {
    /// From a port to the underlay, in TC.
    pub(super) fn tc_from_port(netns: &Netns, from: &str, to: &str) -> Result<Self> {
        Self::tc("limit_tc_from_port", netns, from, to)
    }

    /// From the underlay into the pod that a port leads to, in TC.
    pub(super) fn tc_from_underlay(netns: &Netns, from: &str, to: &str) -> Result<Self> {
        Self::tc("limit_tc_from_underlay", netns, from, to)
    }

    fn tc(program: &str, netns: &Netns, from: &str, to: &str) -> Result<Self> {
        let mut ebpf = load(None, Some(index(netns, to)?))?;
        attach_tc(&mut ebpf, program, netns, from)?;
        Ok(Self { _ebpf: ebpf })
    }

    /// In XDP.
    pub(super) fn xdp(netns: &Netns, from: &str, to: &str) -> Result<Self> {
        let mut ebpf = load(None, None)?;
        let to = index(netns, to)?;
        // The kernel looks the interface up in the namespace of who enters it.
        netns.run(|| {
            let mut devs = DevMap::try_from(ebpf.map_mut("DEVS").context("no map DEVS")?)?;
            Ok(devs.set(0, to, None, 0)?)
        })?;
        attach_xdp(&mut ebpf, "limit_xdp", netns, from)?;
        Ok(Self { _ebpf: ebpf })
    }
}

fn index(netns: &Netns, dev: &str) -> Result<u32> {
    netns.run(|| Ok(netdev::link(dev)?.index))
}
