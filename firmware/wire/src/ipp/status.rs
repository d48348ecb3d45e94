// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Status codes of RFC 8011 §5.4.15 and appendix B, and of the IANA IPP registry.

use std::fmt;

/// A status code. Unknown numbers are kept: a client must still tell their class.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Status(pub u16);

macro_rules! statuses {
    ($($constant:ident = $number:literal, $name:literal;)*) => {
        impl Status {
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

statuses! {
    OK = 0x0000, "successful-ok";
    OK_IGNORED_OR_SUBSTITUTED_ATTRIBUTES = 0x0001, "successful-ok-ignored-or-substituted-attributes";
    OK_CONFLICTING_ATTRIBUTES = 0x0002, "successful-ok-conflicting-attributes";
    OK_IGNORED_SUBSCRIPTIONS = 0x0003, "successful-ok-ignored-subscriptions";
    OK_TOO_MANY_EVENTS = 0x0005, "successful-ok-too-many-events";
    OK_EVENTS_COMPLETE = 0x0007, "successful-ok-events-complete";
    BAD_REQUEST = 0x0400, "client-error-bad-request";
    FORBIDDEN = 0x0401, "client-error-forbidden";
    NOT_AUTHENTICATED = 0x0402, "client-error-not-authenticated";
    NOT_AUTHORIZED = 0x0403, "client-error-not-authorized";
    NOT_POSSIBLE = 0x0404, "client-error-not-possible";
    TIMEOUT = 0x0405, "client-error-timeout";
    NOT_FOUND = 0x0406, "client-error-not-found";
    GONE = 0x0407, "client-error-gone";
    REQUEST_ENTITY_TOO_LARGE = 0x0408, "client-error-request-entity-too-large";
    REQUEST_VALUE_TOO_LONG = 0x0409, "client-error-request-value-too-long";
    DOCUMENT_FORMAT_NOT_SUPPORTED = 0x040a, "client-error-document-format-not-supported";
    ATTRIBUTES_OR_VALUES_NOT_SUPPORTED = 0x040b, "client-error-attributes-or-values-not-supported";
    URI_SCHEME_NOT_SUPPORTED = 0x040c, "client-error-uri-scheme-not-supported";
    CHARSET_NOT_SUPPORTED = 0x040d, "client-error-charset-not-supported";
    CONFLICTING_ATTRIBUTES = 0x040e, "client-error-conflicting-attributes";
    COMPRESSION_NOT_SUPPORTED = 0x040f, "client-error-compression-not-supported";
    COMPRESSION_ERROR = 0x0410, "client-error-compression-error";
    DOCUMENT_FORMAT_ERROR = 0x0411, "client-error-document-format-error";
    DOCUMENT_ACCESS_ERROR = 0x0412, "client-error-document-access-error";
    ATTRIBUTES_NOT_SETTABLE = 0x0413, "client-error-attributes-not-settable";
    IGNORED_ALL_SUBSCRIPTIONS = 0x0414, "client-error-ignored-all-subscriptions";
    TOO_MANY_SUBSCRIPTIONS = 0x0415, "client-error-too-many-subscriptions";
    DOCUMENT_PASSWORD_ERROR = 0x0418, "client-error-document-password-error";
    DOCUMENT_PERMISSION_ERROR = 0x0419, "client-error-document-permission-error";
    DOCUMENT_SECURITY_ERROR = 0x041a, "client-error-document-security-error";
    DOCUMENT_UNPRINTABLE_ERROR = 0x041b, "client-error-document-unprintable-error";
    ACCOUNT_INFO_NEEDED = 0x041c, "client-error-account-info-needed";
    ACCOUNT_CLOSED = 0x041d, "client-error-account-closed";
    ACCOUNT_LIMIT_REACHED = 0x041e, "client-error-account-limit-reached";
    ACCOUNT_AUTHORIZATION_FAILED = 0x041f, "client-error-account-authorization-failed";
    NOT_FETCHABLE = 0x0420, "client-error-not-fetchable";
    INTERNAL_ERROR = 0x0500, "server-error-internal-error";
    OPERATION_NOT_SUPPORTED = 0x0501, "server-error-operation-not-supported";
    SERVICE_UNAVAILABLE = 0x0502, "server-error-service-unavailable";
    VERSION_NOT_SUPPORTED = 0x0503, "server-error-version-not-supported";
    DEVICE_ERROR = 0x0504, "server-error-device-error";
    TEMPORARY_ERROR = 0x0505, "server-error-temporary-error";
    NOT_ACCEPTING_JOBS = 0x0506, "server-error-not-accepting-jobs";
    BUSY = 0x0507, "server-error-busy";
    JOB_CANCELED = 0x0508, "server-error-job-canceled";
    MULTIPLE_DOCUMENT_JOBS_NOT_SUPPORTED = 0x0509, "server-error-multiple-document-jobs-not-supported";
    PRINTER_IS_DEACTIVATED = 0x050a, "server-error-printer-is-deactivated";
    TOO_MANY_JOBS = 0x050b, "server-error-too-many-jobs";
    TOO_MANY_DOCUMENTS = 0x050c, "server-error-too-many-documents";
}

impl Status {
    /// Whether the operation was done, perhaps with attributes ignored (0x0000 to 0x00FF).
    #[must_use]
    pub fn is_successful(self) -> bool {
        self.0 < 0x0100
    }

    /// Whether the client is to blame (0x0400 to 0x04FF).
    #[must_use]
    pub fn is_client_error(self) -> bool {
        (0x0400..0x0500).contains(&self.0)
    }

    /// Whether the server is to blame or can't (0x0500 to 0x05FF).
    #[must_use]
    pub fn is_server_error(self) -> bool {
        (0x0500..0x0600).contains(&self.0)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "status 0x{:04x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_go_by_the_high_octet() {
        assert!(Status::OK.is_successful());
        assert!(Status::NOT_POSSIBLE.is_client_error());
        assert!(Status::BUSY.is_server_error());
        assert!(!Status(0x0600).is_server_error());
        assert_eq!(Status::VERSION_NOT_SUPPORTED.0, 0x0503);
        assert_eq!(Status(0x04ff).to_string(), "status 0x04ff");
        assert_eq!(Status::GONE.to_string(), "client-error-gone");
    }
}
