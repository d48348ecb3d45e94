// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platen-qemu`: what `make qemu` starts. The box in a guest, and a prompt: some words for what a
//! person does at the box, anything else is a line for the guest's shell. Files are under
//! `run/qemu/`.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use platen_bed::documents::{self, Paper};
use platen_bed::ipptool::IppTool;
use platen_bed::process;
use platen_bed::qemu::{Guest, GuestOptions, Machine, SOCKET};

/// The card of whoever runs this.
const CARD: &str = "04112233445566";
/// How long a line may run in the guest.
const LINE_LIMIT: Duration = Duration::from_secs(120);

const HELP: &str = "\
  print [FILE]         print a file, or a sample, from this machine
  tap [CARD]           hold a card to the reader for two seconds
  paper                see what has come out of the printer
  chip COMMAND …       place UID, remove, fault gone, fault none, help
  printer COMMAND …    unplug, plug, stall, resume, paper-out, ready …
  exit
anything else runs in the guest: platenctl status, dmesg, ls /dev, cat /run/log/platend …";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let machine = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Machine::X86_64,
        ["--aarch64"] => Machine::Aarch64,
        _ => {
            println!("platen-qemu [--aarch64]\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match run(machine) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("platen-qemu: {}", process::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(machine: Machine) -> Result<(), Box<dyn Error>> {
    let folder = std::env::current_dir()?.join("run/qemu");
    let _ = fs::remove_dir_all(&folder);
    println!("booting; an emulated processor takes its time");
    let mut guest = Guest::boot(&folder, &GuestOptions::new(machine))?;
    guest.configure("")?;
    guest.start_daemon()?;
    let own = process::run(Command::new("id").arg("-un"))?;
    guest.import_users(&format!("{},You,{CARD}\n", own.trim()))?;
    println!("ready at ipp://{}/ipp/print\n{HELP}", guest.ipp());
    for line in prompts() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => {}
            ["exit" | "quit"] => break,
            _ => {
                if let Err(error) = act(&mut guest, &folder, &words) {
                    println!("{}", process::chain(error.as_ref()));
                }
            }
        }
    }
    guest.power_off()?;
    Ok(())
}

/// Lines of standard input, each after a prompt.
fn prompts() -> impl Iterator<Item = io::Result<String>> {
    let mut lines = io::stdin().lock().lines();
    std::iter::from_fn(move || {
        print!("box> ");
        io::stdout().flush().ok()?;
        lines.next()
    })
}

fn act(guest: &mut Guest, folder: &Path, words: &[&str]) -> Result<(), Box<dyn Error>> {
    match words {
        ["help"] => println!("{HELP}"),
        ["print"] => print(guest, folder, &documents::pdf(2, Paper::A4))?,
        ["print", file] => print(guest, folder, &fs::read(file)?)?,
        ["tap"] => tap(guest, CARD)?,
        ["tap", card] => tap(guest, card)?,
        ["paper"] => paper(guest, folder)?,
        [part @ ("chip" | "printer"), command @ ..] => {
            println!("{}", guest.tell(part, &command.join(" "))?);
        }
        _ => {
            let line = format!(
                "export PLATEN_SOCKET={SOCKET} PATH=/bin; {}",
                words.join(" ")
            );
            let ran = guest.run(&["/bin/sh", "-c", &line], LINE_LIMIT)?;
            print!("{}{}", ran.out, ran.messages);
        }
    }
    Ok(())
}

fn print(guest: &Guest, folder: &Path, document: &[u8]) -> Result<(), Box<dyn Error>> {
    let file = folder.join("document");
    fs::write(&file, document)?;
    let tool = IppTool::prepare(&folder.join("ipptool"))?;
    let uri = format!("ipp://{}/ipp/print", guest.ipp());
    let file = file.to_string_lossy();
    let score = tool.run_with(&uri, "print-job.test", &["-f", &file], None)?;
    println!("{}", score.summary());
    Ok(())
}

fn tap(guest: &mut Guest, card: &str) -> Result<(), Box<dyn Error>> {
    guest.tell("chip", &format!("place {card}"))?;
    guest.output(&["/bin/sleep", "2"])?;
    guest.tell("chip", "remove")?;
    let status: serde_json::Value = serde_json::from_str(&guest.ctl(&["status"])?)?;
    println!(
        "panel: {}",
        status["panel_text"].as_str().unwrap_or_default()
    );
    Ok(())
}

fn paper(guest: &mut Guest, folder: &Path) -> Result<(), Box<dyn Error>> {
    let octets = guest.tell("printer", "take /run/paper")?;
    let file = folder.join("paper");
    fs::write(&file, guest.read("/run/paper")?)?;
    println!("{octets} bytes are in {}", file.display());
    Ok(())
}
