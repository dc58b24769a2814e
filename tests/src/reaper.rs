//! What cleans up when a test process is killed: guards do not run then, so a child that outlives us does. It waits
//! for its standard input to end, which the kernel sees to whatever becomes of us.

use std::{
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use crate::command::binary;

/// `$1`: what names begin with; `$2`: the binary under test. Removes processes in namespaces, instances, namespaces
/// and logs.
const SCRIPT: &str = r#"
trap "" INT TERM HUP QUIT
cat >/dev/null
end_all() {
    for each in /run/netns/"$1"*; do
        [ -e "$each" ] || continue
        for pid in $(ip netns pids "${each##*/}"); do kill -9 "$pid"; done
    done
}
end_all "$1"
# What was about to start something has done so by now.
[ -n "$(ls /run/netns | grep "^$1")" ] && sleep 0.5 && end_all "$1"
for each in /run/vxbpf/bpf/"$1"*; do
    [ -e "$each" ] && "$2" detach -i "${each##*/}"
done
for each in /run/netns/"$1"*; do
    [ -e "$each" ] && ip netns del "${each##*/}"
done
rm -f "${TMPDIR:-/tmp}/$1"* /run/vxbpf/"$1"*.lock /run/vxbpf/"$1"*.daemon
"#;

/// Has everything of this process removed when it ends, however it ends.
pub fn arm() {
    static REAPER: OnceLock<Child> = OnceLock::new();
    REAPER.get_or_init(|| {
        let prefix = format!("vxt-{}-", std::process::id());
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "reaper", &prefix]).arg(binary());
        // Not in our process group: a ^C is not meant for it.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("start a shell to clean up after us")
    });
}
