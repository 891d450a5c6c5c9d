//! A transport to a scripted server, in clear and under real TLS, that moves octets as it is told to and fails at
//! the call or octet it is told to. There are no threads and no clock in it: the server answers when it is read.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustls::ServerConfig;
use smtp_proto::connection::Peer as Place;
use smtp_tests::library::Library;
use smtp_tests::script::{Heard, Script, Taken};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::far_end::FarEnd;

/// What goes wrong at one call. Which of them apply depends on whether it is a read, a write or a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// One octet is moved.
    OneOctet,
    /// None is: a read has met the end of the stream, a write has taken nothing.
    Zero,
    /// Nothing happens, this once; async: pending, and woken at once.
    WouldBlock,
    /// The same, by the name that other systems have for it; async: an error, as after a lost keep-alive.
    TimedOut,
    /// Nothing happens, and the call is to be made again.
    Interrupted,
    /// The connection is gone, in both directions.
    Reset,
    /// The server reads nothing more; what it has said already can still be read.
    BrokenPipe,
}

impl Fault {
    pub const ALL: [Fault; 7] = [
        Fault::OneOctet,
        Fault::Zero,
        Fault::WouldBlock,
        Fault::TimedOut,
        Fault::Interrupted,
        Fault::Reset,
        Fault::BrokenPipe,
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Read,
    Write,
    Flush,
}

/// How the transport moves octets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan {
    /// One octet per read and per write.
    pub one_octet: bool,
    /// One octet per write, whatever reads give.
    pub one_octet_writes: bool,
    /// Async: every call is pending once, and woken at once, before it does anything.
    pub hesitant: bool,
    /// No read goes beyond this octet of all that the server says, until it has been reached.
    pub split: Option<usize>,
    /// No write goes beyond this octet of all that the client says, until it has been reached.
    pub split_writes: Option<usize>,
    /// Call `k` of all reads, writes and flushes, counted from 0, meets a fault.
    pub fault: Option<(usize, Fault)>,
    /// The server's words end behind so many octets of what goes over the wire, without a close_notify.
    pub cut_in: Option<usize>,
    /// The transport is gone once it has taken so many octets.
    pub cut_out: Option<usize>,
    /// Behind so many octets from the server, a read gives this error, once.
    pub gives_up_at: Option<(usize, io::ErrorKind)>,
    /// It waits before it gives up, as a socket does: for this part of the time that it was given.
    pub waits: Option<f32>,
    /// This octet of what the server says arrives changed.
    pub garbles: Option<usize>,
    /// Who does TLS at the client's end.
    pub library: Library,
}

#[derive(Debug, Default)]
struct State {
    calls: usize,
    /// Octets that the client has got, and that it has got rid of.
    got: usize,
    gave: usize,
    met: bool,
    unflushed: bool,
    /// Reads give no more than the end of the stream.
    deaf: bool,
    /// Writes fail.
    mute: Option<io::ErrorKind>,
    /// Which of the three kinds of call were pending the last time.
    hesitated: [bool; 3],
    gave_up: bool,
}

/// The transport.
pub struct Line {
    far: Arc<Mutex<FarEnd>>,
    plan: Plan,
    state: Arc<Mutex<State>>,
    read_timeout: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    waiting: Vec<Waker>,
}

/// What can be seen of a [`Line`] after the client has taken it.
#[derive(Clone)]
pub struct Watch {
    far: Arc<Mutex<FarEnd>>,
    state: Arc<Mutex<State>>,
}

impl Watch {
    /// What the client said, decrypted.
    pub fn wire(&self) -> Vec<u8> {
        self.far.lock().unwrap().peer().wire().to_vec()
    }

    /// How much of it there is.
    pub fn wire_len(&self) -> usize {
        self.far.lock().unwrap().peer().wire().len()
    }

    /// Where the client departed from the script.
    pub fn fault(&self) -> Option<String> {
        self.far.lock().unwrap().peer().fault().map(str::to_owned)
    }

    /// Asserts that the client kept to all of the script.
    pub fn verify(&self, broken: bool) {
        self.far.lock().unwrap().peer().verify(broken);
    }

    /// Whether the fault of the plan has come.
    pub fn fault_was_met(&self) -> bool {
        self.state.lock().unwrap().met
    }

    pub fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }

    /// Octets that went over the wire: to the client, and from it.
    pub fn moved(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        (state.got, state.gave)
    }

    /// The same when the TLS handshake began.
    pub fn moved_in_clear(&self) -> Option<(usize, usize)> {
        self.far.lock().unwrap().moved_in_clear()
    }

    /// Whether everything that the client wrote since then is TLS.
    pub fn is_all_records(&self) -> bool {
        self.far.lock().unwrap().is_all_records()
    }
}

impl Line {
    pub fn new(script: impl Into<Script>, plan: Plan) -> Self {
        Self::with(FarEnd::new(script, None), plan)
    }

    /// `tls` in the script is a handshake with a server of these settings.
    pub fn secure(script: impl Into<Script>, tls: &Arc<ServerConfig>, plan: Plan) -> Self {
        Self::with(FarEnd::new(script, Some(Arc::clone(tls))), plan)
    }

    /// As [`secure`](Self::secure), and `close` in the script comes without a close_notify.
    pub fn truncated(script: impl Into<Script>, tls: &Arc<ServerConfig>, plan: Plan) -> Self {
        let mut far = FarEnd::new(script, Some(Arc::clone(tls)));
        far.truncate();
        Self::with(far, plan)
    }

    fn with(far: FarEnd, plan: Plan) -> Self {
        Self {
            far: Arc::new(Mutex::new(far)),
            plan,
            state: Arc::default(),
            read_timeout: Duration::ZERO,
            pause: None,
            waiting: Vec::new(),
        }
    }

    /// Who does TLS at the client's end.
    pub fn library(&self) -> Library {
        self.plan.library
    }

    pub fn watch(&self) -> Watch {
        Watch { far: Arc::clone(&self.far), state: Arc::clone(&self.state) }
    }

    /// The fault that this call meets, if it is one that such a call can meet.
    fn meet(&self, call: Call) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        let number = state.calls;
        state.calls += 1;
        let (k, fault) = self.plan.fault?;
        let applies = match call {
            Call::Read => fault != Fault::BrokenPipe,
            Call::Write => true,
            Call::Flush => !matches!(fault, Fault::OneOctet | Fault::Zero),
        };
        if k != number || !applies {
            return None;
        }
        state.met = true;
        match (call, fault) {
            (_, Fault::Reset) => {
                state.mute = Some(io::ErrorKind::ConnectionReset);
                state.deaf = true;
            }
            (_, Fault::BrokenPipe) => state.mute = Some(io::ErrorKind::BrokenPipe),
            (Call::Read, Fault::Zero) => state.deaf = true,
            _ => {}
        }
        Some(fault)
    }

    fn error(fault: Fault) -> io::Error {
        match fault {
            Fault::WouldBlock => io::ErrorKind::WouldBlock,
            Fault::TimedOut => io::ErrorKind::TimedOut,
            Fault::Interrupted => io::ErrorKind::Interrupted,
            Fault::BrokenPipe => io::ErrorKind::BrokenPipe,
            Fault::Reset | Fault::OneOctet | Fault::Zero => io::ErrorKind::ConnectionReset,
        }
        .into()
    }

    /// Reads, once the call's fault is known.
    fn take_in(&mut self, most: usize, fault: Option<Fault>) -> io::Result<Heard> {
        match fault {
            None | Some(Fault::OneOctet) => {}
            Some(Fault::Zero) => return Ok(Heard::Eof),
            Some(fault) => return Err(Self::error(fault)),
        }
        let mut state = self.state.lock().unwrap();
        assert!(!state.unflushed || state.met, "x03: the client reads, and has not flushed what it wrote");
        if state.deaf {
            return match state.mute {
                Some(io::ErrorKind::ConnectionReset) => Ok(Heard::Reset),
                _ => Ok(Heard::Eof),
            };
        }
        if let Some((octet, error)) = self.plan.gives_up_at {
            if octet == state.got && !std::mem::replace(&mut state.gave_up, true) {
                state.met = true;
                if let Some(part) = self.plan.waits {
                    std::thread::sleep(self.read_timeout.mul_f32(part));
                }
                return Err(error.into());
            }
        }
        let mut most = if self.plan.one_octet || fault.is_some() { most.min(1) } else { most };
        for stop in [self.plan.split, self.plan.cut_in, self.plan.gives_up_at.map(|(octet, _)| octet)] {
            most = match stop.and_then(|stop| stop.checked_sub(state.got)) {
                Some(left) if left > 0 => most.min(left),
                _ => most,
            };
        }
        if self.plan.cut_in == Some(state.got) {
            state.met = true;
            return Ok(Heard::Eof);
        }
        let mut heard = self.far.lock().unwrap().read(most, (state.got, state.gave));
        if let Heard::Octets(octets) = &mut heard {
            let at = self.plan.garbles.and_then(|garbled| garbled.checked_sub(state.got));
            if let Some(octet) = at.and_then(|at| octets.get_mut(at)) {
                *octet ^= 0x55;
                state.met = true;
            }
            state.got += octets.len();
        } else if heard == Heard::Nothing && state.mute.is_some() {
            // The server will hear no more, so it has gone.
            heard = Heard::Eof;
        }
        Ok(heard)
    }

    fn give_out(&mut self, octets: &[u8], fault: Option<Fault>) -> io::Result<Taken> {
        match fault {
            None | Some(Fault::OneOctet) => {}
            Some(Fault::Zero) => return Ok(Taken::Octets(0)),
            Some(fault) => return Err(Self::error(fault)),
        }
        let mut state = self.state.lock().unwrap();
        if let Some(error) = state.mute {
            return Err(error.into());
        }
        if self.plan.cut_out == Some(state.gave) {
            state.met = true;
            state.mute = Some(io::ErrorKind::BrokenPipe);
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state.unflushed = true;
        let one = self.plan.one_octet || self.plan.one_octet_writes || fault.is_some();
        let mut n = if one { octets.len().min(1) } else { octets.len() };
        for stop in [self.plan.cut_out, self.plan.split_writes] {
            n = match stop.and_then(|stop| stop.checked_sub(state.gave)) {
                Some(left) if left > 0 => n.min(left),
                _ => n,
            };
        }
        let taken = self.far.lock().unwrap().write(&octets[..n], (state.got, state.gave));
        if let Taken::Octets(n) = taken {
            state.gave += n;
        }
        Ok(taken)
    }

    fn flush_out(&mut self, fault: Option<Fault>) -> io::Result<()> {
        if let Some(fault) = fault {
            return Err(Self::error(fault));
        }
        let mut state = self.state.lock().unwrap();
        match state.mute {
            Some(error) => Err(error.into()),
            None => {
                state.unflushed = false;
                Ok(())
            }
        }
    }
}

impl Read for Line {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let fault = self.meet(Call::Read);
        match self.take_in(room.len(), fault)? {
            Heard::Octets(octets) => {
                room[..octets.len()].copy_from_slice(&octets);
                Ok(octets.len())
            }
            Heard::Silence(_) | Heard::Nothing => Err(io::ErrorKind::TimedOut.into()),
            Heard::Eof => Ok(0),
            Heard::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

impl Write for Line {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if octets.is_empty() {
            return Ok(0);
        }
        let fault = self.meet(Call::Write);
        match self.give_out(octets, fault)? {
            Taken::Octets(n) => Ok(n),
            Taken::Blocked => Err(io::ErrorKind::TimedOut.into()),
            Taken::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.write(&slices.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<_>>())
    }

    fn flush(&mut self) -> io::Result<()> {
        let fault = self.meet(Call::Flush);
        self.flush_out(fault)
    }
}

impl smtp_blocking::Stream for Line {
    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.read_timeout = timeout;
        Ok(())
    }

    /// Looks without counting as a call: when it happens depends on the clock.
    fn try_read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let readable = {
            let state = self.state.lock().unwrap();
            !state.unflushed && !state.deaf && self.far.lock().unwrap().is_readable()
        };
        if !readable {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match self.take_in(room.len(), None)? {
            Heard::Octets(octets) => {
                room[..octets.len()].copy_from_slice(&octets);
                Ok(octets.len())
            }
            Heard::Silence(_) | Heard::Nothing => Err(io::ErrorKind::WouldBlock.into()),
            Heard::Eof => Ok(0),
            Heard::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    fn peer(&self) -> Place {
        Place::Local
    }

    fn local_ip(&self) -> Option<IpAddr> {
        None
    }
}

impl Line {
    /// A hesitant call is pending the first time. So is one that meets `WouldBlock`.
    fn poll_call(&mut self, context: &Context<'_>, call: Call) -> Poll<Option<Fault>> {
        let hesitates = {
            let mut state = self.state.lock().unwrap();
            let hesitated = &mut state.hesitated[call as usize];
            *hesitated = self.plan.hesitant && !*hesitated;
            *hesitated
        };
        let fault = if hesitates { Some(Fault::WouldBlock) } else { self.meet(call) };
        if fault == Some(Fault::WouldBlock) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(fault)
    }

    fn poll_pause(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        Poll::Ready(())
    }

    fn wait(&mut self, context: &Context<'_>) {
        assert!(self.waiting.len() < 1000, "the client polls on and on, and nothing has changed");
        self.waiting.push(context.waker().clone());
    }

    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        std::task::ready!(this.poll_pause(context));
        let fault = std::task::ready!(this.poll_call(context, Call::Read));
        loop {
            // A reader may ask while its other half still writes.
            this.state.lock().unwrap().unflushed = false;
            match this.take_in(room.remaining(), fault) {
                Ok(Heard::Octets(octets)) => {
                    room.put_slice(&octets);
                    this.wake();
                    return Poll::Ready(Ok(()));
                }
                Ok(Heard::Silence(Some(time))) => {
                    this.pause = Some(Box::pin(sleep_until(Instant::now() + time)));
                    std::task::ready!(this.poll_pause(context));
                }
                Ok(Heard::Silence(None) | Heard::Nothing) => {
                    this.wait(context);
                    return Poll::Pending;
                }
                Ok(Heard::Eof) => return Poll::Ready(Ok(())),
                Ok(Heard::Reset) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if octets.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let fault = std::task::ready!(this.poll_call(context, Call::Write));
        match this.give_out(octets, fault) {
            Ok(Taken::Octets(n)) => {
                this.wake();
                Poll::Ready(Ok(n))
            }
            Ok(Taken::Blocked) => {
                this.wait(context);
                Poll::Pending
            }
            Ok(Taken::Reset) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write(context, &slices.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<_>>())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let fault = std::task::ready!(this.poll_call(context, Call::Flush));
        Poll::Ready(this.flush_out(fault))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl smtp_tokio::Stream for Line {
    fn peer(&self) -> Place {
        Place::Local
    }
}
