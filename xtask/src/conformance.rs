//! `conformance`: how vxbpf behaves, tried beside the kernel, and the table in the docs that says so. The same
//! tests are part of `test`, which fails if the table says something else.

use crate::command::run;
use crate::failure::Result;
use crate::needs::Purpose;
use crate::privilege::Privilege;
use crate::setup;
use crate::test;
use crate::workspace::Workspace;

const SELECT: [&str; 4] = ["-p", "vxbpf-tests", "--test", "conformance"];

/// Builds and runs the behaviours; a run of all of them writes docs/CONFORMANCE.md.
pub(crate) fn verb(workspace: Workspace, filters: &[String]) -> Result<()> {
    let privilege = Privilege::find(&workspace)?;
    let workspace = setup::ensure(workspace, Purpose::Test)?;
    test::build_binary(&workspace)?;
    let mut command = test::command(&workspace, privilege, &SELECT)?;
    command.arg("--").arg(test::THREADS).args(filters).env("VXBPF_CONFORMANCE", "write");
    run(&mut command, "the `failures:` section above says what came where; name a behaviour to try it alone")
}
