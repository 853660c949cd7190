//! `wascc:http_client`: requests to servers.

use crate::Result;
use crate::answered::answered;
use crate::call::call_with;
use crate::client::client;
use crate::message::{Headers, Request};

client! {
    /// A client of HTTP servers.
    HttpClient = "wascc:http_client"
}

answered! {
    /// A server's response.
    pub HttpResponse of Response, else crate::message::Response {
        status_code: 0,
        status: "",
        header: Headers::new(&[]),
        body: b"",
    }
}

// === impl HttpClient ===

impl HttpClient<'_> {
    /// Gets what is at a URL.
    ///
    /// # Errors
    /// The host's. A status of 400 and above is none.
    pub fn get(&self, url: &str) -> Result<HttpResponse> {
        self.request("GET", url, &[], b"")
    }

    /// Posts a body of this content type.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn post(&self, url: &str, content_type: &str, body: &[u8]) -> Result<HttpResponse> {
        self.request("POST", url, &[("content-type", content_type)], body)
    }

    /// Makes a request.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn request(
        &self,
        method: &str,
        url: &str,
        header: &[(&str, &str)],
        body: &[u8],
    ) -> Result<HttpResponse> {
        // The host takes the path for the whole URL, its query included.
        let request = Request { method, path: url, query_string: "", header: Headers::new(header), body };
        let response = call_with(self.binding, Self::CONTRACT, "PerformRequest", |out| request.encode(out))?;
        HttpResponse::of("PerformRequest", response)
    }
}

// === impl HttpResponse ===

impl HttpResponse {
    /// The status, as 200.
    #[must_use]
    pub fn status(&self) -> u32 {
        self.message().status_code
    }

    /// A header field, by its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.message().header.iter();
        fields.find_map(|(field, value)| field.eq_ignore_ascii_case(name).then_some(value))
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.message().body
    }
}
