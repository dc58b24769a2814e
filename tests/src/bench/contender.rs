//! Who is compared: ways to carry frames between two pods on two nodes.

/// A way to carry frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Contender {
    /// A VXLAN device of the kernel, and a bridge.
    Kernel,
    /// A bridge alone: no encapsulation.
    Bridge,
    /// Ours at TC.
    VxbpfTc,
    /// Ours at XDP.
    VxbpfXdp,
    /// The same hops at TC, redirected without encapsulation: what could be reached at best.
    LimitTc,
    /// The same at XDP.
    LimitXdp,
}

impl Contender {
    /// All, in the order of tables.
    pub const ALL: [Self; 6] =
        [Self::Kernel, Self::Bridge, Self::VxbpfTc, Self::VxbpfXdp, Self::LimitTc, Self::LimitXdp];

    /// Its name in tables, JSON and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Bridge => "bridge",
            Self::VxbpfTc => "vxbpf-tc",
            Self::VxbpfXdp => "vxbpf-xdp",
            Self::LimitTc => "limit-tc",
            Self::LimitXdp => "limit-xdp",
        }
    }
}
