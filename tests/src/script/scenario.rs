//! One script, one client, every way of cutting octets.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use smtp_proto::command::Command;
use smtp_proto::connection::{Config, Connection, Peer as Place};
use smtp_proto::error::Error;

use super::{Peer, Script, Session};

/// How octets are cut on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Segments arrive whole, writes are taken whole.
    Whole,
    /// The client gets one octet at a time.
    ByteReads,
    /// The client's writes are accepted one octet at a time.
    ByteWrites,
    /// Both.
    Bytes,
    /// As `Whole`, and a body in one chunk is copied into the output
    /// ([`supply_body`](Connection::supply_body)).
    Copied,
    /// No read goes beyond this octet of all that the server says, until it has been reached.
    Split(usize),
}

impl Mode {
    const ALL: [Mode; 5] = [Mode::Whole, Mode::ByteReads, Mode::ByteWrites, Mode::Bytes, Mode::Copied];
}

/// A script and the settings of the client that meets it.
#[derive(Debug, Clone)]
pub struct Scenario {
    config: Arc<Config>,
    place: Place,
    script: Script,
    modes: Vec<Mode>,
}

impl Scenario {
    /// A client with these settings, whose server is not on this machine.
    pub fn new(config: impl Into<Arc<Config>>) -> Self {
        Self {
            config: config.into(),
            place: Place::Remote,
            script: Script::default(),
            modes: Mode::ALL.to_vec(),
        }
    }

    /// The server is on this machine: credentials may travel in clear.
    #[must_use]
    pub fn local(mut self) -> Self {
        self.place = Place::Local;
        self
    }

    /// What is said.
    #[must_use]
    pub fn script(mut self, script: impl Into<Script>) -> Self {
        self.script = script.into();
        self
    }

    /// Only these modes, where a matrix has many cases.
    #[must_use]
    pub fn modes(mut self, modes: &[Mode]) -> Self {
        self.modes = modes.to_vec();
        self
    }

    /// Runs the client against the script, once in each mode, and gives its result.
    ///
    /// # Panics
    /// When anything departs from the script or differs between modes.
    pub fn run<T: PartialEq + Debug>(&self, client: impl FnMut(&mut Session) -> T) -> T {
        self.run_traced(client).0
    }

    /// As [`run`](Self::run), with the lines that the transcript hook got.
    ///
    /// # Panics
    /// As `run`.
    pub fn run_traced<T: PartialEq + Debug>(
        &self,
        mut client: impl FnMut(&mut Session) -> T,
    ) -> (T, Vec<String>) {
        let mut first = None;
        for &mode in &self.modes {
            let this = self.run_once(mode, &mut client);
            match &first {
                None => first = Some(this),
                Some(first) => {
                    let first: &((T, Vec<String>), Vec<u8>, Option<Error>) = first;
                    let ((result, trace), wire, failure) = &this;
                    assert_eq!(&first.0.0, result, "the outcome depends on how octets are cut: {mode:?}");
                    assert_eq!((&first.1, &first.2), (wire, failure), "{mode:?}");
                    // The end of a body that is copied is queued before the body leaves.
                    let dotless = |trace: &[String]| {
                        let dot =
                            |line: &&String| mode == Mode::Copied && failure.is_some() && *line == "C: .";
                        trace.iter().filter(|line| !dot(line)).cloned().collect::<Vec<_>>()
                    };
                    let (mut expected, mut trace) = (dotless(&first.0.1), dotless(trace));
                    // A reply that breaks the connection is in the transcript if all of it had come.
                    if failure.is_some() {
                        let common = expected.len().min(trace.len());
                        expected.truncate(common);
                        trace.truncate(common);
                    }
                    assert_eq!(expected, trace, "{mode:?}");
                }
            }
        }
        let ((result, trace), ..) = first.expect("a mode");
        (result, trace)
    }

    #[allow(clippy::type_complexity)]
    fn run_once<T>(
        &self,
        mode: Mode,
        client: &mut impl FnMut(&mut Session) -> T,
    ) -> ((T, Vec<String>), Vec<u8>, Option<Error>) {
        let mut connection = Connection::new(self.config.clone(), self.place);
        let trace = Arc::new(Mutex::new(Vec::new()));
        let lines = trace.clone();
        connection.set_transcript(move |entry| lines.lock().unwrap().push(entry.to_string()));
        let mut session = Session::new(connection, Peer::new(self.script.clone()), mode);
        let result = client(&mut session);
        let (mut connection, peer) = session.into_parts();
        let failure = connection.failure().cloned();
        peer.verify(failure.is_some());
        if let Some(failure) = &failure {
            assert_eq!(connection.output(), b"", "a poisoned connection speaks");
            assert_eq!(connection.command(Command::Noop), Err(Error::Poisoned));
            assert_eq!(connection.command(Command::Quit), Err(Error::Poisoned));
            assert_eq!(connection.poll_event().as_ref(), Err(failure));
            assert_eq!(connection.timeout(), None);
            assert_eq!(connection.output(), b"", "a poisoned connection speaks");
        }
        let trace = trace.lock().unwrap().clone();
        ((result, trace), peer.wire().to_vec(), failure)
    }
}
