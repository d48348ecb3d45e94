// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Operation numbers of RFC 8011 §5.4.15 and of the IANA IPP registry (RFC 3380, 3995, 3998, PWG
//! 5100.5, .7, .11, .13), with the two that CUPS clients send to every server.

use std::fmt;

/// An operation's number. Unknown numbers are kept, so that they can be refused by name or number.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Operation(pub u16);

macro_rules! operations {
    ($($constant:ident = $number:literal, $name:literal;)*) => {
        impl Operation {
            $(#[doc = concat!("`", $name, "`")] pub const $constant: Self = Self($number);)*

            /// The registry's name; `None` for a number that is not in the table here.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

operations! {
    PRINT_JOB = 0x0002, "Print-Job";
    PRINT_URI = 0x0003, "Print-URI";
    VALIDATE_JOB = 0x0004, "Validate-Job";
    CREATE_JOB = 0x0005, "Create-Job";
    SEND_DOCUMENT = 0x0006, "Send-Document";
    SEND_URI = 0x0007, "Send-URI";
    CANCEL_JOB = 0x0008, "Cancel-Job";
    GET_JOB_ATTRIBUTES = 0x0009, "Get-Job-Attributes";
    GET_JOBS = 0x000a, "Get-Jobs";
    GET_PRINTER_ATTRIBUTES = 0x000b, "Get-Printer-Attributes";
    HOLD_JOB = 0x000c, "Hold-Job";
    RELEASE_JOB = 0x000d, "Release-Job";
    RESTART_JOB = 0x000e, "Restart-Job";
    PAUSE_PRINTER = 0x0010, "Pause-Printer";
    RESUME_PRINTER = 0x0011, "Resume-Printer";
    PURGE_JOBS = 0x0012, "Purge-Jobs";
    SET_PRINTER_ATTRIBUTES = 0x0013, "Set-Printer-Attributes";
    SET_JOB_ATTRIBUTES = 0x0014, "Set-Job-Attributes";
    GET_PRINTER_SUPPORTED_VALUES = 0x0015, "Get-Printer-Supported-Values";
    CREATE_PRINTER_SUBSCRIPTIONS = 0x0016, "Create-Printer-Subscriptions";
    CREATE_JOB_SUBSCRIPTIONS = 0x0017, "Create-Job-Subscriptions";
    GET_SUBSCRIPTION_ATTRIBUTES = 0x0018, "Get-Subscription-Attributes";
    GET_SUBSCRIPTIONS = 0x0019, "Get-Subscriptions";
    RENEW_SUBSCRIPTION = 0x001a, "Renew-Subscription";
    CANCEL_SUBSCRIPTION = 0x001b, "Cancel-Subscription";
    GET_NOTIFICATIONS = 0x001c, "Get-Notifications";
    ENABLE_PRINTER = 0x0022, "Enable-Printer";
    DISABLE_PRINTER = 0x0023, "Disable-Printer";
    PAUSE_PRINTER_AFTER_CURRENT_JOB = 0x0024, "Pause-Printer-After-Current-Job";
    HOLD_NEW_JOBS = 0x0025, "Hold-New-Jobs";
    RELEASE_HELD_NEW_JOBS = 0x0026, "Release-Held-New-Jobs";
    CANCEL_CURRENT_JOB = 0x002d, "Cancel-Current-Job";
    SUSPEND_CURRENT_JOB = 0x002e, "Suspend-Current-Job";
    RESUME_JOB = 0x002f, "Resume-Job";
    PROMOTE_JOB = 0x0030, "Promote-Job";
    SCHEDULE_JOB_AFTER = 0x0031, "Schedule-Job-After";
    CANCEL_DOCUMENT = 0x0033, "Cancel-Document";
    GET_DOCUMENT_ATTRIBUTES = 0x0034, "Get-Document-Attributes";
    GET_DOCUMENTS = 0x0035, "Get-Documents";
    SET_DOCUMENT_ATTRIBUTES = 0x0037, "Set-Document-Attributes";
    CANCEL_JOBS = 0x0038, "Cancel-Jobs";
    CANCEL_MY_JOBS = 0x0039, "Cancel-My-Jobs";
    RESUBMIT_JOB = 0x003a, "Resubmit-Job";
    CLOSE_JOB = 0x003b, "Close-Job";
    IDENTIFY_PRINTER = 0x003c, "Identify-Printer";
    VALIDATE_DOCUMENT = 0x003d, "Validate-Document";
    CUPS_GET_DEFAULT = 0x4001, "CUPS-Get-Default";
    CUPS_GET_PRINTERS = 0x4002, "CUPS-Get-Printers";
}

impl Operation {
    /// Whether the operation's target is one job: `job-uri`, or `printer-uri` with `job-id`
    /// (RFC 8011 §4.1.5).
    #[must_use]
    pub fn targets_job(self) -> bool {
        matches!(
            self,
            Self::SEND_DOCUMENT
                | Self::SEND_URI
                | Self::CANCEL_JOB
                | Self::GET_JOB_ATTRIBUTES
                | Self::HOLD_JOB
                | Self::RELEASE_JOB
                | Self::RESTART_JOB
                | Self::SET_JOB_ATTRIBUTES
                | Self::CREATE_JOB_SUBSCRIPTIONS
                | Self::RESUME_JOB
                | Self::PROMOTE_JOB
                | Self::SCHEDULE_JOB_AFTER
                | Self::CANCEL_DOCUMENT
                | Self::GET_DOCUMENT_ATTRIBUTES
                | Self::GET_DOCUMENTS
                | Self::SET_DOCUMENT_ATTRIBUTES
                | Self::RESUBMIT_JOB
                | Self::CLOSE_JOB
        )
    }

    /// Whether document data follows the attributes of a request.
    #[must_use]
    pub fn carries_document(self) -> bool {
        matches!(self, Self::PRINT_JOB | Self::SEND_DOCUMENT)
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "operation 0x{:04x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_those_of_the_registry() {
        assert_eq!(Operation::PRINT_JOB.0, 2);
        assert_eq!(Operation::GET_PRINTER_ATTRIBUTES.0, 0x0b);
        assert_eq!(Operation::CANCEL_MY_JOBS.0, 0x39);
        assert_eq!(Operation::IDENTIFY_PRINTER.to_string(), "Identify-Printer");
        assert_eq!(Operation(0x7777).to_string(), "operation 0x7777");
    }

    #[test]
    fn a_job_is_the_target_of_operations_on_jobs_alone() {
        assert!(Operation::CLOSE_JOB.targets_job());
        assert!(!Operation::GET_JOBS.targets_job());
        assert!(!Operation::CANCEL_CURRENT_JOB.targets_job());
        assert!(!Operation::CANCEL_MY_JOBS.targets_job());
    }
}
