// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the queue says about itself: Get-Printer-Attributes (RFC 8011 §4.2.5, §5.4; PWG 5100.14
//! IPP Everywhere; what CUPS, AirPrint, Mopria and Windows ask for), Identify-Printer (PWG
//! 5100.13), and the DNS-SD record that says the same.

use platen_hal::PanelSignal;
use platen_wire::ipp::{Attribute, DateTime, GroupTag, Message, Status};

use super::exchange::{Exchange, Queue};
use super::refusal::Refusal;
use super::{OPERATIONS, document, media, options};
use crate::config::PrinterConfig;
use crate::intake::incoming::TIME_OUT_S;
use crate::node::{Node, up_time_s};

const DESCRIPTION: &str = "printer-description";
const TEMPLATE: &str = "job-template";
const PDF: &str = "application/pdf";
/// Too large to come with `all` (PWG 5100.7 §6.1.4).
const MEDIA_DATABASE: &str = "media-col-database";

impl Exchange<'_> {
    /// The printer whose abilities the queue shows: on the proxy queue, where a tap releases to.
    pub(super) fn printer(&self) -> &PrinterConfig {
        match &self.door.queue {
            Queue::Push(target) => &target.config,
            Queue::Proxy => self.node.default_printer(),
        }
    }

    /// MIME media types taken by this queue.
    pub(super) fn formats(&self) -> &[String] {
        &self.printer().formats
    }
}

pub(super) fn get_printer_attributes(exchange: &Exchange<'_>) -> Result<Message, Refusal> {
    let format = exchange
        .operation("document-format")
        .and_then(Attribute::as_mime_media_type);
    if let Some(format) = format
        && format != document::AUTO_SENSE
        && !exchange.formats().iter().any(|taken| taken == format)
    {
        return Err(Refusal::format(format));
    }
    let wanted = exchange.wanted();
    let mut message = exchange.reply(Status::OK);
    let group = message.group_mut(GroupTag::PRINTER);
    let lists = [
        (DESCRIPTION, description(exchange)),
        (DESCRIPTION, state(exchange)),
        (DESCRIPTION, identity(exchange)),
        (TEMPLATE, template(exchange.printer())),
        (TEMPLATE, media::attributes()),
    ];
    for (kind, list) in lists {
        group
            .attributes
            .extend(list.into_iter().filter(|a| wanted.has(&a.name, kind)));
    }
    if wanted.has_by_name(MEDIA_DATABASE) {
        group.push(Attribute::collections(
            MEDIA_DATABASE,
            media::SIZES.map(media::media_col),
        ));
    }
    Ok(message)
}

pub(super) fn identify(exchange: &Exchange<'_>) -> Result<Message, Refusal> {
    exchange.node.panel.show(PanelSignal::Identify, None);
    Ok(exchange.reply(Status::OK))
}

/// Protocol and document facts, the same for the life of the daemon.
fn description(exchange: &Exchange<'_>) -> Vec<Attribute> {
    let printer = exchange.printer();
    let operations = OPERATIONS.map(|operation| i32::from(operation.0));
    let mut list = vec![
        Attribute::charset("charset-configured", "utf-8"),
        Attribute::charsets("charset-supported", ["us-ascii", "utf-8"]),
        Attribute::natural_language("natural-language-configured", "en"),
        Attribute::natural_languages("generated-natural-language-supported", ["en"]),
        Attribute::keywords("ipp-versions-supported", ["1.1", "2.0"]),
        Attribute::keywords("ipp-features-supported", features(exchange)),
        Attribute::enumerations("operations-supported", operations),
        Attribute::keyword("compression-supported", "none"),
        Attribute::mime_media_type("document-format-default", document::AUTO_SENSE),
        Attribute::mime_media_types("document-format-supported", offered(printer)),
        Attribute::keyword("pdl-override-supported", "attempted"),
        Attribute::boolean("multiple-document-jobs-supported", false),
        Attribute::integer("multiple-operation-time-out", TIME_OUT_S.into()),
        Attribute::keyword("multiple-operation-time-out-action", "abort-job"),
        Attribute::boolean("job-ids-supported", true),
        Attribute::keywords(
            "which-jobs-supported",
            ["completed", "not-completed", "all"],
        ),
        Attribute::keywords("identify-actions-supported", ["display", "flash"]),
        Attribute::keyword("identify-actions-default", "flash"),
        Attribute::keywords("job-privacy-attributes", super::view::PRIVATE),
        Attribute::keyword("job-privacy-scope", "owner"),
        Attribute::keywords("job-creation-attributes-supported", CREATION),
        Attribute::keywords("printer-get-attributes-supported", ["document-format"]),
        Attribute::boolean("preferred-attributes-supported", false),
        Attribute::boolean("color-supported", printer.color),
        Attribute::integer("pages-per-minute", 30),
        Attribute::range("job-k-octets-supported", 0, k_octets_max(exchange.node)),
        Attribute::keywords("pwg-raster-document-type-supported", raster_types(printer)),
        Attribute::resolutions("pwg-raster-document-resolution-supported", resolutions()),
        Attribute::keyword("pwg-raster-document-sheet-back", "normal"),
        Attribute::keywords("urf-supported", urf(printer)),
        Attribute::keywords("pdf-versions-supported", ["adobe-1.7", "iso-32000-1_2008"]),
        Attribute::texts("mopria-certified", ["1.3"]),
    ];
    if let Some(preferred) = printer.formats.first() {
        list.push(Attribute::mime_media_type(
            "document-format-preferred",
            preferred.as_str(),
        ));
    }
    if printer.color {
        list.push(Attribute::integer("pages-per-minute-color", 30));
    }
    if printer.formats.iter().any(|format| format == PDF) {
        list.push(Attribute::integer("document-password-supported", 0));
    }
    list
}

const CREATION: [&str; 14] = [
    "copies",
    "finishings",
    "ipp-attribute-fidelity",
    "job-hold-until",
    "job-name",
    "media",
    "media-col",
    "multiple-document-handling",
    "orientation-requested",
    "output-bin",
    "print-color-mode",
    "print-quality",
    "printer-resolution",
    "sides",
];

fn resolutions() -> [i32; 2] {
    options::RESOLUTIONS_DPI.map(i32::from)
}

/// The proxy queue does not print: it stores for printers, which report their paper themselves
/// (PWG 5100.14 asks that of a printer, not of a server).
fn features(exchange: &Exchange<'_>) -> &'static [&'static str] {
    match exchange.door.queue {
        Queue::Proxy => &["ipp-everywhere", "ipp-everywhere-server"],
        Queue::Push(_) => &["ipp-everywhere"],
    }
}

/// What changes from one question to the next.
fn state(exchange: &Exchange<'_>) -> Vec<Attribute> {
    let node = exchange.node;
    let queue = &exchange.door.queue;
    let (state, mut reasons) = node.queue_state(match queue {
        Queue::Push(target) => Some(target.as_ref()),
        Queue::Proxy => None,
    });
    // A printer says so when no tray has what its job needs: the reason that PWG 5100.14 names.
    if reasons.iter().any(|reason| reason == "media-empty-error") {
        reasons.push("media-needed-error".to_owned());
    }
    let now = node.clock.now();
    let since = node.shown_states.since(queue.path(), state, &reasons, now);
    // The configuration is read once, at the start.
    let started = DateTime::from_unix_ms(node.started_unix_ms);
    vec![
        Attribute::enumeration("printer-state", state),
        Attribute::keywords("printer-state-reasons", reasons),
        Attribute::text("printer-state-message", node.panel.shown().text),
        Attribute::boolean("printer-is-accepting-jobs", true),
        Attribute::integer("printer-up-time", node.up_time_s()),
        Attribute::date_time("printer-current-time", DateTime::from_unix_ms(now.unix_ms)),
        Attribute::integer("printer-config-change-time", 1),
        Attribute::date_time("printer-config-change-date-time", started),
        Attribute::integer("printer-state-change-time", up_time_s(since)),
        Attribute::date_time(
            "printer-state-change-date-time",
            DateTime::from_unix_ms(since.unix_ms),
        ),
        Attribute::integer(
            "queued-job-count",
            i32::try_from(node.spool.held_count()).unwrap_or(i32::MAX),
        ),
    ]
}

/// Names and addresses.
fn identity(exchange: &Exchange<'_>) -> Vec<Attribute> {
    let node = exchange.node;
    let door = &exchange.door;
    let announce = &node.config.announce;
    let name = match &door.queue {
        Queue::Proxy => announce.name.clone(),
        Queue::Push(target) => format!("{} {}", announce.name, target.config.name),
    };
    let more = format!("http://{}/", door.authority);
    vec![
        Attribute::uris("printer-uri-supported", [door.uri("ipp"), door.uri("ipps")]),
        Attribute::keywords("uri-security-supported", ["none", "tls"]),
        Attribute::keywords(
            "uri-authentication-supported",
            ["requesting-user-name", "requesting-user-name"],
        ),
        Attribute::name("printer-name", name.as_str()),
        Attribute::name("printer-dns-sd-name", name.as_str()),
        Attribute::text("printer-info", name.as_str()),
        Attribute::text("printer-location", announce.location.as_str()),
        Attribute::unknown("printer-geo-location"),
        Attribute::text("printer-make-and-model", "Platen print release"),
        Attribute::text("printer-device-id", device_id(exchange.printer())),
        Attribute::uri("printer-more-info", more.as_str()),
        Attribute::uri("printer-supply-info-uri", more.as_str()),
        Attribute::uri("printer-icons", format!("{more}icon.png")),
        Attribute::uri("printer-uuid", format!("urn:uuid:{}", node.uuid)),
        Attribute::text("printer-organization", ""),
        Attribute::text("printer-organizational-unit", ""),
        Attribute::name("printer-firmware-name", "platend"),
        Attribute::text("printer-firmware-string-version", env!("CARGO_PKG_VERSION")),
        Attribute::octets("printer-firmware-version", env!("CARGO_PKG_VERSION")),
    ]
}

fn device_id(printer: &PrinterConfig) -> String {
    let commands: Vec<_> = printer
        .formats
        .iter()
        .filter_map(|format| command_set(format))
        .collect();
    format!(
        "MFG:Platen;MDL:print release;CMD:{};CLS:PRINTER;",
        commands.join(",")
    )
}

fn command_set(format: &str) -> Option<&'static str> {
    Some(match format {
        PDF => "PDF",
        "image/jpeg" => "JPEG",
        "image/pwg-raster" => "PWGRaster",
        "image/urf" => "AppleRaster",
        "application/postscript" => "PS",
        "application/vnd.hp-pcl" => "PCL",
        _ => return None,
    })
}

/// Job template defaults and ranges (RFC 8011 §5.2). Only what the box can pass on is offered.
fn template(printer: &PrinterConfig) -> Vec<Attribute> {
    let sides: &[&str] = if printer.can_duplex() {
        &["one-sided", "two-sided-long-edge", "two-sided-short-edge"]
    } else {
        &["one-sided"]
    };
    let colors: &[&str] = if printer.color {
        &["auto", "color", "monochrome"]
    } else {
        &["auto", "monochrome"]
    };
    vec![
        Attribute::integer("copies-default", 1),
        Attribute::range("copies-supported", 1, options::COPIES_MAX),
        Attribute::keyword("sides-default", "one-sided"),
        Attribute::keywords("sides-supported", sides),
        Attribute::keyword("print-color-mode-default", "auto"),
        Attribute::keywords("print-color-mode-supported", colors),
        Attribute::enumeration("print-quality-default", 4),
        Attribute::enumerations("print-quality-supported", [3, 4, 5]),
        Attribute::resolution("printer-resolution-default", 300),
        Attribute::resolutions("printer-resolution-supported", resolutions()),
        Attribute::enumeration("orientation-requested-default", 3),
        Attribute::enumerations("orientation-requested-supported", [3, 4, 5, 6]),
        Attribute::enumeration("finishings-default", 3),
        Attribute::enumeration("finishings-supported", 3),
        Attribute::keyword("output-bin-default", "face-down"),
        Attribute::keyword("output-bin-supported", "face-down"),
        Attribute::keyword("job-hold-until-default", "no-hold"),
        Attribute::keywords("job-hold-until-supported", ["no-hold", "indefinite"]),
        Attribute::integer("job-priority-default", 50),
        Attribute::integer("job-priority-supported", 1),
        Attribute::keyword("job-sheets-default", "none"),
        Attribute::keyword("job-sheets-supported", "none"),
        Attribute::integer("number-up-default", 1),
        Attribute::integer("number-up-supported", 1),
        Attribute::keyword(
            "multiple-document-handling-default",
            "separate-documents-collated-copies",
        ),
        Attribute::keywords(
            "multiple-document-handling-supported",
            [
                "separate-documents-uncollated-copies",
                "separate-documents-collated-copies",
            ],
        ),
        Attribute::keyword("print-content-optimize-default", "auto"),
        Attribute::keyword("print-content-optimize-supported", "auto"),
        Attribute::keyword("print-rendering-intent-default", "auto"),
        Attribute::keyword("print-rendering-intent-supported", "auto"),
        Attribute::keyword("print-scaling-default", "auto"),
        Attribute::keywords("print-scaling-supported", options::SCALINGS),
        Attribute::boolean("page-ranges-supported", false),
    ]
}

fn offered(printer: &PrinterConfig) -> Vec<&str> {
    let formats = printer.formats.iter().map(String::as_str);
    std::iter::once(document::AUTO_SENSE)
        .chain(formats)
        .collect()
}

fn raster_types(printer: &PrinterConfig) -> &'static [&'static str] {
    if printer.color {
        &["black_1", "sgray_8", "srgb_8"]
    } else {
        &["black_1", "sgray_8"]
    }
}

/// URF capabilities: version, copies, grey (and colour) depths, resolutions, sides, quality.
fn urf(printer: &PrinterConfig) -> Vec<&'static str> {
    let mut list = vec![
        "V1.4",
        "CP1",
        "W8",
        "RS300-600",
        "PQ3-4-5",
        "MT1",
        "IS1",
        "OB10",
    ];
    if printer.color {
        list.push("SRGB24");
    }
    if printer.can_duplex() {
        list.push("DM1");
    }
    list
}

fn k_octets_max(node: &Node) -> i32 {
    let k_octets = node.config.ipp.max_document_mib.saturating_mul(1024);
    i32::try_from(k_octets).unwrap_or(i32::MAX)
}

/// The TXT record of the proxy queue (Bonjour Printing 1.2.1, PWG 5100.14 §4.2).
pub(crate) fn announcement_txt(node: &Node, authority: &str) -> Vec<(String, String)> {
    let printer = node.default_printer();
    let flag = |flag: bool| if flag { "T" } else { "F" }.to_owned();
    let rows = [
        ("txtvers", "1".to_owned()),
        ("qtotal", "1".to_owned()),
        (
            "rp",
            crate::intake::PROXY_PATH.trim_start_matches('/').to_owned(),
        ),
        ("ty", "Platen print release".to_owned()),
        ("product", "(Platen print release)".to_owned()),
        ("note", node.config.announce.location.clone()),
        ("adminurl", format!("http://{authority}/")),
        ("pdl", offered(printer).join(",")),
        ("URF", urf(printer).join(",")),
        ("UUID", node.uuid.to_string()),
        ("TLS", "1.3".to_owned()),
        ("Color", flag(printer.color)),
        ("Duplex", flag(printer.can_duplex())),
        ("Copies", "T".to_owned()),
        ("PaperMax", "isoC-A2".to_owned()),
        ("kind", "document".to_owned()),
        ("priority", "0".to_owned()),
        ("mopria-certified", "1.3".to_owned()),
    ];
    rows.map(|(key, value)| (key.to_owned(), value)).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offered_operation_has_a_registered_name() {
        for operation in OPERATIONS {
            assert!(operation.name().is_some(), "{:#06x}", operation.0);
        }
    }

    #[test]
    fn a_printer_without_pjl_offers_no_second_side() {
        let printer = toml::from_str("name = \"p\"\nuri = \"file:/x\"").unwrap();
        let sides = template(&printer)
            .into_iter()
            .find(|a| a.name == "sides-supported")
            .unwrap();
        assert_eq!(sides.values.len(), 1);
    }
}
