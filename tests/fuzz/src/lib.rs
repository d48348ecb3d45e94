// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fuzz targets: one function for each parser of outside data, in a file of its own. A target
//! returns for every input; it panics when the parser does, or when it breaks its promise.
//!
//! `tests/smoke.rs` runs each with some thousand mutations of its corpus; the package in
//! `libfuzzer/`, which is no member of the workspace, runs them under cargo-fuzz.
//!
//! A new target: a file here, a row in [`TARGETS`], a folder with a few good inputs.

mod bmlite_packet;
mod board;
mod card_frame;
mod card_number;
mod card_proof;
mod damage;
mod device_keys;
mod directory_page;
mod ef01_packet;
mod ieee1284;
mod ipp;
mod ipp_answer;
mod isodep;
mod keypad;
mod ledger_segment;
mod login_text;
mod lpr;
mod osdp_frame;
mod pdf_count;
mod pjl;
mod pn532_link;
mod raster_count;
mod release_offers;
mod rule_text;
mod sealed_box;
mod sealed_job;
mod sensor_calls;
mod snmp;
mod sync_message;
mod update_record;
mod users_csv;
mod web_form;
mod wedge_keys;
mod wiegand;

pub use bmlite_packet::bmlite_packet;
pub use board::board;
pub use card_frame::card_frame;
pub use card_number::card_number;
pub use card_proof::card_proof;
pub use device_keys::device_keys;
pub use directory_page::directory_page;
pub use ef01_packet::ef01_packet;
pub use ieee1284::ieee1284;
pub use ipp::ipp_request;
pub use ipp_answer::ipp_answer;
pub use isodep::isodep;
pub use keypad::keypad;
pub use ledger_segment::ledger_segment;
pub use login_text::{phone_token, secret_hash, typed_secret};
pub use lpr::lpr_ack;
pub use osdp_frame::osdp_frame;
pub use pdf_count::pdf_count;
pub use pjl::pjl_status;
pub use pn532_link::pn532_link;
pub use raster_count::raster_count;
pub use release_offers::release_offers;
pub use rule_text::rule_text;
pub use sealed_job::sealed_job;
pub use snmp::snmp_message;
pub use sync_message::sync_message;
pub use update_record::update_record;
pub use users_csv::users_csv;
pub use web_form::web_form;
pub use wedge_keys::wedge_keys;
pub use wiegand::wiegand;

/// Name, function, and the folders with its inputs, under `tests/`.
pub type Target = (&'static str, fn(&[u8]), &'static [&'static str]);

/// Every target.
pub const TARGETS: &[Target] = &[
    (
        "bmlite_packet",
        bmlite_packet,
        &["fuzz/corpus/bmlite_packet"],
    ),
    ("board", board, &["fuzz/corpus/board"]),
    ("card_frame", card_frame, &["fuzz/corpus/card_frame"]),
    ("card_number", card_number, &["fuzz/corpus/card_number"]),
    ("card_proof", card_proof, &["fuzz/corpus/card_proof"]),
    ("device_keys", device_keys, &["fuzz/corpus/device_keys"]),
    (
        "directory_page",
        directory_page,
        &["fuzz/corpus/directory_page"],
    ),
    ("ef01_packet", ef01_packet, &["fuzz/corpus/ef01_packet"]),
    ("ieee1284", ieee1284, &["fuzz/corpus/ieee1284"]),
    ("ipp_answer", ipp_answer, &["fuzz/corpus/ipp_answer"]),
    (
        "ipp_request",
        ipp_request,
        &["fuzz/corpus/ipp_request", "data/ipp"],
    ),
    ("keypad", keypad, &["fuzz/corpus/keypad"]),
    ("isodep", isodep, &["fuzz/corpus/isodep"]),
    (
        "ledger_segment",
        ledger_segment,
        &["fuzz/corpus/ledger_segment"],
    ),
    ("osdp_frame", osdp_frame, &["fuzz/corpus/osdp_frame"]),
    ("lpr_ack", lpr_ack, &["fuzz/corpus/lpr_ack"]),
    ("pdf_count", pdf_count, &["data/pdl"]),
    ("phone_token", phone_token, &["fuzz/corpus/phone_token"]),
    ("pjl_status", pjl_status, &["fuzz/corpus/pjl_status"]),
    ("pn532_link", pn532_link, &["fuzz/corpus/pn532_link"]),
    ("raster_count", raster_count, &["data/pdl/raster"]),
    (
        "release_offers",
        release_offers,
        &["fuzz/corpus/release_offers"],
    ),
    ("rule_text", rule_text, &["fuzz/corpus/rule_text"]),
    ("sealed_job", sealed_job, &["fuzz/corpus/sealed_job"]),
    ("secret_hash", secret_hash, &["fuzz/corpus/secret_hash"]),
    ("snmp_message", snmp_message, &["fuzz/corpus/snmp_message"]),
    ("typed_secret", typed_secret, &["fuzz/corpus/typed_secret"]),
    ("sync_message", sync_message, &["fuzz/corpus/sync_message"]),
    (
        "update_record",
        update_record,
        &["fuzz/corpus/update_record"],
    ),
    ("users_csv", users_csv, &["fuzz/corpus/users_csv"]),
    ("web_form", web_form, &["fuzz/corpus/web_form"]),
    ("wedge_keys", wedge_keys, &["fuzz/corpus/wedge_keys"]),
    ("wiegand", wiegand, &["fuzz/corpus/wiegand"]),
];
