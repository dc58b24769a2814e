//! One request to the kernel's network configuration, from code that is not async, in the namespace of the caller.

use nix::errno::Errno;
use rtnetlink::{
    Handle, new_connection,
    packet_core::{ErrorMessage, NlasIterator},
    sys::AsyncSocket as _,
};

use crate::{
    error::{Error, Result},
    netns,
};

/// Why the kernel did not do it.
#[derive(Debug)]
pub(super) struct Refusal {
    errno: Option<Errno>,
    why: String,
}

impl Refusal {
    /// Whether the kernel gave this as the reason.
    pub(super) fn is(&self, errno: Errno) -> bool {
        self.errno == Some(errno)
    }

    /// The error that says what was being done.
    pub(super) fn doing(self, doing: impl Into<String>) -> Error {
        match self.errno {
            Some(errno @ (Errno::EPERM | Errno::EACCES)) => Error::system(doing)(errno.into()),
            _ => Error::Netlink { doing: doing.into(), why: self.why },
        }
    }
}

impl From<rtnetlink::Error> for Refusal {
    fn from(error: rtnetlink::Error) -> Self {
        if let rtnetlink::Error::NetlinkError(message) = error {
            let errno = Errno::from_raw(-message.raw_code());
            Self { errno: Some(errno), why: explanation(&message).unwrap_or_else(|| errno.desc().to_owned()) }
        } else {
            Self { errno: None, why: error.to_string() }
        }
    }
}

/// The sentence that newer kernels send along (extended acknowledgement, Linux 4.12).
fn explanation(message: &ErrorMessage) -> Option<String> {
    const NLMSG_HEADER: usize = 16;
    const NLMSGERR_ATTR_MSG: u16 = 1;
    let attributes = message.header.get(NLMSG_HEADER..)?;
    let text = NlasIterator::new(attributes).flatten().find(|nla| nla.kind() == NLMSGERR_ATTR_MSG)?;
    let text = String::from_utf8_lossy(text.value());
    Some(text.trim_end_matches(['\0', '.']).to_owned())
}

/// Runs `work` with a netlink connection, on a thread of its own: it may be called inside or outside a runtime, and
/// the thread starts in the caller's network namespace.
pub(super) fn request<T: Send>(
    work: impl AsyncFnOnce(Handle) -> std::result::Result<T, Refusal> + Send,
) -> Result<std::result::Result<T, Refusal>> {
    const DOING: &str = "open a netlink socket";
    netns::on_thread(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::system(DOING))?;
        runtime.block_on(async {
            let (mut connection, handle, _) = new_connection().map_err(Error::system(DOING))?;
            let socket = connection.socket_mut().socket_mut();
            // Shorter and clearer answers; without them an answer is only a number.
            let _ = socket.set_cap_ack(true).and_then(|()| socket.set_ext_ack(true));
            tokio::spawn(connection);
            Ok(work(handle).await)
        })
    })?
}
