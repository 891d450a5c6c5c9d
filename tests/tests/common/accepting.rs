//! A server that accepts everything, without a wire: it is told of the client's octets, and its replies wait to be taken.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::mem;

use smtp_proto::connection::Connection;

pub struct Accepting {
    keywords: &'static [&'static str],
    line: Vec<u8>,
    /// Octets of a chunk that are still to come.
    chunk: usize,
    /// What follows 354.
    in_data: bool,
    /// What it has said, and nobody has heard.
    pub replies: Vec<u8>,
    /// Each line that was no part of a message.
    pub commands: Vec<String>,
    /// The messages, one behind the other; those behind DATA with their stuffed dots.
    pub data: Vec<u8>,
}

impl Accepting {
    /// It offers these, and has said its greeting.
    pub fn new(keywords: &'static [&'static str]) -> Self {
        Self {
            keywords,
            line: Vec::new(),
            chunk: 0,
            in_data: false,
            replies: b"220 hi\r\n".to_vec(),
            commands: Vec::new(),
            data: Vec::new(),
        }
    }

    pub fn hear(&mut self, octets: &[u8]) {
        for &octet in octets {
            if self.chunk > 0 {
                self.chunk -= 1;
                self.data.push(octet);
                continue;
            }
            self.line.push(octet);
            if self.line.ends_with(b"\r\n") {
                let line = mem::take(&mut self.line);
                self.hear_line(&line);
            }
        }
    }

    fn hear_line(&mut self, line: &[u8]) {
        if self.in_data && line != b".\r\n" {
            self.data.extend_from_slice(line);
            return;
        }
        let command = std::str::from_utf8(line).unwrap().trim_end().to_owned();
        let reply = match command.split(' ').collect::<Vec<_>>()[..] {
            ["."] => {
                self.in_data = false;
                "250 queued".to_owned()
            }
            ["EHLO", ..] => {
                let offers: String =
                    self.keywords.iter().map(|keyword| format!("250-{keyword}\r\n")).collect();
                format!("250-hi\r\n{offers}250 HELP")
            }
            ["DATA"] => {
                self.in_data = true;
                "354 go".to_owned()
            }
            ["BDAT", octets, ..] => {
                self.chunk = octets.parse().unwrap();
                "250 ok".to_owned()
            }
            _ => "250 ok".to_owned(),
        };
        self.replies.extend_from_slice(format!("{reply}\r\n").as_bytes());
        self.commands.push(command);
    }

    /// Hears what the client has to write; where that is nothing, says what there is to say.
    pub fn serve(&mut self, connection: &mut Connection) {
        let octets = connection.output().len();
        if octets == 0 {
            return connection.receive(&mem::take(&mut self.replies));
        }
        self.hear(connection.output());
        connection.advance_output(octets).unwrap();
    }

    /// The octets of each chunk.
    pub fn chunks(&self) -> Vec<usize> {
        let octets = |command: &String| command.strip_prefix("BDAT ")?.split(' ').next()?.parse().ok();
        self.commands.iter().filter_map(octets).collect()
    }
}
