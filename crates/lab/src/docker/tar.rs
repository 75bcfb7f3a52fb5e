//! A tar archive of one program: what an image is made of.
//!
//!     name 100 · mode 8 · uid 8 · gid 8 · size 12 · mtime 12 · checksum 8 · type 1 …, 512 bytes;
//!     the file, filled up to 512; two empty blocks        POSIX.1-1988 ustar
//!
//! Never here: reading, files.

const BLOCK: usize = 512;

/// The archive.
pub(super) fn of_program(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut head = [0_u8; BLOCK];
    put(&mut head, 0, name);
    put(&mut head, 100, "0000755");
    put(&mut head, 108, "0000000");
    put(&mut head, 116, "0000000");
    put(&mut head, 124, &format!("{:011o}", bytes.len()));
    put(&mut head, 136, "00000000000");
    put(&mut head, 148, "        ");
    put(&mut head, 156, "0");
    put(&mut head, 257, "ustar\x0000");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut head, 148, &format!("{sum:06o}\0 "));
    let mut archive = head.to_vec();
    archive.extend(bytes);
    archive.resize(archive.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    archive
}

fn put(head: &mut [u8; BLOCK], at: usize, text: &str) {
    for (place, byte) in head.iter_mut().skip(at).zip(text.bytes()) {
        *place = byte;
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a test may stop at the first surprise, and ask tar"
)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn tar_reads_it() {
        for program in [b"#!/bin/sh\n".to_vec(), vec![7; 512], vec![]] {
            let tar = |args: &[&str]| {
                let mut tar = Command::new("tar");
                tar.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
                let mut child = tar.spawn().unwrap();
                child.stdin.take().unwrap().write_all(&of_program("x", &program)).unwrap();
                let output = child.wait_with_output().unwrap();
                assert!(output.status.success());
                output.stdout
            };
            assert_eq!(tar(&["-xO"]), program);
            assert!(String::from_utf8(tar(&["-tv"])).unwrap().starts_with("-rwxr-xr-x 0/0"));
        }
    }
}
