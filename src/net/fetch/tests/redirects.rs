//! Redirects that lead a fetcher where it should not go, or cost it what it should not spend.

use super::*;
use crate::net::testing::{Server, answer, redirect};

/// A target that sends its scraper to each of the others in turn.
fn scattering(others: &[Server]) -> Server {
    let ports: Vec<u16> = others.iter().map(|own| own.address().port()).collect();
    Server::http(move |request| {
        let number: usize = request.path()[1..].parse().expect("number");
        redirect(&format!("http://127.0.0.1:{}/", ports[number]))
    })
}

#[test]
fn connections_to_where_redirects_lead_are_not_kept() {
    let page = |_: &_| answer("200 OK", &[], b"up 1\n");
    let others: Vec<Server> = (0..50).map(|_| Server::http(page)).collect();
    let target = scattering(&others);
    let context = Arc::new(HttpContext::new(&HttpClientConfig::default()).expect("context"));
    let mut rig = Rig::new();
    for number in 0..others.len() {
        let url = target.url(&format!("/{number}"));
        let spec = FetchSpec::new(&url, None, Arc::clone(&context), Vec::new(), 1 << 20);
        rig.page(&Arc::new(spec.expect("spec")));
        assert_eq!(rig.fetcher.pool.idle(), [1, 0]);
    }
    assert_eq!(target.connections(), 1);
}

#[test]
fn hops_in_between_are_not_kept_either() {
    let end = Server::http(|_| answer("200 OK", &[], b"up 1\n"));
    let mut hops = vec![end];
    for _ in 0..5 {
        let to = hops.last().expect("hop").url("/");
        hops.push(Server::http(move |_| redirect(&to)));
    }
    let target = hops.last().expect("hop");
    let (mut rig, spec) = (Rig::new(), spec(&target.url("/")));
    for _ in 0..3 {
        rig.page(&spec);
        assert_eq!(rig.fetcher.pool.idle(), [1, 0]);
    }
    assert_eq!(target.connections(), 1);
}

#[test]
fn names_and_numbers_do_not_lead_to_link_local_addresses() {
    for host in ["evil.metadata", "2852039166", "0xa9fea9fe"] {
        let away = format!("http://{host}:1/latest");
        let server = Server::http(move |_| redirect(&away));
        let error = Rig::new().fetch(&spec(&server.url("/"))).unwrap_err();
        let expected = "redirect to a link-local address refused";
        assert!(error.ends_with(expected), "{host}: {error}");
    }
}
