//! The metrics of the process itself, under the names that dashboards and alerts use.

use super::registry::Registry;
use crate::model::time::Wall;
use crate::sys::usage;

/// Registers `process_*`, read anew for every rendering, and the version.
pub fn register(registry: &Registry, started: Wall, build: &[(&str, &str)]) {
    let help = "A metric with a constant '1' value labeled by what was built.";
    registry
        .gauge("prometheus_build_info", help, build)
        .set(1.0);
    registry.gauge("narthex_build_info", help, build).set(1.0);
    let help = "Start time of the process since unix epoch in seconds.";
    let start = registry.gauge("process_start_time_seconds", help, &[]);
    start.set(started.as_seconds());

    let gauge = |name, help| registry.gauge(name, help, &[]);
    let resident = gauge(
        "process_resident_memory_bytes",
        "Resident memory size in bytes.",
    );
    let virtual_size = gauge(
        "process_virtual_memory_bytes",
        "Virtual memory size in bytes.",
    );
    let open = gauge("process_open_fds", "Number of open file descriptors.");
    let open_max = gauge(
        "process_max_fds",
        "Maximum number of open file descriptors.",
    );
    let threads = gauge("narthex_threads", "Number of threads.");
    let help = "Total user and system CPU time spent in seconds.";
    let cpu = registry.counter("process_cpu_seconds_total", help, &[]);
    registry.on_render(move || {
        let usage = usage::read();
        resident.set(usage.resident_bytes as f64);
        virtual_size.set(usage.virtual_bytes as f64);
        open.set(usage.open_files as f64);
        open_max.set(usage.open_files_max as f64);
        threads.set(usage.threads as f64);
        // Two renderings at once may both add the difference; the next one does not.
        cpu.add((usage.cpu.as_secs_f64() - cpu.get()).max(0.0));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::registry::Metric;

    #[test]
    fn every_metric_has_a_value_when_it_is_rendered() {
        let registry = Registry::default();
        register(
            &registry,
            Wall(1500),
            &[("version", "1.2.3"), ("revision", "abc")],
        );
        let families = registry.snapshot();
        assert_eq!(families.len(), 9);
        for (name, family) in families {
            let value = match family.metrics.values().next() {
                Some(Metric::Counter(counter)) => counter.get(),
                Some(Metric::Gauge(gauge)) => gauge.get(),
                _ => 0.0,
            };
            assert!(value > 0.0, "{name}");
        }
    }
}
