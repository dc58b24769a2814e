//! Wrong commands, as a table: what is typed, and what stderr says.

use super::parsed;
use crate::cli::failure;

#[test]
fn wrong_commands_say_what_is_wrong() {
    // line -> how stderr begins; the exit status of them all is 2.
    let rows = [
        ("", "error: no command given\n"),
        ("-j", "error: no command given\nhint: vxbpf "),
        ("neihg show", "error: unknown command \"neihg\"\nhint: did you mean neigh?\n"),
        (
            "monitor",
            "error: unknown command \"monitor\"\nhint: vxbpf [-i NAME] [-j [-p]] [-s] [-q|-v] {run|detach|status|",
        ),
        ("fdb frob", "error: unknown command \"frob\"\nhint: vxbpf fdb {add|"),
        (
            "fdb add",
            "error: missing: MAC, dst ADDR or port-dev DEV, vni VNI or src-vni VNI or dev NAME\nhint: vxbpf fdb add MAC ",
        ),
        (
            "fdb add 02:00:00:00:00:01 vni 42",
            "error: missing: dst ADDR or port-dev DEV\nhint: vxbpf fdb add MAC ",
        ),
        (
            "fdb add 02:00:00:00:00:01 dst 10.0.0.1",
            "error: missing: vni VNI or src-vni VNI or dev NAME\nhint: ",
        ),
        (
            "fdb add 02:00 dst 10.0.0.1 vni 42",
            "error: \"02:00\" is not a MAC address: six bytes in hex, as in 02:42:c0:a8:00:02\n",
        ),
        ("fdb add 02:00:00:00:00:01 dst 10.0.0 vni 42", "error: dst: \"10.0.0\" is not an IP address\n"),
        (
            "fdb add 02:00:00:00:00:01 dst 10.0.0.1 vni 16777216",
            "error: vni: \"16777216\" is not a VNI: a number from 0 to 16777215\n",
        ),
        (
            "fdb add 02:00:00:00:00:01 dst 10.0.0.1 vni 42 port 70000",
            "error: port: \"70000\" is not a UDP port: a number from 1 to 65535\n",
        ),
        ("fdb add 02:00:00:00:00:01 vni 42 dst", "error: dst needs a value: dst ADDR\n"),
        ("fdb add 02:00:00:00:00:01 vni 42 dst -j", "error: dst needs a value: dst ADDR\n"),
        (
            "fdb add 02:00:00:00:00:01 dst 10.0.0.1 dst 10.0.0.2 vni 42",
            "error: dst is given twice\nhint: vxbpf fdb add ",
        ),
        (
            "fdb add 02:00:00:00:00:01 dst 10.0.0.1 port-dev veth1 vni 42",
            "error: dst and port-dev exclude each other\n",
        ),
        (
            "fdb add 02:00:00:00:00:01 port-dev veth1 vni 42 port 4789",
            "error: port and port-dev exclude each other\n",
        ),
        (
            "fdb add 02:00:00:00:00:01 dst 10.0.0.1 vni 42 static dynamic",
            "error: dynamic and static exclude each other\n",
        ),
        (
            "fdb add 02:00:00:00:00:01 dst 10.0.0.1 vni 42 via eth0",
            "error: via: not supported, the underlay's routes decide which way a remote is reached\n",
        ),
        (
            "fdb add 02:00:00:00:00:01 dts 10.0.0.1 vni 42",
            "error: unknown word \"dts\"\nhint: vxbpf fdb add MAC ",
        ),
        ("fdb add 02:00:00:00:00:01 --vnni 42", "error: unknown option --vnni\nhint: did you mean vni?\n"),
        ("fdb show state stale", "error: state: \"stale\" is not a state: permanent or static or dynamic\n"),
        ("fdb show state static dynamic", "error: state excludes permanent, static, dynamic\n"),
        ("fdb get 02:00:00:00:00:01", "error: missing: vni VNI or src-vni VNI or dev NAME\n"),
        ("neigh add 12.12.12.3 vni 42", "error: missing: lladdr MAC\nhint: vxbpf neigh add ADDR lladdr MAC "),
        ("neigh add 12.12.12.3 lladdr 02:00:00:00:00:01", "error: missing: vni VNI or dev NAME\nhint: "),
        (
            "neigh add 12.12.12.3 lladdr 02:00:00:00:00:01 dev v nud stale",
            "error: nud: \"stale\" cannot be asked for: neighbours of a VNI are permanent\n",
        ),
        ("port add veth1", "error: missing: vni VNI\nhint: vxbpf port add DEV vni VNI "),
        ("port add veth1 vni 42 mode fast", "error: mode: \"fast\" is not a mode: auto or tc or xdp\n"),
        ("port add veth1 vni 42 isolated", "error: isolated needs a value: isolated on|off\n"),
        ("vni add", "error: missing: VNI\nhint: vxbpf vni add VNI "),
        ("vni add x", "error: \"x\" is not a VNI: a number from 0 to 16777215\n"),
        ("vni add 42 ttl 0", "error: ttl: \"0\" is not a TTL: a number from 1 to 255, or inherit\n"),
        (
            "vni add 42 group 10.1.1.1",
            "error: group: \"10.1.1.1\" is not a multicast address, as in 239.1.1.1 ",
        ),
        ("vni set 42", "error: missing: name NAME or learning on|off or ageing SECS or limit N or "),
        ("vtep allow 10.0.0.1", "error: missing: vni VNI or dev NAME\nhint: vxbpf vtep allow ADDR "),
        ("stats vni 42 drops", "error: drops and vni exclude each other\n"),
        ("stats watch 0", "error: watch: \"0\" is not an interval: seconds, from 0.1 to 86400\n"),
        ("run", "error: missing: iface IFACE\nhint: vxbpf run --iface IFACE "),
        (
            "run iface eth1 metrics 9477",
            "error: metrics: \"9477\" is not ADDR:PORT, as in 127.0.0.1:9477 or [::1]:9477\n",
        ),
        ("-i a/b status", "error: instance: \"a/b\" is not an instance name: 1 to 15 letters"),
        ("-i a status -i b", "error: instance is given twice\n"),
        ("-b lines status", "error: batch and command exclude each other\nhint: vxbpf "),
        ("-b", "error: batch needs a value: batch FILE\n"),
        ("-force", "error: missing: batch FILE\nhint: vxbpf "),
        ("-force status", "error: "),
        ("fdb show -b lines", "error: unknown option -b\n"),
        ("-q -v status", "error: quiet and verbose exclude each other\n"),
    ];
    let mut wrong = String::new();
    for (line, expected) in rows {
        let error = parsed(line).map_or_else(|e| e, |cli| panic!("{line}: {cli:?}"));
        let text = failure::usage_text(&error);
        if !text.starts_with(expected)
            || (text.lines().count() > 2 && !line.is_empty())
            || error.exit_code() != 2
        {
            wrong += &format!("{line}:\n{text}expected:\n{expected}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
