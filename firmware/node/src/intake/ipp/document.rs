// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Document data on its way from a client into the spool.

use bytes::Bytes;
use platen_pdl::{HEAD_BYTES, detect};
use platen_spool::Upload;
use platen_wire::ipp::{Attribute, Status};

use super::exchange::Exchange;
use super::refusal::Refusal;

/// The format that says "look yourself" (RFC 8011 §5.4.22).
pub(super) const AUTO_SENSE: &str = "application/octet-stream";

/// The first bytes of a document, and what it is.
pub(super) struct Arrival {
    /// MIME media type.
    pub(super) format: String,
    pieces: Vec<Bytes>,
}

/// Reads as much as it takes to know the format, and refuses what the printer does not take.
pub(super) async fn begin(exchange: &mut Exchange<'_>) -> Result<Arrival, Refusal> {
    check_compression(exchange)?;
    let claimed = claimed_format(exchange)?;
    let mut pieces = Vec::new();
    let mut head = Vec::new();
    let wanted = if claimed.is_some() { 1 } else { HEAD_BYTES };
    while head.len() < wanted {
        let Some(piece) = exchange.document().await? else {
            break;
        };
        head.extend(piece.iter().take(wanted - head.len()));
        pieces.push(piece);
    }
    if head.is_empty() {
        return Err(Refusal::new(
            Status::BAD_REQUEST,
            "There is no document in the request.",
        ));
    }
    let format = claimed.unwrap_or_else(|| detect(&head).mime_type().to_owned());
    if exchange.formats().contains(&format) {
        Ok(Arrival { format, pieces })
    } else {
        Err(Refusal::format(&format))
    }
}

/// Whether a request without document data could be printed.
pub(super) fn check_format(exchange: &Exchange<'_>) -> Result<(), Refusal> {
    check_compression(exchange)?;
    claimed_format(exchange).map(|_| ())
}

/// What the client says the document is; `None` when the box is to look itself.
fn claimed_format(exchange: &Exchange<'_>) -> Result<Option<String>, Refusal> {
    let claimed = exchange
        .operation("document-format")
        .and_then(Attribute::as_mime_media_type);
    match claimed.map(str::to_ascii_lowercase) {
        None => Ok(None),
        Some(format) if format == AUTO_SENSE => Ok(None),
        Some(format) if exchange.formats().contains(&format) => Ok(Some(format)),
        Some(format) => Err(Refusal::format(&format)),
    }
}

fn check_compression(exchange: &Exchange<'_>) -> Result<(), Refusal> {
    match exchange
        .operation("compression")
        .and_then(Attribute::as_keyword)
    {
        None | Some("none") => Ok(()),
        Some(_) => Err(Refusal::new(
            Status::COMPRESSION_NOT_SUPPORTED,
            "Send the document without compression.",
        )),
    }
}

impl Arrival {
    /// Streams the whole document into the spool. Nothing is durable until it is committed.
    pub(super) async fn store(
        self,
        exchange: &mut Exchange<'_>,
        mut upload: Upload,
    ) -> Result<Upload, Refusal> {
        for piece in self.pieces {
            upload = write(upload, piece).await?;
        }
        while let Some(piece) = exchange.document().await? {
            upload = write(upload, piece).await?;
        }
        Ok(upload)
    }
}

/// Small pieces go to memory at once; a piece that fills a chunk is sealed and written beside the
/// executor, so that a slow disk holds up this client only.
async fn write(mut upload: Upload, piece: Bytes) -> Result<Upload, Refusal> {
    if !upload.blocks_for(piece.len()) {
        upload.write(&piece)?;
        return Ok(upload);
    }
    let (upload, written) = smol::unblock(move || {
        let written = upload.write(&piece);
        (upload, written)
    })
    .await;
    written?;
    Ok(upload)
}
