//! A request as a handler sees it.

use percent_encoding::percent_decode_str;

/// The methods that routes tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`: as `GET`, the body is left out.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// Any other.
    Other,
}

impl Method {
    /// The method of that name. Names are case-sensitive.
    #[must_use]
    pub fn from_name(name: &str) -> Method {
        match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            _ => Method::Other,
        }
    }
}

/// A request line and its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Method.
    pub method: Method,
    /// Path as it was sent, beginning with a slash; `*` for a request about the whole server.
    pub path: String,
    /// Query as it was sent, without its question mark.
    pub query: String,
    /// Headers in order: names in lower case, values trimmed.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Whether the client lets the connection be used again.
    pub keep_alive: bool,
}

impl RequestHead {
    /// The first value of a header, given in lower case, if it is UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(own, _)| own == name)?;
        std::str::from_utf8(value).ok()
    }

    /// Values of all headers of a name, given in lower case.
    pub fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.headers.iter().filter(move |(own, _)| own == name);
        named.map(|(_, value)| value.as_slice())
    }

    /// The parameters of the query, decoded, in order. Text that is not UTF-8 is replaced.
    pub fn query_pairs(&self) -> impl Iterator<Item = (String, String)> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
    }

    /// The first value of a parameter of the query.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self.query_pairs();
        pairs.find_map(|(own, value)| (own == name).then_some(value))
    }
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// A whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Request line and headers.
    pub head: RequestHead,
    /// Body, taken out of its chunks; still compressed if it was sent so.
    pub body: Vec<u8>,
}
