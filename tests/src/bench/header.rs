//! Where and how a run was made, above its tables.

use super::{
    figures,
    measure::Wire,
    model::{Environment, Run},
};

/// CPUs that something else may keep busy without being told of.
const BUSY: f64 = 0.1;

/// Names and values, in order.
pub fn lines(run: &Run) -> Vec<(&'static str, String)> {
    let (environment, settings) = (&run.environment, &run.settings);
    let commit = environment.commit.as_deref().map(|commit| format!(", commit {commit}")).unwrap_or_default();
    let wire = match settings.wire {
        Wire::Mtu => "mtu: segmentation offload is off on the underlay, which carries frames of its MTU",
        Wire::Gso => "gso: segmentation offload is on on the underlay, which carries merged frames",
    };
    let pairs = |map: &std::collections::BTreeMap<String, String>| {
        map.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    };
    let mut lines = vec![
        ("date", environment.date.to_string()),
        ("vxbpf", format!("{}{commit}, {}", environment.vxbpf, environment.rustc)),
        ("kernel", format!("Linux {}", environment.kernel)),
        ("CPU", machine(environment)),
        ("memory", figures::bytes(environment.memory)),
        ("busy", format!("{:.2} CPUs with something else, before it began", environment.busy)),
        ("tools", environment.tools.values().cloned().collect::<Vec<_>>().join("; ")),
        ("sysctl", pairs(&environment.sysctls)),
        ("mitigations", pairs(&environment.mitigations)),
        ("wire", wire.to_owned()),
        (
            "rounds",
            format!(
                "{} of each measurement, contenders in turn; client and generator on CPU {}, server and receiver on \
                 CPU {}",
                settings.rounds, settings.client_cpu, settings.server_cpu
            ),
        ),
    ];
    lines.retain(|(_, value)| !value.is_empty());
    lines
}

fn machine(environment: &Environment) -> String {
    let below = if environment.virtualised { ", virtual machine" } else { "" };
    format!("{}, {} CPUs{below}", environment.cpu, environment.cores)
}

/// For the terminal.
pub fn terminal(run: &Run) -> String {
    let mut text = String::new();
    if run.settings.quick {
        text += "A look (--quick), not a measurement: rounds are few and short, large tables smaller, and figures scatter.\n";
    }
    if run.environment.busy > BUSY {
        text += "The machine is busy with something else: figures will scatter, and ratios with them.\n";
    }
    for (name, value) in lines(run) {
        text += &format!("{name:12} {value}\n");
    }
    let lengths = run.programs.iter().map(|program| format!("{} {}", program.name, program.instructions));
    text += &format!("{:12} {}\n", "instructions", lengths.collect::<Vec<_>>().join(", "));
    text
}
