//! Programs of BPF: the instructions of those that are loaded, and one of ours at a tracepoint.
//!
//!     bpftool prog dump xlated id N · bpftool map create … type queue · bpf(BPF_RAW_TRACEPOINT_OPEN)
//!
//! Never here: what instructions mean.

use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use rustix::io::Errno;

use super::last;

/// `BPF_PROG_GET_FD_BY_ID` and `BPF_OBJ_GET_INFO_BY_FD` (include/uapi/linux/bpf.h).
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
/// The most bytes that are read of a program.
const MOST: usize = 64;

/// The first members of `struct bpf_prog_info`.
#[repr(C)]
#[derive(Default)]
struct Info {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    jited_len: u32,
    xlated_len: u32,
    jited: u64,
    xlated: u64,
}

/// The members of `union bpf_attr` that both commands use.
#[repr(C)]
#[derive(Default)]
struct Attr {
    first: u32,
    len: u32,
    info: u64,
}

fn call(command: libc::c_int, attr: &mut Attr) -> Result<libc::c_long, Errno> {
    let size = size_of::<Attr>();
    // SAFETY: the kernel reads `size` bytes of `attr`, which live through the call.
    let rc = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size) };
    if rc < 0 { Err(last()) } else { Ok(rc) }
}

/// The instructions of the program with this number, eight bytes each; none of one that is long.
pub(crate) fn program(id: u32) -> Result<Vec<u8>, Errno> {
    let rc = call(PROG_GET_FD_BY_ID, &mut Attr { first: id, ..Attr::default() })?;
    let fd = i32::try_from(rc).map_err(|_| Errno::BADF)?;
    // SAFETY: the kernel has just made this descriptor for us.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut code = vec![0u8; MOST];
    let room = u32::try_from(MOST).unwrap_or(0);
    let mut info = Info { xlated_len: room, xlated: code.as_mut_ptr() as u64, ..Info::default() };
    let mut attr = Attr {
        first: u32::try_from(fd.as_raw_fd()).unwrap_or(0),
        len: u32::try_from(size_of::<Info>()).unwrap_or(0),
        info: std::ptr::from_mut(&mut info) as u64,
    };
    // `code` and `info` are written to by the kernel while both live here.
    call(OBJ_GET_INFO_BY_FD, &mut attr)?;
    let len = usize::try_from(info.xlated_len).unwrap_or(usize::MAX);
    if len > MOST {
        return Ok(Vec::new());
    }
    code.truncate(len);
    Ok(code)
}

/// Commands, kinds of maps and programs (include/uapi/linux/bpf.h).
const MAP_CREATE: libc::c_int = 0;
const PROG_LOAD: libc::c_int = 5;
const RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const MAP_LOOKUP_AND_DELETE_ELEM: libc::c_int = 21;
const QUEUE: u64 = 22;
const RAW_TRACEPOINT: u64 = 17;

/// A command whose `union bpf_attr` is given as words of eight bytes.
fn command(command: libc::c_int, words: &mut [u64]) -> Result<libc::c_long, Errno> {
    let size = size_of_val(words);
    // SAFETY: the kernel reads `size` bytes of `words`, which live through the call.
    let rc = unsafe { libc::syscall(libc::SYS_bpf, command, words.as_mut_ptr(), size) };
    if rc < 0 { Err(last()) } else { Ok(rc) }
}

fn made(rc: libc::c_long) -> Result<OwnedFd, Errno> {
    let fd = i32::try_from(rc).map_err(|_| Errno::BADF)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn number(fd: BorrowedFd<'_>) -> u64 {
    u64::try_from(fd.as_raw_fd()).unwrap_or(u64::MAX)
}

/// Two numbers of four bytes in a word.
fn pair(low: u64, high: u64) -> u64 {
    if cfg!(target_endian = "little") { low | high << 32 } else { low << 32 | high }
}

/// A queue of so many records.
pub(crate) fn queue(record: usize, most: u32) -> Result<OwnedFd, Errno> {
    let record = u64::try_from(record).map_err(|_| Errno::INVAL)?;
    made(command(MAP_CREATE, &mut [pair(QUEUE, 0), pair(record, u64::from(most)), 0])?)
}

/// Takes the first record; none when the queue is empty.
pub(crate) fn take_out(queue: BorrowedFd<'_>, record: &mut [u8]) -> Result<bool, Errno> {
    let value = record.as_mut_ptr() as u64;
    // `record` is as long as the records that the queue was made for, and is written to in the call.
    match command(MAP_LOOKUP_AND_DELETE_ELEM, &mut [number(queue), 0, value, 0]) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Loads a program for raw tracepoints.
pub(crate) fn load(code: &[u8], licence: &std::ffi::CStr) -> Result<OwnedFd, Errno> {
    let count = u64::try_from(code.len() / 8).map_err(|_| Errno::INVAL)?;
    let mut words =
        [pair(RAW_TRACEPOINT, count), code.as_ptr() as u64, licence.as_ptr() as u64, 0, 0, 0];
    // `code` and `licence` are read by the kernel in the call, while both live.
    made(command(PROG_LOAD, &mut words)?)
}

/// Has a program run at a tracepoint, until the descriptor is closed.
pub(crate) fn at_tracepoint(
    program: BorrowedFd<'_>,
    name: &std::ffi::CStr,
) -> Result<OwnedFd, Errno> {
    let mut words = [name.as_ptr() as u64, pair(number(program), 0)];
    made(command(RAW_TRACEPOINT_OPEN, &mut words)?)
}
