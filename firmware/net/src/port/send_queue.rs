// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many bytes of a TCP connection the peer has not acknowledged yet. The direct question to
//! the kernel (`SIOCOUTQ`) needs an unsafe call; `/proc/self/net/tcp` has the same number in its
//! column `tx_queue` (kernel: Documentation/networking/proc_net_tcp.rst).

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;

/// Bytes sent and not acknowledged, the end mark counting as one; `None` when the kernel does not
/// list the connection (any more).
pub(super) fn unacknowledged(stream: &TcpStream) -> Option<u64> {
    let inode = rustix::fs::fstat(stream).ok()?.st_ino.to_string();
    ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .into_iter()
        .find_map(|table| {
            let lines = BufReader::new(File::open(table).ok()?)
                .lines()
                .map_while(Result::ok);
            lines.skip(1).find_map(|line| queue_of(&line, &inode))
        })
}

/// Columns: `sl local remote st tx_queue:rx_queue tr:when retrnsmt uid timeout inode …`
fn queue_of(line: &str, inode: &str) -> Option<u64> {
    let mut columns = line.split_ascii_whitespace();
    let queues = columns.nth(4)?;
    if columns.nth(4)? != inode {
        return None;
    }
    u64::from_str_radix(queues.split_once(':')?.0, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_of_the_named_inode_is_read() {
        let line = "   1: 0100007F:A3E2 0100007F:238C 01 0000001A:00000000 01:00000014 00000000 \
                    0 0 4242 2 0000000000000000 20 4 30 10 -1";
        assert_eq!(queue_of(line, "4242"), Some(26));
        assert_eq!(queue_of(line, "424"), None);
        assert_eq!(
            queue_of("  sl  local_address rem_address   st", "4242"),
            None
        );
    }
}
