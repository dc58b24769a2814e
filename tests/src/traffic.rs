//! Traffic between pods whose content is checked: a TCP stream, and numbered datagrams.

use std::{
    collections::HashSet,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};

use crate::{bench::cpu, pod::Pod, scratch::Netns};

/// No read or write of a few megabytes stalls for so long, unless something is broken.
const STALL: Duration = Duration::from_secs(10);

/// Sends so many bytes from one pod to another over TCP and checks what arrives.
#[track_caller]
pub fn transfer(from: &Pod, to: &Pod, bytes: usize) {
    if let Err(e) = try_transfer(&from.netns, &to.netns, to.addr, bytes) {
        panic!("TCP from {} to {}: {e:#}", from.addr, to.addr);
    }
}

/// The same between any namespaces, to an address of the second.
pub fn try_transfer(from: &Netns, to: &Netns, addr: Ipv4Addr, bytes: usize) -> Result<()> {
    try_transfer_to(from, to, addr.into(), bytes)
}

/// The same with an address of either family.
pub fn try_transfer_to(from: &Netns, to: &Netns, addr: IpAddr, bytes: usize) -> Result<()> {
    let (listener, port) = to.run(|| {
        let listener = TcpListener::bind((addr, 0)).context("listen")?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    })?;
    let mut client = from.run(|| {
        let target = SocketAddr::new(addr, port);
        TcpStream::connect_timeout(&target, STALL).context("connect")
    })?;
    let (mut server, _) = listener.accept().context("accept")?;
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(STALL))?;
        stream.set_write_timeout(Some(STALL))?;
    }
    let data = noise(bytes);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let sent = client.write_all(&data).context("write");
            sent.and_then(|()| Ok(client.shutdown(std::net::Shutdown::Write)?))
        });
        let mut arrived = Vec::with_capacity(bytes);
        let read = server.read_to_end(&mut arrived).context("read");
        // A reader that gave up is the reason for the writer's error.
        drop(server);
        let sent = sender.join().expect("the sender does not panic");
        read?;
        sent?;
        ensure!(arrived.len() == data.len(), "{} of {} bytes arrived", arrived.len(), data.len());
        // Byte by byte takes long in a build without optimisation.
        if arrived != data {
            let differs = arrived.iter().zip(&data).position(|(a, b)| a != b);
            bail!("byte {} differs", differs.unwrap_or_default());
        }
        Ok(())
    })
}

/// Bytes in which no part looks like another (xorshift).
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// How numbered datagrams are sent.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many a second; fewer where the sender does not get the CPU.
    pub rate: u32,
    /// The CPUs of the sender and of the receiver; none: any.
    pub cpus: Option<[usize; 2]>,
}

/// What is sent at once at most, by a sender that is late: fewer than what a veth's ring takes (256).
const AT_ONCE: u64 = 32;

/// Numbered datagrams from one pod to another until stopped.
pub struct Numbered {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    sender: JoinHandle<()>,
    done: Arc<AtomicBool>,
    receiver: JoinHandle<HashSet<u64>>,
}

impl Numbered {
    /// Begins to send about a thousand a second.
    #[track_caller]
    pub fn start(from: &Pod, to: &Pod) -> Self {
        Self::paced(from, to, Pace { rate: 1000, cpus: None })
    }

    /// Begins to send.
    #[track_caller]
    pub fn paced(from: &Pod, to: &Pod, pace: Pace) -> Self {
        let stay = move |end: usize| {
            if let Some(cpus) = pace.cpus {
                cpu::stay_on(cpus[end]).expect("stay on a CPU");
            }
        };
        let receive = to
            .netns
            .run(|| {
                let socket = UdpSocket::bind((to.addr, 0))?;
                // The receiver may have to wait for a CPU.
                setsockopt(&socket, RcvBufForce, &(16 << 20))?;
                socket.set_read_timeout(Some(Duration::from_millis(50)))?;
                Ok(socket)
            })
            .expect("a socket to receive on");
        let target = receive.local_addr().expect("an address");
        let send = from.netns.run(|| Ok(UdpSocket::bind((from.addr, 0))?)).expect("a socket to send from");
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let sender = thread::spawn(move || {
            stay(0);
            let interval = Duration::from_secs(1) / pace.rate;
            let mut due = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                for _ in 0..AT_ONCE {
                    if due > Instant::now() {
                        break;
                    }
                    let number = count.load(Ordering::Relaxed);
                    send.send_to(&number.to_be_bytes(), target).expect("send a datagram");
                    count.store(number + 1, Ordering::Release);
                    due += interval;
                }
                // What is late by now stays so.
                due = due.max(Instant::now());
                thread::sleep(interval);
            }
        });
        let done = Arc::new(AtomicBool::new(false));
        let (stopped, count) = (Arc::clone(&done), Arc::clone(&sent));
        let receiver = thread::spawn(move || {
            stay(1);
            let mut seen = HashSet::new();
            let mut deadline = None;
            loop {
                let mut bytes = [0; 8];
                if receive.recv(&mut bytes).is_ok_and(|len| len == 8) {
                    seen.insert(u64::from_be_bytes(bytes));
                }
                if stopped.load(Ordering::Relaxed) {
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + Duration::from_secs(2));
                    if seen.len() as u64 >= count.load(Ordering::Acquire) || Instant::now() >= deadline {
                        return seen;
                    }
                }
            }
        });
        Self { stop, sent, sender, done, receiver }
    }

    /// How many were sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Waits until so many more were sent.
    #[track_caller]
    pub fn go_on(&self, more: u64) {
        let until = self.sent() + more;
        crate::wait::expect("datagrams to be sent", crate::wait::SOON, || self.sent() >= until);
    }

    /// Stops; all that were sent must have arrived. Gives how many they were.
    #[track_caller]
    pub fn stop(self) -> u64 {
        let (sent, lost) = self.lost();
        assert!(lost.is_empty(), "{} of {sent} datagrams were lost: {lost:?}", lost.len());
        sent
    }

    /// Stops; gives how many were sent and which did not arrive.
    pub fn lost(self) -> (u64, Vec<u64>) {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.join().expect("the sender does not panic");
        self.done.store(true, Ordering::Relaxed);
        let seen = self.receiver.join().expect("the receiver does not panic");
        let sent = self.sent.load(Ordering::Acquire);
        (sent, (0..sent).filter(|number| !seen.contains(number)).collect())
    }
}
