//! Kubernetes discovery: nodes, pods, services, endpoints and ingresses, `kubernetes_sd_configs`.
//!
//! ```text
//! API server ===list, watch===> sd-k8s-pods  --+ reports
//!            =================> sd-k8s-nodes --+---------> provider (store) ---> groups
//! ```
//!
//! Each kind of objects and each namespace is listed and watched by a thread of its own; objects
//! are stripped to what labels need before anything else is done with them. The provider keeps
//! them, joins them and sends the groups that changed. An API server that cannot be reached, or
//! refuses, changes nothing: what was found stays.
//!
//! Meta labels begin with `__meta_kubernetes_`; `docs/discovery.md` says which there are.
//! Implements <https://prometheus.io/docs/prometheus/latest/configuration/configuration/>.

mod access;
mod config;
mod joined;
mod kubeconfig;
mod labels;
mod metrics;
mod object;
mod objects;
mod references;
mod reflector;
mod resource;
mod role;
mod selector;
mod store;
mod stream;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod texts;
mod watcher;
mod wire;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, after, bounded, never, select};

use self::access::{Access, Surroundings};
use self::config::KubernetesConfig;
use self::metrics::Metrics;
use self::reflector::Reflector;
use self::resource::{Watched, watched};
use self::store::{Event, Store};
use self::texts::Texts;
use self::watcher::{News, Report, Watcher};
use super::{Opened, ProviderConfig, ProviderContext, ProviderError, ProviderSpec, Runner, Watch};
use crate::config::decode::{Cursor, Decoded};
use crate::discovery::manager::Update;
use crate::discovery::outlet::Outlet;
use crate::limits;
use crate::net::blocking::{Client, ClientOptions};
use crate::sys::jitter::Jitter;
use crate::sys::memory;
use crate::sys::published::Shared;
use crate::sys::thread;

/// The mechanism.
pub const SPEC: ProviderSpec = ProviderSpec {
    mechanism: "kubernetes",
    parse,
};

fn parse(at: &Cursor<'_>) -> Decoded<Arc<dyn ProviderConfig>> {
    Ok(Arc::new(config::parse(at)?))
}

impl ProviderConfig for KubernetesConfig {
    fn open(&self, context: &ProviderContext) -> Result<Opened, ProviderError> {
        let access = Access::find(self, &Surroundings::real())?;
        let watched = watched(self, &access.namespaces);
        // Certificates that cannot be read should be told of before any thread is started.
        let client = new_client(&access, &watched, context)?;
        let current = Shared::new(Some(Arc::new(client)));
        let provider = KubernetesProvider {
            config: self.clone(),
            access,
            watched,
            context: context.clone(),
            metrics: Metrics::new(&context.registry),
            current: current.clone(),
        };
        Ok(Opened {
            runner: Runner::Watch(Box::new(provider)),
            interrupt: Some(Box::new(move || {
                if let Some(client) = current.with(Option::take) {
                    client.shutdown();
                }
            })),
        })
    }
}

fn new_client(
    access: &Access,
    watched: &[Watched],
    context: &ProviderContext,
) -> Result<Client, ProviderError> {
    let options = ClientOptions {
        max_idle_connections: watched.len(),
        ..ClientOptions::new(&*context.user_agent)
    };
    Ok(Client::new(&access.client, options)?)
}

/// The provider.
#[derive(Debug)]
struct KubernetesProvider {
    config: KubernetesConfig,
    access: Access,
    watched: Vec<Watched>,
    context: ProviderContext,
    metrics: Metrics,
    /// The client of the session under way, to be shut down from another thread.
    current: Shared<Option<Arc<Client>>>,
}

impl Watch for KubernetesProvider {
    fn run(&mut self, outlet: &Outlet) -> Result<(), ProviderError> {
        let session = self.begin(outlet)?;
        let kind = self.config.role.kind();
        let mut store = Store::new(kind, self.config.attach, &self.watched);
        let mut flush = never();
        let mut waiting = false;
        loop {
            select! {
                recv(session.reports) -> report => {
                    // The session holds a sender, so this cannot be disconnected.
                    if let Ok(report) = report {
                        self.take(&mut store, report, outlet);
                    }
                    if !waiting && store.has_news() {
                        waiting = true;
                        flush = after(limits::K8S_LINGER);
                    }
                }
                recv(flush) -> _time => {
                    waiting = false;
                    flush = never();
                    let update = store.update();
                    let everything = matches!(update, Some(Update::Full(_)));
                    if update.is_some_and(|update| !outlet.send(update)) {
                        return Ok(());
                    }
                    if everything {
                        memory::give_back();
                    }
                }
                recv(outlet.stop()) -> _stopped => return Ok(()),
            }
        }
    }
}

/// The threads of one run. When it goes, they are told to stop and their requests are ended.
#[derive(Debug)]
struct Session {
    reports: Receiver<Report>,
    _sender: Sender<Report>,
    _stop: Sender<Infallible>,
    client: Arc<Client>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.client.shutdown();
    }
}

impl KubernetesProvider {
    fn begin(&mut self, outlet: &Outlet) -> Result<Session, ProviderError> {
        // A client that was shut down stays so; every run has its own.
        let client = Arc::new(new_client(&self.access, &self.watched, &self.context)?);
        self.current
            .with(|current| *current = Some(Arc::clone(&client)));
        let (sender, reports) = bounded(limits::K8S_REPORTS);
        let (stop, stopped) = bounded(1);
        let session = Session {
            reports,
            _sender: sender.clone(),
            _stop: stop,
            client,
        };
        if outlet.stopped() {
            // Whoever wanted to interrupt may have met the client of the last run.
            return Ok(session);
        }
        for index in 0..self.watched.len() {
            self.spawn(index, (&session.client, &sender, &stopped))?;
        }
        Ok(session)
    }

    fn spawn(
        &mut self,
        index: usize,
        (client, reports, stop): (&Arc<Client>, &Sender<Report>, &Receiver<Infallible>),
    ) -> io::Result<()> {
        let watched = self.watched[index].clone();
        let name = format!("sd-k8s-{}", watched.kind.plural());
        let jitter = Jitter::seeded(self.context.jitter.next_u64());
        let watcher = Watcher {
            index,
            watched,
            server: self.access.server.clone(),
            client: Arc::clone(client),
            clock: Arc::clone(&self.context.clock),
            reflector: Reflector::new(jitter),
            metrics: self.metrics.clone(),
            reports: reports.clone(),
            stop: stop.clone(),
            texts: Texts::default(),
            count: 0,
        };
        // Not joined: the session's end ends it.
        thread::spawn(&name, move || watcher.run())?;
        Ok(())
    }

    fn take(&self, store: &mut Store, (from, news): Report, outlet: &Outlet) {
        let kind = self.watched[from].kind;
        match news {
            News::ListBegins => store.list_begins(from),
            News::Objects(changes) => {
                for (change, object) in changes {
                    if let Some(event) = store.take(from, change, object) {
                        self.metrics.happened(kind, event, 1);
                    }
                }
            }
            News::ListEnds => {
                let gone = store.list_ends(from);
                self.metrics.happened(kind, Event::Delete, gone);
                outlet.unchanged();
            }
            News::Alive => outlet.unchanged(),
            News::Failed(error) if !outlet.stopped() => {
                self.metrics.failures.inc();
                outlet.complain(&error);
            }
            News::Failed(_) => {}
            // It is this provider's panic, and costs this provider a restart.
            News::Panicked(payload) => std::panic::resume_unwind(payload),
        }
    }
}
