//! Many entries of a hash map in one call of the kernel: `BPF_MAP_UPDATE_BATCH` and its like (Linux 5.6), which aya does
//! not have. One call for each of a million entries takes ten times as long.
//!
//! This is one of the two places in user space that are `unsafe`.

use std::{
    io,
    marker::PhantomData,
    num::NonZero,
    ops::ControlFlow,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    panic::resume_unwind,
    thread::{self, available_parallelism},
};

use aya::maps::{MapData, MapError};
use aya_obj::generated::bpf_cmd;
use bytemuck::Pod;
use nix::libc;

/// Bytes of one call, about: thousands of entries of most tables, and dozens of lists. More save nothing that could be
/// measured.
const BLOCK: usize = 1 << 18;
/// Entries for which another CPU is worth its while.
const LEAST_PART: usize = 1 << 15;
/// The most CPUs that are used at once: others have work too.
const MOST_PARTS: usize = 4;
/// How often an update is tried again that found no memory: what the kernel keeps at hand for maps without
/// preallocation is refilled a moment later (`bpf_mem_refill` in kernel/bpf/memalloc.c).
const TRIES: u32 = 1000;

/// A hash map of these types.
pub(super) struct Batch<K, V> {
    fd: OwnedFd,
    types: PhantomData<fn(K, V)>,
}

/// The part of `union bpf_attr` that batches use (linux/bpf.h). The kernel takes what is missing after it for zero.
#[repr(C)]
#[derive(Default)]
struct Request {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

impl<K: Pod + Sync, V: Pod + Sync> Batch<K, V> {
    /// Entries of one call. A bucket of the kernel's rarely has as many as the least.
    const ENTRIES: usize = {
        let entries = BLOCK / (size_of::<K>() + size_of::<V>());
        if entries > 16 { entries } else { 16 }
    };

    /// The same map through another descriptor.
    pub(super) fn of(map: &MapData) -> Result<Self, MapError> {
        let info = map.info()?;
        let (key, value) = (info.key_size() as usize, info.value_size() as usize);
        if key != size_of::<K>() {
            return Err(MapError::InvalidKeySize { size: size_of::<K>(), expected: key });
        }
        if value != size_of::<V>() {
            return Err(MapError::InvalidValueSize { size: size_of::<V>(), expected: value });
        }
        let fd = map.fd().as_fd().try_clone_to_owned()?;
        Ok(Self { fd, types: PhantomData })
    }

    /// Adds or replaces entries, no key twice. When one fails, others may be written.
    pub(super) fn update(&self, entries: &[(K, V)]) -> io::Result<()> {
        in_parts(entries, |entries| {
            for block in entries.chunks(Self::ENTRIES) {
                let (keys, values): (Vec<_>, Vec<_>) = block.iter().copied().unzip();
                self.update_block(&keys, &values)?;
            }
            Ok(())
        })
    }

    /// Removes entries, no key twice, whether or not they are there. When one fails, others may be gone.
    pub(super) fn forget(&self, keys: &[K]) -> io::Result<()> {
        in_parts(keys, |keys| self.remove(keys).map(drop))
    }

    fn update_block(&self, mut keys: &[K], mut values: &[V]) -> io::Result<()> {
        let mut tries = 0;
        while !keys.is_empty() {
            let (done, result) = self.call(bpf_cmd::BPF_MAP_UPDATE_BATCH, keys, values);
            keys = keys.get(done..).unwrap_or_default();
            values = values.get(done..).unwrap_or_default();
            match result {
                Err(e) if e.raw_os_error() == Some(libc::ENOMEM) && tries < TRIES => {
                    tries += 1;
                    thread::yield_now();
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// Removes entries, in their order; says of each whether it was there. When one fails, those before it are gone.
    pub(super) fn remove(&self, keys: &[K]) -> io::Result<Vec<bool>> {
        let mut there = Vec::with_capacity(keys.len());
        while let Some(rest @ [_, ..]) = keys.get(there.len()..) {
            let block = rest.get(..Self::ENTRIES).unwrap_or(rest);
            let (removed, result) = self.call(bpf_cmd::BPF_MAP_DELETE_BATCH, block, &[]);
            there.resize(there.len() + removed, true);
            match result {
                Err(e) if e.raw_os_error() == Some(libc::ENOENT) => there.push(false),
                result => result?,
            }
        }
        Ok(there)
    }

    /// Shows entries, in no order, for as long as more are wanted; whether those were all. While others write, one may be
    /// missed or come twice.
    pub(super) fn each(&self, mut look: impl FnMut(&K, &V) -> ControlFlow<()>) -> io::Result<bool> {
        let (mut keys, mut values) = (vec![K::zeroed(); Self::ENTRIES], vec![V::zeroed(); Self::ENTRIES]);
        // A number of a bucket, which the kernel gives and takes (`__htab_map_lookup_and_delete_batch`).
        let (mut from, mut to, mut first) = (0_u32, 0_u32, true);
        loop {
            let mut request = self.request(keys.len());
            request.in_batch = if first { 0 } else { address(&raw mut from) };
            request.out_batch = address(&raw mut to);
            request.keys = address(keys.as_mut_ptr());
            request.values = address(values.as_mut_ptr());
            let result = bpf(bpf_cmd::BPF_MAP_LOOKUP_BATCH, &mut request);
            let last = match result {
                Ok(()) => false,
                Err(e) if e.raw_os_error() == Some(libc::ENOENT) => true,
                // There is a bucket with more entries than fit.
                Err(e) if e.raw_os_error() == Some(libc::ENOSPC) => {
                    keys.resize(keys.len() * 2, K::zeroed());
                    values.resize(values.len() * 2, V::zeroed());
                    continue;
                }
                Err(e) => return Err(e),
            };
            for (key, value) in keys.iter().zip(&values).take(request.count as usize) {
                if look(key, value).is_break() {
                    return Ok(false);
                }
            }
            if last {
                return Ok(true);
            }
            (from, first) = (to, false);
        }
    }

    /// One call with keys, and values if there are any; gives how many entries it did.
    fn call(&self, command: bpf_cmd, keys: &[K], values: &[V]) -> (usize, io::Result<()>) {
        let mut request = self.request(keys.len());
        request.keys = address(keys.as_ptr());
        if !values.is_empty() {
            request.values = address(values.as_ptr());
        }
        let asked = request.count;
        let result = bpf(command, &mut request);
        // A call that was refused as a whole leaves the number as it was.
        let done = if result.is_err() && request.count == asked { 0 } else { request.count };
        (done as usize, result)
    }

    fn request(&self, count: usize) -> Request {
        let map_fd = u32::try_from(self.fd.as_raw_fd()).unwrap_or(u32::MAX);
        Request { count: u32::try_from(count).unwrap_or(u32::MAX), map_fd, ..Request::default() }
    }
}

/// Does a large task in parts on as many CPUs.
fn in_parts<T: Sync>(all: &[T], work: impl Fn(&[T]) -> io::Result<()> + Sync) -> io::Result<()> {
    let cpus = available_parallelism().map_or(1, NonZero::get).min(MOST_PARTS);
    let part = all.len().div_ceil(cpus).max(LEAST_PART);
    if part >= all.len() {
        return work(all);
    }
    thread::scope(|scope| {
        let parts: Vec<_> = all.chunks(part).map(|part| scope.spawn(|| work(part))).collect();
        // A part that fails stops no other.
        parts.into_iter().try_for_each(|part| part.join().unwrap_or_else(|e| resume_unwind(e)))
    })
}

fn address<T>(pointer: *const T) -> u64 {
    pointer.expose_provenance() as u64
}

fn bpf(command: bpf_cmd, request: &mut Request) -> io::Result<()> {
    // SAFETY: the request is as large as it says. Its pointers are null or to so many keys and values of the map's sizes,
    // or to a bucket number, all of which outlive the call; those that the kernel writes to come from what is mutable.
    let done = unsafe {
        libc::syscall(libc::SYS_bpf, command as libc::c_long, &raw mut *request, size_of::<Request>())
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_large_task_is_done_in_parts_all_of_it_and_an_error_of_any_part_is_its_error() {
        let all: Vec<usize> = (0..3 * LEAST_PART + 1).collect();
        let done = AtomicUsize::new(0);
        let work = |part: &[usize]| {
            done.fetch_add(part.len(), Ordering::Relaxed);
            if part.contains(&(all.len() - 1)) { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
        };
        assert!(in_parts(&all, work).is_err());
        assert_eq!(done.load(Ordering::Relaxed), all.len());
        assert!(in_parts(&all[..3 * LEAST_PART], work).is_ok());
        assert!(in_parts::<usize>(&[], |_| Ok(())).is_ok());
    }
}
