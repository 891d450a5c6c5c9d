//! Messages, and the folders where servers leave them.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use smtp_proto::flow::Envelope;

/// A word that no other message has.
pub(crate) fn token() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("interop-{}-{}-end", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn envelope(to: &[&str]) -> Envelope {
    Envelope::from_strs("alice@example.test", to).unwrap()
}

/// A message whose subject is `token`.
pub(crate) fn message(token: &str, body: &[u8]) -> Vec<u8> {
    let mut message = format!(
        "From: <alice@example.test>\r\nTo: <alice@example.test>\r\nSubject: {token}\r\n\
         Date: Tue, 24 Nov 2026 03:00:00 +0000\r\nMessage-ID: <{token}@example.test>\r\n\r\n"
    )
    .into_bytes();
    message.extend_from_slice(body);
    message
}

/// Lines that a client or a server may get wrong.
pub(crate) fn awkward() -> Vec<u8> {
    let mut lines = Vec::new();
    for _ in 0..3 {
        lines.extend_from_slice(b".\r\n..\r\n.a\r\n\r\n.\r\n");
        lines.extend_from_slice("Grüße, \u{1f4e8}\r\nFrom here on\r\ntrailing blanks  \t \r\n".as_bytes());
        lines.extend_from_slice(&[b"x".repeat(998), b"\r\n".to_vec()].concat());
        lines.extend_from_slice(&[b".".repeat(998), b"\r\n\r\n\r\n".to_vec()].concat());
    }
    lines
}

/// That each command has its reply before the next.
pub(crate) fn assert_lock_step(transcript: &[String]) {
    let commands = transcript.iter().filter(|line| !line.contains("<body"));
    let mut waiting = false;
    for line in commands {
        assert!(!(waiting && line.starts_with("C:")), "{line} came too early: {transcript:#?}");
        waiting = line.starts_with("C:");
    }
}

/// How a server keeps what it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The octets as they were sent.
    Exact,
    /// Behind header fields of the server's own.
    Crlf,
    /// Behind header fields of the server's own, with LF line ends.
    Lf,
    /// With LF line ends, and only the body as it was sent.
    Body,
}

/// A folder that holds one file for each message.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox {
    pub(crate) folder: PathBuf,
    pub(crate) form: Form,
}

impl Mailbox {
    /// What the server kept of the envelope of the message in `path`, as JSON.
    pub(crate) fn kept_envelope(path: &Path) -> String {
        std::fs::read_to_string(path.with_extension("json")).unwrap()
    }

    /// Waits until the message with this subject is there, and compares it with what was sent. Returns its file.
    pub(crate) fn assert_has(&self, token: &str, sent: &[u8]) -> PathBuf {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut seen = None;
        while Instant::now() < deadline {
            if let Some(path) = self.find(token) {
                let stored = std::fs::read(&path).unwrap_or_default();
                if self.is_same(&stored, sent) {
                    return path;
                }
                // It may still be being written; but not for long.
                if seen.get_or_insert_with(Instant::now).elapsed() > Duration::from_secs(5) {
                    panic!("{token} arrived changed: {}", difference(&stored, &self.expected(sent)));
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{token} did not arrive in {}", self.folder.display());
    }

    /// That no message with this subject is there.
    pub(crate) fn assert_lacks(&self, token: &str) {
        assert_eq!(self.find(token), None);
    }

    /// Waits until the messages with these subjects are there, compares them with what was sent, and sees to it that
    /// none came twice.
    pub(crate) fn assert_has_each_once<'s>(&self, sent: impl IntoIterator<Item = (&'s str, &'s [u8])>) {
        let sent: Vec<(&str, &[u8])> = sent.into_iter().collect();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let arrived = self.by_subject();
            let stored = |token: &str| match arrived.get(token).map(Vec::as_slice) {
                None => None,
                Some([path]) => std::fs::read(path).ok(),
                Some(paths) => panic!("{token} arrived {} times", paths.len()),
            };
            let is_there =
                |token: &str, sent: &[u8]| stored(token).is_some_and(|stored| self.is_same(&stored, sent));
            let missing = sent.iter().filter(|(token, sent)| !is_there(token, sent));
            let missing: Vec<&str> = missing.map(|(token, _)| *token).collect();
            let [first, ..] = missing[..] else { return };
            if Instant::now() > deadline {
                let octets = stored(first).map(|stored| stored.escape_ascii().to_string());
                panic!(
                    "{} of {} did not arrive as sent, {first} came as {octets:?}",
                    missing.len(),
                    sent.len()
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The files by the subject of the message in them.
    fn by_subject(&self) -> HashMap<String, Vec<PathBuf>> {
        let mut files: HashMap<String, Vec<PathBuf>> = HashMap::new();
        for file in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let head = String::from_utf8_lossy(&head(&file.path())).into_owned();
            let subject = head.split("\nSubject: ").nth(1).and_then(|rest| rest.lines().next());
            if let Some(subject) = subject.filter(|_| is_message(&file.path())) {
                files.entry(subject.to_owned()).or_default().push(file.path());
            }
        }
        files
    }

    fn expected(&self, sent: &[u8]) -> Vec<u8> {
        let body = sent.windows(4).position(|octets| octets == b"\r\n\r\n").map_or(0, |at| at + 2);
        let lf = |octets: &[u8]| octets.iter().copied().filter(|&octet| octet != b'\r').collect();
        match self.form {
            Form::Exact | Form::Crlf => sent.to_vec(),
            Form::Lf => lf(sent),
            Form::Body => lf(sent.get(body..).unwrap_or_default()),
        }
    }

    fn is_same(&self, stored: &[u8], sent: &[u8]) -> bool {
        match self.form {
            Form::Exact => stored == sent,
            Form::Crlf => stored.ends_with(sent),
            Form::Lf | Form::Body => {
                // smtp-sink ends each message with an empty line of its own.
                let expected = self.expected(sent);
                stored.ends_with(&expected)
                    || stored.strip_suffix(b"\n").is_some_and(|stored| stored.ends_with(&expected))
            }
        }
    }

    fn find(&self, token: &str) -> Option<PathBuf> {
        let mark = format!("Subject: {token}");
        let files = std::fs::read_dir(&self.folder).ok()?;
        files.filter_map(|file| Some(file.ok()?.path())).find(|path| is_message(path) && has(path, &mark))
    }
}

fn is_message(path: &Path) -> bool {
    !path.extension().is_some_and(|extension| extension == "json" || extension == "tmp")
}

fn has(path: &Path, mark: &str) -> bool {
    head(path).windows(mark.len()).any(|window| window == mark.as_bytes())
}

/// Its header section: a report on a message holds the subject of that message further down.
fn head(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    // One that cannot be read is on its way to another name.
    let _ = std::fs::File::open(path).map(|file| file.take(4096).read_to_end(&mut head));
    let end_of = |mark: &[u8]| head.windows(mark.len()).position(|octets| octets == mark);
    let end = [end_of(b"\n\n"), end_of(b"\n\r\n")].into_iter().flatten().min();
    head.truncate(end.unwrap_or(head.len()));
    head
}

/// Where the end of `stored` first differs from `expected`.
fn difference(stored: &[u8], expected: &[u8]) -> String {
    let text = |octets: &[u8], at: usize| {
        let from = at.saturating_sub(40);
        let part = octets.get(from..octets.len().min(at + 40)).unwrap_or_default();
        part.escape_ascii().to_string()
    };
    let tail = expected.iter().rev().zip(stored.iter().rev()).take_while(|(a, b)| a == b).count();
    format!(
        "{} octets sent, {} kept; the last {tail} are the same; before them {:?} was sent and {:?} kept",
        expected.len(),
        stored.len(),
        text(expected, expected.len().saturating_sub(tail)),
        text(stored, stored.len().saturating_sub(tail)),
    )
}
