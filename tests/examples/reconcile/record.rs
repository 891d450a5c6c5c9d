//! What a server holds when all is over, by its own record: Postfix's mailbox file, Exim's queue, the dump files of
//! smtp-sink.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::letter;

/// How long a server may take to put away what it has accepted, after it did so the last time.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) enum Record {
    /// A mailbox file, to which the mail in these queues goes: one copy for each recipient.
    Mailbox { file: PathBuf, queues: Vec<PathBuf> },
    /// A queue that stays where it is: a header file, with the recipients, and a data file for each message.
    Queue(PathBuf),
    /// Folders with a file for each message, with the arguments of MAIL and RCPT in front.
    Dumps(Vec<PathBuf>),
}

/// A message for one recipient.
pub(crate) struct Copy {
    pub(crate) serial: String,
    pub(crate) recipient: String,
    pub(crate) queue_id: Option<String>,
    /// Whether its octets are those of the message with that serial.
    pub(crate) exact: bool,
}

impl Record {
    /// Waits until the server has come to rest.
    pub(crate) fn settle(&self) -> io::Result<()> {
        let mut size = self.size()?;
        let mut changed = Instant::now();
        loop {
            sleep(Duration::from_millis(500));
            let now = self.size()?;
            if now != size {
                (size, changed) = (now, Instant::now());
            }
            // Nothing on its way, and no change for two seconds.
            if size.1 == 0 && changed.elapsed() > Duration::from_secs(2) {
                return Ok(());
            }
            if changed.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("{} messages do not leave the queue", size.1)));
            }
        }
    }

    /// How much there is, and how much is on its way there.
    fn size(&self) -> io::Result<(u64, usize)> {
        match self {
            Record::Mailbox { file, queues } => {
                let size = fs::metadata(file).map_or(0, |metadata| metadata.len());
                let queued: io::Result<Vec<_>> = queues.iter().map(|queue| files_below(queue)).collect();
                Ok((size, queued?.iter().map(Vec::len).sum()))
            }
            Record::Queue(folder) => Ok((files_below(folder)?.len() as u64, 0)),
            Record::Dumps(folders) => {
                let files: io::Result<Vec<_>> = folders.iter().map(|folder| files_below(folder)).collect();
                Ok((files?.iter().map(|files| files.len() as u64).sum(), 0))
            }
        }
    }

    pub(crate) fn each(&self, mut found: impl FnMut(Copy)) -> io::Result<()> {
        match self {
            Record::Mailbox { file, .. } => read_mailbox(file, &mut found),
            Record::Queue(folder) => {
                let files = files_below(folder)?;
                let headers = files.iter().filter(|file| file.to_string_lossy().ends_with("-H"));
                headers.into_iter().try_for_each(|header| read_queued(header, &mut found))
            }
            Record::Dumps(folders) => {
                for folder in folders {
                    files_below(folder)?.iter().try_for_each(|file| read_dump(file, &mut found))?;
                }
                Ok(())
            }
        }
    }
}

/// All files in a folder and in those below it. One that leaves while this looks is not among them.
fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(_) => files.push(entry.path()),
                Err(_) => {}
            }
        }
    }
    Ok(files)
}

/// Tells of a message that was found, for each of its recipients; it has LF for line ends.
fn report(octets: &[u8], recipients: &[String], queue_id: Option<&str>, found: &mut dyn FnMut(Copy)) {
    let serial = letter::serial_of(octets).unwrap_or_else(|| format!("none: {:.60}", octets.escape_ascii()));
    let sent = letter::octets(&serial);
    let exact = sent.iter().filter(|&&octet| octet != b'\r').eq(octets);
    for recipient in recipients {
        let (serial, queue_id) = (serial.clone(), queue_id.map(str::to_owned));
        found(Copy { serial, recipient: recipient.clone(), queue_id, exact });
    }
}

/// An mbox file, whose messages have no line that begins with "From " (RFC 4155).
fn read_mailbox(file: &Path, found: &mut dyn FnMut(Copy)) -> io::Result<()> {
    let mut reader = match File::open(file) {
        Ok(file) => BufReader::with_capacity(1 << 16, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut message = Vec::new();
    loop {
        let start = message.len();
        let over = reader.read_until(b'\n', &mut message)? == 0;
        if (over || message[start..].starts_with(b"From ")) && start > 0 {
            read_mail(&message[..start], found);
            message.drain(..start);
        }
        if over {
            return Ok(());
        }
    }
}

/// A message with fields of the server's in front and an empty line behind.
fn read_mail(mail: &[u8], found: &mut dyn FnMut(Copy)) {
    let (head, octets) = split_at_serial(mail);
    let head = String::from_utf8_lossy(head);
    let recipient = head.lines().find_map(|line| line.strip_prefix("Delivered-To: "));
    let queue_id = head.split_once(" id ").and_then(|(_, rest)| rest.split([';', '\n']).next());
    let recipients = [recipient.unwrap_or("nobody that is named").to_owned()];
    report(octets.strip_suffix(b"\n").unwrap_or(octets), &recipients, queue_id, found);
}

/// Arguments of the commands and fields of the server's, the message, and an empty line.
fn read_dump(file: &Path, found: &mut dyn FnMut(Copy)) -> io::Result<()> {
    let dump = fs::read(file)?;
    let (head, octets) = split_at_serial(&dump);
    let head = String::from_utf8_lossy(head);
    let arguments = head.lines().filter_map(|line| line.strip_prefix("X-Rcpt-Args: <"));
    let recipients: Vec<_> =
        arguments.map(|line| line.split('>').next().unwrap_or_default().to_owned()).collect();
    report(octets.strip_suffix(b"\n").unwrap_or(octets), &recipients, None, found);
    Ok(())
}

fn split_at_serial(octets: &[u8]) -> (&[u8], &[u8]) {
    let mark = b"\nX-Serial: ";
    let found = octets.windows(mark.len()).position(|window| window == mark);
    octets.split_at(found.map_or(octets.len(), |newline| newline + 1))
}

/// Exim's spool files (its specification, chapter "Format of spool files"). The header file ends with the number of
/// recipients, the recipients, an empty line, and the header fields, each behind its length and a flag; the data file
/// has one line of its own, then the body.
fn read_queued(header: &Path, found: &mut dyn FnMut(Copy)) -> io::Result<()> {
    let broken = |what: &str| io::Error::other(format!("{}: {what}", header.display()));
    let name = header.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let id = name.strip_suffix("-H").unwrap_or(&name);
    let text = String::from_utf8(fs::read(header)?).map_err(|_| broken("not in UTF-8"))?;
    let (envelope, mut fields) = text.split_once("\n\n").ok_or_else(|| broken("no header fields"))?;
    let mut lines = envelope.lines().rev();
    let mut recipients: Vec<String> =
        lines.by_ref().take_while(|line| line.contains('@')).map(str::to_owned).collect();
    recipients.reverse();

    let mut octets = Vec::new();
    while fields.len() > 5 {
        let digits = fields.find(|c: char| !c.is_ascii_digit()).ok_or_else(|| broken("no length"))?;
        let length: usize = fields[..digits].parse().map_err(|_| broken("no length"))?;
        let (flag, rest) = fields[digits..].split_at(1);
        let (field, rest) = rest[1..].split_at_checked(length).ok_or_else(|| broken("a field is cut off"))?;
        if flag != "*" {
            octets.extend(field.as_bytes());
        }
        fields = rest;
    }
    octets.push(b'\n');
    let data = fs::read(header.with_file_name(format!("{id}-D")))?;
    let own = data.iter().position(|&octet| octet == b'\n').ok_or_else(|| broken("no data"))?;
    octets.extend(&data[own + 1..]);
    report(&octets, &recipients, Some(id), found);
    Ok(())
}
