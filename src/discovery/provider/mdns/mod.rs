//! Discovery by multicast DNS: services that announce themselves on the local links,
//! `mdns_sd_configs`. Not a mechanism of Prometheus.
//!
//! Every instance of the service types is a group whose source is interface and name. What the
//! protocol says is known to [`crate::net::mdns`]; here it gets sockets, a thread and labels.
//!
//! Meta labels: `__meta_mdns_instance`, `__meta_mdns_service`, `__meta_mdns_host`,
//! `__meta_mdns_port`, `__meta_mdns_address`, `__meta_mdns_interface`, `__meta_mdns_txt_<key>`,
//! `__meta_mdns_txtpresent_<key>`; an attribute `path` becomes `__metrics_path__`.

mod groups;
mod metrics;
mod ports;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use std::os::fd::AsRawFd;

use self::metrics::MdnsMetrics;
use self::ports::Ports;
use super::{Opened, ProviderConfig, ProviderContext, ProviderError, ProviderSpec, Runner, Watch};
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::discovery::manager::Update;
use crate::discovery::outlet::Outlet;
use crate::limits;
use crate::model::time::Mono;
use crate::net::mdns::browser::Browser;
use crate::net::mdns::link::Wanted;
use crate::net::mdns::name::DomainName;
use crate::net::mdns::service::Prefer;
use crate::sys::interfaces::{self, Changes, Interface};
use crate::sys::jitter::Jitter;

/// The mechanism.
pub const SPEC: ProviderSpec = ProviderSpec {
    mechanism: "mdns",
    parse,
};

const DEFAULT_SERVICE: &str = "_prometheus-http._tcp";
/// Bytes of a service name without its underscore (RFC 6335, section 5.1).
const SERVICE_NAME_BYTES: usize = 15;
const WAKER: Token = Token(0);
const CHANGES: Token = Token(1);
/// Events taken from the poll at once.
const EVENTS: usize = 64;

/// An entry of `mdns_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MdnsConfig {
    /// Service types without the domain.
    services: Vec<String>,
    /// Names of interfaces; all that can multicast, if empty.
    interfaces: Vec<String>,
    prefer: Prefer,
}

fn parse(at: &Cursor<'_>) -> Decoded<Arc<dyn ProviderConfig>> {
    let mut fields = Fields::new(at, "mdns.plain")?;
    let services = fields.strings("services");
    let interfaces = fields.strings("interfaces").unwrap_or_default();
    let address = fields.string("address");
    let services = services.unwrap_or_else(|| vec![DEFAULT_SERVICE.to_owned()]);
    if services.is_empty() || services.len() > limits::MDNS_TYPES {
        let message = format!(
            "between 1 and {} service types can be browsed, not {}",
            limits::MDNS_TYPES,
            services.len()
        );
        fields.rule("services", message);
    }
    for service in services.iter().filter(|service| !is_type(service)) {
        let message = format!(
            "{service:?} is not a service type: write _name._tcp or _name._udp, \
             a name of at most 15 letters, digits and hyphens, without the domain"
        );
        fields.rule("services", message);
    }
    if interfaces.iter().any(String::is_empty) {
        fields.rule("interfaces", "the name of an interface cannot be empty");
    }
    let prefer = match address.as_deref() {
        None | Some("ipv4") => Prefer::Ipv4,
        Some("ipv6") => Prefer::Ipv6,
        Some("hostname") => Prefer::Name,
        Some(other) => {
            let message = format!("{other:?} is none of ipv4, ipv6 and hostname");
            fields.rule("address", message);
            Prefer::Ipv4
        }
    };
    fields.finish()?;
    Ok(Arc::new(MdnsConfig {
        services,
        interfaces,
        prefer,
    }))
}

fn is_type(service: &str) -> bool {
    let parts = service.split_once('.');
    parts.is_some_and(|(name, protocol)| {
        let name = name.strip_prefix('_').unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let is_name = (1..=SERVICE_NAME_BYTES).contains(&name.len()) && name.chars().all(plain);
        let is_protocol = ["_tcp", "_udp"]
            .iter()
            .any(|one| protocol.eq_ignore_ascii_case(one));
        is_name && is_protocol
    })
}

impl MdnsConfig {
    fn wanted(&self) -> Wanted {
        let names = self.services.iter();
        let types = names.filter_map(|name| DomainName::from_dotted(&format!("{name}.local")));
        Wanted {
            types: types.collect(),
            prefer: self.prefer,
        }
    }

    /// Whether an interface is to be browsed.
    fn takes(&self, interface: &Interface) -> bool {
        let is_named = self.interfaces.contains(&interface.name);
        let by_itself =
            self.interfaces.is_empty() && interface.is_multicast && !interface.is_loopback;
        is_named || by_itself
    }
}

impl ProviderConfig for MdnsConfig {
    fn open(&self, context: &ProviderContext) -> Result<Opened, ProviderError> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let provider = MdnsProvider {
            config: self.clone(),
            poll,
            jitter: context.jitter.clone(),
            metrics: MdnsMetrics::new(&context.registry),
            delivered: false,
        };
        Ok(Opened {
            runner: Runner::Watch(Box::new(provider)),
            interrupt: Some(Box::new(move || {
                // Fails only if the poll is gone, and then nobody waits.
                let _gone = waker.wake();
            })),
        })
    }
}

/// Why nothing can be found.
#[derive(Debug, thiserror::Error)]
enum MdnsError {
    #[error("cannot ask the kernel for network interfaces (AF_NETLINK): {0}")]
    Interfaces(io::Error),
    #[error("no interface to browse on: {0}")]
    NoInterface(String),
    #[error("cannot join the multicast group on interface {interface}: {error}")]
    Join { interface: String, error: io::Error },
    #[error("cannot send on interface {interface}: {error}")]
    Send { interface: String, error: io::Error },
}

/// The provider.
///
/// # Thread
/// - Owns: the poll, the sockets, the browser. Inbox: packets, word of the kernel. Outbox: updates,
///   blocks when full; meanwhile the kernel drops packets, which the protocol makes up for.
/// - Waits on: the poll. Deadlines: the browser's, [`limits::MDNS_SURVEY`]. Stops when: the waker
///   wakes it and the outlet says so.
#[derive(Debug)]
struct MdnsProvider {
    config: MdnsConfig,
    poll: Poll,
    jitter: Jitter,
    metrics: MdnsMetrics,
    /// Whether targets were delivered, which a second run must not take back too early.
    delivered: bool,
}

impl Watch for MdnsProvider {
    fn run(&mut self, outlet: &Outlet) -> Result<(), ProviderError> {
        let jitter = Jitter::seeded(self.jitter.next_u64());
        let browser = Browser::new(self.config.wanted(), self.delivered, jitter);
        let changes = Changes::listen().map_err(MdnsError::Interfaces)?;
        let descriptor = changes.as_raw_fd();
        let mut source = SourceFd(&descriptor);
        let registry = self.poll.registry();
        registry.register(&mut source, CHANGES, Interest::READABLE)?;
        let mut run = Run {
            browser,
            ports: Ports::default(),
            survey_at: Mono::default(),
            trouble: None,
            provider: self,
            outlet,
        };
        let ended = run.until_stopped(&changes);
        // The sockets leave the poll when they are closed, the one of the kernel here too.
        let _gone = self.poll.registry().deregister(&mut source);
        ended
    }
}

/// One run of the provider.
struct Run<'a> {
    browser: Browser,
    ports: Ports,
    survey_at: Mono,
    /// What was wrong with the interfaces at the last survey.
    trouble: Option<MdnsError>,
    provider: &'a mut MdnsProvider,
    outlet: &'a Outlet,
}

impl Run<'_> {
    fn until_stopped(&mut self, changes: &Changes) -> Result<(), ProviderError> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let now = self.outlet.clock().mono();
            if now >= self.survey_at {
                self.survey(now)?;
            }
            self.send(now);
            if !self.report(now) {
                return Ok(());
            }
            let deadline = self.browser.deadline().min(self.survey_at);
            // Rounded up, so that a wait never ends before its time and begins again.
            let wait = deadline.since(now).max(Duration::from_millis(1));
            if let Err(error) = self.provider.poll.poll(&mut events, Some(wait))
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error.into());
            }
            if self.outlet.stopped() {
                return Ok(());
            }
            for event in &events {
                match event.token() {
                    WAKER => {}
                    CHANGES => {
                        if changes.drain() {
                            self.survey_at = Mono::default();
                        }
                    }
                    Token(port) => self.receive(port),
                }
            }
        }
    }

    /// Looks at the host's interfaces: opens and closes sockets, tells the browser.
    fn survey(&mut self, now: Mono) -> Result<(), ProviderError> {
        self.survey_at = now + limits::MDNS_SURVEY;
        let all = interfaces::list().map_err(MdnsError::Interfaces)?;
        let config = &self.provider.config;
        let taken = all
            .iter()
            .filter(|one| config.takes(one) && one.is_up && !one.addresses.is_empty());
        let taken: Vec<&Interface> = taken.take(limits::MDNS_INTERFACES).collect();
        let followed = self.ports.follow(&taken, self.provider.poll.registry());
        for name in &followed.interrupted {
            self.browser.down(now, name);
        }
        for interface in &taken {
            if self.ports.has(&interface.name) {
                let networks = interface.addresses.clone();
                self.browser.up(now, &interface.name, networks);
            }
        }
        let count = self.browser.links().count();
        self.provider.metrics.uses_interfaces(count);
        let missing = self.missing(&all, count).map(MdnsError::NoInterface);
        let failures = followed.failures.into_iter();
        let failures = failures.map(|(interface, error)| MdnsError::Join { interface, error });
        self.trouble = failures.chain(missing).next();
        if let Some(trouble) = &self.trouble {
            self.outlet.failed(trouble);
        }
        Ok(())
    }

    /// What to say of interfaces that should be there and are not.
    fn missing(&self, all: &[Interface], used: usize) -> Option<String> {
        let named = &self.provider.config.interfaces;
        if named.is_empty() {
            let none = "none is up, has an address and can multicast; \
                        name those to use in \"interfaces\"";
            return (used == 0).then(|| none.to_owned());
        }
        let up: Vec<&str> = self.browser.links().collect();
        let mut missing = named.iter().filter(|name| !up.contains(&name.as_str()));
        let name = missing.next()?;
        let is_there = all.iter().any(|one| one.name == *name);
        Some(match is_there {
            true => format!("{name:?} is down or has no address"),
            false => format!("{name:?} is not there"),
        })
    }

    fn send(&mut self, now: Mono) {
        for (interface, packet) in self.browser.turn(now) {
            match self.ports.send(&interface, &packet) {
                Ok(packets) => {
                    self.provider.metrics.sent.add(packets as f64);
                    if self.trouble.is_none() {
                        self.outlet.unchanged();
                    }
                }
                Err(error) => self.outlet.failed(&MdnsError::Send { interface, error }),
            }
        }
    }

    /// Reports changes. False when it is time to stop.
    fn report(&mut self, now: Mono) -> bool {
        let Some(services) = self.browser.report(now) else {
            return true;
        };
        self.provider.delivered = true;
        let by_name = self.provider.config.prefer == Prefer::Name;
        let groups = services.iter();
        let groups = groups.map(|service| groups::group(service, by_name));
        let goes_on = self.outlet.send(Update::Full(groups.collect()));
        if let Some(trouble) = &self.trouble {
            // Success on one interface does not end the trouble with another.
            self.outlet.complain(trouble);
        }
        goes_on
    }

    fn receive(&mut self, port: usize) {
        // One more than allowed, so that a longer packet shows.
        let mut buffer = [0; limits::MDNS_PACKET_BYTES + 1];
        for _ in 0..limits::MDNS_PACKETS_PER_TURN {
            let Some(port) = self.ports.get(port) else {
                return;
            };
            let (length, from) = match port.receive(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The interface went away, which the kernel tells in its own way, too.
                Err(_) => {
                    self.survey_at = Mono::default();
                    return;
                }
            };
            let interface = port.interface.clone();
            let now = self.outlet.clock().mono();
            if length > limits::MDNS_PACKET_BYTES {
                self.provider.metrics.too_long();
                continue;
            }
            let packet = &buffer[..length];
            let received = self.browser.receive(now, &interface, from, packet);
            self.provider.metrics.received(received);
        }
        // There may be more, and the poll tells only of new ones.
        self.ports.look_again(port, self.provider.poll.registry());
    }
}

#[cfg(test)]
mod tests;
