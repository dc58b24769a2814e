//! Finding a namespace again by its number, and a name that a person can use for it.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{NetNs, named};
use crate::error::{Error, Result};

/// Opens the namespace of that number, whose name comes with it: `netns NAME` if `ip netns` knows it, else
/// `pid PID` for a process that is in it.
pub fn find(inode: u64) -> Result<(NetNs, String)> {
    let name = by_name(inode).or_else(|| by_process(inode));
    let own = NetNs::current().ok().filter(|own| own.inode() == inode);
    match (own, name) {
        (Some(own), Some((name, _))) => Ok((own, name)),
        (Some(own), None) => Ok((own, format!("pid {}", std::process::id()))),
        (None, Some((name, path))) => {
            let ns = NetNs::open(&path).map_err(Error::system(format!("network namespace of {name}")))?;
            if ns.inode() == inode { Ok((ns, name)) } else { Err(gone(inode)) }
        }
        (None, None) => Err(gone(inode)),
    }
}

fn gone(inode: u64) -> Error {
    Error::not_found(format!("network namespace {inode}"))
}

fn by_name(inode: u64) -> Option<(String, PathBuf)> {
    let name = named::names().ok()?.into_iter().find(|name| is(&named::path(name), inode))?;
    Some((format!("netns {name}"), named::path(&name)))
}

/// The process with the lowest number: the likeliest to stay.
fn by_process(inode: u64) -> Option<(String, PathBuf)> {
    let mut pids: Vec<u32> =
        entries(Path::new("/proc")).ok()?.iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    pids.into_iter()
        .map(|pid| (format!("pid {pid}"), PathBuf::from(format!("/proc/{pid}/ns/net"))))
        .find(|(_, path)| is(path, inode))
}

fn is(path: &Path, inode: u64) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.ino() == inode)
}

/// Names in a directory; those that are not UTF-8 are none of ours.
pub(super) fn entries(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_namespace_is_found() {
        let own = NetNs::current().unwrap();
        let (found, name) = find(own.inode()).unwrap();
        assert_eq!(found.inode(), own.inode());
        assert!(name.starts_with("pid ") || name.starts_with("netns "), "{name}");
    }

    #[test]
    fn a_number_that_nobody_has_is_an_error() {
        assert_eq!(find(1).unwrap_err().to_string(), "network namespace 1 does not exist");
    }
}
