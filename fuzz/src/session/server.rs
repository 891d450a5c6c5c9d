//! A server that answers what the client said, as the script has it.

use smtp_proto::connection::Stage;

use super::ledger::Ledger;
use super::secrets::base64;

/// What the server is asked to say to a line of this stage: one octet.
///
/// `+` success, `-` 550, `~` 450, `5` 552, `3` 503, `0` 530, `q` 421, `o` 221, `l` success in two lines, `c` an empty
/// challenge, `C` a prompt, `j` a JSON document as challenge; others are a digit with which all codes begin.
pub(super) fn answer(symbol: u8, stage: Stage, offers: &[Vec<u8>]) -> Vec<u8> {
    match symbol {
        b'-' => b"550 5.1.1 no\r\n".to_vec(),
        b'~' => b"450 4.2.0 later\r\n".to_vec(),
        b'5' => b"552 5.5.3 too many\r\n".to_vec(),
        b'3' => b"503 out of sequence\r\n".to_vec(),
        b'0' => b"530 not here\r\n".to_vec(),
        b'q' => b"421 4.4.2 bye\r\n".to_vec(),
        b'o' => b"221 bye\r\n".to_vec(),
        b'c' => b"334 \r\n".to_vec(),
        b'C' => b"334 VXNlcm5hbWU6\r\n".to_vec(),
        b'j' => format!("334 {}\r\n", base64(b"{\"status\":\"401\"}")).into_bytes(),
        b'2' => b"250 ok\r\n".to_vec(),
        b'4' => b"354 go\r\n".to_vec(),
        b'l' => {
            let code = success(stage);
            format!("{code}-first\r\n{code} second\r\n").into_bytes()
        }
        _ => match stage {
            Stage::Ehlo | Stage::Lhlo => ehlo(offers),
            stage => format!("{} 2.0.0 ok\r\n", success(stage)).into_bytes(),
        },
    }
}

fn ehlo(offers: &[Vec<u8>]) -> Vec<u8> {
    let mut reply = Vec::new();
    for (nth, line) in std::iter::once(&b"mail.example".to_vec()).chain(offers).enumerate() {
        reply.extend_from_slice(if nth < offers.len() { b"250-" } else { b"250 " });
        reply.extend_from_slice(line);
        reply.extend_from_slice(b"\r\n");
    }
    reply
}

fn success(stage: Stage) -> u16 {
    match stage {
        Stage::Greeting | Stage::StartTls | Stage::XClient => 220,
        Stage::Auth => 235,
        Stage::Data => 354,
        Stage::Quit => 221,
        Stage::Vrfy => 252,
        Stage::Help => 214,
        _ => 250,
    }
}

impl Ledger {
    /// What awaits the next reply that the server will say, replies that are under way not counted.
    pub(super) fn next_awaited(&self) -> Option<Stage> {
        if !self.replies.begun().is_empty() || self.replies.is_broken() {
            return None;
        }
        let mut unheard = self.replies.unheard();
        for awaited in &self.queue {
            let due = match awaited.stage {
                Stage::EndOfData if self.lmtp => {
                    let transaction = &self.transactions[awaited.transaction];
                    transaction.accepted().max(1) - transaction.finals.len()
                }
                _ => 1,
            };
            match unheard.checked_sub(due) {
                Some(less) => unheard = less,
                None => return Some(awaited.stage),
            }
        }
        None
    }
}
