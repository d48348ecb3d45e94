// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The data partition: grown, made, found again, never made over something else, made anew where a cut
//! left half of it. The tools are the real ones, on files; only what would need device-mapper is replaced.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::bench::{Bench, CUT, Ran, program, ran};

const MIB: u64 = 1 << 20;
/// Sectors of a mebibyte.
const OF_MIB: u64 = 2048;

/// A box with a disk of 200 MiB, whose last partition is the data partition, a file of its own.
fn bench(board: &str) -> Bench {
    let bench = Bench::new(board);
    fs::create_dir_all(bench.at("dev/mapper")).unwrap();
    fs::create_dir_all(bench.at("run/platen-disk")).unwrap();
    let file = fs::File::create(bench.at("dev/vda6")).unwrap();
    file.set_len(40 * MIB).unwrap();
    symlink(bench.at("dev/vda6"), bench.at("run/platen-disk/data")).unwrap();
    bench.write("sys/class/dmi/id/product_uuid", "4c4c4544-0001\n");
    let real = program("cryptsetup");
    // To open is to compare the key with the one of the making: a header that forgot it opens nothing.
    let opened = bench.at("dev/mapper/platen-data");
    bench.stub(
        "cryptsetup",
        &format!(
            "case $1 in open) busybox cat > '{0}.try'; \
             {1} open --test-passphrase --type luks2 --key-file '{0}.try' '{2}' || exit 2; \
             [ -e '{0}' ] || busybox truncate -s 24M '{0}' ;; *) exec {1} \"$@\" ;; esac",
            opened.display(),
            real.display(),
            bench.at("dev/vda6").display()
        ),
    );
    bench
}

fn label(bench: &Bench) -> String {
    let dump = ran(Command::new(program("cryptsetup"))
        .arg("luksDump")
        .arg(bench.at("dev/vda6")));
    let line = dump
        .out
        .lines()
        .find_map(|line| line.strip_prefix("Label:"));
    line.unwrap_or_default().trim().to_owned()
}

/// A start: what was open is not any more.
fn start(bench: &Bench) -> Ran {
    bench.run("data", &[])
}

fn made_anew(ran: &Ran) -> bool {
    ran.out.contains("the data partition is made anew")
}

#[test]
fn overlay_makes_the_data_partition_once_and_finds_it_again() {
    let bench = bench("x86_64");
    let first = start(&bench);
    assert!(first.ok && made_anew(&first), "{first:?}");
    assert_eq!(label(&bench), "platen-data");
    for folder in [
        "platen",
        "update",
        "etc/platen",
        "etc/network",
        "ssh",
        "rauc",
    ] {
        assert!(bench.at("data").join(folder).is_dir(), "{folder}");
    }
    assert!(
        bench
            .read("data/etc/platen/node.toml")
            .contains("[[printer]]")
    );
    assert_eq!(
        fs::read_link(bench.at("data/etc/platen/board.toml")).unwrap(),
        PathBuf::from("/usr/share/platen/board.toml")
    );
    bench.write("data/etc/platen/node.toml", "# the administrator's");
    let second = start(&bench);
    assert!(second.ok && !made_anew(&second), "{second:?}");
    assert_eq!(
        bench.read("data/etc/platen/node.toml"),
        "# the administrator's"
    );
}

/// This machine's kernel may not have the cipher; what is asked for is seen all the same.
#[test]
fn overlay_takes_the_cipher_and_the_key_that_suit_the_board() {
    for (board, words) in [
        (
            "raspberrypi4_64",
            "--cipher xchacha12,aes-adiantum-plain64 --key-size 256 --sector-size 4096",
        ),
        (
            "x86_64",
            "--cipher aes-xts-plain64 --key-size 512 --sector-size 4096",
        ),
    ] {
        let bench = bench(board);
        bench.stub(
            "cryptsetup",
            "[ $1 = luksFormat ] && busybox cat > /dev/null; exit 1",
        );
        start(&bench);
        let calls = bench.calls();
        assert!(
            calls.contains(words) && calls.contains("--key-file - "),
            "{calls}"
        );
        assert!(
            !calls.contains("4c4c4544"),
            "what the key is made of is in no list of processes: {calls}"
        );
    }
}

#[test]
fn overlay_opens_the_data_partition_on_its_own_board_only() {
    let bench = bench("x86_64");
    assert!(start(&bench).ok);
    bench.write("sys/class/dmi/id/product_uuid", "4c4c4544-0002\n");
    let moved = start(&bench);
    assert!(
        !moved.ok && moved.err.contains("belongs to another board"),
        "{moved:?}"
    );
    assert!(
        moved.err.contains("a file named factory-reset"),
        "it says what to do: {moved:?}"
    );
    bench.write("sys/class/dmi/id/product_uuid", "4c4c4544-0001\n");
    assert!(start(&bench).ok, "nothing was lost by the try");
    bench.write("boot/firmware/platen/data.seed", "another");
    assert!(!start(&bench).ok);
}

#[test]
fn overlay_makes_nothing_over_what_it_did_not_make() {
    let bench = bench("x86_64");
    let mut bytes = vec![0; usize::try_from(40 * MIB).unwrap()];
    bytes[3_000_000] = 1;
    fs::write(bench.at("dev/vda6"), &bytes).unwrap();
    let stopped = start(&bench);
    assert!(
        !stopped.ok
            && stopped
                .err
                .contains("holds something that is not this box's"),
        "{stopped:?}"
    );
    assert_eq!(fs::read(bench.at("dev/vda6")).unwrap(), bytes);
    // Unless it is wished for.
    bench.write("boot/firmware/platen/factory-reset.txt", "");
    let ran = start(&bench);
    assert!(ran.ok && made_anew(&ran), "{ran:?}");
    assert!(!bench.has("boot/firmware/platen/factory-reset.txt"));
}

#[test]
fn overlay_erases_everything_at_a_factory_reset() {
    let bench = bench("x86_64");
    assert!(start(&bench).ok);
    let (seed, header) = (
        bench.read("boot/firmware/platen/data.seed"),
        fs::read(bench.at("dev/vda6")).unwrap(),
    );
    bench.write("boot/firmware/platen/node.toml.taken", "secrets");
    bench.write("boot/firmware/platen/factory-reset", "");
    let ran = start(&bench);
    assert!(ran.ok && made_anew(&ran), "{ran:?}");
    assert_ne!(bench.read("boot/firmware/platen/data.seed"), seed);
    assert_ne!(
        fs::read(bench.at("dev/vda6")).unwrap()[..65536],
        header[..65536]
    );
    for gone in ["factory-reset", "node.toml.taken"] {
        assert!(
            !bench.has(&format!("boot/firmware/platen/{gone}")),
            "{gone}"
        );
    }
    assert!(!made_anew(&start(&bench)));
}

/// After the n-th step that writes, the power goes. Whatever is left, the next start makes a whole one;
/// and once one was whole, it stays.
#[test]
fn overlay_makes_the_data_partition_anew_after_a_cut_at_any_step() {
    for wish in [false, true] {
        for steps in 0..12 {
            let bench = bench("x86_64");
            if wish {
                assert!(start(&bench).ok);
                bench.write("boot/firmware/platen/factory-reset", "");
            }
            cut_after(&bench, steps);
            let cut = start(&bench);
            let whole =
                label(&bench) == "platen-data" && !bench.has("boot/firmware/platen/factory-reset");
            fs::remove_file(bench.at("left")).unwrap();
            let next = start(&bench);
            assert!(
                next.ok,
                "{steps} steps, wish {wish}: {cut:?}, then {next:?}"
            );
            assert_eq!(
                made_anew(&next),
                !whole,
                "{steps} steps, wish {wish}: {cut:?}, then {next:?}"
            );
            assert_eq!(label(&bench), "platen-data");
            assert!(!bench.has("boot/firmware/platen/factory-reset"));
            assert!(!made_anew(&start(&bench)), "{steps} steps, wish {wish}");
        }
    }
}

/// Puts a counter before every program that writes: `dd`, `sync`, `mv`, `mkfs.ext4` and the writing
/// words of `cryptsetup`. At zero the power goes; without its file there is no counter.
fn cut_after(bench: &Bench, steps: usize) {
    bench.write("left", &"x".repeat(steps));
    let folder = bench.at("").display().to_string();
    let count = format!(
        "if [ -e '{folder}/left' ]; then [ -s '{folder}/left' ] || {CUT}; \
         busybox sed 's/x//' '{folder}/left' > '{folder}/l2'; busybox cp '{folder}/l2' '{folder}/left'; fi"
    );
    for name in ["dd", "sync", "mv"] {
        bench.stub(name, &format!("{count}\nexec busybox {name} \"$@\""));
    }
    bench.stub(
        "mkfs.ext4",
        &format!("{count}\nexec {} \"$@\"", program("mkfs.ext4").display()),
    );
    let kept = fs::read_to_string(bench.at("bin/cryptsetup")).unwrap();
    let text = kept.replacen(
        "case $1 in",
        &format!("case $1 in luksFormat|config|erase) {count} ;; esac\ncase $1 in"),
        1,
    );
    fs::write(bench.at("bin/cryptsetup"), text).unwrap();
}

/// The start and the size of a partition, in sectors.
fn extent(disk: &PathBuf, number: u32) -> (u64, u64) {
    let dump = ran(Command::new(program("sfdisk")).arg("--dump").arg(disk));
    let name = format!("vda{number} :");
    let line = dump
        .out
        .lines()
        .find(|line| line.contains(&name))
        .unwrap_or_else(|| panic!("{}", dump.out));
    let value = |key: &str| {
        line.split_once(key)
            .unwrap()
            .1
            .split(',')
            .next()
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    };
    (value("start="), value("size="))
}

fn with_table(
    board: &str,
    table: &str,
    number: u32,
    begin_mib: u64,
    sectors: u64,
) -> (Bench, PathBuf) {
    let bench = bench(board);
    let disk = bench.at("dev/vda");
    fs::File::create(&disk).unwrap().set_len(100 * MIB).unwrap();
    let mut sfdisk = Command::new(program("sfdisk"));
    let mut child = sfdisk
        .arg("-q")
        .arg(&disk)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), table.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    // The card is larger than the image.
    fs::OpenOptions::new()
        .write(true)
        .open(&disk)
        .unwrap()
        .set_len(sectors * 512)
        .unwrap();
    let block = format!("sys/devices/vda/vda{number}");
    bench.write(&format!("{block}/partition"), &format!("{number}\n"));
    bench.write(
        &format!("{block}/start"),
        &format!("{}\n", begin_mib * OF_MIB),
    );
    bench.write(&format!("{block}/size"), &format!("{}\n", 40 * OF_MIB));
    bench.write("sys/devices/vda/size", &format!("{sectors}\n"));
    fs::create_dir_all(bench.at("sys/class/block")).unwrap();
    symlink(bench.at("sys/devices/vda"), bench.at("sys/class/block/vda")).unwrap();
    symlink(
        bench.at(&block),
        bench.at(&format!("sys/class/block/vda{number}")),
    )
    .unwrap();
    fs::rename(bench.at("dev/vda6"), bench.at("dev/part")).unwrap();
    symlink(bench.at("dev/part"), bench.at(&format!("dev/vda{number}"))).unwrap();
    bench.stub(
        "readlink",
        &format!(
            "case $* in *platen-disk*) echo {} ;; *) exec busybox readlink \"$@\" ;; esac",
            bench.at(&format!("dev/vda{number}")).display()
        ),
    );
    (bench, disk)
}

#[test]
fn overlay_grows_the_data_partition_to_whole_mebibytes() {
    let gpt = "label: gpt\nsize=2MiB\nsize=2MiB\nsize=2MiB\nsize=2MiB\nsize=2MiB\nsize=40MiB\n";
    // The first is at 1 MiB, so the sixth at 11. No card has a round number of sectors.
    for sectors in [843_199, 400 * OF_MIB, 400 * OF_MIB + 7] {
        let (bench, disk) = with_table("x86_64", gpt, 6, 11, sectors);
        let ran = start(&bench);
        assert!(ran.out.contains("the partition has grown"), "{ran:?}");
        let (begin, size) = extent(&disk, 6);
        assert_eq!((begin, size % OF_MIB), (11 * OF_MIB, 0), "{sectors}");
        let rest = sectors - begin - size;
        assert!(
            (OF_MIB..2 * OF_MIB).contains(&rest),
            "{rest} sectors are left of {sectors}"
        );
        assert_eq!(
            extent(&disk, 5),
            (9 * OF_MIB, 2 * OF_MIB),
            "the others stay"
        );
    }
}

#[test]
fn overlay_grows_the_extended_partition_before_the_data_in_it() {
    let mbr = "label: dos\nsize=2MiB\nsize=2MiB\nsize=2MiB\nstart=8MiB, size=80MiB, type=5\n\
               start=9MiB, size=2MiB\nstart=12MiB, size=2MiB\nstart=15MiB, size=40MiB\n";
    let (bench, disk) = with_table("raspberrypi4_64", mbr, 7, 15, 300 * OF_MIB + 99);
    let ran = start(&bench);
    assert!(ran.out.contains("the partition has grown"), "{ran:?}");
    let end = |number| {
        let (begin, size) = extent(&disk, number);
        begin + size
    };
    assert_eq!((end(4), end(7)), (299 * OF_MIB, 299 * OF_MIB));
    assert_eq!(
        (extent(&disk, 7).0, extent(&disk, 6)),
        (15 * OF_MIB, (12 * OF_MIB, 2 * OF_MIB))
    );
}
