// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The counting child: `platend --count-worker` reads documents from standard input and answers
//! page counts on standard output, under limits of memory and CPU time.
//!
//! A question is: length of the options (u32 LE), options (JSON), length of the body (u64 LE),
//! body. An answer is: length (u32 LE), page count (JSON).

use std::io::{self, Cursor, Read, Write};
use std::process::ExitCode;

use platen_model::JobOptions;
use platen_pdl::CountLimits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// The switch that makes `platend` this child.
pub(crate) const SWITCH: &str = "--count-worker";
/// Largest document that is counted, bytes.
pub(crate) const MAX_OCTETS: u64 = 256 << 20;
/// Largest answer, bytes.
pub(super) const MAX_ANSWER: u32 = 64 << 10;

const MAX_OPTIONS: u32 = 64 << 10;
/// Address space: the document, and twice as much again to work in.
const MEMORY_OCTETS: u64 = 3 * MAX_OCTETS;
const CPU_SECONDS_A_DOCUMENT: u64 = 10;

/// Answers questions until standard input ends.
pub(crate) fn run() -> ExitCode {
    limit(Resource::As, MEMORY_OCTETS);
    // A core file would hold documents in clear.
    limit(Resource::Core, 0);
    // Without it counting is merely less polite to the rest.
    let _ = rustix::process::nice(19);
    match answer_all(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer_all(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    while let Some(options) = read_options(input)? {
        let mut octets = [0; 8];
        input.read_exact(&mut octets)?;
        let octets = u64::from_le_bytes(octets);
        if octets > MAX_OCTETS {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut body = Vec::new();
        input.take(octets).read_to_end(&mut body)?;
        more_time();
        let count = platen_pdl::count(&mut Cursor::new(body), &options, &CountLimits::default());
        let answer = serde_json::to_vec(&count)?;
        output.write_all(
            &u32::try_from(answer.len())
                .map_err(io::Error::other)?
                .to_le_bytes(),
        )?;
        output.write_all(&answer)?;
        output.flush()?;
    }
    Ok(())
}

fn read_options(input: &mut impl Read) -> io::Result<Option<JobOptions>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_le_bytes(length);
    if length > MAX_OPTIONS {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut options = Vec::new();
    input.take(length.into()).read_to_end(&mut options)?;
    Ok(Some(serde_json::from_slice(&options)?))
}

fn limit(resource: Resource, current: u64) {
    let maximum = getrlimit(resource).maximum;
    // A limit that can't be set leaves the child less contained, not wrong.
    let _ = setrlimit(
        resource,
        Rlimit {
            current: Some(current),
            maximum,
        },
    );
}

/// Gives the next document its CPU time: the kernel counts the whole life of the process.
fn more_time() {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec;
    limit(
        Resource::Cpu,
        u64::try_from(used).unwrap_or(0) + CPU_SECONDS_A_DOCUMENT,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(body: &[u8]) -> Vec<u8> {
        let options = serde_json::to_vec(&JobOptions::default()).unwrap();
        let mut question = u32::try_from(options.len()).unwrap().to_le_bytes().to_vec();
        question.extend(options);
        question.extend((body.len() as u64).to_le_bytes());
        question.extend(body);
        question
    }

    #[test]
    fn two_documents_get_two_answers() {
        let mut input = ask(b"\xff\xd8\xff\xe0 short");
        input.extend(ask(b"%PDF-1.4 broken"));
        let mut output = Vec::new();
        answer_all(&mut input.as_slice(), &mut output).unwrap();
        let first = u32::from_le_bytes(output[..4].try_into().unwrap()) as usize;
        assert!(output.len() > 8 + first, "{} bytes", output.len());
    }

    #[test]
    fn a_claim_past_the_limit_ends_the_child() {
        let mut input = ask(b"");
        let end = input.len();
        input[end - 8..].copy_from_slice(&(MAX_OCTETS + 1).to_le_bytes());
        assert!(answer_all(&mut input.as_slice(), &mut Vec::new()).is_err());
    }
}
