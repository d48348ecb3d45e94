// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Holds the table of layers: which crate may use which, and what a layer never names. The table
//! stands in docs/ARCHITECTURE.md; each crate states its layer in `package.metadata.platen.layer`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Layer, what of ours it may use (layers, or single crates), crates it may use besides its layer.
const MAY_USE: [(&str, &[&str], &[&str]); 6] = [
    ("words", &[], &[]),
    ("pure", &["words"], &[]),
    ("state", &["words"], &["platen-store"]),
    ("edge", &["words"], &[]),
    ("program", &["words", "pure", "state", "edge"], &[]),
    ("tests", &["words", "pure", "state", "edge", "tests"], &[]),
];

/// Single permissions of the table: hal/linux puts drivers onto real buses.
const ALSO: [(&str, &str); 1] = [("platen-hal-linux", "platen-drivers")];

/// What a layer never names, by crate.
const NEVER: [(&str, &[&str]); 3] = [
    ("words", &["smol", "sled", "hyper", "rustix", "rustls"]),
    ("pure", &["smol", "sled", "hyper", "rustix", "rustls"]),
    ("state", &["hyper", "rustls"]),
];

/// Crates that only one crate may name.
const ONLY: [(&str, &[&str]); 4] = [
    ("sled", &["platen-store"]),
    ("linux-embedded-hal", &["platen-hal-linux"]),
    ("gpiocdev", &["platen-hal-linux"]),
    ("rppal", &["platen-hal-linux"]),
];

/// What a program may not use, of the layers that programs may use.
const PROGRAM_NEVER: [(&str, &[&str]); 2] = [
    (
        "platen-ctl",
        &[
            "platen-store",
            "platen-spool",
            "platen-auth",
            "platen-ledger",
        ],
    ),
    (
        "platen-central",
        &[
            "platen-store",
            "platen-spool",
            "platen-ledger",
            "platen-hal",
            "platen-hal-linux",
        ],
    ),
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata answers in a checkout")
}

fn layer(package: &Package) -> String {
    let layer = package.metadata["platen"]["layer"].as_str();
    layer
        .unwrap_or_else(|| panic!("{} states no layer", package.name))
        .to_owned()
}

/// Normal dependencies: what the crate ships with. Tests may use anything.
fn uses(package: &Package) -> BTreeSet<String> {
    let shipped = package
        .dependencies
        .iter()
        .filter(|d| d.kind == DependencyKind::Normal);
    shipped.map(|dependency| dependency.name.clone()).collect()
}

#[test]
fn each_crate_uses_only_what_its_layer_may() {
    let metadata = metadata();
    let layers: BTreeMap<String, String> = metadata
        .packages
        .iter()
        .map(|p| (p.name.to_string(), layer(p)))
        .collect();
    let mut faults = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let own = &layers[name];
        let (_, may_layers, may_crates) = MAY_USE
            .iter()
            .find(|(l, ..)| l == own)
            .expect("a layer of the table");
        for used in uses(package)
            .iter()
            .filter(|used| layers.contains_key(*used))
        {
            let allowed = may_layers.contains(&layers[used].as_str())
                || may_crates.contains(&used.as_str())
                || ALSO.contains(&(name, used.as_str()));
            if !allowed {
                faults.push(format!("{name} ({own}) uses {used} ({})", layers[used]));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_a_layer_never_names_is_not_named() {
    let mut faults = Vec::new();
    for package in &metadata().packages {
        let (name, own, used) = (package.name.as_str(), layer(package), uses(package));
        let never = NEVER
            .iter()
            .filter(|(l, _)| *l == own)
            .flat_map(|(_, crates)| *crates);
        let program = PROGRAM_NEVER
            .iter()
            .filter(|(p, _)| *p == name)
            .flat_map(|(_, c)| *c);
        faults.extend(
            never
                .chain(program)
                .filter(|c| used.contains(**c))
                .map(|c| (name.to_owned(), *c)),
        );
        for (single, owners) in ONLY {
            if used.contains(single) && !owners.contains(&name) {
                faults.push((name.to_owned(), single));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn no_asynchronous_runtime_but_ours_is_switched_on() {
    let output = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "platen-node",
            "--edges",
            "features,normal",
        ])
        .args(["--invert", "tokio", "--prefix", "none"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo tree runs in a checkout");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let features: BTreeSet<_> = text
        .lines()
        .filter_map(|l| l.strip_prefix("tokio feature \""))
        .collect();
    let known = ["default\"", "sync\""];
    let others: Vec<_> = features
        .iter()
        .filter(|f| !known.iter().any(|k| f.starts_with(k)))
        .collect();
    assert!(
        others.is_empty(),
        "tokio is more than hyper's channels here: {others:?}"
    );
}
