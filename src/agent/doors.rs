//! Where the web side is reached: addresses of the command line, or sockets that were handed over.

use std::net::TcpListener;

use crate::net::server;
use crate::sys::service;

/// Listens before anything else is touched: a second agent started by mistake ends here. Sockets
/// that the service manager opened take the place of all addresses.
pub(super) fn open(addresses: &[String]) -> Result<Vec<TcpListener>, String> {
    let handed = service::handed_listeners().map_err(|error| error.to_string())?;
    if !handed.is_empty() {
        log::info!(component = "web", sockets = handed.len(); "The service manager has opened the sockets; --web.listen-address has no effect");
        return Ok(handed);
    }
    let listeners = addresses.iter().map(|address| {
        server::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))
    });
    listeners.collect()
}
