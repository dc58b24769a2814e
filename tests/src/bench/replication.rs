//! Head-end replication: what a copy costs of a broadcast frame that a node sends to 1, 16 or 128 remotes. All copies
//! go to the other node of the bed, which has all those addresses as far as the sender can tell, and there they end.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use vxbpf_common::Mac;
use vxbpf_limit::Traffic;

use super::{
    bed::{Bed, DEVICE, IFACE, Node, VNI},
    contender::Contender,
    counter::{At, Counter},
    generator::Generator,
    measure::{Measure, Rounds, Sample, Settings},
    offer::{Offer, Taken},
};

/// Copies that are under way at once: half of what the ring of a veth holds.
const UNDER_WAY: u32 = 128;
/// Last byte of the first remote's address: that of the other node.
const FIRST: u8 = 2;

/// All of this topic.
pub fn all() -> Vec<Box<dyn Measure>> {
    [1, 16, 128].map(|remotes| Box::new(Replication { remotes }) as Box<dyn Measure>).into()
}

/// Broadcast frames of 64 bytes, sent to all remotes of the flood list.
#[derive(Clone, Copy, Debug)]
pub struct Replication {
    /// How many there are, up to 128.
    pub remotes: u8,
}

impl Measure for Replication {
    fn id(&self) -> String {
        format!("replication-{}", self.remotes)
    }

    fn title(&self) -> String {
        let remotes =
            if self.remotes == 1 { "1 remote".to_owned() } else { format!("{} remotes", self.remotes) };
        format!("Copies of broadcast frames of 64 bytes to {remotes}")
    }

    fn unit(&self) -> &'static str {
        "copies/s"
    }

    fn cpu_per(&self) -> Option<&'static str> {
        Some("copy")
    }

    fn contenders(&self) -> Vec<Contender> {
        vec![Contender::Kernel, Contender::VxbpfTc, Contender::VxbpfXdp]
    }

    fn prepare(&self, contender: Contender, settings: &Settings) -> Result<Box<dyn Rounds>> {
        let mut bed = Bed::lay(contender, settings)?;
        bed.start(0, "")?;
        // The other node is in the list already.
        let others: Vec<_> =
            (FIRST..FIRST + self.remotes).skip(1).map(|last| Ipv4Addr::new(192, 168, 104, last)).collect();
        enlist(contender, &bed.nodes[0], bed.nodes[1].mac, &others)?;
        let destination = Mac::BROADCAST.octets();
        let traffic = Traffic { len: 64, flows: 1, destination, ..bed.traffic() };
        let mut offer = Offer {
            // XDP leaves copies to TC: what comes is an skb, whoever sent it.
            counter: Counter::at_node(&bed, 1, At::Tc, &traffic)?,
            generator: Generator::create(&bed.nodes[0], &bed.pods[0], &traffic, settings.client_cpu)?,
            batch: (UNDER_WAY / u32::from(self.remotes)).clamp(1, super::generator::BATCH),
            copies: self.remotes.into(),
        };
        let frames = offer.size(&bed.pods[0], settings)?;
        Ok(Box::new(Ready { offer, frames, remotes: self.remotes, bed }))
    }
}

/// Puts remotes into the flood list, and their MAC address into the neighbour table.
fn enlist(contender: Contender, node: &Node, mac: Mac, remotes: &[Ipv4Addr]) -> Result<()> {
    let neighbour = |remote| format!("neigh replace {remote} lladdr {mac} dev {IFACE} nud permanent");
    node.batch("ip", &remotes.iter().map(neighbour).collect::<Vec<_>>())?;
    if contender == Contender::Kernel {
        let append =
            |remote| format!("fdb append 00:00:00:00:00:00 dev {DEVICE} dst {remote} self permanent");
        return node.batch("bridge", &remotes.iter().map(append).collect::<Vec<_>>());
    }
    remotes.iter().try_for_each(|remote| {
        node.ok(&format!("fdb append 00:00:00:00:00:00 dst {remote} vni {VNI}")).map(drop)
    })
}

struct Ready {
    offer: Offer,
    frames: u32,
    remotes: u8,
    bed: Bed,
}

impl Rounds for Ready {
    fn play(&mut self) -> Result<Sample> {
        let taken = self.offer.play(&self.bed.pods[0], self.frames)?;
        everybody_got_theirs(&taken, self.remotes, self.frames)?;
        let each = 1e9 / taken.rate();
        Ok(Sample { value: taken.rate(), cpu: Some(taken.cpu), also: vec![("copy", "ns", each)] })
    }
}

fn everybody_got_theirs(taken: &Taken, remotes: u8, frames: u32) -> Result<()> {
    for last in FIRST..FIRST + remotes {
        let got = taken.counts.places.get(usize::from(last)).copied().unwrap_or(0);
        ensure!(got == u64::from(frames), "remote 192.168.104.{last} got {got} copies of {frames} frames");
    }
    Ok(())
}
