//! Programs on interfaces. An attachment is a pinned link (tcx, XDP), so it lives as long as its pin; before Linux 6.6
//! TC has no links, and the attachment is a filter on a clsact qdisc, which lives as long as the device.
//!
//! Everything here means interfaces of the calling thread's network namespace.

use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use aya::maps::{DevMapHash, MapData};
use aya::programs::{
    ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode,
    links::{FdLink, LinkError, PinnedLink},
    tc::{
        NlOptions, SchedClassifierLink, TcAttachOptions, TcError, TcHandle, qdisc_add_clsact,
        qdisc_detach_program,
    },
    xdp::{XdpError, XdpLink},
};
use aya_obj::programs::XdpAttachType;
use nix::libc;

use super::{options::Mode, place::Place};
use crate::{Error, Result};

pub(super) const FROM_PORT: &str = "from_port";
pub(super) const FROM_UNDERLAY: &str = "from_underlay";
pub(super) const FROM_HELPER: &str = "from_helper";
pub(super) const FROM_PORT_XDP: &str = "from_port_xdp";
pub(super) const FROM_UNDERLAY_XDP: &str = "from_underlay_xdp";

/// Our filter on a clsact qdisc: the first there is.
const PRIORITY: u16 = 1;
const HANDLE: TcHandle = TcHandle::new(0, 1);

/// A link that goes is gone in a few milliseconds, on a busy machine in some tens of them.
const DETACHING: Duration = Duration::from_millis(500);

/// An interface to attach to.
#[derive(Clone, Copy)]
pub(super) struct On<'a> {
    pub(super) dev: &'a str,
    pub(super) ifindex: u32,
}

/// Attaches a TC program to the ingress of an interface.
pub(super) fn tc(place: &Place, program: &str, on: On<'_>, clsact: bool) -> Result<()> {
    let failed = |e: ProgramError| refused(&format!("attach {program} to {}", on.dev), &e, None);
    let mut prog = SchedClassifier::from_pin(place.program(program)).map_err(failed)?;
    if clsact {
        let taken = |e: ProgramError| match errno(&e) {
            Some(libc::EEXIST) => Error::State {
                what: format!("the ingress of {}", on.dev),
                why: format!("has another filter of priority {PRIORITY} and handle 1"),
                hint: Some("before Linux 6.6 there is room for one instance there".to_owned()),
            },
            _ => failed(e),
        };
        match qdisc_add_clsact(on.dev) {
            Err(TcError::NetlinkError(e)) if e.raw_os_error() != Some(libc::EEXIST) => {
                return Err(failed(ProgramError::TcError(TcError::NetlinkError(e))));
            }
            _ => {}
        }
        let options = NlOptions { priority: PRIORITY, handle: HANDLE, classid: None };
        let id = prog.attach_with_options(on.dev, TcAttachType::Ingress, TcAttachOptions::Netlink(options));
        let link = prog.take_link(id.map_err(taken)?).map_err(failed)?;
        // Dropped, it would detach. It is to stay with the device.
        std::mem::forget(link);
        return Ok(());
    }
    let id = patiently(|| prog.attach(on.dev, TcAttachType::Ingress)).map_err(failed)?;
    let link = prog.take_link(id).map_err(failed)?;
    pin(place, program, on, FdLink::try_from(link).map_err(|e| bad_link(&e))?)
}

/// Attaches an XDP program to an interface, and lets XDP send to it; says whether it did. In mode `auto` a driver that
/// cannot was worth a try.
pub(super) fn xdp_both_ways(
    place: &Place,
    program: &str,
    on: On<'_>,
    mode: Mode,
    devs: &mut DevMapHash<MapData>,
) -> Result<bool> {
    match xdp(place, program, on) {
        Err(_) if mode == Mode::Auto => return Ok(false),
        done => done?,
    }
    devs.insert(on.ifindex, on.ifindex, None, 0).map_err(|e| Error::Kernel {
        doing: format!("let XDP send to {}", on.dev),
        why: e.to_string(),
        hint: None,
        log: format!("{e:?}"),
    })?;
    Ok(true)
}

/// Attaches an XDP program to an interface, in its driver.
fn xdp(place: &Place, program: &str, on: On<'_>) -> Result<()> {
    let doing = format!("attach {program} to {}", on.dev);
    let failed = |e: ProgramError| refused(&doing, &e, Some(on.dev));
    let mut prog = Xdp::from_pin(place.program(program), XdpAttachType::Interface).map_err(failed)?;
    let id = patiently(|| prog.attach_to_if_index(on.ifindex, XdpMode::Driver)).map_err(failed)?;
    let link = prog.take_link(id).map_err(failed)?;
    pin(place, program, on, FdLink::try_from(link).map_err(|e| bad_link(&e))?)
}

/// Attaches where a link may be about to go: one whose pin was removed detaches only when the kernel gets to freeing
/// the pin's inode (`bpf_free_inode` in kernel/bpf/inode.c, after an RCU grace period).
fn patiently<T>(
    mut attach: impl FnMut() -> std::result::Result<T, ProgramError>,
) -> std::result::Result<T, ProgramError> {
    let begin = Instant::now();
    loop {
        match attach() {
            Err(e)
                if matches!(errno(&e), Some(libc::EEXIST | libc::EBUSY)) && begin.elapsed() < DETACHING =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

fn pin(place: &Place, program: &str, on: On<'_>, link: FdLink) -> Result<()> {
    let path = place.link(program, on.ifindex);
    // A pin without a device behind it, of an interface that had this index before.
    let _ = fs::remove_file(&path);
    link.pin(&path).map(drop).map_err(|e| Error::Kernel {
        doing: format!("pin the link of {program} on {}", on.dev),
        why: e.to_string(),
        hint: None,
        log: format!("{e:?}"),
    })
}

/// Takes a program off an interface. Gone already is fine.
pub(super) fn off(place: &Place, program: &str, on: On<'_>, clsact: bool) -> Result<()> {
    if clsact && !program.ends_with("_xdp") {
        let _ = qdisc_detach_program(on.dev, TcAttachType::Ingress, program);
        return Ok(());
    }
    let path = place.link(program, on.ifindex);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(Error::system(format!("detach {program} from {}", on.dev))(e))
        }
        _ => Ok(()),
    }
}

/// Puts the pinned program in the place of the one that a link runs, between two packets. False: the link's
/// interface is gone.
pub(super) fn update(place: &Place, program: &str, link: &Path) -> Result<bool> {
    let failed = |e: ProgramError| refused(&format!("replace {program}"), &e, None);
    let fd: FdLink = PinnedLink::from_pin(link).map_err(|e| bad_link(&e))?.into();
    let done = if program.ends_with("_xdp") {
        let mut prog = Xdp::from_pin(place.program(program), XdpAttachType::Interface).map_err(failed)?;
        let link = XdpLink::try_from(fd).map_err(|e| bad_link(&e))?;
        prog.attach_to_link(link).and_then(|id| prog.take_link(id)).map(drop)
    } else {
        let mut prog = SchedClassifier::from_pin(place.program(program)).map_err(failed)?;
        let link = SchedClassifierLink::try_from(fd).map_err(|e| bad_link(&e))?;
        prog.attach_to_link(link).and_then(|id| prog.take_link(id)).map(drop)
    };
    match done {
        Err(ProgramError::SyscallError(e)) if e.io_error.raw_os_error() == Some(libc::ENOLINK) => Ok(false),
        done => done.map(|()| true).map_err(failed),
    }
}

/// The same for a filter on a clsact qdisc.
pub(super) fn update_clsact(place: &Place, program: &str, on: On<'_>) -> Result<()> {
    let failed = |e: ProgramError| refused(&format!("replace {program} on {}", on.dev), &e, None);
    let mut prog = SchedClassifier::from_pin(place.program(program)).map_err(failed)?;
    let link = SchedClassifierLink::attached(on.dev, TcAttachType::Ingress, PRIORITY, HANDLE, None)
        .map_err(Error::system(format!("replace {program} on {}", on.dev)))?;
    let id = prog.attach_to_link(link).map_err(failed)?;
    std::mem::forget(prog.take_link(id).map_err(failed)?);
    Ok(())
}

fn bad_link(error: &LinkError) -> Error {
    Error::Kernel {
        doing: "use a link".to_owned(),
        why: error.to_string(),
        hint: None,
        log: format!("{error:?}"),
    }
}

/// Whether the program of a pinned tcx link is among those at the ingress of an interface.
pub(super) fn runs_on(link: &Path, dev: &str) -> bool {
    let Ok((_, programs)) = SchedClassifier::query_tcx(dev, TcAttachType::Ingress) else { return false };
    program_id(link).is_some_and(|id| programs.iter().any(|program| program.id() == id))
}

/// Id of the program that a pinned link runs.
pub(super) fn program_id(link: &Path) -> Option<u32> {
    let fd: FdLink = PinnedLink::from_pin(link).ok()?.into();
    Some(fd.info().ok()?.program_id())
}

/// A refusal in people's words. `driver`: the interface whose driver was asked to run XDP.
pub(super) fn refused(doing: &str, error: &ProgramError, driver: Option<&str>) -> Error {
    let errno = errno(error);
    let (why, hint) = match (errno, driver) {
        (Some(libc::EOPNOTSUPP | libc::EINVAL), Some(dev)) => {
            (format!("the driver of {dev} cannot run XDP natively"), Some("use mode tc".to_owned()))
        }
        (Some(libc::ERANGE), Some(dev)) => (
            format!("the MTU of {dev} (or of its peer) is too large for XDP"),
            Some("lower the MTU to 3500 or less, or use mode tc".to_owned()),
        ),
        (Some(libc::EBUSY | libc::EEXIST), Some(dev)) => (
            format!("{dev} runs another XDP program"),
            Some(format!("see which: ip -details link show dev {dev}")),
        ),
        (Some(libc::EPERM | libc::EACCES), _) => {
            ("not permitted".to_owned(), Some("run it as root".to_owned()))
        }
        (Some(libc::ENODEV), _) => ("no such interface".to_owned(), None),
        (Some(errno), _) => (io::Error::from_raw_os_error(errno).to_string(), None),
        (None, _) => (error.to_string(), None),
    };
    Error::Kernel { doing: doing.to_owned(), why, hint, log: format!("{error:?}") }
}

/// The error number at the bottom of an error.
fn errno(error: &ProgramError) -> Option<i32> {
    if let ProgramError::SyscallError(e) = error {
        return e.io_error.raw_os_error();
    }
    let netlink =
        if let ProgramError::TcError(TcError::NetlinkError(e)) | ProgramError::NetlinkError(e) = error {
            e
        } else if let ProgramError::XdpError(XdpError::NetlinkError(e)) = error {
            e
        } else {
            return None;
        };
    netlink.raw_os_error()
}
