//! The object: the data path as built, loaded into the kernel with its maps pinned.

use std::{panic::resume_unwind, thread};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Array, MapData, MapError},
    programs::{Program, ProgramError},
    util::nr_cpus,
};
use vxbpf_common::{decision::DECISIONS, fdb_cache};

use super::{attach, maps, options::Limits, place::Place};
use crate::{Error, Result};

/// Wraps the bytes, for the parser wants them aligned.
#[repr(C, align(32))]
struct Aligned<B: ?Sized>(B);

static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/vxbpf-prog")));

/// Creates the maps, or takes those that are pinned, and has the verifier check the programs. They run nowhere yet.
pub(super) fn load(place: &Place, limits: &Limits) -> Result<Ebpf> {
    let mut loader = EbpfLoader::new();
    for name in maps::NAMES {
        loader.map_pin_path(name, place.map(name));
    }
    // The variables of the object, of which there is one (vxbpf-ebpf/src/maps.rs). A pin's name has no dots.
    loader.map_pin_path(".bss", place.map("GENERATION"));
    // The loader writes it, also if it is there: then it goes on, or what programs remember of old numbers would come back.
    let before = maps::open::<Array<_, u64>>(place, "GENERATION").ok().and_then(|map| map.get(&0, 0).ok());
    let generation = before.map_or(0, |before| before.wrapping_add(1));
    // The map may be there already, from other limits.
    let pinned = MapData::from_pin(place.map("FDB_CACHE")).and_then(|map| map.info());
    let cache_rows = pinned.map_or(fdb_cache::rows(limits.fdb), |info| info.max_entries());
    let cpus = nr_cpus().map_err(|(path, e)| Error::system(format!("read {path}"))(e))?;
    let sizes = [
        ("FDB", limits.fdb),
        ("NEIGH", limits.neigh),
        ("VNIS", limits.vnis),
        ("LEARNED", limits.vnis),
        ("FLOOD", limits.vnis),
        ("GROUPS", limits.groups),
        ("PORTS", limits.ports),
        ("DEVS", limits.ports),
        ("VTEPS", limits.vteps),
        ("COUNTERS", limits.counters),
        ("GENERATIONS", limits.counters),
        ("FDB_CACHE", cache_rows),
        ("DECISIONS", DECISIONS.saturating_mul(u32::try_from(cpus).unwrap_or(u32::MAX))),
    ];
    for (name, size) in sizes {
        loader.map_max_entries(name, size);
    }
    loader.override_global("FDB_CACHE_ROWS", &cache_rows, true);
    loader.override_global("GENERATION", &generation, true);
    let mut object = loader.load(&OBJECT.0).map_err(|e| not_loaded(&e))?;
    // The verifier takes most of the time that a start takes: each program has a CPU, if there are so many.
    thread::scope(|scope| {
        let verified: Vec<_> = object
            .programs_mut()
            .map(|(name, program)| scope.spawn(move || verify(program).map_err(|e| not_verified(name, &e))))
            .collect();
        verified.into_iter().try_for_each(|verified| verified.join().unwrap_or_else(|e| resume_unwind(e)))
    })?;
    Ok(object)
}

fn verify(program: &mut Program) -> std::result::Result<(), ProgramError> {
    if let Program::SchedClassifier(program) = program {
        program.load()
    } else if let Program::Xdp(program) = program {
        program.load()
    } else {
        Ok(())
    }
}

/// Pins the programs, in the place of those that were pinned. Running links are not touched.
pub(super) fn pin_programs(place: &Place, object: &mut Ebpf) -> Result<()> {
    for (name, program) in object.programs_mut() {
        let pin = place.program(name);
        let _ = std::fs::remove_file(&pin);
        program.pin(&pin).map_err(|e| Error::Kernel {
            doing: format!("pin program {name}"),
            why: e.to_string(),
            hint: None,
            log: format!("{e:?}"),
        })?;
    }
    Ok(())
}

const TOO_OLD: &str = "vxbpf needs Linux 5.15 or newer, with BPF and BTF; -v shows what the kernel says";

fn not_loaded(error: &EbpfError) -> Error {
    let mut why = error.to_string();
    let mut hint = TOO_OLD.to_owned();
    if let EbpfError::MapError(MapError::CreateError { name, io_error }) = error {
        why = format!("the kernel refused map {name}: {io_error}");
        match io_error.raw_os_error() {
            Some(nix::libc::EPERM) => hint = "run it as root".to_owned(),
            Some(nix::libc::ENOMEM | nix::libc::E2BIG) => {
                hint = "choose smaller tables under [limits] in the config file".to_owned();
            }
            _ => {}
        }
    }
    Error::Kernel { doing: "load the data path".to_owned(), why, hint: Some(hint), log: format!("{error:?}") }
}

fn not_verified(name: &str, error: &ProgramError) -> Error {
    if let ProgramError::LoadError { io_error, verifier_log } = error {
        let log = verifier_log.to_string();
        return Error::Kernel {
            doing: format!("load program {name}"),
            why: format!("the kernel's verifier rejected it ({io_error})"),
            hint: Some(TOO_OLD.to_owned()),
            log,
        };
    }
    attach::refused(&format!("load program {name}"), error, None)
}
