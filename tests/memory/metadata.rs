//! What a round of metadata takes: the families of many targets are mostly the same ones.

use std::sync::Arc;

use narthex::config::load::{Source, load};
use narthex::model::metadata::{Family, MetricType};
use narthex::model::time::Mono;
use narthex::remote::metadata::MetadataQueue;

use crate::counting::measure;
use crate::paths::NoFiles;

const TARGETS: usize = 500;
const FAMILIES: usize = 250;

#[test]
fn a_round_of_metadata_copies_no_text() {
    let source = Source {
        file: "memory.yml",
        text: "remote_write: [{url: 'http://localhost/'}]",
        files: &NoFiles,
        environment: &|_| None,
        features: narthex::config::Features::default(),
    };
    let loaded = load(&source).expect("a valid configuration");
    let mut queue = MetadataQueue::new(Mono(0), &loaded.config.remote_write[0]);
    let own: Vec<Arc<Family>> = (0..FAMILIES)
        .map(|number| {
            let name = format!("family_{number}");
            let help = "What it counts, in a sentence of the usual length.";
            Arc::new(Family::new(&name, MetricType::Unknown, help, ""))
        })
        .collect();
    let all: Vec<Arc<Family>> = (0..TARGETS)
        .flat_map(|_| own.iter().map(Arc::clone))
        .collect();
    let ((), taken) = measure(|| queue.begin(Mono(0), all));
    println!("{} targets: {} bytes at most", TARGETS, taken.peak);
    assert!(taken.peak < 16 * 1024, "{} bytes", taken.peak);
    assert_eq!(queue.chunk().len(), FAMILIES);
}
