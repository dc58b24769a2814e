//! Every way for the library to fail, in an operator's words: which object, what about it, and what to do.

use std::io;

/// An error. Its text is one line that names the object and the cause.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `add` of what is there.
    #[error("{what} exists")]
    Exists {
        /// The object.
        what: String,
    },
    /// Anything with what is not there.
    #[error("{what} does not exist")]
    NotFound {
        /// The object.
        what: String,
    },
    /// An argument that cannot be.
    #[error("{what}: {why}")]
    Invalid {
        /// The object.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// As [`Error::Invalid`], with what to do.
    #[error("{what}: {why}")]
    Refused {
        /// The object.
        what: String,
        /// What is wrong with it.
        why: String,
        /// What to do.
        hint: String,
    },
    /// The object is not as it would have to be: a sentence about it.
    #[error("{what} {why}")]
    State {
        /// The object.
        what: String,
        /// What is the matter, beginning with a verb.
        why: String,
        /// What to do, if anything can be done.
        hint: Option<String>,
    },
    /// A table has no room.
    #[error("{what} is full ({max} entries)")]
    Full {
        /// The table.
        what: String,
        /// Its size.
        max: u64,
        /// What to do.
        hint: String,
    },
    /// The operating system refused.
    #[error("{doing}: {source}")]
    System {
        /// What was being done, and to what.
        doing: String,
        /// Why not.
        source: io::Error,
    },
    /// A netlink request was refused.
    #[error("{doing}: {why}")]
    Netlink {
        /// What was being done, and to what.
        doing: String,
        /// Why not.
        why: String,
    },
    /// No such instance.
    #[error("instance {instance} is not running")]
    NotRunning {
        /// Its name.
        instance: String,
    },
    /// The instance has a daemon.
    #[error("instance {instance} is already running, process {pid}")]
    Running {
        /// Its name.
        instance: String,
        /// Its daemon.
        pid: u32,
    },
    /// The pinned maps are another version's.
    #[error(
        "instance {instance} was started by another version of vxbpf (map layout {found}, ours is {ours})"
    )]
    Abi {
        /// The instance.
        instance: String,
        /// `ABI_VERSION` of the pins.
        found: u32,
        /// Our own.
        ours: u32,
    },
    /// The kernel did not take our programs or maps.
    #[error("{doing}: {why}")]
    Kernel {
        /// What was being done, and to what.
        doing: String,
        /// Why not, in people's words.
        why: String,
        /// What to do.
        hint: Option<String>,
        /// The verifier's log or the chain of causes, for `-v`.
        log: String,
    },
}

/// What most of the library returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An operating system error while doing something.
    pub fn system(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::System { doing: doing.into(), source }
    }

    /// The object is there already.
    pub fn exists(what: impl Into<String>) -> Self {
        Self::Exists { what: what.into() }
    }

    /// The object is not there.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    /// The object cannot be as asked for.
    pub fn invalid(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), why: why.into() }
    }

    /// The object is not as it would have to be, and that is that.
    pub fn state(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::State { what: what.into(), why: why.into(), hint: None }
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotRunning { instance } => {
                Some(format!("start it with: vxbpf run --iface IFACE -i {instance}"))
            }
            Self::Running { pid, .. } => {
                Some(format!("stop it first (kill {pid}), or choose another name with -i"))
            }
            Self::Abi { instance, .. } => {
                Some(format!("use the vxbpf that started it, or remove it with: vxbpf detach -i {instance}"))
            }
            Self::Refused { hint, .. } | Self::Full { hint, .. } => Some(hint.clone()),
            Self::Kernel { hint, .. } | Self::State { hint, .. } => hint.clone(),
            Self::System { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("run it as root".to_owned())
            }
            Self::Exists { .. }
            | Self::NotFound { .. }
            | Self::Invalid { .. }
            | Self::System { .. }
            | Self::Netlink { .. } => None,
        }
    }

    /// The verifier's log or the chain of causes, for `-v`.
    pub fn log(&self) -> Option<&str> {
        if let Self::Kernel { log, .. } = self {
            Some(log).filter(|log| !log.is_empty()).map(String::as_str)
        } else {
            None
        }
    }
}
