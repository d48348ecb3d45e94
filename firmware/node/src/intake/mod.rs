// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What comes in from clients: IPP over HTTP, and a page that says what this is.

pub(crate) mod incoming;
mod ipp;
pub(crate) mod shown;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use platen_net::{BodyLimits, BodyReader, PeerInfo, ReplyBody, reply};

pub(crate) use self::ipp::announcement_txt;
use self::ipp::{Door, Queue};
use crate::node::Node;

/// Where the proxy queue lives.
pub(crate) const PROXY_PATH: &str = "/ipp/print";
const PUSH_PREFIX: &str = "/ipp/push/";
/// What `printer-icons` names: 128 × 128 pixels.
const ICON_PATH: &str = "/icon.png";
const ICON: &[u8] = include_bytes!("../../assets/icon.png");
const IPP_TYPE: &str = "application/ipp";

/// Answers one HTTP request of a client.
pub(crate) async fn handle(
    node: Arc<Node>,
    request: Request<Incoming>,
    peer: PeerInfo,
) -> Response<ReplyBody> {
    match *request.method() {
        Method::POST => print(&node, request, peer).await,
        Method::GET | Method::HEAD => page(&node, request.uri().path()),
        _ => text(StatusCode::METHOD_NOT_ALLOWED, "Use an IPP client."),
    }
}

async fn print(
    node: &Arc<Node>,
    request: Request<Incoming>,
    peer: PeerInfo,
) -> Response<ReplyBody> {
    let Some(queue) = queue(node, request.uri().path()) else {
        return text(
            StatusCode::NOT_FOUND,
            "There is no such queue here. Use /ipp/print.",
        );
    };
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(|value| value.eq_ignore_ascii_case(IPP_TYPE)) {
        return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send application/ipp.");
    }
    let host = request
        .headers()
        .get(HOST)
        .and_then(|value| value.to_str().ok());
    let door = Door {
        queue,
        authority: node.authority(host),
        secure: peer.tls,
    };
    let limits = BodyLimits {
        bytes: node.config.ipp.max_document_mib.saturating_mul(1 << 20),
        ..BodyLimits::default()
    };
    let body = BodyReader::new(request.into_body(), limits, Arc::clone(&node.clock));
    ipp::answer(node, door, body).await
}

fn queue(node: &Node, path: &str) -> Option<Queue> {
    let path = path.trim_end_matches('/');
    let names_job = |rest: &str| rest.is_empty() || rest.parse::<u32>().is_ok();
    if let Some(rest) = path.strip_prefix(PROXY_PATH) {
        return names_job(rest.trim_start_matches('/')).then_some(Queue::Proxy);
    }
    let rest = path.strip_prefix(PUSH_PREFIX)?;
    let (name, job) = rest.split_once('/').unwrap_or((rest, ""));
    let mut targets = node.releases.targets().iter();
    let target = targets.find(|target| target.config.push && target.config.name == name)?;
    names_job(job).then(|| Queue::Push(Arc::clone(target)))
}

fn page(node: &Node, path: &str) -> Response<ReplyBody> {
    if path == ICON_PATH {
        return reply(StatusCode::OK, "image/png", ICON);
    }
    if path != "/" && path != PROXY_PATH {
        return text(StatusCode::NOT_FOUND, "There is no such page here.");
    }
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>Platen</title><h1>Platen</h1>\
         <p>Add the printer <code>{uri}</code> (no driver needed), print to it, then tap your badge \
         at the box.<p lang=zh>添加打印机 <code>{uri}</code>（无需驱动），发送打印后到设备前刷卡取件。",
        uri = node.queue_uri()
    );
    reply(
        StatusCode::OK,
        "text/html; charset=utf-8",
        page.into_bytes(),
    )
}

fn text(status: StatusCode, message: &'static str) -> Response<ReplyBody> {
    reply(
        status,
        "text/plain; charset=utf-8",
        message.as_bytes().to_vec(),
    )
}
