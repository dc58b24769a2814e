//! `vxbpf detach`: removes everything an instance put into the kernel.

use super::Globals;
use crate::dataplane::Dataplane;

pub(super) fn run(globals: &Globals) -> anyhow::Result<()> {
    Ok(Dataplane::detach(&globals.instance)?)
}
