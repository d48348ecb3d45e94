// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The comparison of two builds: what it calls the same, and what it finds.

use std::path::Path;
use std::process::Command;

use crate::external;

/// A file that begins like a squashfs of so many bytes, with something behind it.
fn bundle(content: u8, signature: &str) -> Vec<u8> {
    let bytes: u64 = 4096;
    let mut made = vec![content; 4096];
    made[40..48].copy_from_slice(&bytes.to_le_bytes());
    made.extend_from_slice(signature.as_bytes());
    made
}

fn release(folder: &Path, root: &str, bundle: &[u8], sum: &str) {
    std::fs::create_dir(folder).unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    put("root.img", root.as_bytes());
    put("platen-1.raucb", bundle);
    let facts = format!(
        "{{\"version\":\"1\",\"size\":{},\"sha256\":\"{sum}\",\"build_unix_s\":0}}\n",
        bundle.len()
    );
    put("platen-1.json", facts.as_bytes());
    put(
        "sizes.txt",
        format!("kernel\t5\nbundle\t{}\n", bundle.len()).as_bytes(),
    );
    put("SHA256SUMS", sum.as_bytes());
}

fn compare(a: &Path, b: &Path) -> (bool, String) {
    let output = Command::new(external().join("scripts/check-reproducible.sh"))
        .args([a, b])
        .output()
        .unwrap();
    (
        output.status.success(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn two_builds_that_were_signed_apart_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    release(&a, "root", &bundle(1, "signed today"), "aa");
    release(&b, "root", &bundle(1, "signed tomorrow"), "bb");
    let (same, said) = compare(&a, &b);
    assert!(same && said.contains("nothing differs"), "{said}");
    assert!(
        said.contains("same content, signed twice: platen-1.raucb"),
        "{said}"
    );
}

#[test]
fn a_byte_that_differs_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    release(&at("a"), "root", &bundle(1, ""), "aa");
    release(&at("other-root"), "toor", &bundle(1, ""), "aa");
    release(&at("other-bundle"), "root", &bundle(2, ""), "aa");
    release(&at("less"), "root", &bundle(1, ""), "aa");
    std::fs::remove_file(at("less").join("root.img")).unwrap();
    for (other, file) in [
        ("other-root", "root.img"),
        ("other-bundle", "platen-1.raucb"),
        ("less", "root.img"),
    ] {
        let (same, said) = compare(&at("a"), &at(other));
        assert!(
            !same && said.contains(&format!("differs: {file}")),
            "{other}: {said}"
        );
        assert_eq!(said.matches("differs: ").count(), 1, "{other}: {said}");
    }
}

#[test]
fn two_empty_folders_are_not_called_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (same, said) = compare(folder.path(), folder.path());
    assert!(!same && !said.contains("nothing differs"), "{said}");
}
