// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The list of what an image holds: the script that adds the Rust crates to Buildroot's own list,
//! on a small list of Buildroot's form. CycloneDX 1.6, <https://cyclonedx.org/docs/1.6/json/>.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Value, json};

use crate::external;

/// What Buildroot's generate-cyclonedx writes, in small: one tool of the host, a program, ours.
fn of_buildroot() -> Value {
    let part = |name: &str, kind: &str| {
        json!({"bom-ref": name, "type": "library", "name": name, "version": "local",
            "licenses": [{"license": {"name": "unknown"}}],
            "properties": [{"name": "BR_TYPE", "value": kind}]})
    };
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"bom-ref": "platen-sample", "name": "platen-sample",
            "version": "1.0.0", "type": "firmware"}},
        "components": [part("host-tar", "host"), part("busybox", "target"), part("platen", "target")],
        "dependencies": [
            {"ref": "platen-sample", "dependsOn": ["busybox", "platen"]},
            {"ref": "platen", "dependsOn": ["host-tar"]},
        ],
        "vulnerabilities": [],
    })
}

fn listed(input: &Value, epoch: &str) -> Result<Value, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("buildroot.cdx.json");
    std::fs::write(&file, input.to_string()).unwrap();
    let output = Command::new(external().join("scripts/sbom.py"))
        .args(["--target", "x86_64-unknown-linux-gnu", "--version", "1.0.0"])
        .arg(&file)
        .env("SOURCE_DATE_EPOCH", epoch)
        .output()
        .expect("python3 is installed by make deps");
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn components(bom: &Value) -> BTreeMap<String, Value> {
    let list = bom["components"].as_array().unwrap();
    let by_ref: BTreeMap<_, _> = list
        .iter()
        .map(|part| (part["bom-ref"].as_str().unwrap().to_owned(), part.clone()))
        .collect();
    assert_eq!(by_ref.len(), list.len(), "a reference stands for two parts");
    by_ref
}

/// One crate of the given name, whatever its version.
fn part<'a>(parts: &'a BTreeMap<String, Value>, name: &str) -> &'a Value {
    let mut with_name = parts.values().filter(|part| part["name"] == name);
    with_name
        .next()
        .unwrap_or_else(|| panic!("{name} is not listed"))
}

#[test]
fn the_list_of_parts_is_well_formed() {
    let bom = listed(&of_buildroot(), "1700000000").unwrap();
    assert_eq!(bom["bomFormat"], "CycloneDX");
    assert_eq!(bom["specVersion"], "1.6");
    assert_eq!(bom["version"], 1);
    assert_eq!(bom["metadata"]["timestamp"], "2023-11-14T22:13:20Z");
    let serial = bom["serialNumber"].as_str().unwrap();
    let uuid = serial.strip_prefix("urn:uuid:").unwrap();
    assert!(uuid::Uuid::parse_str(uuid).is_ok(), "{serial}");
    let parts = components(&bom);
    for part in parts.values() {
        let text = |key: &str| part[key].as_str().is_some_and(|text| !text.is_empty());
        assert!(text("type") && text("name") && text("version"), "{part}");
        for licence in part["licenses"].as_array().unwrap() {
            let one_way = licence.get("license").is_some() != licence.get("expression").is_some();
            assert!(one_way, "{part}");
        }
        for hash in part["hashes"].as_array().into_iter().flatten() {
            assert_eq!(hash["alg"], "SHA-256");
            assert_eq!(hash["content"].as_str().map(str::len), Some(64), "{part}");
        }
    }
    every_dependency_is_listed(&bom, &parts);
}

fn every_dependency_is_listed(bom: &Value, parts: &BTreeMap<String, Value>) {
    let known = |name: &Value| {
        let name = name.as_str().unwrap();
        name == "platen-sample" || parts.contains_key(name)
    };
    let mut seen = BTreeSet::new();
    for entry in bom["dependencies"].as_array().unwrap() {
        assert!(known(&entry["ref"]), "{entry}");
        assert!(
            seen.insert(entry["ref"].to_string()),
            "{entry} stands twice"
        );
        for name in entry["dependsOn"].as_array().unwrap() {
            assert!(known(name), "{} needs {name}", entry["ref"]);
        }
    }
}

#[test]
fn crates_of_the_programs_are_parts_and_tools_are_not() {
    let parts = components(&listed(&of_buildroot(), "0").unwrap());
    for name in ["platen-node", "platen-ctl"] {
        assert_eq!(part(&parts, name)["type"], "application");
    }
    let ring = part(&parts, "ring");
    let purl = format!("pkg:cargo/ring@{}", ring["version"].as_str().unwrap());
    assert_eq!(ring["purl"], purl);
    assert_eq!(ring["scope"], "required");
    assert!(ring["hashes"][0]["content"].is_string());
    assert_eq!(
        part(&parts, "serde_derive")["scope"],
        "excluded",
        "a macro is in no program"
    );
    assert_eq!(parts["host-tar"]["scope"], "excluded");
    assert_eq!(
        parts["platen"]["licenses"][0]["expression"],
        "Apache-2.0 OR MIT"
    );
    assert_eq!(parts["platen"]["version"], "1.0.0");
    let names: BTreeSet<_> = parts
        .values()
        .map(|part| part["name"].as_str().unwrap())
        .collect();
    for other in ["sqlx", "platen-central", "proptest", "platen-bed"] {
        assert!(!names.contains(other), "{other} is not in the box");
    }
}

#[test]
fn the_same_parts_give_the_same_list() {
    let first = listed(&of_buildroot(), "5").unwrap();
    assert_eq!(first, listed(&of_buildroot(), "5").unwrap());
    let later = listed(&of_buildroot(), "6").unwrap();
    assert_ne!(first["serialNumber"], later["serialNumber"]);
}

#[test]
fn another_form_is_refused() {
    let mut other = of_buildroot();
    other["specVersion"] = json!("1.4");
    let error = listed(&other, "0").unwrap_err();
    assert!(error.contains("no CycloneDX 1.6"), "{error}");
}

#[test]
fn licence_texts_of_crates_are_collected() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(external().join("scripts/sbom.py"))
        .args(["--target", "x86_64-unknown-linux-gnu", "--licences"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let crates: Vec<_> = folder.path().read_dir().unwrap().collect();
    assert!(crates.len() > 100, "{} crates", crates.len());
    for entry in crates {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let texts = path.read_dir().unwrap().count();
        assert!(texts > 0, "{name} has no licence");
        assert!(!name.starts_with("platen-"), "{name} is ours");
    }
}
