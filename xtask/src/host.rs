//! What this machine offers: programs on the PATH, and a kernel that runs our programs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::version::Version;

/// The support floor.
const KERNEL: Version = Version(5, 15, 0);

/// The kernel's own types; there with `CONFIG_DEBUG_INFO_BTF`, which needs BPF.
const BTF: &str = "/sys/kernel/btf/vmlinux";

/// The first executable file of this name.
pub(crate) fn find_program(path: &[PathBuf], name: &str) -> Option<PathBuf> {
    path.iter().map(|dir| dir.join(name)).find(|file| {
        fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}

/// Whether the running kernel can load what we build.
pub(crate) fn check_kernel() -> Result<()> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    judge_kernel(release.trim(), Path::new(BTF).exists())
}

fn judge_kernel(release: &str, btf: bool) -> Result<()> {
    match Version::parse(release) {
        None => Err(Failure::new(
            "the running kernel's version can't be read: not Linux, or /proc is not mounted",
            format!("vxbpf needs Linux {}.{} or newer", KERNEL.0, KERNEL.1),
        )),
        Some(version) if version < KERNEL => Err(Failure::new(
            format!("the running kernel, Linux {release}, is too old"),
            format!("boot Linux {}.{} or newer", KERNEL.0, KERNEL.1),
        )),
        Some(_) if !btf => Err(Failure::new(
            format!("Linux {release} has no BTF: {BTF} is not there"),
            "boot a kernel with CONFIG_BPF_SYSCALL and CONFIG_DEBUG_INFO_BTF, or mount sysfs on /sys",
        )),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_judged_by_version_and_btf() {
        let rows = [
            ("6.18.44-fc-v669", true, None),
            ("5.15.0-100-generic", true, None),
            ("5.14.21", true, Some("too old")),
            ("4.18.0-553.el8", true, Some("too old")),
            ("6.1.0-18-amd64", false, Some("no BTF")),
            ("", true, Some("can't be read")),
        ];
        for (release, btf, expected) in rows {
            let said = judge_kernel(release, btf).err().map(|failure| failure.to_string());
            assert_eq!(said.is_some(), expected.is_some(), "{release:?}: {said:?}");
            assert!(said.unwrap_or_default().contains(expected.unwrap_or_default()), "{release:?}");
        }
    }

    #[test]
    fn a_program_is_an_executable_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = [dir.path().to_owned()];
        let file = dir.path().join("tool");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(find_program(&path, "tool"), None);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_program(&path, "tool"), Some(file));
        fs::create_dir(dir.path().join("folder")).unwrap();
        assert_eq!(find_program(&path, "folder"), None);
    }
}
