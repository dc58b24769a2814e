//! A behaviour: what is done and what must come of it, written once for whoever forwards.

use vxbpf_tests::stage::{Hook, Plan, Players, Stage, Underlay};

/// Where the binary under test is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hooks {
    /// In modes tc and xdp.
    Both,
    /// In mode tc only: XDP leaves this traffic to it, or has no part in it.
    Tc,
}

/// A behaviour.
#[derive(Clone, Copy)]
pub(crate) struct Behaviour {
    /// A sentence that says what holds.
    pub(crate) name: &'static str,
    /// What ours does instead, if that is deliberate: a sentence for the table. `run` expects it of our nodes.
    pub(crate) differs: Option<&'static str>,
    /// A change of the code with which it was seen to fail.
    pub(crate) fails_if: &'static str,
    /// Where the binary under test is tried.
    pub(crate) hooks: Hooks,
    /// What it is tried over.
    pub(crate) underlays: &'static [Underlay],
    /// What must be there.
    pub(crate) plan: Plan,
    /// Stimulus and expectation; panics if it does not hold.
    pub(crate) run: fn(&mut Stage),
}

impl Behaviour {
    /// One that is the same everywhere, with nodes of one pod each.
    pub(crate) const fn new(name: &'static str, run: fn(&mut Stage)) -> Self {
        let plan = Plan::pods(&[1, 1]);
        Self { name, differs: None, fails_if: "", hooks: Hooks::Both, underlays: UNDERLAYS, plan, run }
    }

    pub(crate) const fn plan(self, plan: Plan) -> Self {
        Self { plan, ..self }
    }

    pub(crate) const fn differs(self, why: &'static str) -> Self {
        Self { differs: Some(why), ..self }
    }

    pub(crate) const fn fails_if(self, change: &'static str) -> Self {
        Self { fails_if: change, ..self }
    }

    pub(crate) const fn hooks(self, hooks: Hooks) -> Self {
        Self { hooks, ..self }
    }

    pub(crate) const fn underlays(self, underlays: &'static [Underlay]) -> Self {
        Self { underlays, ..self }
    }

    /// Who plays it.
    pub(crate) fn players(&self) -> impl Iterator<Item = Players> {
        let xdp = (self.hooks == Hooks::Both).then_some(Players::Ours(Hook::Xdp));
        let all = [Players::Kernel, Players::Ours(Hook::Tc)].into_iter().chain(xdp);
        all.chain([Players::OursAmongKernels, Players::KernelAmongOurs])
    }
}

/// What behaviours are tried over unless they say otherwise.
pub(crate) const UNDERLAYS: &[Underlay] = &[Underlay::V4, Underlay::V6];

/// A group of behaviours: a section of the table.
pub(crate) struct Group {
    /// Its title.
    pub(crate) title: &'static str,
    /// Its behaviours.
    pub(crate) behaviours: &'static [Behaviour],
}
