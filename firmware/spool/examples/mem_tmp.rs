//! tmp
use platen_model::*;
use platen_spool::*;
use platen_store::*;
use std::sync::Arc;
fn rss(w: &str) {
    let s = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let l = s
        .lines()
        .find(|l| l.starts_with("VmRSS"))
        .unwrap_or("")
        .to_owned();
    println!("{w}: {l}");
}
fn maps() {
    let s = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let mut head = String::new();
    for l in s.lines() {
        if l.contains('-') && !l.contains("kB") {
            head = l.to_owned();
        }
        if let Some(r) = l.strip_prefix("Rss:") {
            let k: u64 = r.trim().trim_end_matches(" kB").parse().unwrap_or(0);
            if k > 500 {
                println!("   {k} kB {head}");
            }
        }
    }
}
fn main() {
    let dir = std::path::PathBuf::from(std::env::args().nth(1).expect("dir"));
    rss("start");
    let disk = Arc::new(RealDisk::open(&dir).expect("d"));
    let keys = Arc::new(Keys::open(&*disk).expect("k"));
    rss("keys");
    let (db, o) = Database::open(&dir.join("database"), &keys).expect("db");
    println!("{o:?}");
    rss("db");
    maps();
    let (spool, r) = Spool::open(
        disk,
        keys,
        &db,
        Arc::new(ManualClock::at(1)),
        SpoolLimits::default(),
    )
    .expect("s");
    println!("{r:?}");
    rss("spool");
    maps();
    drop(spool);
    rss("dropped");
}
