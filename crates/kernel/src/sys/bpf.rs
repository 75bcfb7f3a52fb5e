//! Programs of BPF that are loaded: their instructions.
//!
//!     bpftool prog dump xlated id N
//!
//! Never here: loading one, what instructions mean.

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

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
