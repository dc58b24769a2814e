//! What the benchmark's programs in the kernel and its user space agree on: the frames, and where they are counted.
#![no_std]

use bytemuck::{Pod, Zeroable};

/// A UDP datagram in IPv4 in Ethernet, as it is offered and expected. The programs find it in their global `TRAFFIC`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Traffic {
    /// Bytes of a frame, without its check sequence.
    pub len: u32,
    /// How many source ports are used in turn, from [`FIRST_PORT`]; at least 1.
    pub flows: u32,
    /// How many stations the frames go to, [`station`]s 0 and on; 0: to `destination`.
    pub stations: u32,
    /// Source MAC address.
    pub source: [u8; 6],
    /// Destination MAC address, unless there are stations.
    pub destination: [u8; 6],
}

/// Bytes of the headers of Ethernet, IPv4 and UDP: where the payload begins, with [`MAGIC`].
pub const HEADERS: usize = 42;
/// Where the source port is.
pub const SOURCE_PORT: usize = 34;
/// First source port.
pub const FIRST_PORT: u16 = 10_000;
/// What every payload begins with. A number of the frame follows, of 8 bytes in the machine's order.
pub const MAGIC: [u8; 8] = *b"vxbpf!bm";
/// Bytes of the shortest frame that holds all this.
pub const MIN_LEN: usize = HEADERS + 16;

/// Bytes that VXLAN over IPv4 puts in front of a frame.
pub const OUTER: usize = 50;
/// The VNI that encapsulated frames are expected to have.
pub const VNI: u32 = 42;

/// What the generator keeps: how many frames of a round it has sent, and when the first. User space sets it to zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Sent {
    /// Frames.
    pub frames: u64,
    /// The first one's time on the kernel's monotonic clock, in nanoseconds.
    pub begin: u64,
}

/// What a counter keeps on each CPU beside the places: how many frames it has seen, and when. Reading the clock takes
/// as long as all the rest, so it notes the time of every [`STAMPED`]th only: offers are multiples of that.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Seen {
    /// Frames.
    pub frames: u64,
    /// A late one's time on the kernel's monotonic clock, in nanoseconds.
    pub last: u64,
}

/// Of how many frames the counter notes one's time.
pub const STAMPED: u64 = 64;

/// Frames are counted by place: encapsulated ones by the last byte of their outer destination, others at place 0.
pub const PLACES: u32 = 257;
/// Where frames are counted that are not as expected.
pub const WRONG: u32 = 256;

/// Odd, so that multiplying by it reorders the numbers of 32 bits.
const SPREAD: u32 = 0x9e37_79b1;
const GATHER: u32 = inverse(SPREAD);

/// The MAC address of a station: locally administered, and without order.
#[inline(always)]
pub const fn station(index: u32) -> [u8; 6] {
    let [a, b, c, d] = index.wrapping_mul(SPREAD).to_be_bytes();
    [2, 0xfd, a, b, c, d]
}

/// Whose MAC address has these last four bytes.
#[inline(always)]
pub const fn station_of(last: [u8; 4]) -> u32 {
    u32::from_be_bytes(last).wrapping_mul(GATHER)
}

/// The station that frame `number` goes to, of `stations`: all of them in an order without a pattern that a cache
/// could use, each about as often as any other.
#[inline(always)]
pub const fn nth_station(number: u32, stations: u32) -> u32 {
    ((number.wrapping_mul(SPREAD) as u64 * stations as u64) >> 32) as u32
}

/// The number that undoes a multiplication by an odd one (Newton's method, doubling the right bits each time).
const fn inverse(odd: u32) -> u32 {
    let mut result = odd;
    let mut step = 0;
    while step < 4 {
        result = result.wrapping_mul(2u32.wrapping_sub(odd.wrapping_mul(result)));
        step += 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_station_is_found_by_its_address() {
        for index in [0, 1, 2, 65_535, 1_048_575, u32::MAX] {
            let [_, _, last @ ..] = station(index);
            assert_eq!(station_of(last), index);
        }
    }

    #[test]
    fn every_station_gets_about_as_many_frames() {
        const STATIONS: u32 = 64;
        let mut counts = [0u32; STATIONS as usize];
        for number in 0..6400 {
            counts[nth_station(number, STATIONS) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (90..=110).contains(count)), "{counts:?}");
    }
}
