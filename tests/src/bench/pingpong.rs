//! One byte there and back again: requests and responses between two threads that stay on their CPUs and sleep until
//! the next byte comes.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;

use super::cpu;
use crate::scratch::Netns;

/// No answer takes nearly as long, and TCP sends again long before.
const STALL: Duration = Duration::from_secs(5);

/// Anything that one byte can be sent over, and received from.
pub trait Line: Send {
    /// Sends a byte.
    fn send(&mut self, byte: u8) -> Result<()>;
    /// Waits for a byte.
    fn receive(&mut self) -> Result<u8>;
    /// Has whoever waits at the other end wait no longer.
    fn end(&mut self);
}

impl Line for TcpStream {
    fn send(&mut self, byte: u8) -> Result<()> {
        self.write_all(&[byte]).context("write")
    }

    fn receive(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.read_exact(&mut byte).context("read")?;
        Ok(byte[0])
    }

    fn end(&mut self) {
        // It may be gone already.
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Line for UdpSocket {
    fn send(&mut self, byte: u8) -> Result<()> {
        Self::send(self, &[byte]).context("send a datagram")?;
        Ok(())
    }

    fn receive(&mut self) -> Result<u8> {
        // One more than expected, to see it.
        let mut bytes = [0; 2];
        let len = self.recv(&mut bytes).context("receive a datagram")?;
        ensure!(len == 1, "a datagram of {len} bytes came instead of one of one byte");
        Ok(bytes[0])
    }

    fn end(&mut self) {
        // Its other end gives up after a while.
    }
}

/// A TCP connection between two namespaces: the client's end, and that of the server.
pub fn tcp(client: &Netns, server: &Netns, addr: Ipv4Addr) -> Result<(TcpStream, TcpStream)> {
    let listener = server.run(|| TcpListener::bind((addr, 0)).context("listen"))?;
    let to = listener.local_addr()?;
    let near = client.run(|| TcpStream::connect_timeout(&to, STALL).context("connect"))?;
    let (far, _) = listener.accept().context("accept")?;
    for stream in [&near, &far] {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STALL))?;
        stream.set_write_timeout(Some(STALL))?;
    }
    Ok((near, far))
}

/// UDP sockets of two namespaces that are connected to each other: the client's, and the server's.
pub fn udp(client: (&Netns, Ipv4Addr), server: (&Netns, Ipv4Addr)) -> Result<(UdpSocket, UdpSocket)> {
    let open = |(netns, addr): (&Netns, Ipv4Addr)| {
        netns.run(|| {
            let socket = UdpSocket::bind((addr, 0)).context("bind a UDP socket")?;
            socket.set_read_timeout(Some(STALL))?;
            Ok(socket)
        })
    };
    let (near, far) = (open(client)?, open(server)?);
    near.connect(far.local_addr()?)?;
    far.connect(near.local_addr()?)?;
    Ok((near, far))
}

/// Plays so many transactions, the client's thread on the first CPU and the server's on the second. Gives their
/// times in nanoseconds.
pub fn play<W: Line>(ends: (&mut W, &mut W), cpus: (usize, usize), count: u32) -> Result<Histogram<u64>> {
    let (client, server) = ends;
    thread::scope(|scope| {
        let serving = scope.spawn(|| serve(server, cpus.1, count));
        let asking = scope.spawn(|| {
            let times = ask(client, cpus.0, count);
            if times.is_err() {
                client.end();
            }
            times
        });
        let times = asking.join().expect("the client does not panic");
        let served = serving.join().expect("the server does not panic");
        // Whatever the server did not get, its client waited for in vain.
        let times = times?;
        served.map(|()| times)
    })
}

fn serve(line: &mut impl Line, cpu: usize, count: u32) -> Result<()> {
    cpu::stay_on(cpu)?;
    cpu::go_first()?;
    for number in 0..count {
        let byte = line.receive().with_context(|| format!("request {number}"))?;
        line.send(byte.wrapping_add(1))?;
    }
    Ok(())
}

fn ask(line: &mut impl Line, cpu: usize, count: u32) -> Result<Histogram<u64>> {
    cpu::stay_on(cpu)?;
    cpu::go_first()?;
    let mut times = Histogram::new(3)?;
    for number in 0..count {
        // What is sent twice or in another order shows.
        let byte = number.to_le_bytes()[0];
        let begin = Instant::now();
        line.send(byte).with_context(|| format!("request {number}"))?;
        let answer = line.receive().with_context(|| format!("answer {number}"))?;
        times.record(u64::try_from(begin.elapsed().as_nanos())?)?;
        ensure!(answer == byte.wrapping_add(1), "answer {number} is another one's: {answer} to {byte}");
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> Netns {
        let netns = Netns::create().unwrap();
        crate::command::must_in(&netns, "ip link set lo up");
        netns
    }

    #[test]
    fn every_transaction_has_a_time() {
        let netns = loopback();
        let (mut near, mut far) = tcp(&netns, &netns, Ipv4Addr::LOCALHOST).unwrap();
        assert_eq!(play((&mut near, &mut far), (0, 0), 300).unwrap().len(), 300);
        let here = (&netns, Ipv4Addr::LOCALHOST);
        let (mut near, mut far) = udp(here, here).unwrap();
        assert_eq!(play((&mut near, &mut far), (0, 0), 300).unwrap().len(), 300);
    }

    #[test]
    fn an_answer_to_another_request_is_an_error() {
        let netns = loopback();
        let (mut near, mut far) = tcp(&netns, &netns, Ipv4Addr::LOCALHOST).unwrap();
        Line::send(&mut far, 77).unwrap();
        let error = play((&mut near, &mut far), (0, 0), 1).unwrap_err();
        assert_eq!(error.to_string(), "answer 0 is another one's: 77 to 0");
    }
}
