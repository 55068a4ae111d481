//! What the host calls itself.

/// The host's name, as the kernel knows it.
#[must_use]
pub fn hostname() -> String {
    let names = rustix::system::uname();
    names.nodename().to_string_lossy().into_owned()
}
