//! The core under io_uring: the kernel is handed buffers, and hands them back when it has filled or sent them.
//! `cargo run --example loop_io_uring` brings a server along. Linux only; where the kernel does not allow io_uring, it says
//! so and ends with status 3.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
pub use linux::{available, send};

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("io_uring is an interface of Linux; this is not Linux");
    ExitCode::from(UNAVAILABLE)
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    match available() {
        Ok(()) => smtp_loops::demonstrate(true, |address, letter| Ok(vec![send(address, letter)?])),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(UNAVAILABLE)
        }
    }
}

/// The exit status that says so.
const UNAVAILABLE: u8 = 3;

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::VecDeque;
    use std::fmt;
    use std::io::{self, ErrorKind};
    use std::net::{SocketAddr, TcpStream};
    use std::os::fd::AsRawFd as _;
    use std::time::{Duration, Instant};

    use io_uring::squeue::Entry;
    use io_uring::types::{Fd, SubmitArgs, Timespec};
    use io_uring::{IoUring, opcode};
    use smtp_loops::{Channel, Letter, Outcome};
    use smtp_proto::{Flow as _, Step};

    // ---- the glue ----

    /// Sends the letter; fails if there is no connection to begin with, or no ring.
    pub fn send(address: SocketAddr, letter: &Letter) -> io::Result<Outcome> {
        let mut ring = Ring::new(TcpStream::connect(address)?)?;
        let (mut smtp, mut submit, mut channel) =
            (letter.connection(address), letter.submit(), Channel::default());
        let (began, mut at, mut broken, mut until) = (Instant::now(), 0, false, Duration::MAX);
        loop {
            match submit.poll(&mut smtp) {
                Ok(Step::Done(delivery)) => return Ok(Ok(delivery)),
                Err(error) => return Ok(Err(error)),
                Ok(Step::SupplyBody { .. }) => smtp.supply_body(&letter.message, &mut at),
                Ok(Step::UpgradeTls(upgrade)) => channel.upgrade(&mut smtp, upgrade, &letter.tls),
                Ok(Step::Continue) => {
                    if ring.sending && began.elapsed() >= until {
                        // How much of it has left is to be known before the connection is told that its time is over.
                        ring.cancel_sending()?;
                    } else {
                        let Some(left) = smtp.tick(began.elapsed()) else { continue };
                        until = began.elapsed().saturating_add(left);
                        let output = channel.output(&mut smtp);
                        if !output.is_empty() && !broken {
                            ring.send(output)?;
                        }
                        ring.receive()?;
                        ring.wait(until.saturating_sub(began.elapsed()))?;
                    }
                    while let Some(completion) = ring.completions.pop_front() {
                        match completion {
                            Completion::Sent(Ok(n)) => channel.advance(&mut smtp, n),
                            Completion::Sent(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                            // What the server said before it closed may still be read.
                            Completion::Sent(Err(_)) => broken = true,
                            Completion::Received(Ok(n)) if n > 0 => {
                                channel.receive(&mut smtp, &ring.incoming[..n]);
                            }
                            Completion::Received(_) => smtp.receive_eof(),
                        }
                    }
                }
            }
        }
    }

    /// A socket, and the buffers that the kernel has of it. They stay where they are until it gives them back.
    struct Ring {
        ring: IoUring,
        socket: TcpStream,
        incoming: Box<[u8]>,
        outgoing: Vec<u8>,
        receiving: bool,
        sending: bool,
        completions: VecDeque<Completion>,
    }

    enum Completion {
        Sent(io::Result<usize>),
        Received(io::Result<usize>),
    }

    const SEND: u64 = 1;
    const RECEIVE: u64 = 2;
    const CANCEL: u64 = 3;

    impl Ring {
        fn new(socket: TcpStream) -> io::Result<Self> {
            let ring = IoUring::new(8).map_err(|error| io::Error::new(error.kind(), Unavailable(error)))?;
            let incoming = vec![0; 4096].into();
            let (outgoing, completions) = (Vec::new(), VecDeque::new());
            Ok(Self { ring, socket, incoming, outgoing, receiving: false, sending: false, completions })
        }

        /// Sends a copy of these octets, unless others are under way; the connection's own may move meanwhile.
        fn send(&mut self, octets: &[u8]) -> io::Result<()> {
            if !self.sending {
                self.outgoing.clear();
                self.outgoing.extend_from_slice(octets);
                let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
                let send = opcode::Send::new(Fd(self.socket.as_raw_fd()), self.outgoing.as_ptr(), length);
                self.push(&send.build().user_data(SEND))?;
                self.sending = true;
            }
            Ok(())
        }

        fn receive(&mut self) -> io::Result<()> {
            if !self.receiving {
                let length = u32::try_from(self.incoming.len()).unwrap_or(u32::MAX);
                let socket = Fd(self.socket.as_raw_fd());
                let receive = opcode::Recv::new(socket, self.incoming.as_mut_ptr(), length);
                self.push(&receive.build().user_data(RECEIVE))?;
                self.receiving = true;
            }
            Ok(())
        }

        /// Takes back what is being sent.
        fn cancel_sending(&mut self) -> io::Result<()> {
            self.push(&opcode::AsyncCancel::new(SEND).build().user_data(CANCEL))?;
            while self.sending {
                self.wait(Duration::MAX)?;
            }
            Ok(())
        }

        fn push(&mut self, entry: &Entry) -> io::Result<()> {
            // SAFETY: what an entry points to is a buffer of this ring. Neither is touched or moved while it is under way,
            // which `sending` and `receiving` say, and neither is freed before, which `drop` sees to.
            #[allow(unsafe_code)]
            unsafe {
                self.ring.submission().push(entry).map_err(io::Error::other)
            }
        }

        /// Waits for the kernel, and notes what it has done.
        fn wait(&mut self, left: Duration) -> io::Result<()> {
            let time = Timespec::from(left.min(Duration::from_secs(3600)));
            let waited = self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&time));
            for entry in self.ring.completion() {
                let moved = match usize::try_from(entry.result()) {
                    Ok(n) => Ok(n),
                    Err(_) => Err(io::Error::from_raw_os_error(-entry.result())),
                };
                match entry.user_data() {
                    SEND => {
                        self.sending = false;
                        self.completions.push_back(Completion::Sent(moved));
                    }
                    RECEIVE => {
                        self.receiving = false;
                        self.completions.push_back(Completion::Received(moved));
                    }
                    _ => {}
                }
            }
            match waited {
                Err(error) if error.raw_os_error() == Some(TIME_IS_OVER) => Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
                waited => waited.map(drop),
            }
        }
    }

    /// ETIME.
    const TIME_IS_OVER: i32 = 62;

    impl Drop for Ring {
        /// Nothing is freed that the kernel still has.
        fn drop(&mut self) {
            let _ = self.socket.shutdown(std::net::Shutdown::Both);
            while self.sending || self.receiving {
                if self.wait(Duration::MAX).is_err() {
                    // Then it keeps them.
                    std::mem::forget(std::mem::take(&mut self.incoming));
                    std::mem::forget(std::mem::take(&mut self.outgoing));
                    return;
                }
            }
        }
    }

    // ---- the end of the glue ----

    /// Why there is no ring.
    #[derive(Debug)]
    pub struct Unavailable(pub io::Error);

    impl fmt::Display for Unavailable {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let why = match self.0.kind() {
                ErrorKind::Unsupported => "the kernel is older than 5.11, or was built without it",
                ErrorKind::PermissionDenied => {
                    "a sandbox forbids it, or /proc/sys/kernel/io_uring_disabled is 1 or 2"
                }
                _ => "the kernel does not say more",
            };
            write!(f, "io_uring is not available here: io_uring_setup failed with \"{}\": {why}", self.0)
        }
    }

    impl std::error::Error for Unavailable {}

    /// Whether this kernel allows a ring whose waits can end at a deadline.
    pub fn available() -> Result<(), Unavailable> {
        let ring = IoUring::new(2).map_err(Unavailable)?;
        match ring.params().is_feature_ext_arg() {
            true => Ok(()),
            false => Err(Unavailable(ErrorKind::Unsupported.into())),
        }
    }
}
