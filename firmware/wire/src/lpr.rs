// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Line printer daemon protocol, the sending side: what is said for one job, and what the answers
//! mean. RFC 1179 §5.2 (receive a job), §6 (its subcommands), §7 (the control file).
//!
//! The control file goes first, as CUPS and most clients do it: a daemon that wants the other order
//! has not been met. It names nobody and nothing: host, user and job are all "platen".

use thiserror::Error;

/// Stands for host, user and job name. RFC 1179 §7.2 and §7.8 want a host and a user.
const NOBODY: &str = "platen";
/// Longest queue name taken here; the RFC has no limit.
pub const QUEUE_BYTES_MAX: usize = 255;
/// Job numbers have three digits (§6.2.2).
const NUMBER_MAX: u16 = 999;
/// The only answer that means yes (§6).
const ACKNOWLEDGED: u8 = 0;

/// One job's talk with a daemon. Say what [`Delivery::say`] gives, read one octet, give it to
/// [`Delivery::answered`], and so on.
#[derive(Clone, Debug)]
pub struct Delivery {
    queue: String,
    number: u16,
    octets: u64,
    stage: Stage,
}

/// What is being said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Stage {
    /// The daemon's queue is asked to take a job.
    Queue,
    /// The control file's length and name.
    ControlCommand,
    /// The control file.
    ControlFile,
    /// The data file's length and name.
    DataCommand,
    /// The data file's end.
    Data,
}

/// What follows an acknowledgement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// [`Delivery::say`] has more.
    Say,
    /// Exactly the announced octets of the job, then what [`Delivery::say`] gives.
    Body,
    /// The daemon has the whole job.
    End,
}

/// A daemon that does not take the job.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("print server refused the job (answer {answer} at stage {stage:?})")]
pub struct Refusal {
    /// What it was answering to.
    pub stage: Stage,
    /// What it answered; 0 would have been yes. Daemons agree on nothing else but 2, which means
    /// that there is no room now.
    pub answer: u8,
}

impl Refusal {
    /// IPP `printer-state-reasons` keyword, with severity.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self.answer {
            2 => "spool-area-full-error",
            _ => "other-error",
        }
    }
}

impl Delivery {
    /// A job of `octets` for the queue. `number` tells the last thousand jobs of this client apart.
    /// `None` for a queue name that would not stay one word of one line, or is empty or too long.
    #[must_use]
    pub fn new(queue: &str, number: u16, octets: u64) -> Option<Self> {
        let fits = (1..=QUEUE_BYTES_MAX).contains(&queue.len());
        let word = queue.bytes().all(|octet| octet.is_ascii_graphic());
        (fits && word).then(|| Self {
            queue: queue.to_owned(),
            number: number % (NUMBER_MAX + 1),
            octets,
            stage: Stage::Queue,
        })
    }

    /// What to send now.
    #[must_use]
    pub fn say(&self) -> Vec<u8> {
        let name = format!("A{:03}{NOBODY}", self.number);
        match self.stage {
            Stage::Queue => format!("\x02{}\n", self.queue).into_bytes(),
            Stage::ControlCommand => {
                let length = self.control_file().len();
                format!("\x02{length} cf{name}\n").into_bytes()
            }
            Stage::ControlFile => {
                let mut file = self.control_file();
                file.push(0);
                file
            }
            Stage::DataCommand => format!("\x03{} df{name}\n", self.octets).into_bytes(),
            Stage::Data => vec![0],
        }
    }

    /// Host, user, job and name of the source (§7.2, §7.5, §7.7, §7.8); print as it is (`l`, §7.19);
    /// remove afterwards (§7.6).
    fn control_file(&self) -> Vec<u8> {
        let data = format!("dfA{:03}{NOBODY}", self.number);
        format!("H{NOBODY}\nP{NOBODY}\nJ{NOBODY}\nl{data}\nU{data}\nN{NOBODY}\n").into_bytes()
    }

    /// Takes the daemon's answer to what was said.
    ///
    /// # Errors
    /// [`Refusal`]: anything but 0. The talk is over.
    pub fn answered(&mut self, answer: u8) -> Result<Next, Refusal> {
        let stage = self.stage;
        if answer != ACKNOWLEDGED {
            return Err(Refusal { stage, answer });
        }
        let (after, next) = match stage {
            Stage::Queue => (Stage::ControlCommand, Next::Say),
            Stage::ControlCommand => (Stage::ControlFile, Next::Say),
            Stage::ControlFile => (Stage::DataCommand, Next::Say),
            Stage::DataCommand => (Stage::Data, Next::Body),
            Stage::Data => (Stage::Data, Next::End),
        };
        self.stage = after;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_told_in_the_order_of_the_rfc() {
        let mut delivery = Delivery::new("lp", 7, 1234).unwrap();
        let control = b"Hplaten\nPplaten\nJplaten\nldfA007platen\nUdfA007platen\nNplaten\n\0";
        let says: [(&[u8], Next); 5] = [
            (b"\x02lp\n", Next::Say),
            (b"\x0260 cfA007platen\n", Next::Say),
            (control, Next::Say),
            (b"\x031234 dfA007platen\n", Next::Body),
            (b"\0", Next::End),
        ];
        for (says, next) in says {
            assert_eq!(delivery.say(), says);
            assert_eq!(delivery.answered(0), Ok(next));
        }
        assert_eq!(control.len() - 1, 60, "the end mark does not count");
    }

    #[test]
    fn any_other_answer_refuses_and_names_its_stage() {
        let mut delivery = Delivery::new("lp", 0, 1).unwrap();
        assert_eq!(delivery.answered(0), Ok(Next::Say));
        let refusal = delivery.answered(2).unwrap_err();
        assert_eq!(refusal.stage, Stage::ControlCommand);
        assert_eq!(refusal.reason(), "spool-area-full-error");
        assert_eq!(delivery.answered(1).unwrap_err().reason(), "other-error");
    }

    #[test]
    fn a_queue_name_that_breaks_the_line_is_refused() {
        for queue in ["", "a b", "a\nb", "ü", "a\0", &"q".repeat(256)] {
            assert!(Delivery::new(queue, 0, 1).is_none(), "{queue:?}");
        }
        assert!(Delivery::new("PASSTHRU", 1000, 1).is_some());
    }

    #[test]
    fn job_numbers_have_three_digits() {
        let mut delivery = Delivery::new("lp", 1007, 1).unwrap();
        assert_eq!(delivery.answered(0), Ok(Next::Say));
        assert_eq!(delivery.say(), b"\x0260 cfA007platen\n");
    }
}
