//! Opening a tunnel through a proxy: CONNECT (RFC 9110, 9.3.6) and SOCKS5 (RFC 1928, 1929).
//!
//! A [`Tunnel`] is fed the proxy's bytes and says what to send. The proxy resolves the name. Its
//! answers are bounded by [`limits::PROXY_HEAD_BYTES`].

use std::fmt::Write;

use super::auth::is_header_value;
use crate::limits;

/// Why a proxy did not open a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TunnelError {
    /// CONNECT answered with something else than 2xx.
    #[error("proxy refused CONNECT: HTTP status {0}")]
    Status(u16),
    /// The answer is neither HTTP nor SOCKS.
    #[error("proxy sent an answer that cannot be understood")]
    Garbage,
    /// The answer is larger than [`limits::PROXY_HEAD_BYTES`].
    #[error("proxy sent an answer of more than {} bytes", limits::PROXY_HEAD_BYTES)]
    TooLarge,
    /// A SOCKS reply code other than success.
    #[error("SOCKS proxy refused the connection: {}", socks_reason(*.0))]
    Socks(u8),
    /// No method of authentication in common.
    #[error("SOCKS proxy accepts none of our ways to authenticate")]
    SocksMethod,
    /// User and password refused.
    #[error("SOCKS proxy refused user and password")]
    SocksLogin,
    /// Host, user or password longer than 255 bytes, or a header that cannot be sent.
    #[error("host, user, password or header cannot be sent to the proxy")]
    Unsendable,
}

fn socks_reason(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unknown reason",
    }
}

/// One negotiation.
#[derive(Debug)]
pub struct Tunnel(State);

#[derive(Debug)]
enum State {
    Connect,
    SocksMethod(Box<Socks>),
    SocksLogin(Box<Socks>),
    SocksReply,
    Open,
}

#[derive(Debug)]
struct Socks {
    login: Vec<u8>,
    request: Vec<u8>,
}

/// What to do next.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that were used. The rest, once open, belongs to the tunnel.
    pub used: usize,
    /// Bytes to send.
    pub send: Vec<u8>,
    /// Whether the tunnel is open.
    pub open: bool,
}

impl Tunnel {
    /// A CONNECT to `host_port`, and what to send first.
    ///
    /// # Errors
    /// When a header cannot be sent.
    pub fn connect(
        host_port: &str,
        headers: &[(&str, &str)],
    ) -> Result<(Tunnel, Vec<u8>), TunnelError> {
        let mut head = format!("CONNECT {host_port} HTTP/1.1\r\nHost: {host_port}\r\n");
        for (name, value) in headers {
            if !is_header_value(name) || !is_header_value(value) {
                return Err(TunnelError::Unsendable);
            }
            // Writing to a string cannot fail.
            let _infallible = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        Ok((Tunnel(State::Connect), head.into_bytes()))
    }

    /// A SOCKS5 connection to `host` and `port`, and what to send first.
    ///
    /// # Errors
    /// When host, user or password are longer than the protocol allows.
    pub fn socks5(
        host: &str,
        port: u16,
        userinfo: Option<(&str, &str)>,
    ) -> Result<(Tunnel, Vec<u8>), TunnelError> {
        let mut login = Vec::new();
        if let Some((user, password)) = userinfo {
            login.push(1);
            push_short(&mut login, user)?;
            push_short(&mut login, password)?;
        }
        let mut request = vec![5, 1, 0];
        match host.parse() {
            Ok(std::net::IpAddr::V4(address)) => {
                request.push(1);
                request.extend(address.octets());
            }
            Ok(std::net::IpAddr::V6(address)) => {
                request.push(4);
                request.extend(address.octets());
            }
            Err(_) => {
                request.push(3);
                push_short(&mut request, host)?;
            }
        }
        request.extend(port.to_be_bytes());
        let first = if login.is_empty() {
            vec![5, 1, 0]
        } else {
            vec![5, 2, 0, 2]
        };
        let socks = Box::new(Socks { login, request });
        Ok((Tunnel(State::SocksMethod(socks)), first))
    }

    /// Looks at all bytes received and not yet used.
    ///
    /// # Errors
    /// When the proxy refuses or cannot be understood.
    pub fn advance(&mut self, input: &[u8]) -> Result<Step, TunnelError> {
        let state = std::mem::replace(&mut self.0, State::Open);
        let (state, step) = match state {
            State::Connect => connect_answer(input)?,
            State::SocksMethod(socks) => method_answer(socks, input)?,
            State::SocksLogin(socks) => login_answer(socks, input)?,
            State::SocksReply => socks_answer(input)?,
            State::Open => (
                State::Open,
                Step {
                    open: true,
                    ..Step::default()
                },
            ),
        };
        self.0 = state;
        Ok(step)
    }
}

fn push_short(to: &mut Vec<u8>, text: &str) -> Result<(), TunnelError> {
    let length = u8::try_from(text.len()).map_err(|_| TunnelError::Unsendable)?;
    to.push(length);
    to.extend(text.as_bytes());
    Ok(())
}

fn connect_answer(input: &[u8]) -> Result<(State, Step), TunnelError> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(input).map_err(|_| TunnelError::Garbage)? {
        httparse::Status::Partial if input.len() >= limits::PROXY_HEAD_BYTES => {
            Err(TunnelError::TooLarge)
        }
        httparse::Status::Partial => Ok((State::Connect, Step::default())),
        httparse::Status::Complete(used) => match response.code.unwrap_or(0) {
            200..300 => Ok(opened(used)),
            status => Err(TunnelError::Status(status)),
        },
    }
}

fn opened(used: usize) -> (State, Step) {
    let step = Step {
        used,
        open: true,
        send: Vec::new(),
    };
    (State::Open, step)
}

fn sending(state: State, used: usize, send: Vec<u8>) -> (State, Step) {
    let step = Step {
        used,
        send,
        open: false,
    };
    (state, step)
}

fn method_answer(mut socks: Box<Socks>, input: &[u8]) -> Result<(State, Step), TunnelError> {
    match input {
        [5, 0, ..] => Ok(sending(
            State::SocksReply,
            2,
            std::mem::take(&mut socks.request),
        )),
        [5, 2, ..] if !socks.login.is_empty() => {
            let login = std::mem::take(&mut socks.login);
            Ok(sending(State::SocksLogin(socks), 2, login))
        }
        [5, _, ..] => Err(TunnelError::SocksMethod),
        [] | [5] => Ok((State::SocksMethod(socks), Step::default())),
        _ => Err(TunnelError::Garbage),
    }
}

fn login_answer(mut socks: Box<Socks>, input: &[u8]) -> Result<(State, Step), TunnelError> {
    match input {
        [_, 0, ..] => Ok(sending(
            State::SocksReply,
            2,
            std::mem::take(&mut socks.request),
        )),
        [_, _, ..] => Err(TunnelError::SocksLogin),
        _ => Ok((State::SocksLogin(socks), Step::default())),
    }
}

fn socks_answer(input: &[u8]) -> Result<(State, Step), TunnelError> {
    let waiting = (State::SocksReply, Step::default());
    let address = match input {
        [5, 0, _, 1, ..] => 4,
        [5, 0, _, 4, ..] => 16,
        [5, 0, _, 3, length, ..] => 1 + usize::from(*length),
        [5, code, ..] if *code != 0 => return Err(TunnelError::Socks(*code)),
        [5, 0, _, kind, ..] if *kind != 3 => return Err(TunnelError::Garbage),
        [] | [5, ..] => return Ok(waiting),
        _ => return Err(TunnelError::Garbage),
    };
    let used = 4 + address + 2;
    Ok(if input.len() < used {
        waiting
    } else {
        opened(used)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds bytes one at a time and collects what is sent; gives what was left over.
    fn feed(tunnel: &mut Tunnel, bytes: &[u8]) -> Result<(Vec<u8>, usize), TunnelError> {
        let (mut pending, mut sent) = (Vec::new(), Vec::new());
        for (index, byte) in bytes.iter().enumerate() {
            pending.push(*byte);
            let step = tunnel.advance(&pending)?;
            pending.drain(..step.used);
            sent.extend(step.send);
            if step.open {
                return Ok((sent, bytes.len() - index - 1 + pending.len()));
            }
        }
        Err(TunnelError::Garbage)
    }

    #[test]
    fn connect_sends_its_headers_and_keeps_early_bytes() {
        let (mut tunnel, head) = Tunnel::connect("h:443", &[("X", "y")]).expect("tunnel");
        assert_eq!(
            head,
            b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nX: y\r\n\r\n"
        );
        let answer = b"HTTP/1.1 200 Connection established\r\nVia: p\r\n\r\nEARLY";
        assert_eq!(feed(&mut tunnel, answer), Ok((Vec::new(), 5)));
    }

    #[test]
    fn a_refusal_tells_the_status() {
        let (mut tunnel, _) = Tunnel::connect("h:443", &[]).expect("tunnel");
        let answer = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
        assert_eq!(tunnel.advance(answer), Err(TunnelError::Status(407)));
        let smuggled = Tunnel::connect("h:443", &[("X", "y\r\nZ: z")]);
        assert!(matches!(smuggled, Err(TunnelError::Unsendable)));
    }

    #[test]
    fn an_endless_answer_is_cut_off() {
        let (mut tunnel, _) = Tunnel::connect("h:443", &[]).expect("tunnel");
        let mut answer = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
        answer.resize(limits::PROXY_HEAD_BYTES, b'a');
        assert_eq!(tunnel.advance(&answer), Err(TunnelError::TooLarge));
    }

    #[test]
    fn socks_logs_in_and_asks_by_name() {
        let (mut tunnel, first) = Tunnel::socks5("host", 80, Some(("u", "pw"))).expect("tunnel");
        assert_eq!(first, [5, 2, 0, 2]);
        let answers = [5, 2, 1, 0, 5, 0, 0, 1, 9, 9, 9, 9, 0, 1];
        let mut expected = vec![1, 1, b'u', 2, b'p', b'w', 5, 1, 0, 3, 4];
        expected.extend(b"host\0P");
        assert_eq!(feed(&mut tunnel, &answers), Ok((expected, 0)));
    }

    #[test]
    fn socks_refusals_are_told_apart() {
        let start = || Tunnel::socks5("::1", 80, None).expect("tunnel").0;
        assert_eq!(feed(&mut start(), &[5, 255]), Err(TunnelError::SocksMethod));
        let refused = feed(&mut start(), &[5, 0, 5, 5, 0, 1]);
        assert_eq!(refused, Err(TunnelError::Socks(5)));
        assert!(
            TunnelError::Socks(5)
                .to_string()
                .ends_with("connection refused")
        );
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64), socks: bool) {
            let made = if socks {
                Tunnel::socks5("h", 1, None)
            } else {
                Tunnel::connect("h:1", &[])
            };
            let (mut tunnel, _) = made.expect("tunnel");
            let _ignored = feed(&mut tunnel, &bytes);
        }
    }
}
