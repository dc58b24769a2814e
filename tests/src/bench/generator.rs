//! The generator: frames that a pod sends faster than any socket could, without an skb, by running an XDP program on
//! "live frames" (`bpf_test_run_xdp_live` in net/bpf/test_run.c). It says `XDP_TX`, which here sends from the interface
//! that the frames are said to have come in on: the pod's, so that they reach the node's end of the veth pair as frames
//! of XDP, and kernel and contenders are fed alike.
//!
//! A batch has been carried when the system call gets to the next one: the softirqs that carry it run on the same CPU,
//! when the batch is given out. So what is offered is what can be carried, and nothing is lost to a full ring
//! (`VETH_RING_SIZE`, 256 frames) if no hop makes more of a batch than that.

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf, TestRun as _, TestRunOptions,
    maps::{PerCpuArray, PerCpuValues},
    programs::{TestRunAttrs, Xdp},
    util::nr_cpus,
};
use bytemuck::Zeroable;
use etherparse::PacketBuilder;
use vxbpf::netdev::{self, Offload};
use vxbpf_limit::{Arp, FIRST_PORT, HEADERS, MAGIC, MIN_LEN, Sent, Traffic};

use super::{
    bed::{Node, PORT},
    cpu, limit,
};
use crate::{packet::run::XdpMd, pod::Pod};

/// Frames that are given out at once, unless copies are made of them: as many as a NAPI poll takes at most.
pub const BATCH: u32 = 64;

/// Bytes of the shortest frame of Ethernet, without its check sequence.
const SHORTEST: usize = 60;

/// What generates in a pod.
#[derive(Debug)]
pub struct Generator {
    ebpf: Ebpf,
    program: &'static str,
    frame: Vec<u8>,
    context: XdpMd,
    cpu: usize,
}

impl Generator {
    /// Prepares for a pod of a node to send frames, on a CPU.
    pub fn create(node: &Node, pod: &Pod, traffic: &Traffic, cpu: usize) -> Result<Self> {
        Self::of(node, pod, (limit::load(Some(traffic), None)?, "generate"), frame(traffic)?, cpu)
    }

    /// The same with questions of ARP.
    pub fn asking(node: &Node, pod: &Pod, arp: &[Arp; 2], cpu: usize) -> Result<Self> {
        Self::of(node, pod, (limit::load_arp(arp)?, "ask"), vec![0; SHORTEST], cpu)
    }

    fn of(
        node: &Node,
        pod: &Pod,
        (mut ebpf, program): (Ebpf, &'static str),
        frame: Vec<u8>,
        cpu: usize,
    ) -> Result<Self> {
        // A veth takes frames of XDP only if it has a NAPI instance: an XDP program, or GRO (`veth_xdp_xmit`).
        node.netns.run(|| Ok(netdev::set_offload(PORT, Offload::Gro, true)?))?;
        let ingress_ifindex = pod.netns.run(|| Ok(netdev::link("eth0")?.index))?;
        let context = XdpMd { data_end: u32::try_from(frame.len())?, ingress_ifindex, ..XdpMd::zeroed() };
        let generate: &mut Xdp = ebpf.program_mut(program).context("no such program")?.try_into()?;
        generate.load()?;
        Ok(Self { ebpf, program, frame, context, cpu })
    }

    /// Has the pod send frames, and gives the time of the first, on the kernel's clock in nanoseconds. When it returns
    /// they are all on their way, and most have arrived.
    pub fn send(&mut self, pod: &Pod, frames: u32, batch: u32) -> Result<u64> {
        self.reset()?;
        let generate: &Xdp = self.ebpf.program(self.program).context("no such program")?.try_into()?;
        pod.netns.run(|| {
            cpu::stay_on(self.cpu)?;
            // All hops run in the time of this thread, and share its priority.
            cpu::go_first()?;
            generate
                .test_run(TestRunOptions {
                    data_in: Some(&self.frame),
                    ctx_in: Some(bytemuck::bytes_of(&self.context)),
                    repeat: frames,
                    attrs: TestRunAttrs::new().xdp_live_frames(batch),
                    ..Default::default()
                })
                .context("generate frames")
        })?;
        self.begin()
    }

    fn reset(&mut self) -> Result<()> {
        let cpus = nr_cpus().map_err(|(_, e)| e).context("ask for the number of CPUs")?;
        let mut sent: PerCpuArray<_, [u64; 2]> =
            PerCpuArray::try_from(self.ebpf.map_mut("SENT").context("no map SENT")?)?;
        Ok(sent.set(0, PerCpuValues::try_from(vec![[0; 2]; cpus])?, 0)?)
    }

    fn begin(&self) -> Result<u64> {
        let sent: PerCpuArray<_, [u64; 2]> =
            PerCpuArray::try_from(self.ebpf.map("SENT").context("no map SENT")?)?;
        let of_cpus = sent.get(&0, 0)?;
        let of_mine = of_cpus.get(self.cpu).context("no such CPU")?;
        Ok(bytemuck::cast::<_, Sent>(*of_mine).begin)
    }
}

/// The frame that all are made of. Its UDP checksum is zero, which is none (RFC 768): nobody has to verify it, whatever
/// the generator changes.
fn frame(traffic: &Traffic) -> Result<Vec<u8>> {
    /// Discard (RFC 863). What arrives is counted before anybody listens.
    const PORT: u16 = 9;
    let len = usize::try_from(traffic.len)?;
    ensure!(len >= MIN_LEN, "frames of {len} bytes are too short, {MIN_LEN} is the least");
    let mut payload = MAGIC.to_vec();
    payload.resize(len - HEADERS, 0);
    let headers = PacketBuilder::ethernet2(traffic.source, traffic.destination)
        .ipv4([12, 12, 12, 1], [12, 12, 12, 2], 64)
        .udp(FIRST_PORT, PORT);
    let mut frame = Vec::with_capacity(len);
    headers.write(&mut frame, &payload)?;
    frame[CHECKSUM..CHECKSUM + 2].fill(0);
    Ok(frame)
}

/// Where the UDP checksum is.
const CHECKSUM: usize = HEADERS - 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_its_length_and_no_checksum_of_udp() {
        let traffic = Traffic { len: 64, flows: 1, stations: 0, source: [2; 6], destination: [4; 6] };
        let made = frame(&traffic).unwrap();
        assert_eq!(made.len(), 64);
        assert_eq!(made[..14], [4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2, 8, 0]);
        assert_eq!(made[CHECKSUM..HEADERS], [0, 0]);
        assert_eq!(made[HEADERS..HEADERS + 8], MAGIC);
        assert!(frame(&Traffic { len: 57, ..traffic }).is_err());
    }
}
