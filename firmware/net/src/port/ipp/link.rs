// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One HTTP/1.1 connection to a printer, on TCP, TLS or a pipe, and IPP messages on it. Knows
//! nothing of jobs. Every answer is read to its end and within limits, so that the connection can
//! carry the next question.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use platen_hal::BytePipe;
use platen_wire::ipp::{Decoder, Limits, Message, Progress};
use smol::channel::{Receiver, Sender, bounded};
use smol::io::{AsyncRead, AsyncWrite};
use smol::stream::Stream;

use super::fault::IppFault;
use crate::exchange::{Duplex, Exchange};

const IPP: &str = "application/ipp";
/// Bytes behind an answer's IPP message that are read and dropped to get to its end.
const REST_BYTES_MAX: usize = 64 * 1024;

/// A pipe as a stream.
pub(super) struct PipeStream(pub(super) Box<dyn BytePipe>);

impl AsyncRead for PipeStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer)
    }
}

impl AsyncWrite for PipeStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    /// There is no close on a pipe.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }
}

/// Where requests go, in HTTP's words.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// `Host`
    pub(super) host: String,
    /// The request's target, such as `/ipp/print`.
    pub(super) path: String,
}

impl Place {
    fn request(&self, body: Outgoing) -> Result<Request<Outgoing>, IppFault> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.path)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, IPP)
            .header(ACCEPT, IPP);
        Ok(request.body(body)?)
    }
}

/// An open connection.
pub(super) struct Link(Exchange<Outgoing>);

impl Link {
    pub(super) async fn open(stream: Box<dyn Duplex>) -> Result<Self, IppFault> {
        Ok(Self(Exchange::open(stream).await?))
    }

    /// Asks, and takes the whole answer.
    pub(super) async fn ask(
        &mut self,
        place: &Place,
        question: &Message,
    ) -> Result<Message, IppFault> {
        let request = place.request(Outgoing::message(question)?)?;
        let id = question.header.request_id;
        let Exchange { sender, drive } = &mut self.0;
        drive
            .beside(async {
                sender.ready().await?;
                answer(sender.send_request(request).await?, id).await
            })
            .await
    }

    /// Asks with a document behind the question, which then comes piece by piece.
    pub(super) fn upload(mut self, place: &Place, question: &Message) -> Result<Upload, IppFault> {
        let (pieces, body) = Outgoing::document(question)?;
        let request = place.request(body)?;
        let id = question.header.request_id;
        let response = self.0.sender.send_request(request);
        Ok(Upload {
            link: self,
            pieces,
            answer: Box::pin(async move { answer(response.await?, id).await }),
        })
    }

    /// Whether the other side has closed it, after a look at what has come meanwhile.
    pub(super) async fn is_closed(&mut self) -> bool {
        self.0.is_closed().await
    }
}

type Answering = Pin<Box<dyn Future<Output = Result<Message, IppFault>> + Send>>;

/// A document on its way.
pub(super) struct Upload {
    link: Link,
    pieces: Sender<Bytes>,
    answer: Answering,
}

impl Upload {
    /// Hands over one piece; waits while the printer is slow. An answer before the end of the
    /// document is the printer's refusal.
    pub(super) async fn push(&mut self, piece: Bytes) -> Result<(), Early> {
        let Self {
            link,
            pieces,
            answer,
        } = self;
        let early = async { Err(Early(answer.as_mut().await)) };
        let taken = async {
            match pieces.send(piece).await {
                Ok(()) => Ok(()),
                // hyper has dropped the body: the answer, or the break, is on its way.
                Err(_) => std::future::pending().await,
            }
        };
        let work = smol::future::or(taken, early);
        link.0.drive.beside(work).await
    }

    /// Ends the document and waits for the answer; the connection can be used again then.
    pub(super) async fn end(self) -> Result<(Message, Link), IppFault> {
        let Self {
            mut link,
            pieces,
            answer,
        } = self;
        drop(pieces);
        let message = link.0.drive.beside(answer).await?;
        Ok((message, link))
    }
}

/// What came although the document has not ended.
pub(super) struct Early(pub(super) Result<Message, IppFault>);

/// A request's body: an IPP message and perhaps a document.
pub(super) struct Outgoing {
    head: Option<Bytes>,
    document: Option<Pin<Box<Receiver<Bytes>>>>,
}

impl Outgoing {
    fn message(message: &Message) -> Result<Self, IppFault> {
        Ok(Self {
            head: Some(message.encode()?.into()),
            document: None,
        })
    }

    fn document(message: &Message) -> Result<(Sender<Bytes>, Self), IppFault> {
        let (sender, receiver) = bounded(1);
        let mut body = Self::message(message)?;
        body.document = Some(Box::pin(receiver));
        Ok((sender, body))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        let Some(document) = &mut self.document else {
            return Poll::Ready(None);
        };
        let piece = document.as_mut().poll_next(cx);
        piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.head.is_none() && self.document.is_none()
    }

    /// Exact without a document; else hyper sends it in chunks.
    fn size_hint(&self) -> SizeHint {
        let head = self.head.as_ref().map_or(0, Bytes::len) as u64;
        match self.document {
            None => SizeHint::with_exact(head),
            Some(_) => SizeHint::default(),
        }
    }
}

async fn answer(response: Response<Incoming>, id: u32) -> Result<Message, IppFault> {
    check(&response)?;
    let mut body = response.into_body();
    let mut decoder = Decoder::new(Limits::RESPONSE);
    let message = loop {
        let Some(piece) = next_piece(&mut body).await? else {
            return Err(decoder.truncated().into());
        };
        if let Progress::Done { message, .. } = decoder.push(&piece)? {
            break message;
        }
    };
    let mut rest = 0;
    while let Some(piece) = next_piece(&mut body).await? {
        rest += piece.len();
        if rest > REST_BYTES_MAX {
            return Err(IppFault::NotIpp);
        }
    }
    if message.header.request_id == id {
        Ok(message)
    } else {
        Err(IppFault::OtherRequest)
    }
}

async fn next_piece(body: &mut Incoming) -> Result<Option<Bytes>, IppFault> {
    loop {
        match body.frame().await.transpose()? {
            None => return Ok(None),
            Some(frame) => {
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
        }
    }
}

fn check(response: &Response<Incoming>) -> Result<(), IppFault> {
    match response.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => return Err(IppFault::PasswordWanted),
        StatusCode::UPGRADE_REQUIRED => return Err(IppFault::EncryptionWanted),
        status if status.is_redirection() => return Err(IppFault::Redirected),
        status => return Err(IppFault::HttpStatus(status.as_u16())),
    }
    // Some leave the type out; a web page says what it is.
    let kind = response.headers().get(CONTENT_TYPE);
    let is_ipp = |kind: &[u8]| kind.to_ascii_lowercase().starts_with(IPP.as_bytes());
    match kind {
        Some(kind) if !is_ipp(kind.as_bytes()) => Err(IppFault::NotIpp),
        _ => Ok(()),
    }
}
