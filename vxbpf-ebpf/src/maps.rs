//! Every map of the data path. They are private: the rest asks by what it wants to know. Names have at
//! most 15 characters, for that is what the kernel keeps of them. Sizes are defaults that the loader
//! overrides from the config.
//!
//! Entries that user space replaces are read through a raw pointer, field by field, because another CPU may
//! write them meanwhile; `BPF_F_NO_PREALLOC` keeps the memory of a replaced entry from being reused
//! before this run of the program ends (RCU), so what is read is the old entry or the new one.

use core::ptr;

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_F_MMAPABLE, BPF_F_NO_PREALLOC, BPF_NOEXIST},
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns, bpf_redirect_map},
    macros::map,
    maps::{Array, DevMapHash, HashMap, LruHashMap, PerCpuArray, RingBuf, ring_buf::RingBufEntry},
};
use vxbpf_common::{
    ABI_VERSION, Addr, DropReason, Mac, Vni,
    counters::Counters,
    decision::{self, Decision},
    drop_reason::MAX_REASONS,
    event::{Event, EventRate, KINDS},
    fdb::{FdbEntry, FdbKey},
    fdb_cache::{CacheKey, CacheRow, Hints, Towards, WAYS},
    flood::FloodList,
    instance::Instance,
    neigh::{Neigh, VniAddr},
    nexthop::NextHop,
    port::{MacLockKey, Port},
    vni::VniConfig,
    vtep::Vtep,
};

use crate::account::Account;

/// The instance. One entry, written by user space.
#[map]
static INSTANCE: Array<Instance> = Array::with_max_entries(1, 0);
/// Version of the layout of all maps: `ABI_VERSION` of the object that made them. Written by user space.
#[map]
static ABI: Array<u32> = Array::with_max_entries(1, 0);
/// VNI -> its options. Written by user space. Full: `vni add` fails.
#[map]
static VNIS: HashMap<u32, VniConfig> = HashMap::with_max_entries(4096, BPF_F_NO_PREALLOC);
/// Interface index -> port. Written by user space. Full: `port add` fails.
#[map]
static PORTS: HashMap<u32, Port> = HashMap::with_max_entries(4096, BPF_F_NO_PREALLOC);
/// (port, MAC) -> 1: who may send on a locked port. Written by user space.
#[map]
static MAC_LOCK: HashMap<MacLockKey, u8> = HashMap::with_max_entries(16384, BPF_F_NO_PREALLOC);
/// (VNI, MAC) -> where the station is. Written by user space and by learning. Full: `fdb add` fails, and
/// stations that are not learned are flooded to.
#[map]
static FDB: HashMap<FdbKey, FdbEntry> = HashMap::with_max_entries(65536, BPF_F_NO_PREALLOC);
/// VNI -> how many dynamic entries it has, for its limit. Counted up by learning; set by user space, which
/// removes entries.
#[map]
static LEARNED: HashMap<u32, u64> = HashMap::with_max_entries(4096, BPF_F_NO_PREALLOC);
/// VNI -> who gets its BUM frames. Written by user space.
#[map]
static FLOOD: HashMap<u32, FloodList> = HashMap::with_max_entries(4096, BPF_F_NO_PREALLOC);
/// (VNI, group MAC) -> the remotes that get frames to it, instead of those of the flood list. Written by user space.
/// Full: `fdb append` fails.
#[map]
static GROUPS: HashMap<FdbKey, FloodList> = HashMap::with_max_entries(4096, BPF_F_NO_PREALLOC);
/// (VNI, IP) -> MAC, for the ARP and ND proxy. Written by user space. Full: `neigh add` fails.
#[map]
static NEIGH: HashMap<VniAddr, Neigh> = HashMap::with_max_entries(65536, BPF_F_NO_PREALLOC);
/// Remote VTEP -> how the underlay reaches it. Written by the data path. Full: the oldest goes.
#[map]
static NEXTHOPS: LruHashMap<Addr, NextHop> = LruHashMap::with_max_entries(16384, 0);
/// (VNI, VTEP) -> whether it may send, and its counters. Written by user space. Full: `fdb add` fails.
#[map]
static VTEPS: HashMap<VniAddr, Vtep> = HashMap::with_max_entries(16384, BPF_F_NO_PREALLOC);
/// Slot -> counters of a VNI, port or VTEP. Written by the data path, zeroed by user space.
#[map]
static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(20480, 0);
/// Drop reason -> frames. Written by the data path.
#[map]
static DROPS: PerCpuArray<u64> = PerCpuArray::with_max_entries(MAX_REASONS, 0);
/// What happens, for the daemon and `monitor`. Full: events are lost, frames are not. A config of 10 000 entries fits
/// before the daemon gets to read.
#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(1024 * 1024, 0);
/// Event kind -> how many in this second.
#[map]
static EVENT_RATE: PerCpuArray<EventRate> = PerCpuArray::with_max_entries(KINDS, 0);
/// How often user space gave the writers' lock back. Written by user space, for which the variables of the object are a map
/// (`.bss`, so another one is another `ABI_VERSION`); programs read them without a look-up.
#[unsafe(no_mangle)]
static mut GENERATION: u64 = 0;
/// Slot of a VNI -> when one of its stations last moved. Written by learning.
#[map]
static GENERATIONS: Array<u64> = Array::with_max_entries(20480, 0);
/// CPU and place -> the decision that is remembered there. Written by the data path. A new one takes the place
/// of the old.
///
/// No per-CPU array, whose rows are behind a pointer each and lie across cache lines: one that may be mapped
/// begins at a page (`array_map_alloc` of kernel/bpf/arraymap.c), though nobody maps it.
#[map]
static DECISIONS: Array<Decision> = Array::with_max_entries(decision::DECISIONS, BPF_F_MMAPABLE);
/// Row -> where the stations that belong to it are, in a cache line (as for `DECISIONS`). Written by the data path.
#[map]
static FDB_CACHE: Array<CacheRow> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// Rows of `FDB_CACHE`. User space sets it before loading.
#[unsafe(no_mangle)]
static FDB_CACHE_ROWS: u32 = 1;
/// The account of the packet that this CPU works on.
#[map]
static SCRATCH: PerCpuArray<Account> = PerCpuArray::with_max_entries(1, 0);
/// Interfaces that XDP may send to, keyed by their index. Written by user space.
#[map]
static DEVS: DevMapHash = DevMapHash::with_max_entries(4096, 0);

/// The instance we forward for; `None` before the loader has written it.
#[inline(always)]
pub(crate) fn instance() -> Option<&'static Instance> {
    INSTANCE.get(0).filter(|instance| instance.ifindex != 0)
}

/// The options of a VNI, `None` when it is not ours.
#[inline(always)]
pub(crate) fn vni(vni: Vni) -> Option<&'static VniConfig> {
    // SAFETY: replaced whole by user space, and alive until this run ends (module comment).
    unsafe { VNIS.get(vni.get()) }
}

/// The port on an interface.
#[inline(always)]
pub(crate) fn port(ifindex: u32) -> Option<&'static Port> {
    // SAFETY: as in `vni`.
    unsafe { PORTS.get(ifindex) }
}

/// Whether a locked port lets this source in.
#[inline(always)]
pub(crate) fn mac_unlocked(ifindex: u32, mac: Mac) -> bool {
    MAC_LOCK.get_ptr(MacLockKey::new(ifindex, mac)).is_some()
}

/// A VNI's flood list.
#[inline(always)]
pub(crate) fn flood_list(vni: Vni) -> Option<&'static FloodList> {
    // SAFETY: as in `vni`.
    unsafe { FLOOD.get(vni.get()) }
}

/// The list of a group, if it has one of its own.
#[inline(always)]
pub(crate) fn group_list(vni: Vni, group: Mac) -> Option<&'static FloodList> {
    // SAFETY: as in `vni`.
    unsafe { GROUPS.get(FdbKey::new(vni, group)) }
}

/// The station that has an address, for the proxy.
#[inline(always)]
pub(crate) fn neigh(vni: Vni, addr: Addr) -> Option<&'static Neigh> {
    // SAFETY: as in `vni`.
    unsafe { NEIGH.get(VniAddr::new(vni, addr)) }
}

/// What is known of a VTEP in a VNI.
#[inline(always)]
pub(crate) fn vtep(vni: Vni, addr: Addr) -> Option<&'static Vtep> {
    // SAFETY: as in `vni`.
    unsafe { VTEPS.get(VniAddr::new(vni, addr)) }
}

/// An FDB entry in its map. Only its two times are ever written in place.
#[derive(Clone, Copy)]
pub(crate) struct Station(*mut FdbEntry);

impl Station {
    /// The entry. Its times may move while it is looked at.
    #[inline(always)]
    pub(crate) fn entry(self) -> &'static FdbEntry {
        // SAFETY: a look-up's result is valid until this run ends; concurrent writes touch the times only,
        // whole 64-bit words, whose old and new values are equally good.
        unsafe { &*self.0 }
    }

    /// Notes when the station was heard.
    #[inline(always)]
    pub(crate) fn refresh(self, now: u64) {
        // SAFETY: as in `entry`.
        unsafe { (*self.0).updated = now }
    }

    /// Notes when the station was sent to.
    #[inline(always)]
    pub(crate) fn touch(self, now: u64) {
        // SAFETY: as in `entry`.
        unsafe { (*self.0).used = now }
    }
}

/// Where a station is, live or expired.
#[inline(always)]
pub(crate) fn station(key: &FdbKey) -> Option<Station> {
    FDB.get_ptr_mut(key).map(Station)
}

/// Enters a station that was not there; false when another CPU was first or the table is full.
#[inline(always)]
pub(crate) fn station_insert(key: &FdbKey, entry: &FdbEntry) -> bool {
    FDB.insert(key, entry, u64::from(BPF_NOEXIST)).is_ok()
}

/// Replaces a station's entry.
#[inline(always)]
pub(crate) fn station_replace(key: &FdbKey, entry: &FdbEntry) -> bool {
    FDB.insert(key, entry, u64::from(BPF_ANY)).is_ok()
}

/// How many stations a VNI has learned. Not exact while several CPUs learn at once (the target has no
/// atomic operations before ISA v3); user space recounts whenever it removes entries.
#[inline(always)]
pub(crate) fn learned(vni: Vni) -> u64 {
    // SAFETY: as in `vni`.
    unsafe { LEARNED.get(vni.get()) }.map_or(0, |count| *count)
}

/// Counts one more learned station.
#[inline(always)]
pub(crate) fn count_learned(vni: Vni) {
    if let Some(count) = LEARNED.get_ptr_mut(vni.get()) {
        // SAFETY: valid until this run ends; a whole word is written.
        unsafe { *count += 1 };
    }
}

/// The cached way to a remote, fresh or not.
#[inline(always)]
pub(crate) fn nexthop(remote: &Addr) -> Option<&'static NextHop> {
    // SAFETY: as in `vni`; an LRU entry that is recycled under us at worst sends one frame of this
    // second to a wrong next hop, and the MAC and interface still belong to each other's copy.
    unsafe { NEXTHOPS.get(remote) }
}

/// Caches the way to a remote.
#[inline(always)]
pub(crate) fn nexthop_insert(remote: &Addr, hop: &NextHop) {
    let _ = NEXTHOPS.insert(remote, hop, u64::from(BPF_ANY));
}

/// This CPU's counters of a slot.
#[inline(always)]
pub(crate) fn counters(slot: u32) -> Option<&'static mut Counters> {
    let row = COUNTERS.get_ptr_mut(slot)?;
    // SAFETY: this CPU's row; programs are not preempted by themselves on one CPU while they hold it.
    Some(unsafe { &mut *row })
}

/// Counts a drop.
#[inline(always)]
pub(crate) fn count_drop(reason: DropReason) {
    if let Some(row) = DROPS.get_ptr_mut(reason as u32) {
        // SAFETY: this CPU's row.
        unsafe { *row += 1 };
    }
}

/// This CPU's rate of an event kind.
#[inline(always)]
pub(crate) fn event_rate(kind: u8) -> Option<&'static mut EventRate> {
    let row = EVENT_RATE.get_ptr_mut(u32::from(kind))?;
    // SAFETY: this CPU's row.
    Some(unsafe { &mut *row })
}

/// Room for an event.
#[inline(always)]
pub(crate) fn event() -> Option<RingBufEntry<Event>> {
    EVENTS.reserve::<Event>(0)
}

/// This CPU's account.
#[inline(always)]
pub(crate) fn scratch() -> Option<&'static mut Account> {
    let account = SCRATCH.get_ptr_mut(0)?;
    // SAFETY: this CPU's, and one program at a time uses it (`account.rs`). Its enums are zero, which is a
    // variant of each, or what a program wrote.
    Some(unsafe { &mut *account })
}

/// The generation of all tables, as far as user space moves it.
#[inline(always)]
pub(crate) fn generation() -> u64 {
    let generation = &raw const GENERATION;
    // SAFETY: a static. Volatile, because user space writes it, whole. (LLVM has no atomic loads for this target.)
    unsafe { generation.read_volatile() }
}

/// That of a VNI, by its slot.
#[inline(always)]
pub(crate) fn generation_of(slot: u32) -> u64 {
    let Some(row) = GENERATIONS.get_ptr(slot) else { return 0 };
    // SAFETY: an array's row; volatile, because others write it, whole words at a time.
    unsafe { row.read_volatile() }
}

/// Moves the generation of a VNI, by its slot.
#[inline(always)]
pub(crate) fn move_generation(slot: u32) {
    let Some(row) = GENERATIONS.get_ptr_mut(slot) else { return };
    // The time is another than before, whatever other CPUs write at once.
    // SAFETY: takes nothing.
    let now = unsafe { bpf_ktime_get_ns() };
    // SAFETY: an array's row; a whole word is written.
    unsafe { row.write_volatile(now) }
}

/// What this CPU remembers at a place.
#[inline(always)]
pub(crate) fn decision(place: u32) -> Option<&'static mut Decision> {
    // SAFETY: takes nothing. Inlined since Linux 6.10.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let row = DECISIONS.get_ptr_mut(cpu * decision::DECISIONS + place)?;
    // SAFETY: this CPU's row, and one program at a time runs on it (`account.rs`).
    Some(unsafe { &mut *row })
}

/// The row of the FDB cache that a station belongs to.
#[inline(always)]
fn cache_row(key: CacheKey) -> Option<*mut CacheRow> {
    // SAFETY: a static. Read as if it could be anything: user space has changed it.
    let rows = unsafe { ptr::read_volatile(&raw const FDB_CACHE_ROWS) };
    FDB_CACHE.get_ptr_mut(key.row(rows))
}

/// The row where a station belongs, which others write meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct Cached(*mut CacheRow);

/// What is cached where a station belongs: asked of memory, and to be read later.
#[inline(always)]
pub(crate) fn cached(key: CacheKey) -> Option<Cached> {
    let row = cache_row(key)?;
    // SAFETY: of an array's row. Nobody needs what is read, but its line comes nearer.
    let _ = unsafe { row.cast::<u64>().read_volatile() };
    Some(Cached(row))
}

impl Cached {
    /// The hints.
    #[inline(always)]
    pub(crate) fn hints(self) -> Hints {
        // SAFETY: of an array's row.
        let row = unsafe { &raw const (*self.0).hints }.cast::<u64>();
        // SAFETY: three words of it. Volatile, because others write it.
        Hints::from([0, 1, 2].map(|i| unsafe { row.wrapping_add(i).read_volatile() }))
    }

    /// One of the seals.
    #[inline(always)]
    pub(crate) fn seal(self, way: usize) -> u64 {
        if way >= WAYS {
            return 0;
        }
        // SAFETY: of an array's row.
        let seals = unsafe { &raw const (*self.0).seals }.cast::<u64>();
        // SAFETY: there are more, just checked. Volatile as above.
        unsafe { seals.wrapping_add(way).read_volatile() }
    }
}

/// Caches where a station is.
#[inline(always)]
pub(crate) fn cache(key: CacheKey, generation: u64, now: u64, expires: u64, towards: Towards) {
    let Some(row) = cache_row(key) else { return };
    // SAFETY: an array's row. Others write it meanwhile; an entry of which only the seal or the hint is new has no seal
    // that fits, but by a chance of 2^-64.
    unsafe { (*row).keep(key, generation, now, expires, towards) };
}

/// Whether XDP may send to an interface.
#[inline(always)]
pub(crate) fn in_devs(ifindex: u32) -> bool {
    DEVS.get(ifindex).is_some()
}

/// XDP's action for sending to an interface, or `otherwise`.
#[inline(always)]
pub(crate) fn redirect(ifindex: u32, otherwise: u32) -> u32 {
    // The helper returns the action (`__bpf_xdp_redirect_map` of include/linux/filter.h); aya would look at it first.
    // SAFETY: a static map, and numbers.
    let action =
        unsafe { bpf_redirect_map((&raw const DEVS).cast_mut().cast(), ifindex.into(), otherwise.into()) };
    action as u32
}

/// Whether the maps have the layout that this program was built for. Asked on a cold path only: user space
/// never attaches a program to maps of another version, and this keeps the map in the object.
#[inline(always)]
pub(crate) fn abi_matches() -> bool {
    ABI.get(0).is_some_and(|version| *version == ABI_VERSION)
}
