// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a job's bytes to PNG pages, by what the bytes are: PDF by MuPDF (Ghostscript if that is
//! not there), PostScript by Ghostscript, JPEG and the two raster formats here.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::device::Device;
use super::{JobRecord, Settings, raw};
use crate::process::{BedError, chain, installed_program};
use crate::raster::{self, RasterError};
use crate::wait;

/// Jobs that may wait for rendering; a sender's connection end waits beyond that.
const QUEUE: usize = 1024;
/// Longest time for one document.
const RENDER_LIMIT: Duration = Duration::from_secs(60);

/// What a document is, by its first bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Format {
    /// `%PDF-`, within the first KiB as readers allow.
    #[serde(rename = "application/pdf")]
    Pdf,
    /// `%!`
    #[serde(rename = "application/postscript")]
    PostScript,
    /// FF D8 FF
    #[serde(rename = "image/jpeg")]
    Jpeg,
    /// `RaS2` (PWG 5102.4)
    #[serde(rename = "image/pwg-raster")]
    PwgRaster,
    /// `UNIRAST`
    #[serde(rename = "image/urf")]
    Urf,
    /// None of these.
    #[serde(rename = "application/octet-stream")]
    Unknown,
}

impl Format {
    /// Looks at a document's first bytes; 1 KiB is enough.
    #[must_use]
    pub fn detect(start: &[u8]) -> Self {
        let start = start.get(..1024).unwrap_or(start);
        match start {
            [0xff, 0xd8, 0xff, ..] => Self::Jpeg,
            _ if start.starts_with(b"RaS2") => Self::PwgRaster,
            _ if start.starts_with(b"UNIRAST\0") => Self::Urf,
            _ if start.starts_with(b"%!") => Self::PostScript,
            _ if start.windows(5).any(|window| window == b"%PDF-") => Self::Pdf,
            _ => Self::Unknown,
        }
    }
}

/// Why there are no pages.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The bytes are none of the known formats.
    #[error("no known document format")]
    UnknownFormat,
    /// A file could not be read or written.
    #[error("file error")]
    Io(#[from] std::io::Error),
    /// The raster is damaged.
    #[error("raster page description is damaged")]
    Raster(#[from] RasterError),
    /// The picture is damaged, or a PNG could not be written.
    #[error("picture is damaged")]
    Image(#[from] image::ImageError),
    /// The renderer failed.
    #[error("renderer failed")]
    Program(#[from] BedError),
    /// The renderer ended well but made nothing.
    #[error("document has no pages")]
    NoPages,
}

/// The thread that renders, one document at a time.
pub(super) struct Renderer {
    queue: Receiver<JobRecord>,
    resolution_dpi: u32,
    rendering: bool,
}

impl Renderer {
    pub(super) fn new(settings: &Settings) -> (Self, SyncSender<JobRecord>) {
        let (sender, queue) = sync_channel(QUEUE);
        let renderer = Self {
            queue,
            resolution_dpi: settings.resolution_dpi,
            rendering: settings.rendering,
        };
        (renderer, sender)
    }

    /// Works until nobody can send jobs any more.
    pub(super) fn work(&self, device: &Device) {
        for mut job in &self.queue {
            let document = raw::document_file(&device.folder, &job);
            job.format = first_bytes(&document).ok().as_deref().map(Format::detect);
            // Printed already where PJL told of its end.
            if self.rendering && job.pages.is_none() && job.render_error.is_none() {
                let pages = device.folder.join(format!("job-{:03}", job.number));
                match render(&document, &pages, self.resolution_dpi) {
                    Ok(pages) => {
                        job.pages = Some(pages);
                        device.count(pages);
                        job.impressions = Some(pages);
                    }
                    Err(error) => job.render_error = Some(chain(&error)),
                }
            }
            job.done = true;
            device.record(&job);
        }
    }
}

fn first_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.take(1024).read_to_end(&mut start)?;
    Ok(start)
}

/// Renders `document` to `STEM-page-01.png`, `STEM-page-02.png` … and returns how many.
///
/// # Errors
/// What was wrong with the document or the renderer; pages made before may be there.
pub fn render(document: &Path, stem: &Path, resolution_dpi: u32) -> Result<u32, RenderError> {
    match Format::detect(&first_bytes(document)?) {
        Format::Pdf if installed_program("mutool").is_ok() => {
            mutool(document, stem, resolution_dpi)
        }
        Format::Pdf | Format::PostScript => ghostscript(document, stem, resolution_dpi),
        Format::Jpeg => jpeg(document, stem),
        Format::PwgRaster => raster_pages(raster::Pages::pwg(open(document)?)?, stem),
        Format::Urf => raster_pages(raster::Pages::urf(open(document)?)?, stem),
        Format::Unknown => Err(RenderError::UnknownFormat),
    }
}

fn open(path: &Path) -> std::io::Result<BufReader<File>> {
    File::open(path).map(BufReader::new)
}

fn page_file(stem: &Path, page: u32) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(format!("-page-{page:02}.png"));
    name.into()
}

fn pattern(stem: &Path) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push("-page-%02d.png");
    name.into()
}

fn mutool(document: &Path, stem: &Path, resolution_dpi: u32) -> Result<u32, RenderError> {
    let mut command = Command::new(installed_program("mutool")?);
    command
        .args(["draw", "-q", "-F", "png", "-r"])
        .arg(resolution_dpi.to_string())
        .arg("-o")
        .arg(pattern(stem))
        .arg(document);
    program("mutool", command, stem)
}

fn ghostscript(document: &Path, stem: &Path, resolution_dpi: u32) -> Result<u32, RenderError> {
    let mut output = std::ffi::OsString::from("-sOutputFile=");
    output.push(pattern(stem));
    let mut command = Command::new(installed_program("gs")?);
    command
        .args(["-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=png16m"])
        .arg(format!("-r{resolution_dpi}"))
        .arg(output)
        .arg(document);
    program("gs", command, stem)
}

/// Runs a renderer within its time and counts the pages that it made.
fn program(name: &str, mut command: Command, stem: &Path) -> Result<u32, RenderError> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let what = format!("`{name}` to render a job");
    let ended = wait::until(&what, RENDER_LIMIT, || {
        child.try_wait().map_err(BedError::io("wait for it"))
    });
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let status = ended?;
    let made = (1..).take_while(|&page| page_file(stem, page).is_file());
    let pages = u32::try_from(made.count()).unwrap_or(u32::MAX);
    match (status.success(), pages) {
        (true, 0) => Err(RenderError::NoPages),
        // A damaged document: what could be drawn counts, as paper would have come out.
        (_, 1..) => Ok(pages),
        (false, 0) => Err(RenderError::Program(BedError::Failed {
            command: name.to_owned(),
            status,
            message: "nothing was drawn".to_owned(),
        })),
    }
}

fn jpeg(document: &Path, stem: &Path) -> Result<u32, RenderError> {
    let mut reader = image::ImageReader::open(document)?;
    reader.set_format(image::ImageFormat::Jpeg);
    reader.limits(image::Limits::default());
    reader.decode()?.to_rgb8().save(page_file(stem, 1))?;
    Ok(1)
}

fn raster_pages<R: Read>(mut pages: raster::Pages<R>, stem: &Path) -> Result<u32, RenderError> {
    let mut number = 0;
    while let Some(page) = pages.next_page()? {
        number += 1;
        let file = page_file(stem, number);
        let color = if page.channels == 3 {
            image::ExtendedColorType::Rgb8
        } else {
            image::ExtendedColorType::L8
        };
        image::save_buffer(file, &page.pixels, page.width, page.height, color)?;
    }
    if number == 0 {
        return Err(RenderError::NoPages);
    }
    Ok(number)
}
