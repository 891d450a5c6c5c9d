//! Messages from two builders and from a file.

use std::io::Write;
use std::path::Path;

use smtp_composing::Account;

use super::{block_on, nothing_arrived, only_message};

#[allow(dead_code)]
#[path = "../../examples/from_file.rs"]
mod from_file;
#[allow(dead_code)]
#[path = "../../examples/lettre_builder.rs"]
mod lettre_builder;
#[allow(dead_code)]
#[path = "../../examples/mail_builder.rs"]
mod mail_builder;

#[test]
fn a_message_of_mail_builder_arrives_with_its_attachment() {
    let account = Account::of_a_sink().unwrap();
    let delivery = mail_builder::send(&account).unwrap();
    let message = only_message(&account);
    assert_eq!(delivery.queue_id(), Some(message.id.as_str()));
    let text = String::from_utf8(message.data).unwrap();
    assert!(text.contains("\r\n.This line begins with a dot.\r\n"), "{text}");
    assert!(text.contains("Content-Disposition: attachment; filename=\"figures.csv\"\r\n"), "{text}");
    assert!(text.contains("year,messages"), "{text}");
}

#[test]
fn a_message_of_lettre_arrives_and_does_not_tell_of_its_blind_copy() {
    let account = Account::of_a_sink().unwrap();
    block_on(lettre_builder::send(&account)).unwrap();
    let text = String::from_utf8(only_message(&account).data).unwrap();
    assert!(text.contains("To: bob@example.net\r\n"), "{text}");
    assert!(!text.contains("carol"), "{text}");
    assert!(text.contains("\r\n.This line begins with a dot."), "{text}");
    assert!(text.contains("Content-Type: text/html"), "{text}");
}

#[test]
fn a_file_arrives_with_its_line_ends_made_crlf() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/message.eml");
    let account = Account::of_a_sink().unwrap();
    from_file::send(&account, &path).unwrap();
    let message = only_message(&account);
    let file = std::fs::read_to_string(&path).unwrap();
    assert!(!file.contains('\r'), "this file is to show how line ends are mended");
    assert_eq!(String::from_utf8(message.data).unwrap(), file.replace('\n', "\r\n"));
    let parameter =
        |name: &str| message.parameters.iter().find(|(keyword, _)| keyword == name).unwrap().1.clone();
    assert_eq!(parameter("BODY").as_deref(), Some("8BITMIME"));
    assert_eq!(parameter("SIZE"), Some(file.len().to_string()));
}

#[test]
fn a_large_file_goes_in_pieces() {
    let mut file = Temporary::new("large");
    for line in 0..100_000 {
        writeln!(file.0, "{line}: a line of a large message, to be sent in pieces\r").unwrap();
    }
    let account = Account::of_a_sink().unwrap();
    from_file::send(&account, &file.1).unwrap();
    assert_eq!(only_message(&account).data, std::fs::read(&file.1).unwrap());
}

#[test]
fn a_file_that_is_none_is_told_before_anything_is_said() {
    let account = Account::of_a_sink().unwrap();
    let missing = from_file::send(&account, Path::new("no/such/file")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read no/such/file: "), "{missing}");
    assert!(missing.ends_with("; FILE names one that holds a message"), "{missing}");
    let folder = from_file::send(&account, Path::new("/")).unwrap_err().to_string();
    assert_eq!(folder, "cannot read /: it is no file; FILE names one that holds a message");
    nothing_arrived(account.sink.as_ref().unwrap());
}

/// A file that is gone with the test.
struct Temporary(std::fs::File, std::path::PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("smtp-composing-{}-{name}", std::process::id()));
        Self(std::fs::File::create(&path).unwrap(), path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.1);
    }
}
