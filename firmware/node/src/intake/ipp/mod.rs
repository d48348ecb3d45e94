// SPDX-License-Identifier: Apache-2.0 OR MIT
//! IPP/2.0 operations (RFC 8011, PWG 5100.12) on the box's queues.
//!
//! One request is an [`Exchange`]: its decoded head, what is left of its body, and the queue it
//! came to. Each operation answers a message or a [`Refusal`].

mod document;
mod exchange;
mod jobs;
mod media;
mod options;
mod printer;
mod refusal;
mod submit;
mod view;

use std::sync::Arc;

use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Response, StatusCode};
use platen_net::{BodyReader, ReplyBody, reply};
use platen_wire::ipp::{Message, Operation, Status};

pub(crate) use self::exchange::{Door, Queue};
use self::exchange::{Exchange, Head};
pub(crate) use self::printer::announcement_txt;
use self::refusal::Refusal;
use crate::node::Node;

/// The operations that the box answers, for `operations-supported`.
const OPERATIONS: [Operation; 14] = [
    Operation::PRINT_JOB,
    Operation::VALIDATE_JOB,
    Operation::CREATE_JOB,
    Operation::SEND_DOCUMENT,
    Operation::CANCEL_JOB,
    Operation::GET_JOB_ATTRIBUTES,
    Operation::GET_JOBS,
    Operation::GET_PRINTER_ATTRIBUTES,
    Operation::HOLD_JOB,
    Operation::RELEASE_JOB,
    Operation::CANCEL_CURRENT_JOB,
    Operation::CANCEL_MY_JOBS,
    Operation::CLOSE_JOB,
    Operation::IDENTIFY_PRINTER,
];

/// Answers one request. The body is read only as far as the operation needs it.
pub(crate) async fn answer(node: &Arc<Node>, door: Door, body: BodyReader) -> Response<ReplyBody> {
    match Head::read(body).await {
        Ok(head) => {
            let header = head.message.header;
            let mut exchange = match Exchange::new(node, door, head) {
                Ok(exchange) => exchange,
                Err(fault) => return encode(&Refusal::from(fault).message(Some(header)), true),
            };
            match dispatch(&mut exchange).await {
                Ok(message) => encode(&message, false),
                Err(refusal) => {
                    let message = refusal.message(Some(header));
                    let whole = exchange.discard_rest().await;
                    encode(&message, !whole)
                }
            }
        }
        Err((refusal, header)) => encode(&refusal.message(header), true),
    }
}

async fn dispatch(exchange: &mut Exchange<'_>) -> Result<Message, Refusal> {
    match exchange.message.operation() {
        Operation::PRINT_JOB => submit::print_job(exchange).await,
        Operation::VALIDATE_JOB => submit::validate_job(exchange),
        Operation::CREATE_JOB => submit::create_job(exchange).await,
        Operation::SEND_DOCUMENT => submit::send_document(exchange).await,
        Operation::CLOSE_JOB => submit::close_job(exchange).await,
        Operation::CANCEL_JOB => jobs::cancel_job(exchange).await,
        Operation::CANCEL_CURRENT_JOB => jobs::cancel_current_job(exchange).await,
        Operation::CANCEL_MY_JOBS => jobs::cancel_my_jobs(exchange).await,
        Operation::HOLD_JOB => jobs::hold_job(exchange).await,
        Operation::RELEASE_JOB => jobs::release_job(exchange).await,
        Operation::GET_JOB_ATTRIBUTES => jobs::get_job_attributes(exchange),
        Operation::GET_JOBS => jobs::get_jobs(exchange),
        Operation::GET_PRINTER_ATTRIBUTES => printer::get_printer_attributes(exchange),
        Operation::IDENTIFY_PRINTER => printer::identify(exchange),
        _ => Err(Refusal::new(
            Status::OPERATION_NOT_SUPPORTED,
            "This operation is not offered here.",
        )),
    }
}

/// HTTP says 200 whatever IPP says (RFC 8010 §3.4.3); `close` ends the connection when the
/// client's framing can't be trusted any more.
fn encode(message: &Message, close: bool) -> Response<ReplyBody> {
    let bytes = match message.encode() {
        Ok(bytes) => bytes,
        Err(error) => {
            log::error!(err:% = error; "an IPP answer could not be encoded");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return reply(status, "text/plain", Vec::new());
        }
    };
    let mut response = reply(StatusCode::OK, "application/ipp", bytes);
    if close {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
