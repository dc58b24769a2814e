//! Running a program of the data path on one frame.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use aya::{
    TestRun as _, TestRunOptions,
    programs::{SchedClassifier, Xdp},
};
use aya_obj::programs::XdpAttachType;
use bytemuck::{Pod, Zeroable};

use super::bed::Bed;

/// A program, in both hooks where it has twins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// What ports send.
    FromPort,
    /// What the underlay brings.
    FromUnderlay,
    /// What waits for a neighbour.
    FromHelper,
}

/// A hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// TC.
    Tc,
    /// XDP.
    Xdp,
}

impl Program {
    fn name(self, hook: Hook) -> &'static str {
        match (self, hook) {
            (Self::FromPort, Hook::Tc) => "from_port",
            (Self::FromUnderlay, Hook::Tc) => "from_underlay",
            (Self::FromHelper, _) => "from_helper",
            (Self::FromPort, Hook::Xdp) => "from_port_xdp",
            (Self::FromUnderlay, Hook::Xdp) => "from_underlay_xdp",
        }
    }
}

/// A frame on its way into a program.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) program: Program,
    /// The interface it came in on.
    pub(super) dev: String,
    pub(super) frame: Vec<u8>,
    /// The mark of its skb.
    pub(super) mark: u32,
    /// Makes a GSO frame of it, of no type that the kernel knows how to change.
    pub(super) gso_size: u32,
}

impl Input {
    pub(super) fn new(program: Program, dev: &str, frame: Vec<u8>) -> Self {
        Self { program, dev: dev.to_owned(), frame, mark: 0, gso_size: 0 }
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// `TC_ACT_*` or `XDP_*`.
    pub code: u32,
    /// The frame as the program left it.
    pub frame: Vec<u8>,
    /// The mark of the skb.
    pub mark: u32,
}

/// `struct __sk_buff` of linux/bpf.h. All that a test run does not take must be zero
/// (net/bpf/test_run.c, convert___skb_to_skb).
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct SkBuff {
    before_mark: [u32; 2],
    mark: u32,
    before_ifindex: [u32; 7],
    ifindex: u32,
    before_gso_segs: [u32; 30],
    gso_segs: u32,
    sk: [u32; 2],
    gso_size: u32,
    after_gso_size: [u32; 3],
}
const _: () = assert!(size_of::<SkBuff>() == 192);

/// `struct xdp_md` of linux/bpf.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct XdpMd {
    pub(crate) data: u32,
    pub(crate) data_end: u32,
    pub(crate) data_meta: u32,
    pub(crate) ingress_ifindex: u32,
    pub(crate) rx_queue_index: u32,
    pub(crate) egress_ifindex: u32,
}

impl Bed {
    /// Where the instance has its pins.
    pub(super) fn pins(&self) -> PathBuf {
        Path::new("/run/vxbpf/bpf").join(self.instance.name().as_str())
    }

    /// Runs a program. Redirects are not performed; copies are.
    pub(super) fn run(&self, hook: Hook, input: &Input) -> Result<Outcome> {
        let pin = self.pins().join(format!("prog-{}", input.program.name(hook)));
        // The most that a linear test frame can have (net/bpf/test_run.c, bpf_test_init).
        let mut data = vec![0; 4096];
        let mut options =
            TestRunOptions { data_in: Some(&input.frame), data_out: Some(&mut data), ..Default::default() };
        let ifindex = self.index(&input.dev);
        ensure!(ifindex != 0, "there is no interface {}", input.dev);
        let (result, mark) = match hook {
            Hook::Tc => {
                let mut ctx =
                    SkBuff { mark: input.mark, ifindex, gso_size: input.gso_size, ..SkBuff::zeroed() };
                ctx.gso_segs = if input.gso_size == 0 { 0 } else { 2 };
                let mut after = SkBuff::zeroed();
                options.ctx_in = Some(bytemuck::bytes_of(&ctx));
                options.ctx_out = Some(bytemuck::bytes_of_mut(&mut after));
                (SchedClassifier::from_pin(&pin)?.test_run(options)?, after.mark)
            }
            Hook::Xdp => {
                let data_end = u32::try_from(input.frame.len())?;
                let ctx = XdpMd { data_end, ingress_ifindex: ifindex, ..XdpMd::zeroed() };
                options.ctx_in = Some(bytemuck::bytes_of(&ctx));
                (Xdp::from_pin(&pin, XdpAttachType::Interface)?.test_run(options)?, 0)
            }
        };
        data.truncate(usize::try_from(result.data_size_out)?);
        Ok(Outcome { code: result.return_value, frame: data, mark })
    }
}
