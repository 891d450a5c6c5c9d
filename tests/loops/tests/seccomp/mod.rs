//! Takes a system call away from a thread.
#![allow(unsafe_code, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use std::io;

use libc::{
    BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP,
    SECCOMP_MODE_FILTER, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, c_long, sock_filter, sock_fprog,
};

/// Lets this system call fail with `errno` on this thread from now on.
pub fn refuse(call: c_long, errno: i32) {
    let instruction = |code: u32, operand: u32, if_not: u8| sock_filter {
        code: code as u16,
        jt: 0,
        jf: if_not,
        k: operand,
    };
    let mut program = [
        // The number of the call stands first in what the filter is shown.
        instruction(BPF_LD | BPF_W | BPF_ABS, 0, 0),
        instruction(BPF_JMP | BPF_JEQ | BPF_K, call as u32, 1),
        instruction(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errno as u32, 0),
        instruction(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0),
    ];
    let filter = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the program outlives the call, which copies it.
    let done = unsafe {
        libc::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            | libc::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)
    };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

/// Asks the kernel for a ring, and gives it back.
pub fn call_io_uring_setup() -> io::Result<()> {
    // `struct io_uring_params` has 120 octets.
    let mut parameters = [0_u64; 15];
    // SAFETY: the kernel writes no more than that.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 2, parameters.as_mut_ptr()) };
    if ring < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the ring is this function's own.
    unsafe { libc::close(ring as i32) };
    Ok(())
}
