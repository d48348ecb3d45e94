#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Adds the Rust crates of platend and platenctl to Buildroot's list of what an image holds (CycloneDX 1.6, JSON).

sbom.py --target TRIPLE --version VERSION BUILDROOT.cdx.json > IMAGE.cdx.json
sbom.py --target TRIPLE --licences FOLDER     copies the licence texts of what is linked into the programs

Reads Cargo.lock, `cargo metadata` and `cargo tree`, offline or not as cargo decides. Crates that are linked into the
programs are "required"; what only the build runs (macros, build scripts) is "excluded", as are Buildroot's host tools.
The same inputs give the same bytes: the time is SOURCE_DATE_EPOCH, the serial number comes from the content.
"""

import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = ["platen-node", "platen-ctl"]
LICENCE_FILE = re.compile(r"(un)?licen[cs]e|copying|copyright|notice", re.IGNORECASE)
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def cargo(*arguments):
    command = [os.environ.get("CARGO", "cargo"), *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def packages_of(target, edges):
    """Name and version of every package that the programs reach over such edges."""
    selected = [word for name in PROGRAMS for word in ("--package", name)]
    lines = cargo("tree", "--locked", "--target", target, "--edges", edges, "--prefix", "none", *selected)
    return {tuple(re.match(r"(\S+) v(\S+)", line).groups()) for line in lines.splitlines() if line}


def reference(name, version):
    return f"pkg:cargo/{name}@{version}"


def checksums():
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {(entry["name"], entry["version"]): entry.get("checksum") for entry in locked["package"]}


def component(package, linked, checksum):
    name, version = package["name"], package["version"]
    made = {
        "bom-ref": reference(name, version),
        "type": "application" if name in PROGRAMS else "library",
        "name": name,
        "version": version,
        "scope": "required" if linked else "excluded",
    }
    if package.get("license"):
        made["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if package["source"] == CRATES_IO:
        made["purl"] = reference(name, version)
    if checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return made


def metadata(target):
    return json.loads(cargo("metadata", "--locked", "--format-version", "1", "--filter-platform", target))


def linked_into_programs(target):
    return packages_of(target, "normal,no-proc-macro")


def copy_licences(target, folder):
    """One folder a crate. A crate without a text has its licence's name there."""
    linked = linked_into_programs(target)
    for package in metadata(target)["packages"]:
        if package["source"] is None or (package["name"], package["version"]) not in linked:
            continue
        place = folder / f"{package['name']}-{package['version']}"
        place.mkdir(parents=True, exist_ok=True)
        crate = Path(package["manifest_path"]).parent
        texts = [path for path in crate.iterdir() if path.is_file() and LICENCE_FILE.match(path.name)]
        for path in texts:
            shutil.copy(path, place)
        if not texts:
            (place / "SPDX").write_text(f"{package['license']}\n")


def crates(target):
    """The components, and who depends on whom among them."""
    linked = linked_into_programs(target)
    wanted = linked | packages_of(target, "normal,build")
    found = metadata(target)
    by_id = {package["id"]: (package["name"], package["version"]) for package in found["packages"]}
    sums = checksums()
    components = [
        component(package, by_id[package["id"]] in linked, sums.get(by_id[package["id"]]))
        for package in found["packages"]
        if by_id[package["id"]] in wanted
    ]
    dependencies = [
        {
            "ref": reference(*by_id[node["id"]]),
            "dependsOn": sorted(
                reference(*by_id[dep["pkg"]])
                for dep in node["deps"]
                if by_id[dep["pkg"]] in wanted and any(kind["kind"] != "dev" for kind in dep["dep_kinds"])
            ),
        }
        for node in found["resolve"]["nodes"]
        if by_id[node["id"]] in wanted
    ]
    programs = sorted(entry["bom-ref"] for entry in components if entry["name"] in PROGRAMS)
    return components, dependencies, programs


def tidy_buildroot(bom, version):
    """Host tools are not in the image, and the package of this project has a version and a licence of its own."""
    for entry in bom["components"]:
        kinds = [item["value"] for item in entry.get("properties", []) if item["name"] == "BR_TYPE"]
        if kinds == ["host"]:
            entry["scope"] = "excluded"
        if entry["bom-ref"] == "platen":
            entry["version"] = version
            entry["licenses"] = [{"expression": "Apache-2.0 OR MIT"}]
            entry.pop("externalReferences", None)


def merge(bom, target, version):
    tidy_buildroot(bom, version)
    components, dependencies, programs = crates(target)
    bom["components"] = sorted(bom["components"] + components, key=lambda entry: entry["bom-ref"])
    owner = "platen" if any(entry["bom-ref"] == "platen" for entry in bom["components"]) else None
    owner = owner or bom["metadata"]["component"]["bom-ref"]
    for entry in bom["dependencies"]:
        if entry["ref"] == owner:
            entry["dependsOn"] = sorted(entry.get("dependsOn", []) + programs)
    bom["dependencies"] = sorted(bom["dependencies"] + dependencies, key=lambda entry: entry["ref"])
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    made_at = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc)
    bom["metadata"]["timestamp"] = made_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    bom["version"] = 1
    content = json.dumps(bom, sort_keys=True)
    bom["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}"
    return bom


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", required=True, help="the Rust target of the board")
    parser.add_argument("--licences", type=Path, metavar="FOLDER", help="copy licence texts there, and no more")
    parser.add_argument("--version", help="the version of the image")
    parser.add_argument("buildroot", type=Path, nargs="?", help="what Buildroot's generate-cyclonedx wrote")
    arguments = parser.parse_args()
    if arguments.licences:
        copy_licences(arguments.target, arguments.licences)
        return
    if not arguments.buildroot or not arguments.version:
        parser.error("a list needs --version and Buildroot's own list")
    bom = json.loads(arguments.buildroot.read_text())
    if bom.get("bomFormat") != "CycloneDX" or bom.get("specVersion") != "1.6":
        sys.exit(f"{arguments.buildroot} is no CycloneDX 1.6")
    json.dump(merge(bom, arguments.target, arguments.version), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
