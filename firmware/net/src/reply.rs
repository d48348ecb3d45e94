// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers: the body type that handlers give back, and the two ways to make one.

use std::io;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

/// Body of an answer. An `Err` inside it cuts the connection, so that the client can't take half
/// an answer for a whole one.
pub type ReplyBody = UnsyncBoxBody<Bytes, io::Error>;

/// An answer that is already in memory; its length is stated to the client.
pub fn reply(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<ReplyBody> {
    let full = Full::new(body.into()).map_err(|never| match never {});
    stream(status, content_type, full)
}

/// An answer that is made while it is sent.
pub fn stream<B>(status: StatusCode, content_type: &'static str, body: B) -> Response<ReplyBody>
where
    B: Body<Data = Bytes, Error = io::Error> + Send + 'static,
{
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
