//! What has to hold after each operation, whatever it was.

use smtp_proto::command::Command;
use smtp_proto::connection::TlsPolicy;
use smtp_proto::error::Error;
use smtp_proto::reply::Reply;

use super::driver::Driver;
use super::flows::Ask;
use super::secrets;

impl Driver<'_> {
    pub(super) fn check(&mut self) {
        self.check_silence();
        if self.connection.failure().is_none() && !self.connection.is_closed() {
            self.check_step();
            self.check_progress();
        }
        let in_doubt = self.connection.failure().is_some() && self.ledger.is_in_doubt();
        let either = self.ledger.is_contradicted() || self.ledger.is_partly_accepted();
        if in_doubt || !either {
            assert_eq!(self.connection.may_have_been_delivered(), in_doubt, "INV7");
        }
    }

    /// INV11.
    fn check_silence(&mut self) {
        if self.connection.failure().is_none() {
            if self.connection.is_closed() {
                assert_eq!(self.connection.output(), b"", "a line after the end");
                assert_eq!(self.connection.timeout(), None);
            }
            return;
        }
        assert_eq!(self.connection.output(), b"", "INV11");
        assert_eq!(self.connection.timeout(), None);
        assert!(!self.connection.wants_body() && !self.connection.is_idle() && !self.connection.is_ready());
        assert!(self.connection.tls_upgrade().is_none());
        assert_eq!(self.connection.command(Command::Quit), Err(Error::Poisoned), "INV11");
        assert_eq!(self.connection.body(b"x").err(), Some(Error::Poisoned), "INV11");
        assert_eq!(self.connection.finish_body(), Err(Error::Poisoned), "INV11");
        assert_eq!(self.connection.output(), b"", "INV11");
    }

    /// INV6: client and ledger agree on what is answered.
    fn check_step(&self) {
        let ledger = &self.ledger;
        assert_eq!(self.connection.security().is_tls(), ledger.tls);
        if !self.is_drained {
            return;
        }
        assert_eq!(ledger.fatal, None, "the session goes on after a reply that ends it");
        assert_eq!(ledger.replies.unheard(), 0, "a whole reply was not heard");
        assert!(!ledger.replies.is_broken(), "what is no reply was overlooked");
        if ledger.queue.is_empty() && ledger.reading.is_between() {
            let begun = ledger.replies.begun();
            let goodbye = [b"421", b"221"].iter().any(|code| begun.iter().zip(*code).all(|(a, b)| a == b));
            assert!(
                begun.is_empty() || goodbye,
                "INV6: {} is kept for a later command",
                begun.escape_ascii()
            );
        }
        if !ledger.queue.is_empty() {
            assert!(self.connection.timeout().is_some(), "a reply is awaited without a deadline");
            assert!(self.connection.outstanding() > 0 && !self.connection.is_idle());
        }
    }

    /// Whoever waits, waits for somebody.
    fn check_progress(&self) {
        let Some(flow) = &self.flow else { return };
        let waits = matches!(self.ask, Ask::Nothing) && self.is_drained && self.on_offer() == 0;
        if waits && !flow.wants_message() {
            // Half a reply that nobody asked for is waited for too.
            let owes = !self.ledger.queue.is_empty() || !self.ledger.replies.is_blank();
            assert!(owes, "the client waits, and nobody owes it anything");
            assert!(self.connection.timeout().is_some(), "the client waits without a deadline");
        }
    }

    /// INV8: a reply within the limits.
    pub(super) fn check_reply(&self, reply: &Reply) {
        let limits = self.script.settings.limits;
        assert!(reply.lines().count() <= limits.lines, "INV8");
        assert!(reply.lines().all(|line| line.len() + 4 <= limits.line.max(4)), "INV8");
        assert!(reply.text().len() <= limits.reply, "INV8");
    }

    /// INV1, T06: as a new session, but for the greeting that has been heard.
    pub(super) fn check_is_fresh(&self) {
        let connection = &self.connection;
        assert!(
            connection.capabilities().is_empty() && connection.server_info().mechanisms.is_empty(),
            "T06"
        );
        assert!(
            !connection.is_authenticated() && !connection.is_ready() && !connection.in_transaction(),
            "T06"
        );
        assert!(
            !connection.is_pipelining() && connection.output().is_empty() && !connection.wants_body(),
            "T06"
        );
        let implicit = self.script.settings.tls == TlsPolicy::Implicit;
        assert_eq!(connection.is_greeted(), !implicit);
        assert_eq!(connection.outstanding(), usize::from(implicit));
    }

    pub(super) fn check_at_the_end(&self) {
        self.ledger.check_begun();
        if !self.script.guessed {
            // INV12.
            secrets::not_in(&self.connection);
        }
    }
}
