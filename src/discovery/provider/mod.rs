//! What a discovery mechanism has to provide, and the mechanisms.
//!
//! A mechanism is one file (or folder) here: the struct of its configuration with its defaults, a
//! pure function from what it fetched to groups, a [`Refresh`] or a [`Watch`] around it, a
//! [`ProviderSpec`], tests; and one line in [`super::registry`]. Nothing else knows it.

pub mod consul;
pub mod dns;
pub mod docker;
pub mod docker_engine;
pub mod dockerswarm;
pub mod etcd;
pub mod file;
pub mod http;
pub mod kubernetes;
pub mod mdns;
pub mod zookeeper;

pub mod static_config;

use std::any::Any;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;

use super::outlet::Outlet;
use crate::config::decode::{Cursor, Decoded};
use crate::model::target_group::TargetGroup;
use crate::net::dns::resolver::ResolverSource;
use crate::sys::clock::Clock;
use crate::sys::jitter::Jitter;
use crate::telemetry::registry::Registry;

/// A mechanism, as the registry lists it.
#[derive(Clone, Copy, Debug)]
pub struct ProviderSpec {
    /// Its name: the configuration key is this with `_sd_configs` after it.
    pub mechanism: &'static str,
    /// Reads one entry of its section. Relative paths in it are already resolved.
    pub parse: fn(&Cursor<'_>) -> Decoded<Arc<dyn ProviderConfig>>,
}

/// One entry of a discovery section, valid and with its defaults.
pub trait ProviderConfig: SameConfig + Send + Sync {
    /// Makes the provider. Called again after a pause if it fails.
    ///
    /// # Errors
    /// When something it needs is missing now, say the file of a certificate.
    fn open(&self, context: &ProviderContext) -> Result<Opened, ProviderError>;

    /// Whether it only reads local files, so that a start may wait a moment for its groups.
    fn prompt(&self) -> bool {
        false
    }
}

// Not a supertrait: that would put what every implementation could show into the program, and nothing
// shows it.
impl std::fmt::Debug for dyn ProviderConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProviderConfig")
    }
}

/// Equality behind the trait object: equal configurations share one provider. Comes by itself
/// with `PartialEq`.
pub trait SameConfig {
    /// The configuration as a type that can be asked for.
    fn as_any(&self) -> &dyn Any;
    /// Whether `other` is of the same mechanism and says the same.
    fn same(&self, other: &dyn ProviderConfig) -> bool;
}

impl<T: ProviderConfig + PartialEq + 'static> SameConfig for T {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn same(&self, other: &dyn ProviderConfig) -> bool {
        other.as_any().downcast_ref::<T>() == Some(self)
    }
}

/// What a provider may use of the world.
#[derive(Clone, Debug)]
pub struct ProviderContext {
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// For metrics of the mechanism itself.
    pub registry: Registry,
    /// Its own source of randomness.
    pub jitter: Jitter,
    /// What HTTP clients call themselves.
    pub user_agent: Arc<str>,
    /// Where DNS servers are found.
    pub resolver: ResolverSource,
}

/// A provider that is ready to run.
pub struct Opened {
    /// How it runs.
    pub runner: Runner,
    /// Ends a call that blocks its thread, from another thread. It is called once, after the
    /// outlet says that it is stopped.
    pub interrupt: Option<Box<dyn FnOnce() + Send>>,
}

/// How a provider runs.
#[derive(Debug)]
pub enum Runner {
    /// Not at all: its groups never change.
    Fixed(Vec<TargetGroup>),
    /// It is asked for all its groups once per interval.
    Refresh(Duration, Box<dyn Refresh>),
    /// It waits for news itself.
    Watch(Box<dyn Watch>),
}

impl Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Opened").field(&self.runner).finish()
    }
}

impl Opened {
    /// A provider that nothing needs to interrupt.
    #[must_use]
    pub fn new(runner: Runner) -> Opened {
        Opened {
            runner,
            interrupt: None,
        }
    }
}

/// Why a provider could not do its work; logged, counted and shown by its shell.
pub type ProviderError = Box<dyn std::error::Error + Send + Sync>;

/// A provider that polls.
pub trait Refresh: Send {
    /// All groups as of now; nothing when they are the same as last time. May block as long as it
    /// looks after [`Outlet::stopped`] or is interrupted.
    ///
    /// # Errors
    /// Whatever made it impossible to say; the last groups stay.
    fn refresh(&mut self, outlet: &Outlet) -> Result<Option<Vec<TargetGroup>>, ProviderError>;

    /// Where it hears that something changed: the next refresh then comes at once, not at its
    /// interval. Nothing for a provider that never hears. Asked for once.
    fn news(&self) -> Option<Receiver<()>> {
        None
    }
}

// Not a supertrait: that would put what every implementation could show into the program, and nothing
// shows it.
impl std::fmt::Debug for dyn Refresh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Refresh")
    }
}

/// A provider that has its own rhythm: inotify, long polls, streams.
pub trait Watch: Send {
    /// Watches and sends updates until the outlet is stopped. Called again after a pause when it
    /// fails or panics; what it sent stays.
    ///
    /// # Errors
    /// Whatever ended the watching.
    fn run(&mut self, outlet: &Outlet) -> Result<(), ProviderError>;
}

// Not a supertrait: that would put what every implementation could show into the program, and nothing
// shows it.
impl std::fmt::Debug for dyn Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

/// What a peer says, made fit for an error: one line, not too long.
fn shortened(text: &str) -> String {
    let line = text.trim().chars().take(200);
    line.map(|c| if c.is_control() { ' ' } else { c }).collect()
}
