//! The life of the process after its start: signals, requests, rounds, the end.
//!
//! # Thread
//! `main` owns the [`Joined`] engines. Inbox: signals, and requests of the web side
//! ([`crate::limits::LIFE_REQUESTS`]; refused when full). Waits on: both, and the next round.
//! Stops when: told to, or when a thread that must not end has ended.

use std::time::Duration;

use crossbeam_channel::{Receiver, select};

use super::config_file;
use super::enclosure;
use super::exit::ExitStatus;
use super::housekeeping::{Due, Housekeeping};
use super::joined::{Joined, ROUND};
use super::settings;
use super::view::{LifeStatus, Request};
use crate::model::time::Mono;
use crate::sys::clock::Clock;
use crate::sys::memory::{self, ProgramPages};
use crate::sys::signal::Signal;
use crate::web::backend::Readiness;

/// What main has to do next.
enum Event {
    Signal(Signal),
    Request(Request),
    Round,
}

/// Supervises the engines until the end.
pub(super) fn supervise(mut joined: Joined, program: &ProgramPages) -> ExitStatus {
    announce(&joined);
    let mut checked = joined.clock.mono();
    let mut housekeeping = Housekeeping::new(checked);
    let mut next_round = checked + ROUND;
    loop {
        joined.service.beat.rest();
        let (signals, requests) = (&joined.signals, &joined.requests);
        let event = next(signals, requests, &mut next_round, &*joined.clock);
        joined.service.beat.work();
        match event {
            Event::Signal(Signal::Reload) => {
                // The outcome is in the log and in the metrics.
                let _logged = reload(&mut joined);
            }
            Event::Request(Request::Reload(done)) => done(reload(&mut joined)),
            Event::Signal(Signal::Stop) | Event::Request(Request::Quit) => {
                return stop(joined, ExitStatus::Success);
            }
            Event::Signal(Signal::Force) => return ExitStatus::Failure,
            Event::Round => {
                joined.keep_time();
                if let Some(name) = joined.casualty() {
                    log::error!(component = "main", thread = name; "BUG: a thread has ended; stopping for a restart");
                    return stop(joined, ExitStatus::Failure);
                }
                auto_reload(&mut joined, &mut checked);
                give_back(housekeeping.due(joined.clock.mono()), program);
            }
        }
    }
}

fn give_back(due: Due, program: &ProgramPages) {
    if due.heap {
        memory::give_back();
    }
    if due.program {
        program.let_go();
    }
}

fn announce(joined: &Joined) {
    set_readiness(joined, Readiness::Ready);
    joined.metrics.reload_succeeded.set(1.0);
    joined
        .metrics
        .reload_time
        .set(joined.life.load().config_loaded.as_seconds());
    joined.service.ready();
    log::info!(component = "main", address = joined.addresses(); "Server is ready to receive web requests.");
}

fn set_readiness(joined: &Joined, readiness: Readiness) {
    joined
        .metrics
        .ready
        .set(f64::from(u8::from(readiness == Readiness::Ready)));
    let life = joined.life.load();
    joined.life.publish(LifeStatus {
        readiness,
        ..LifeStatus::clone(&life)
    });
}

/// Waits for the next event. A round is due at its time however many others come.
fn next(
    signals: &Receiver<Signal>,
    requests: &Receiver<Request>,
    next_round: &mut Mono,
    clock: &dyn Clock,
) -> Event {
    let left = next_round.since(clock.mono());
    if !left.is_zero() {
        select! {
            recv(signals) -> signal => {
                return signal.map_or(Event::Signal(Signal::Stop), Event::Signal);
            }
            recv(requests) -> request => {
                if let Ok(request) = request {
                    return Event::Request(request);
                }
            }
            default(left) => {}
        }
    }
    *next_round = clock.mono() + ROUND;
    Event::Round
}

/// Reads the configuration again. A bad one changes nothing.
fn reload(joined: &mut Joined) -> Result<(), String> {
    let file = joined.options.config_file.clone();
    let shown = file.display().to_string();
    log::info!(component = "main", filename = shown.as_str(); "Loading configuration file");
    joined.service.reloading();
    let began = joined.clock.mono();
    let read = settings::read(&file, joined.options.features)
        .map_err(|error| format!("couldn't load configuration (--config.file={shown:?}): {error}"));
    let possible = read.and_then(|settings| match enclosure::check(&settings) {
        Ok(()) => Ok(settings),
        Err(error) => Err(format!(
            "couldn't load configuration (--config.file={shown:?}): {error}"
        )),
    });
    let result = possible.and_then(|settings| {
        for warning in &settings.warnings {
            log::warn!(component = "config"; "{warning}");
        }
        let yaml = std::sync::Arc::clone(&settings.yaml);
        let jobs = settings.config.scrape_configs.as_slice().into();
        let applied = joined.apply(settings);
        let life = joined.life.load();
        joined.life.publish(LifeStatus { yaml, jobs, ..LifeStatus::clone(&life) });
        applied.map_err(|error| format!("one or more errors occurred while applying the new configuration (--config.file={shown:?}): {error}"))
    });
    note_reload(joined, &result, began);
    joined.service.ready();
    result
}

fn note_reload(joined: &Joined, result: &Result<(), String>, began: Mono) {
    joined
        .metrics
        .reload_succeeded
        .set(f64::from(u8::from(result.is_ok())));
    let life = joined.life.load();
    let mut next = LifeStatus {
        reload_succeeded: result.is_ok(),
        ..LifeStatus::clone(&life)
    };
    match result {
        Ok(()) => {
            next.config_loaded = joined.clock.wall();
            joined
                .metrics
                .reload_time
                .set(next.config_loaded.as_seconds());
            let duration = format!("{:?}", joined.clock.mono().since(began));
            log::info!(component = "main", total_duration = duration; "Completed loading of configuration file");
        }
        Err(error) => {
            log::error!(component = "main", err = error.as_str(); "Error reloading config");
        }
    }
    joined.life.publish(next);
}

/// `--config.auto-reload`: compares what the files say with what is in force.
fn auto_reload(joined: &mut Joined, checked: &mut Mono) {
    let Some(interval) = joined.options.auto_reload else {
        return;
    };
    let now = joined.clock.mono();
    if now.since(*checked) < interval {
        return;
    }
    *checked = now;
    let digest = config_file::digest(&joined.files);
    if digest != joined.digest {
        // A bad file is tried once, not every interval.
        joined.digest = digest;
        let _logged = reload(joined);
    }
}

/// Stops in good order: what is unsent is flushed while the receivers take it.
fn stop(joined: Joined, status: ExitStatus) -> ExitStatus {
    log::info!(component = "main"; "Stopping");
    joined.service.stopping();
    set_readiness(&joined, Readiness::Stopping);
    let signals = joined.signals.clone();
    let wait = |flushed: &Receiver<()>| wait_for_flush(flushed, &signals);
    let sound = joined.stop(&wait);
    log::info!(component = "main"; "See you next time!");
    if sound { status } else { ExitStatus::Failure }
}

/// Returns when every endpoint has stopped, or at the second signal.
fn wait_for_flush(flushed: &Receiver<()>, signals: &Receiver<Signal>) {
    loop {
        select! {
            recv(flushed) -> _ended => return,
            recv(signals) -> signal => if matches!(signal, Ok(Signal::Force | Signal::Stop)) {
                log::warn!(component = "main"; "Told to stop at once; what is unsent stays in the log");
                return;
            },
            default(Duration::from_secs(3600)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;

    use super::*;
    use crate::model::time::Wall;
    use crate::sys::clock::ManualClock;

    #[test]
    fn rounds_come_however_frequent_other_events_are() {
        let clock = ManualClock::new(Mono(0), Wall(0));
        let (_signal, signals) = bounded(1);
        let (request, requests) = bounded(1);
        let (mut next_round, mut rounds) = (clock.mono() + ROUND, 0);
        for _ in 0..30 {
            clock.advance_ms(100);
            // Full where the round came first.
            let _waiting = request.try_send(Request::Quit);
            let event = next(&signals, &requests, &mut next_round, &clock);
            rounds += u32::from(matches!(event, Event::Round));
        }
        assert_eq!(rounds, 3);
    }
}
