//! The second half of a row: how it ends.

use std::net::IpAddr;

use vxbpf::dataplane::{Destination, FdbState};
use vxbpf_common::{DropReason, Mac};

use super::{Action, Event, Leaves, Row, Xdp};
use crate::packet::{
    Counter, Frame, Given, Outer, Program,
    bed::{A, BROADCAST, LOCAL, UNDERLAY, UNDERLAY_MAC},
    version::{here, twin},
};

/// How it ends.
impl Row {
    /// What the XDP twin does.
    pub fn xdp(mut self, xdp: Xdp) -> Self {
        self.xdp = xdp;
        self
    }

    /// It is not ours: the next one gets it untouched, and no counter moves.
    pub fn passes(mut self) -> Self {
        self.action = Action::Pass;
        self.leaves = Leaves::Untouched;
        self
    }

    /// It is dropped, and counted once where it came from, where it was going, and by its reason.
    pub fn dropped(mut self, reason: DropReason) -> Self {
        self.action = Action::Drop;
        self.leaves = Leaves::Unseen;
        self.reasons.push(reason);
        let len = self.len();
        match self.input.program {
            Program::FromPort => {
                self.counts.received_and_dropped(Counter::Port(self.input.dev.clone()), len, reason);
                self.counts.add(Counter::Vni(self.vni), "tx_dropped", 1);
            }
            Program::FromUnderlay => {
                self.counts.received_and_dropped(Counter::Vni(self.vni), len, reason);
                self.counts.received_and_dropped(self.sender_counter(), len, reason);
            }
            Program::FromHelper => {}
        }
        self.counts.dropped(reason);
        self
    }

    /// A copy of it is dropped; the frame itself goes its way.
    pub fn copy_dropped(mut self, counters: impl IntoIterator<Item = Counter>, reason: DropReason) -> Self {
        self.reasons.push(reason);
        self.counts.dropped(reason);
        for counter in counters {
            let counter =
                if let Counter::Vtep(vni, addr) = counter { Counter::Vtep(vni, here(addr)) } else { counter };
            self.counts.add(counter, "tx_dropped", 1);
        }
        self
    }

    /// Received: by the port it came from, or by the VNI and the VTEP.
    fn received(&mut self) {
        let len = self.len();
        match self.input.program {
            Program::FromPort => self.counts.received(Counter::Port(self.input.dev.clone()), len),
            Program::FromUnderlay => {
                self.counts.received(Counter::Vni(self.vni), len);
                self.counts.received(self.sender_counter(), len);
            }
            Program::FromHelper => {}
        }
    }

    /// Where the sender is counted: in a row of its own if anything in the VNI names it.
    fn sender_counter(&self) -> Counter {
        let sender = self.sender.unwrap_or(LOCAL.into());
        if self.given.iter().any(|given| names(given, sender)) {
            Counter::Vtep(self.vni, sender)
        } else {
            Counter::OtherVteps
        }
    }

    /// It goes to a remote, in these outer headers.
    pub fn encapsulated(mut self, remote: impl Into<IpAddr>, outer: Outer) -> Self {
        let remote = here(remote);
        self.action = Action::Redirect;
        self.leaves = Leaves::Outer(Box::new(outer), self.input.frame.clone());
        self.received();
        let len = self.len();
        self.counts.sent(Counter::Vni(self.vni), len);
        let counter = if self.given.iter().any(|given| names(given, remote)) {
            Counter::Vtep(self.vni, remote)
        } else {
            Counter::OtherVteps
        };
        self.counts.sent(counter, len);
        self
    }

    /// It goes to a port, as the inner frame it is.
    pub fn delivered(mut self, port: &str) -> Self {
        self.action = Action::Redirect;
        let inner = self.inner();
        self.received();
        self.counts.sent(Counter::Port(port.to_owned()), inner.len());
        self.leaves = Leaves::Bytes(inner);
        self
    }

    /// The inner frame that comes.
    fn inner(&self) -> Vec<u8> {
        let outer = self.input.frame.len() - self.len();
        self.input.frame.get(outer..).unwrap_or_default().to_vec()
    }

    /// These are the bytes that leave, not those that the row concluded.
    pub fn leaving(mut self, bytes: Vec<u8>) -> Self {
        self.leaves = Leaves::Bytes(bytes);
        self
    }

    /// The skb is marked.
    pub fn marked(mut self, mark: u32) -> Self {
        self.mark = mark;
        self
    }

    /// It is answered: the port gets a frame.
    pub fn answered(self, reply: &Frame) -> Self {
        self.answered_bytes(reply.bytes())
    }

    /// The same, with bytes.
    pub fn answered_bytes(mut self, reply: Vec<u8>) -> Self {
        self.action = Action::Redirect;
        self.received();
        self.counts.sent(Counter::Port(self.input.dev.clone()), reply.len());
        self.leaves = Leaves::Bytes(reply);
        self
    }

    /// Copies of it go to others, named next. XDP leaves that to TC.
    pub fn flooded(mut self) -> Self {
        self.action = Action::Drop;
        self.leaves = Leaves::Unseen;
        self.xdp = Xdp::Passes;
        self.received();
        self
    }

    /// A copy goes to a port.
    pub fn copied_to(self, port: &str) -> Self {
        let inner = self.inner();
        self.copy(port, inner)
    }

    /// A copy goes to a port, changed to this.
    pub fn copied_as(self, port: &str, frame: &Frame) -> Self {
        self.copy(port, frame.bytes())
    }

    /// The port that it came from gets another frame, these bytes.
    pub fn told(self, answer: Vec<u8>) -> Self {
        let port = self.input.dev.clone();
        self.copy(&port, answer)
    }

    fn copy(mut self, port: &str, frame: Vec<u8>) -> Self {
        self.counts.sent(Counter::Port(port.to_owned()), frame.len());
        self.copies.push((port.to_owned(), Leaves::Bytes(untagged(frame))));
        self
    }

    /// A copy goes to a remote.
    pub fn replicated_to(self, remote: impl Into<IpAddr>, outer: Outer) -> Self {
        let len = self.inner().len();
        self.replicated(here(remote), outer, len)
    }

    fn replicated(mut self, remote: IpAddr, outer: Outer, len: usize) -> Self {
        let inner = self.inner();
        self.counts.sent(Counter::Vni(self.vni), len);
        self.counts.sent(Counter::Vtep(self.vni, remote), len);
        self.copies.push((UNDERLAY.to_owned(), Leaves::Outer(Box::new(outer), inner)));
        self
    }

    /// A copy goes to the helper device, on its way to a remote.
    pub fn replicated_over_helper(mut self, remote: impl Into<IpAddr>) -> Self {
        let remote = here(remote);
        let len = self.inner().len();
        self.counts.sent(Counter::Vni(self.vni), len);
        self.counts.sent(Counter::Vtep(self.vni, remote), len);
        self
    }

    /// A frame is to be seen on a link, though not counted.
    pub fn seen_on(mut self, dev: &str, frame: Vec<u8>) -> Self {
        self.copies.push((dev.to_owned(), Leaves::Bytes(frame)));
        self
    }

    /// The kernel asks for a remote's MAC address, on the underlay; not again for the next frame.
    pub fn asked_for(mut self, remote: impl Into<IpAddr>) -> Self {
        self.once = true;
        let question = match here(remote) {
            IpAddr::V4(remote) => Frame::new(UNDERLAY_MAC, BROADCAST).arp_request(LOCAL, remote),
            IpAddr::V6(remote) => Frame::solicitation(UNDERLAY_MAC, twin(LOCAL), remote),
        };
        self.seen_on(UNDERLAY, question.bytes())
    }

    /// The frame ends as the row says, without being redirected.
    pub fn redirected(mut self) -> Self {
        self.action = Action::Redirect;
        self
    }

    /// User space is told exactly this.
    pub fn tells(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.events = Some(events.into_iter().collect());
        self
    }

    /// Afterwards the station is known to be behind that port or VTEP.
    pub fn then(mut self, mac: Mac, place: impl ToString) -> Self {
        let place = place.to_string();
        let place = place.parse::<IpAddr>().map_or(place, |vtep| here(vtep).to_string());
        self.stations.push((mac, Some(place)));
        self
    }

    /// Afterwards nobody knows where the station is.
    pub fn then_unknown(mut self, mac: Mac) -> Self {
        self.stations.push((mac, None));
        self
    }

    /// Afterwards [`A`] is where the frame came from.
    pub fn learns(self) -> Self {
        let place = self.sender.map_or_else(|| self.input.dev.clone(), |sender| sender.to_string());
        self.then(A, place)
    }
}

/// Whether something names a VTEP.
fn names(given: &Given, vtep: IpAddr) -> bool {
    match given {
        Given::Allow(addr) | Given::Deny(addr) => *addr == vtep,
        Given::Flood(remote) | Given::Group(_, remote) => remote.addr == vtep,
        Given::Fdb(_, Destination::Remote(remote), state) => {
            remote.addr == vtep && *state != FdbState::Dynamic
        }
        Given::AllowIn(..)
        | Given::Fdb(..)
        | Given::Deleted(_)
        | Given::Neigh(..)
        | Given::NeighIn(..)
        | Given::Options(_)
        | Given::Heard(..)
        | Given::Expired(_)
        | Given::Due(_)
        | Given::Swept => false,
    }
}

/// A frame as a packet socket sees it: without its outermost VLAN tag.
fn untagged(mut frame: Vec<u8>) -> Vec<u8> {
    if matches!(frame.get(12..14), Some([0x81, 0] | [0x88, 0xa8])) {
        frame.drain(12..16);
    }
    frame
}
