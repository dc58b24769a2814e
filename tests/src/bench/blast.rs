//! Numbered datagrams as fast as one sender goes, and what of them comes to a receiver.

use std::{
    cell::Cell,
    io::{IoSlice, IoSliceMut},
    net::{Ipv4Addr, UdpSocket},
    os::fd::AsRawFd as _,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, MultiHeaders, recvmmsg, sendmmsg, setsockopt, sockopt::RcvBufForce},
};

use super::cpu;
use crate::scratch::Netns;

/// Bytes of a datagram.
pub const LEN: usize = 64;
/// Datagrams for each system call. The same at both ends.
const BATCH: usize = 64;
/// Bytes that may wait for the receiver; the kernel counts its own overhead, so that they are some 80,000 datagrams.
const BUFFER: usize = 64 << 20;
/// How long nothing comes when nothing more will.
const QUIET: Duration = Duration::from_millis(100);
/// How long the receiver rests when nothing is there. It does not wait for a datagram: then whoever is slower than the
/// receiver has to wake it for each, which takes the sender's CPU longer than to carry one, and whoever is faster has not.
const REST: Duration = Duration::from_micros(200);

/// What became of the datagrams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blast {
    /// Datagrams that were sent.
    pub sent: u64,
    /// Datagrams that came, each once and whole.
    pub received: u64,
    /// Time from the first to the last that came.
    pub took: Duration,
}

/// A socket that sends, and one that receives.
#[derive(Debug)]
pub struct Pair {
    sender: UdpSocket,
    receiver: UdpSocket,
    /// The number of the next datagram. It goes on from blast to blast: what is late is known by it.
    next: Cell<u64>,
}

impl Pair {
    /// Opens sockets in two namespaces.
    pub fn open(from: (&Netns, Ipv4Addr), to: (&Netns, Ipv4Addr)) -> Result<Self> {
        let open = |(netns, addr): (&Netns, Ipv4Addr)| {
            netns.run(|| UdpSocket::bind((addr, 0)).context("bind a UDP socket"))
        };
        let (sender, receiver) = (open(from)?, open(to)?);
        setsockopt(&receiver, RcvBufForce, &BUFFER)?;
        sender.connect(receiver.local_addr()?)?;
        receiver.connect(sender.local_addr()?)?;
        Ok(Self { sender, receiver, next: Cell::new(0) })
    }

    /// Sends for so long, the sender on the first CPU and the receiver on the second.
    pub fn play(&self, time: Duration, cpus: (usize, usize)) -> Result<Blast> {
        let (sender, receiver, first) = (&self.sender, &self.receiver, self.next.get());
        let (sent, done) = (AtomicU64::new(first), AtomicBool::new(false));
        let blast = thread::scope(|scope| {
            let receiving = scope.spawn(|| receive(receiver, cpus.1, first, &sent, &done));
            let sending = scope.spawn(|| {
                let ended = send(sender, cpus.0, time, &sent);
                done.store(true, Ordering::Release);
                ended
            });
            let ended = sending.join().expect("the sender does not panic");
            let received = receiving.join().expect("the receiver does not panic");
            ended?;
            let (received, took) = received?;
            Ok(Blast { sent: sent.load(Ordering::Acquire) - first, received, took })
        });
        self.next.set(sent.into_inner());
        blast
    }
}

/// What a datagram says: no two say the same in any of their parts.
fn content(number: u64) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    let mut word = number;
    for part in bytes.as_chunks_mut().0 {
        *part = word.to_be_bytes();
        // An odd factor: a permutation.
        word = word.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
    }
    bytes
}

fn send(socket: &UdpSocket, cpu: usize, time: Duration, sent: &AtomicU64) -> Result<()> {
    cpu::stay_on(cpu)?;
    cpu::go_first()?;
    let mut headers = MultiHeaders::<()>::preallocate(BATCH, None);
    let end = Instant::now() + time;
    while Instant::now() < end {
        let first = sent.load(Ordering::Relaxed);
        // Before they leave: the receiver takes no others.
        sent.store(first + BATCH as u64, Ordering::Release);
        let batch: [_; BATCH] = std::array::from_fn(|i| content(first + i as u64));
        let slices = batch.each_ref().map(|bytes| [IoSlice::new(bytes)]);
        let mut left = &slices[..];
        while !left.is_empty() {
            let addrs = &[None; BATCH][..left.len()];
            let went = sendmmsg(socket.as_raw_fd(), &mut headers, left, addrs, [], MsgFlags::empty());
            left = &left[went.context("send datagrams")?.count()..];
        }
    }
    Ok(())
}

fn receive(
    socket: &UdpSocket,
    cpu: usize,
    first: u64,
    sent: &AtomicU64,
    done: &AtomicBool,
) -> Result<(u64, Duration)> {
    cpu::stay_on(cpu)?;
    cpu::go_first()?;
    let mut headers = MultiHeaders::<()>::preallocate(BATCH, None);
    let mut seen = Seen { first, words: Vec::new() };
    let (mut received, mut begin, mut last) = (0, None, Instant::now());
    loop {
        let over = done.load(Ordering::Acquire);
        if over && first + received == sent.load(Ordering::Acquire) {
            break;
        }
        // One byte more than expected, to see it.
        let mut batch = [[0; LEN + 1]; BATCH];
        let mut lens = [0; BATCH];
        let mut slices = batch.each_mut().map(|bytes| [IoSliceMut::new(bytes)]);
        let got = recvmmsg(socket.as_raw_fd(), &mut headers, &mut slices, MsgFlags::MSG_DONTWAIT, None);
        let count = match got {
            Ok(messages) => messages.zip(&mut lens).map(|(message, len)| *len = message.bytes).count(),
            Err(Errno::EAGAIN) if over && last.elapsed() > QUIET => break,
            Err(Errno::EAGAIN) => {
                thread::sleep(REST);
                continue;
            }
            Err(e) => return Err(e).context("receive datagrams"),
        };
        last = Instant::now();
        begin.get_or_insert(last);
        let known = sent.load(Ordering::Acquire);
        for (bytes, len) in batch.iter().zip(lens).take(count) {
            let datagram = bytes.get(..len).unwrap_or_default();
            received += u64::from(seen.take(datagram, known)?);
        }
    }
    Ok((received, begin.map_or(Duration::ZERO, |begin| last - begin)))
}

/// The numbers that came of a blast.
#[derive(Debug)]
struct Seen {
    first: u64,
    words: Vec<u64>,
}

impl Seen {
    /// Takes a datagram that was sent, and comes for the first time. Whether it is of this blast: what the end of another
    /// was too early for, on a busy machine, comes in the next one, and counts in none.
    fn take(&mut self, datagram: &[u8], sent: u64) -> Result<bool> {
        let number = datagram.first_chunk().map(|number| u64::from_be_bytes(*number));
        let number = number.filter(|number| *number < sent && content(*number) == *datagram);
        let number = number.with_context(|| format!("a datagram came that nobody sent: {datagram:02x?}"))?;
        let Some(place) = number.checked_sub(self.first) else { return Ok(false) };
        let (word, bit) = (usize::try_from(place / 64)?, 1_u64 << (place % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        ensure!(self.words[word] & bit == 0, "datagram {number} came twice");
        self.words[word] |= bit;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_is_counted() {
        let netns = Netns::create().unwrap();
        crate::command::must_in(&netns, "ip link set lo up");
        let here = (&netns, Ipv4Addr::LOCALHOST);
        let blast = Pair::open(here, here).unwrap().play(Duration::from_millis(50), (0, 0)).unwrap();
        assert!(blast.sent > 0 && blast.received > 0 && blast.received <= blast.sent, "{blast:?}");
    }

    #[test]
    fn no_datagram_is_taken_twice_or_changed() {
        let mut seen = Seen { first: 0, words: Vec::new() };
        for number in [3, 0, 200] {
            assert!(seen.take(&content(number), 201).unwrap());
        }
        assert_eq!(seen.take(&content(3), 201).unwrap_err().to_string(), "datagram 3 came twice");
        assert!(seen.take(&content(201), 201).is_err(), "not sent yet");
        let mut next = Seen { first: 201, words: Vec::new() };
        assert!(!next.take(&content(200), 300).unwrap(), "of another blast");
        assert!(next.take(&content(201), 300).unwrap());
        let mut wrong = content(5);
        wrong[LEN - 1] ^= 1;
        assert!(seen.take(&wrong, 201).is_err());
        assert!(seen.take(&content(5)[..LEN - 1], 201).is_err());
        assert!(seen.take(&[content(5).as_slice(), &[0]].concat(), 201).is_err());
    }
}
