//! The message body under way: which framing it has, and what has been announced of it.

use core::fmt;

use super::{CommandId, Stage};
use crate::body::{BodyEncoder, BodyFault, BodyPart};
use crate::command::{DataCommand, encode_bdat};
use crate::error::{Error, Misuse};

/// A body that is due or being sent.
pub(super) struct Outgoing {
    encoder: BodyEncoder,
    /// The exact number of octets to come, if declared.
    size: Option<u64>,
    /// The id of the end of the message.
    end: CommandId,
    chunks: Option<Chunks>,
}

/// How far a body in `BDAT` chunks is.
struct Chunks {
    /// Of the chunk announced: octets of the message still to be supplied, and octets still to be sent.
    left_in: usize,
    left_out: u64,
    /// The last chunk has been announced.
    last: bool,
}

/// A `BDAT` line that has to go out before the octets it counts.
pub(super) struct Announcement {
    pub(super) stage: Stage,
    /// The id of the message's end, for the chunk that is its last.
    pub(super) end: Option<CommandId>,
    pub(super) line: BdatLine,
    pub(super) octets: u64,
}

impl Outgoing {
    /// A body after DATA; `end` is the id of its end.
    pub(super) fn after_data(data: DataCommand, end: CommandId) -> Self {
        Self { encoder: BodyEncoder::new(data.rules), size: data.size, end, chunks: None }
    }

    /// A body in chunks; `end` is the id of its end.
    pub(super) fn in_chunks(data: DataCommand, end: CommandId) -> Self {
        let chunks = Chunks { left_in: 0, left_out: 0, last: false };
        Self { encoder: BodyEncoder::counted(data.rules), size: data.size, end, chunks: Some(chunks) }
    }

    /// The id of the message's end.
    pub(super) fn end(&self) -> CommandId {
        self.end
    }

    /// Whether what comes next begins a chunk.
    pub(super) fn is_between_chunks(&self) -> bool {
        self.chunks.as_ref().is_some_and(|chunks| chunks.left_in == 0 && !chunks.last)
    }

    /// Whether all of it has been given, the last chunk being as long as was declared.
    pub(super) fn is_complete(&self) -> bool {
        self.chunks.as_ref().is_some_and(|chunks| chunks.left_in == 0 && chunks.last)
    }

    /// Whether nothing of the body has been given yet, or nothing that cannot be taken back.
    pub(super) fn can_be_cancelled(&self) -> bool {
        match &self.chunks {
            Some(chunks) => chunks.left_in == 0 && !chunks.last,
            None => !self.has_begun(),
        }
    }

    /// Whether any octet of it has been given.
    pub(super) fn has_begun(&self) -> bool {
        self.encoder.octets_in() > 0
    }

    pub(super) fn first_long_line(&self) -> Option<u64> {
        self.encoder.first_long_line()
    }

    /// Announces a chunk of what `octets` take on the wire. Most chunks are one part, which then comes along;
    /// otherwise [`encode`](Self::encode) gives one after the other.
    pub(super) fn announce<'c>(
        &mut self,
        octets: &'c [u8],
    ) -> Result<Option<(Announcement, Option<BodyPart<'c>>)>, Error> {
        let Some(chunks) = &mut self.chunks else { return Ok(None) };
        let supplied = self.encoder.octets_in().saturating_add(octets.len() as u64);
        if let Some(declared) = self.size.filter(|&declared| supplied > declared) {
            return Err(Misuse::SizeMismatch { declared, supplied }.into());
        }
        // What is wrong with the octets is found before they are announced, while they can be taken back.
        let mut ahead = self.encoder.clone();
        let part = ahead.encode(octets).map_err(Error::Body)?;
        let rest = octets.get(part.consumed()..).unwrap_or_default();
        let (more, complete) = ahead.measure(rest).map_err(Error::Body)?;
        let len = more.saturating_add(part.len() as u64);
        chunks.last = complete && self.size == Some(supplied);
        let announcement = chunks.announcement(len, self.end);
        if rest.is_empty() {
            self.encoder = ahead;
            return Ok(Some((announcement, Some(part))));
        }
        chunks.left_in = octets.len();
        chunks.left_out = len;
        Ok(Some((announcement, None)))
    }

    /// Encodes the front of `chunk`: after DATA any octets, under BDAT those that were announced.
    pub(super) fn encode<'c>(&mut self, chunk: &'c [u8]) -> Result<BodyPart<'c>, Error> {
        let Some(chunks) = &mut self.chunks else {
            return self.encoder.encode(chunk).map_err(Error::Body);
        };
        let announced = chunk.get(..chunks.left_in).unwrap_or(chunk);
        let part = self.encoder.encode(announced).map_err(Error::Body)?;
        let left_in = chunks.left_in.saturating_sub(part.consumed());
        match chunks.left_out.checked_sub(part.len() as u64) {
            Some(left_out) if left_out == 0 || left_in > 0 => {
                chunks.left_in = left_in;
                chunks.left_out = left_out;
                Ok(part)
            }
            // Other octets were given than those that were measured. The chunk remains begun: it cannot be taken back.
            _ => {
                let supplied = self.encoder.octets_out();
                let before = supplied.saturating_sub(part.len() as u64);
                let declared = before.saturating_add(chunks.left_out);
                Err(Misuse::SizeMismatch { declared, supplied }.into())
            }
        }
    }

    /// What ends the body.
    pub(super) fn finish(&mut self) -> Result<Ending, Error> {
        let supplied = self.encoder.octets_in();
        let announced = self.chunks.as_ref().map_or(0, |chunks| chunks.left_in as u64);
        let declared = self.size.unwrap_or(supplied.saturating_add(announced));
        if supplied != declared {
            return Err(Misuse::SizeMismatch { declared, supplied }.into());
        }
        self.close().map_err(Error::Body)
    }

    fn close(&mut self) -> Result<Ending, BodyFault> {
        let Some(chunks) = &mut self.chunks else {
            return self.encoder.terminator().map(Ending::Dot);
        };
        let tail = self.encoder.tail()?;
        chunks.last = true;
        Ok(Ending::Chunk(chunks.announcement(tail.len() as u64, self.end), tail))
    }

    /// Ends a body of which nothing was given. Under BDAT there is nothing to say.
    pub(super) fn cancel(&self) -> Option<&'static [u8]> {
        if self.chunks.is_some() { None } else { Some(b".\r\n") }
    }
}

/// How a body ends.
pub(super) enum Ending {
    /// With these octets.
    Dot(&'static [u8]),
    /// With one more chunk.
    Chunk(Announcement, &'static [u8]),
}

impl Chunks {
    fn announcement(&self, octets: u64, end: CommandId) -> Announcement {
        let stage = if self.last { Stage::EndOfData } else { Stage::Bdat };
        let line = BdatLine::new(octets, self.last);
        Announcement { stage, end: self.last.then_some(end), line, octets }
    }
}

/// A `BDAT` line, on the stack: chunks cost no allocation.
pub(super) struct BdatLine {
    octets: [u8; Self::LONGEST],
    len: usize,
}

impl BdatLine {
    const LONGEST: usize = crate::body::Head::LINE;

    fn new(octets: u64, last: bool) -> Self {
        let mut line = Self { octets: [0; Self::LONGEST], len: 0 };
        // It has room for the longest: 4 + 1 + 20 + 5 + 2 octets.
        let _ = encode_bdat(octets, last, &mut line);
        line
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Write for BdatLine {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len.saturating_add(text.len());
        let room = self.octets.get_mut(self.len..end).ok_or(fmt::Error)?;
        // As long as the text: that is how the room was measured.
        #[allow(clippy::disallowed_methods)]
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
