//! The program, run to its end, and what it has to run against.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use smtp_tests::sink::Sink;

/// The password of every test, which must never be seen.
pub const PASSWORD: &str = "Tr0ub4dor-and-3";

/// A message that needs no 8BITMIME.
pub const MESSAGE: &[u8] = b"Subject: hi\r\n\r\n.hi\r\n";

pub const FROM_TO: [&str; 4] = ["--from", "alice@example.org", "--to", "bob@example.net"];

/// How a run ended.
pub struct Ran {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Its one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.err, "", "an error is in the document, too");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// Asserts the exit status.
    #[track_caller]
    pub fn ended(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.out, self.err);
        self
    }

    /// Asserts that standard error has all of these words.
    #[track_caller]
    pub fn complained(self, words: &[&str]) -> Self {
        for words in words {
            assert!(self.err.contains(words), "{words:?} is not in {}", self.err);
        }
        self
    }
}

/// Runs the program with these arguments and nothing on standard input.
pub fn send(arguments: &[&str]) -> Ran {
    send_with(arguments, b"", Some(PASSWORD))
}

/// The program, which `cargo test` has built unless it was told to build this test alone: fails if one of its sources
/// has changed since.
pub fn program() -> PathBuf {
    const MAKE: &str = "`cargo build -p smtp-tests --example send` makes it";
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.set_file_name("examples");
    path.push(format!("send{}", std::env::consts::EXE_SUFFIX));
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    let built = changed(&path).unwrap_or_else(|error| panic!("{}: {error}; {MAKE}", path.display()));
    // What Cargo notes there are the sources of the program and of the crates in this workspace, behind a colon.
    let sources = fs::read_to_string(path.with_extension("d")).unwrap();
    for source in sources.trim().split(' ').skip(1) {
        let newer = changed(Path::new(source)).is_ok_and(|changed| changed > built);
        assert!(!newer, "{} is older than {source}; {MAKE} anew", path.display());
    }
    path
}

/// Runs the program, within a minute.
pub fn send_with(arguments: &[&str], input: &[u8], password: Option<&str>) -> Ran {
    let path = program();
    let mut command = Command::new(&path);
    command
        .args(arguments)
        .env_remove("SMTP_PASSWORD")
        .envs(password.map(|secret| ("SMTP_PASSWORD", secret)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn();
    let mut child = child
        .unwrap_or_else(|error| panic!("{}: {error}; `cargo build --examples` makes it", path.display()));
    let (mut to, input) = (child.stdin.take().unwrap(), input.to_vec());
    // A program that does not read it all is none of the writer's business.
    std::thread::spawn(move || to.write_all(&input));
    let collect = |mut from: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            from.read_to_end(&mut text).unwrap();
            String::from_utf8(text).unwrap()
        })
    };
    let out = collect(Box::new(child.stdout.take().unwrap()));
    let err = collect(Box::new(child.stderr.take().unwrap()));
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{arguments:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let ran = Ran { status: status.code().unwrap(), out: out.join().unwrap(), err: err.join().unwrap() };
    for octets in [PASSWORD, "VHIwdWI0ZG9y", "AGFsaWNlAF"] {
        assert!(!ran.out.contains(octets) && !ran.err.contains(octets), "{octets}: {}{}", ran.out, ran.err);
    }
    ran
}

/// A directory that is gone with the test.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("send-tool-{}-{count}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Writes a file, and gives its path.
    pub fn file(&self, name: &str, octets: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, octets).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The sink's place and authority as arguments.
pub fn at(sink: &Sink, directory: &Directory) -> Vec<String> {
    let ca = directory.file("ca.pem", sink.certificate_authority().pem());
    vec!["--server".into(), format!("localhost:{}", sink.address().port()), "--ca".into(), ca]
}

/// All of these arguments in one list.
pub fn joined<'a>(first: &'a [String], rest: &[&'a str]) -> Vec<&'a str> {
    first.iter().map(String::as_str).chain(rest.iter().copied()).collect()
}

/// A server that says these replies, one for each line that it hears, and keeps the lines. After the last it says no more
/// if it `stays`, and otherwise goes away.
pub fn speak(replies: &'static [&'static str], stays: bool) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, heard) = channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        for reply in replies {
            if !reply.is_empty() {
                (&stream).write_all(format!("{reply}\r\n").as_bytes()).unwrap();
            }
            match lines.next() {
                Some(Ok(line)) => tell.send(line).unwrap(),
                _ => return,
            }
        }
        if stays {
            lines.map_while(Result::ok).for_each(|line| tell.send(line).unwrap());
        }
    });
    (address, heard)
}
