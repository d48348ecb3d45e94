// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Job bodies: 64 KiB chunks, each sealed with a counter nonce and a last-chunk flag (the STREAM
//! construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015), the job's id as associated data.
//! Truncation, reordering and splicing of chunks or jobs are noticed. Each job has a random key of
//! its own, wrapped by the box's `wrap` key and kept in the job's ticket: without the ticket the
//! body is noise. Byte map: `docs/formats/sealed-body.md`.

use std::io::{self, Read, Seek, SeekFrom, Write};

use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use zeroize::{Zeroize, Zeroizing};

use platen_model::JobId;

use crate::disk::{DiskFile, DiskRead};
use crate::keys::Keys;
use crate::seal::{Algorithm, KEY_BYTES, SealError, TAG_BYTES, random_bytes};

/// Plain bytes of every chunk but the last.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// Bytes before the first chunk.
pub const HEADER_BYTES: usize = 16;

const MAGIC: [u8; 4] = *b"PLBD";
const VERSION: u8 = 1;
const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;
const FIRST_GROWTH_BYTES: usize = 4 * 1024;
const WRAP_LABEL: &[u8] = b"body key\0";

/// The key of one job's body.
pub struct BodyKey(Zeroizing<[u8; KEY_BYTES]>);

impl std::fmt::Debug for BodyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BodyKey")
    }
}

impl BodyKey {
    /// A new random key.
    ///
    /// # Errors
    /// [`SealError::NoRandom`].
    pub fn random() -> Result<Self, SealError> {
        random_bytes().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// The key sealed for the ticket of `job`, 62 bytes.
    ///
    /// # Errors
    /// [`SealError::NoRandom`].
    pub fn wrap(&self, keys: &Keys, job: JobId) -> Result<Vec<u8>, SealError> {
        keys.wrapper().seal(&wrap_context(job), &*self.0)
    }

    /// Opens what [`BodyKey::wrap`] made for the same job.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn unwrap(keys: &Keys, job: JobId, wrapped: &[u8]) -> Result<Self, SealError> {
        let plain = keys.wrapper().open(&wrap_context(job), wrapped)?;
        let bytes: &[u8; KEY_BYTES] = plain
            .as_slice()
            .try_into()
            .map_err(|_| SealError::Damaged)?;
        Ok(Self(Zeroizing::new(*bytes)))
    }
}

fn wrap_context(job: JobId) -> Vec<u8> {
    [WRAP_LABEL, job.0.as_bytes()].concat()
}

/// What writer and reader share: key, and what is bound to every chunk.
struct ChunkCipher {
    key: LessSafeKey,
    /// Header and job id.
    aad: [u8; HEADER_BYTES + 16],
    /// From the header; nonces are this, the chunk's number, the last-chunk flag.
    prefix: [u8; 7],
}

impl ChunkCipher {
    fn new(key: &BodyKey, job: JobId, header: &[u8; HEADER_BYTES]) -> Result<Self, SealError> {
        let &[
            m0,
            m1,
            m2,
            m3,
            version,
            algorithm,
            _,
            _,
            n0,
            n1,
            n2,
            n3,
            n4,
            n5,
            n6,
            _,
        ] = header;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(SealError::Damaged);
        }
        if version != VERSION {
            return Err(SealError::UnknownVersion(version));
        }
        let mut aad = [0; HEADER_BYTES + 16];
        let (front, back) = aad.split_at_mut(HEADER_BYTES);
        front.copy_from_slice(header);
        back.copy_from_slice(job.0.as_bytes());
        Ok(Self {
            key: Algorithm::from_id(algorithm)?.key(&key.0),
            aad,
            prefix: [n0, n1, n2, n3, n4, n5, n6],
        })
    }

    fn nonce(&self, chunk: u32, last: bool) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        let (prefix, rest) = nonce.split_at_mut(self.prefix.len());
        prefix.copy_from_slice(&self.prefix);
        let [c0, c1, c2, c3] = chunk.to_be_bytes();
        rest.copy_from_slice(&[c0, c1, c2, c3, u8::from(last)]);
        Nonce::assume_unique_for_key(nonce)
    }

    /// Seals `buffer[from..]` where it stands and appends the tag.
    fn seal(
        &self,
        buffer: &mut Vec<u8>,
        from: usize,
        chunk: u32,
        last: bool,
    ) -> Result<(), SealError> {
        let (_, payload) = buffer
            .split_at_mut_checked(from)
            .ok_or(SealError::TooLong)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(chunk, last), Aad::from(&self.aad), payload)
            .map_err(|_| SealError::TooLong)?;
        buffer.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens the whole buffer where it stands and cuts the tag off.
    fn open(&self, buffer: &mut Vec<u8>, chunk: u32, last: bool) -> Result<(), SealError> {
        let length = self
            .key
            .open_in_place(self.nonce(chunk, last), Aad::from(&self.aad), buffer)
            .map_err(|_| SealError::Damaged)?
            .len();
        buffer.truncate(length);
        Ok(())
    }
}

/// Seals a body without I/O: plain bytes in, file bytes out, one buffer of at most a chunk.
pub struct BodySealer {
    cipher: ChunkCipher,
    buffer: Vec<u8>,
    /// Where plain bytes begin in the buffer: behind the header in the first chunk.
    plain_from: usize,
    handed_out: bool,
    chunk: u32,
    octets: u64,
}

impl std::fmt::Debug for BodySealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BodySealer({} octets)", self.octets)
    }
}

impl BodySealer {
    /// Starts the body of `job`. A key seals one body once.
    ///
    /// # Errors
    /// [`SealError::NoRandom`].
    pub fn new(key: &BodyKey, job: JobId) -> Result<Self, SealError> {
        Self::with_algorithm(key, job, Algorithm::for_this_cpu())
    }

    fn with_algorithm(key: &BodyKey, job: JobId, algorithm: Algorithm) -> Result<Self, SealError> {
        let mut header = [0; HEADER_BYTES];
        let prefix = random_bytes::<7>()?;
        let [m0, m1, m2, m3] = MAGIC;
        let (front, back) = header.split_at_mut(8);
        front.copy_from_slice(&[m0, m1, m2, m3, VERSION, algorithm.id(), 0, 0]);
        back.iter_mut()
            .zip(prefix)
            .for_each(|(to, from)| *to = from);
        Ok(Self {
            cipher: ChunkCipher::new(key, job, &header)?,
            buffer: header.to_vec(),
            plain_from: HEADER_BYTES,
            handed_out: false,
            chunk: 0,
            octets: 0,
        })
    }

    /// Plain bytes taken so far.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Takes bytes from the front of `bytes` until they are used up (then `None`) or a chunk is
    /// full and more are coming: then the file's next bytes are returned, and the caller calls
    /// again after writing them.
    ///
    /// # Errors
    /// [`SealError::TooLong`] after 2³² chunks (256 TiB).
    pub fn push(&mut self, bytes: &mut &[u8]) -> Result<Option<&[u8]>, SealError> {
        if self.handed_out {
            self.buffer.clear();
            self.plain_from = 0;
            self.handed_out = false;
        }
        let room = self.plain_from + CHUNK_BYTES - self.buffer.len();
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        self.grow_for(now.len());
        self.buffer.extend_from_slice(now);
        self.octets += u64::try_from(now.len()).unwrap_or(u64::MAX);
        *bytes = later;
        if later.is_empty() {
            return Ok(None);
        }
        self.seal(false)?;
        self.chunk = self.chunk.checked_add(1).ok_or(SealError::TooLong)?;
        self.handed_out = true;
        Ok(Some(&self.buffer))
    }

    /// Seals the last chunk and returns the rest of the file's bytes: for a body of at most one
    /// chunk, the whole file.
    ///
    /// # Errors
    /// [`SealError::TooLong`].
    pub fn finish(mut self) -> Result<Vec<u8>, SealError> {
        if self.handed_out {
            self.buffer.clear();
            self.plain_from = 0;
        }
        self.grow_for(0);
        self.seal(true)?;
        Ok(std::mem::take(&mut self.buffer))
    }

    fn seal(&mut self, last: bool) -> Result<(), SealError> {
        self.cipher
            .seal(&mut self.buffer, self.plain_from, self.chunk, last)
    }

    /// Doubles, but never past one chunk: a vector's own growth would take up to 128 KiB.
    fn grow_for(&mut self, more: usize) {
        let needed = self.buffer.len() + more + TAG_BYTES;
        if needed > self.buffer.capacity() {
            let most = HEADER_BYTES + SEALED_CHUNK_BYTES;
            let doubled = (self.buffer.capacity() * 2).max(FIRST_GROWTH_BYTES);
            let goal = doubled.min(most).max(needed);
            self.buffer.reserve_exact(goal - self.buffer.len());
        }
    }
}

impl Drop for BodySealer {
    fn drop(&mut self) {
        // An abandoned upload leaves plain bytes here.
        self.buffer.zeroize();
    }
}

/// Writes a sealed body to a file.
pub struct BodyWriter {
    sealer: BodySealer,
    file: Box<dyn DiskFile>,
}

impl BodyWriter {
    /// Starts the body of `job` in a new, empty file.
    ///
    /// # Errors
    /// [`SealError::NoRandom`].
    pub fn new(file: Box<dyn DiskFile>, key: &BodyKey, job: JobId) -> Result<Self, SealError> {
        let sealer = BodySealer::new(key, job)?;
        Ok(Self { sealer, file })
    }

    /// Seals the last chunk and writes it; the file is still to be synced. Returns the file and
    /// the plain octets.
    ///
    /// # Errors
    /// The disk's own.
    pub fn finish(mut self) -> io::Result<(Box<dyn DiskFile>, u64)> {
        let octets = self.sealer.octets();
        let rest = self.sealer.finish().map_err(into_io)?;
        self.file.write_all(&rest)?;
        Ok((self.file, octets))
    }
}

impl Write for BodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut left = bytes;
        while let Some(sealed) = self.sealer.push(&mut left).map_err(into_io)? {
            self.file.write_all(sealed)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // Bytes leave by whole chunks only.
    }
}

/// Reads a sealed body; every byte it gives has been authenticated.
///
/// The last chunk is opened first, so a cut file is refused before a byte of it is printed.
pub struct BodyReader {
    cipher: ChunkCipher,
    file: Box<dyn DiskRead>,
    last_chunk: u32,
    octets: u64,
    /// Plain bytes of chunk `loaded`.
    buffer: Vec<u8>,
    loaded: Option<u32>,
    position: u64,
}

impl BodyReader {
    /// Opens the body of `job`, checks its header, length and last chunk. Blocks.
    ///
    /// # Errors
    /// The disk's own; `InvalidData` around a [`SealError`] when it is not the sealed body of this
    /// job, whole.
    pub fn open(mut file: Box<dyn DiskRead>, key: &BodyKey, job: JobId) -> io::Result<Self> {
        let mut header = [0; HEADER_BYTES];
        file.read_exact(&mut header).map_err(cut_is_damage)?;
        let cipher = ChunkCipher::new(key, job, &header).map_err(into_io)?;
        let length = file.seek(SeekFrom::End(0))?;
        let (last_chunk, octets) = layout(length).map_err(into_io)?;
        let mut reader = Self {
            cipher,
            file,
            last_chunk,
            octets,
            buffer: Vec::new(),
            loaded: None,
            position: 0,
        };
        reader.load(last_chunk)?;
        Ok(reader)
    }

    /// Plain bytes of the whole body.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    fn load(&mut self, chunk: u32) -> io::Result<()> {
        if self.loaded == Some(chunk) {
            return Ok(());
        }
        self.loaded = None;
        let at = u64::from(chunk) * SEALED_CHUNK_BYTES as u64 + HEADER_BYTES as u64;
        self.file.seek(SeekFrom::Start(at))?;
        self.buffer.clear();
        self.buffer
            .reserve_exact(SEALED_CHUNK_BYTES.min(self.chunk_bytes(chunk)));
        let limit = SEALED_CHUNK_BYTES as u64;
        (&mut self.file).take(limit).read_to_end(&mut self.buffer)?;
        let last = chunk == self.last_chunk;
        self.cipher
            .open(&mut self.buffer, chunk, last)
            .map_err(into_io)?;
        self.loaded = Some(chunk);
        Ok(())
    }

    /// Sealed bytes of a chunk.
    fn chunk_bytes(&self, chunk: u32) -> usize {
        let before = u64::from(chunk) * CHUNK_BYTES as u64;
        let plain = self.octets.saturating_sub(before).min(CHUNK_BYTES as u64);
        usize::try_from(plain).unwrap_or(CHUNK_BYTES) + TAG_BYTES
    }
}

/// Number of the last chunk, and plain octets, of a file of `length` bytes.
fn layout(length: u64) -> Result<(u32, u64), SealError> {
    let (sealed_chunk, tag) = (SEALED_CHUNK_BYTES as u64, TAG_BYTES as u64);
    let chunks = length
        .checked_sub(HEADER_BYTES as u64)
        .filter(|chunks| *chunks >= tag)
        .ok_or(SealError::Damaged)?;
    let count = chunks.div_ceil(sealed_chunk);
    let last = u32::try_from(count - 1).map_err(|_| SealError::TooLong)?;
    let octets = chunks.checked_sub(count * tag).ok_or(SealError::Damaged)?;
    Ok((last, octets))
}

impl Read for BodyReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.octets || into.is_empty() {
            return Ok(0);
        }
        let chunk = self.position / CHUNK_BYTES as u64;
        self.load(u32::try_from(chunk).map_err(|_| into_io(SealError::TooLong))?)?;
        let skip = usize::try_from(self.position % CHUNK_BYTES as u64).unwrap_or(usize::MAX);
        let mut rest = self.buffer.get(skip..).unwrap_or_default();
        let count = rest.read(into)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for BodyReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.octets.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl Drop for BodyReader {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

fn into_io(error: SealError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn cut_is_damage(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => into_io(SealError::Damaged),
        _ => error,
    }
}
