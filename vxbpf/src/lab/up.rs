//! Bringing the lab up: two nodes that know each other, then the others, which join while the overlay runs.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::{
    Backend, State, daemon, down, kernel,
    place::{self, Lock},
    topology::{Node, PREFIX, Topology},
    underlay, vxbpf,
};
use crate::{
    error::{Error, Result},
    netns::{self, NetNs},
};

/// What kind of lab.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many nodes.
    pub nodes: u8,
    /// What forwards.
    pub backend: Backend,
    /// The `vxbpf` binary, for the daemons.
    pub program: PathBuf,
}

/// How entries are made, as the tutorial has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// `fdb add`, by the nodes that begin.
    Add,
    /// `fdb replace`, when a node joins.
    Replace,
}

/// Brings the lab up. When it fails, or `interrupted` becomes true, nothing of it stays.
pub fn up(options: &Options, interrupted: &AtomicBool) -> Result<State> {
    let _lock = Lock::take()?;
    refuse_second()?;
    place::create()?;
    let built = Builder { options, interrupted }.build();
    if built.is_err() {
        for error in down::remove().errors {
            tracing::warn!("taking the lab down again: {error}");
        }
    }
    built
}

fn refuse_second() -> Result<()> {
    let refuse = |why| {
        Err(Error::Refused {
            what: "lab".to_owned(),
            why,
            hint: "take it down first: vxbpf lab down".to_owned(),
        })
    };
    match State::load() {
        Ok(None) => {}
        Ok(Some(State { complete: true, nodes, backend, .. })) => {
            return refuse(format!("it is up already ({nodes} nodes, backend {backend})"));
        }
        Ok(Some(_)) | Err(_) => return refuse("parts of one are left".to_owned()),
    }
    match netns::names()?.iter().find(|name| name.starts_with(PREFIX)) {
        Some(name) => refuse(format!("parts of one are left (network namespace {name})")),
        None => Ok(()),
    }
}

struct Builder<'a> {
    options: &'a Options,
    interrupted: &'a AtomicBool,
}

impl Builder<'_> {
    fn build(&self) -> Result<State> {
        let Options { nodes, backend, .. } = *self.options;
        let mut state = State { backend, nodes, daemons: [].into(), complete: false };
        state.save()?;
        underlay::create_net()?;
        let topology = Topology::new(nodes);
        let (founders, joiners) = topology.founders_and_joiners();

        state.daemons.extend(self.nodes(founders)?);
        self.join(&pairs(founders), Manner::Add)?;

        state.daemons.extend(self.nodes(joiners)?);
        let mut members: Vec<&Node> = founders.iter().collect();
        for joiner in joiners {
            let mut new = vec![(joiner, members.clone())];
            new.extend(members.iter().map(|member| (*member, vec![joiner])));
            self.join(&new, Manner::Replace)?;
            members.push(joiner);
        }

        self.check()?;
        state.complete = true;
        state.save()?;
        Ok(state)
    }

    /// Makes nodes that forward between their own pods, all at once. Gives their daemons.
    fn nodes(&self, nodes: &[Node]) -> Result<Vec<(String, u32)>> {
        let made: Vec<Result<Option<(String, u32)>>> = thread::scope(|scope| {
            let threads: Vec<_> = nodes.iter().map(|node| scope.spawn(|| self.node(node))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|e| std::panic::resume_unwind(e)))
                .collect()
        });
        made.into_iter().filter_map(Result::transpose).collect()
    }

    fn node(&self, node: &Node) -> Result<Option<(String, u32)>> {
        self.check()?;
        let netns = underlay::create_node(node)?;
        self.check()?;
        match self.options.backend {
            Backend::Vxbpf => {
                let instance = node.instance();
                let pid = self.daemon(&self.options.program, &instance, &netns)?;
                netns.run(|| vxbpf::start(node))??;
                Ok(Some((instance, pid)))
            }
            Backend::Kernel => {
                netns.run(|| kernel::start(node))??;
                Ok(None)
            }
        }
    }

    fn daemon(&self, program: &Path, instance: &str, netns: &NetNs) -> Result<u32> {
        let started = daemon::start(program, instance, netns, self.interrupted);
        // An interrupt is the better reason.
        self.check()?;
        started
    }

    /// Tells nodes of others: where their pods are, and then that they get what is for everybody. Not before: what
    /// pods say of themselves would be learned, and `fdb add` does not take what is there.
    fn join(&self, new: &[(&Node, Vec<&Node>)], manner: Manner) -> Result<()> {
        for (node, others) in new {
            self.check()?;
            NetNs::named(&node.netns())?.run(|| match self.options.backend {
                Backend::Vxbpf => vxbpf::introduce(node, others, manner),
                Backend::Kernel => kernel::introduce(others, manner),
            })??;
        }
        for (node, others) in new {
            self.check()?;
            NetNs::named(&node.netns())?.run(|| match self.options.backend {
                Backend::Vxbpf => vxbpf::flood(node, others),
                Backend::Kernel => kernel::flood(others),
            })??;
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Error::invalid("lab", "interrupted; it is taken down again"));
        }
        Ok(())
    }
}

/// Each node, and all others.
fn pairs(nodes: &[Node]) -> Vec<(&Node, Vec<&Node>)> {
    nodes
        .iter()
        .map(|node| (node, nodes.iter().filter(|other| other.number != node.number).collect()))
        .collect()
}
