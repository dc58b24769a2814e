//! Fields within words of eight bytes. The headers are read and written in such words: to load or store one costs what
//! a byte does.

/// By how many bits the `len` bytes behind the first `at` of a word are up, as memory has them.
const fn shift(at: u32, len: u32) -> u32 {
    8 * if cfg!(target_endian = "little") { at } else { 8 - at - len }
}

/// A byte of a word.
#[inline(always)]
pub(super) const fn byte(word: u64, at: u32) -> u8 {
    let [byte] = ((word >> shift(at, 1) & 0xff) as u8).to_ne_bytes();
    byte
}

/// Two bytes.
#[inline(always)]
pub(super) const fn pair(word: u64, at: u32) -> [u8; 2] {
    ((word >> shift(at, 2) & 0xffff) as u16).to_ne_bytes()
}

/// Four bytes.
#[inline(always)]
pub(super) const fn quad(word: u64, at: u32) -> [u8; 4] {
    ((word >> shift(at, 4) & 0xffff_ffff) as u32).to_ne_bytes()
}

/// A word that has this byte, and else zeros.
#[inline(always)]
pub(super) const fn of_byte(byte: u8, at: u32) -> u64 {
    (byte as u64) << shift(at, 1)
}

/// A word that has these two bytes.
#[inline(always)]
pub(super) const fn of_pair(pair: [u8; 2], at: u32) -> u64 {
    (u16::from_ne_bytes(pair) as u64) << shift(at, 2)
}

/// Whether words agree where those of a mask have ones.
#[inline(always)]
pub(super) const fn agree<const N: usize>(some: [u64; N], others: [u64; N], mask: [u64; N]) -> bool {
    let (mut i, mut differ) = (0, 0);
    while i < N {
        differ |= (some[i] ^ others[i]) & mask[i];
        i += 1;
    }
    differ == 0
}
