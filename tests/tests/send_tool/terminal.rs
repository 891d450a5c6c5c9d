//! The bar, on a terminal that is one, though nobody sits at it.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use smtp_tests::sink::Sink;

use super::support::{Directory, FROM_TO, at, joined, program};

/// What is drawn on standard error, a terminal, while a message of so many octets is sent.
fn drawn(octets: usize, options: &[&str]) -> String {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let other_end = OpenOptions::new().read(true).write(true).open(name).unwrap();

    let (sink, directory) = (Sink::builder().start().unwrap(), Directory::new());
    let file = directory.file("message", b"Subject: hi\r\n".repeat(octets / 13));
    let arguments = at(&sink, &directory);
    let arguments = joined(&arguments, &[&FROM_TO[..], options, &[&file]].concat());
    let mut command = Command::new(program());
    command.args(arguments).env("TERM", "xterm").stdin(Stdio::null()).stdout(Stdio::null()).stderr(other_end);
    let mut child = command.spawn().unwrap();
    // The command has the other end, too, and the terminal ends with the last.
    drop(command);
    let (mut drawn, mut piece) = (Vec::new(), [0; 4096]);
    let mut terminal = File::from(terminal);
    while let Ok(n @ 1..) = terminal.read(&mut piece) {
        drawn.extend_from_slice(&piece[..n]);
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(sink.messages().len(), 1);
    String::from_utf8(drawn).unwrap()
}

#[test]
fn a_bar_shows_how_far_a_large_message_is_and_goes_away() {
    let bar = drawn(3 << 20, &[]);
    assert!(bar.contains(" of 3.00 MiB, "), "{bar:?}");
    let last = bar.rsplit("\x1b[2K").next();
    assert_eq!(last, Some(""), "the line is cleared at the end: {bar:?}");
}

#[test]
fn there_is_no_bar_for_a_small_message_nor_where_none_is_wanted() {
    assert_eq!(drawn(100_000, &[]), "");
    assert_eq!(drawn(3 << 20, &["--quiet"]), "");
    assert_eq!(drawn(3 << 20, &["--json"]), "");
}
