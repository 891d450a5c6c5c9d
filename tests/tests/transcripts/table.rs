//! The transcripts: what is said, what the client is asked to do, and what it has to find, by the RFCs. Every reply
//! has a text of its own, so that one taken for another's is seen.

use super::ways::Op::{self, *};

/// A session.
pub struct Case {
    pub name: &'static str,
    pub script: &'static str,
    /// What the client is asked for, in order, and in a few words what comes of it.
    pub ops: &'static [(Op, &'static str)],
    pub kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The server speaks SMTP in clear, and no TLS is wanted.
    Smtp,
    /// LMTP.
    Lmtp,
    /// There is a STARTTLS in the script.
    StartTls,
}

impl Case {
    /// Whether the EHLO is one that is not understood: under TLS the client does not stoop to HELO.
    pub fn says_helo(&self) -> bool {
        self.script.contains("C: HELO")
    }

    /// Whether the last word the client may say is QUIT in its own time.
    pub fn quits(&self) -> bool {
        self.ops.iter().any(|(op, _)| matches!(op, Quit | Batch { .. }))
    }
}

const fn smtp(name: &'static str, script: &'static str, ops: &'static [(Op, &'static str)]) -> Case {
    Case { name, script, ops, kind: Kind::Smtp }
}

const fn lmtp(name: &'static str, script: &'static str, ops: &'static [(Op, &'static str)]) -> Case {
    Case { name, script, ops, kind: Kind::Lmtp }
}

const fn start_tls(name: &'static str, script: &'static str, ops: &'static [(Op, &'static str)]) -> Case {
    Case { name, script, ops, kind: Kind::StartTls }
}

const BOB: &[&str] = &["bob@example.org"];
const BOB_AND_CAROL: &[&str] = &["bob@example.org", "carol@example.org"];
const THREE: &[&str] = &["bob@example.org", "carol@example.org", "dave@example.org"];

pub const CASES: &[Case] = &[
    smtp(
        "one message in groups, to a server with much to say",
        "
        S: 220-mail.example ESMTP ready
        S: 220 no unsolicited mail please
        C: EHLO client.test
        S: 250-mail.example greets client.test
        S: 250-PIPELINING
        S: 250-SIZE 52428800
        S: 250-ETRN
        S: 250-AUTH PLAIN LOGIN
        S: 250-AUTH=PLAIN LOGIN
        S: 250-ENHANCEDSTATUSCODES
        S: 250-DSN
        S: 250-X-UNHEARD-OF with parameters
        S: 250 VRFY
        C: MAIL FROM:<alice@example.org> SIZE=26
        C: RCPT TO:<bob@example.org>
        C: RCPT TO:<carol@example.org>
        C: DATA
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 bob ok
        S: 550-5.1.1 there is nobody
        S: 550 5.1.1 called carol here
        S: 354 end with a dot
        C: Subject: x
        C:
        C: ..dot
        C: last
        C: .
        S: 250-2.0.0 thank you
        S: 250 2.0.0 Ok: queued as A1
        C: QUIT
        S: 221 2.0.0 bye
        close
        ",
        &[(Send(BOB_AND_CAROL, b"Subject: x\r\n\r\n.dot\r\nlast\r\n"), "accepted 250 of 1"), (Quit, "done")],
    ),
    smtp(
        "one command at a time, every recipient refused",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250 mail.example
        C: MAIL FROM:<alice@example.org>
        S: 250 sender ok
        C: RCPT TO:<bob@example.org>
        S: 450 bob later
        C: RSET
        S: 250 forgotten
        C: NOOP
        S: 250 nothing done
        C: QUIT
        close
        ",
        &[(Send(BOB, b"x\r\n"), "rejected 450"), (Noop, "250"), (Quit, "done")],
    ),
    smtp(
        "three messages on one connection, one of them refused",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250-8BITMIME
        S: 250 PIPELINING
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        C: DATA
        S: 250 sender 1
        S: 250 bob 1
        S: 354 go 1
        C: one
        C: .
        S: 250 queued as A1
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        C: DATA
        S: 250 sender 2
        S: 250 bob 2
        S: 354 go 2
        C: two
        C: .
        S: 554 5.6.0 not this one
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        C: DATA
        S: 250 sender 3
        S: 250 bob 3
        S: 354 go 3
        C: three
        C: .
        S: 250 queued as C3
        C: QUIT
        S: 221 bye
        close
        ",
        &[
            (Send(BOB, b"one\n"), "accepted 250 of 1"),
            (Send(BOB, b"two"), "rejected 554"),
            (Send(BOB, b"three\r"), "accepted 250 of 1"),
            (Quit, "done"),
        ],
    ),
    smtp(
        "all or nothing",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 PIPELINING
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        C: RCPT TO:<carol@example.org>
        S: 250 sender ok
        S: 250 bob ok
        S: 550 no carol
        C: RSET
        S: 250 forgotten
        ",
        &[(SendToAll(BOB_AND_CAROL, b"x\r\n"), "rejected 550")],
    ),
    smtp(
        "DATA is accepted though nobody is",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 PIPELINING
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        C: DATA
        S: 250 sender ok
        S: 550 no bob
        S: 354 go all the same
        C: .
        S: 250 queued nothing
        C: NOOP
        S: 250 nothing done
        ",
        &[(Send(BOB, b"x\r\n"), "rejected 550"), (Noop, "250")],
    ),
    smtp(
        "DATA is refused",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 PIPELINING
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        C: DATA
        S: 250 sender ok
        S: 250 bob ok
        S: 452 4.3.1 no room
        C: RSET
        S: 250 forgotten
        C: QUIT
        S: 221 bye
        close
        ",
        &[(Send(BOB, b"x\r\n"), "rejected 452"), (Quit, "done")],
    ),
    smtp(
        "PLAIN is refused, CRAM-MD5 is not; the verbs",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250-HELP
        S: 250 AUTH PLAIN CRAM-MD5
        C: AUTH PLAIN AGFsaWNlAHNlY3JldA==
        S: 535 5.7.8 no
        C: AUTH CRAM-MD5
        S: 334 PDFAYT4=
        C: YWxpY2UgMmFiNGE2NjVmMTI5ZWE5MWIwY2ZhY2U4MGMxNDQ3OWI=
        S: 235 welcome
        C: VRFY bob
        S: 252 maybe
        C: EXPN list
        S: 250-<bob@example.org>
        S: 250 <carol@example.org>
        C: HELP MAIL
        S: 214-MAIL FROM:<path>
        S: 214 and that is all
        C: RSET
        S: 250 forgotten
        C: XYZZY plugh
        S: 500 nothing happens
        C: QUIT
        S: 221 bye
        close
        ",
        &[
            (Plain, "AuthenticationFailed 535"),
            (Cram, "235"),
            (Verify("bob"), "252"),
            (Expand("list"), "250"),
            (Help("MAIL"), "214"),
            (Reset, "250"),
            (Custom("XYZZY plugh"), "500"),
            (Quit, "done"),
        ],
    ),
    smtp(
        "LOGIN, which asks twice",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 AUTH LOGIN
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: YWxpY2U=
        S: 334 UGFzc3dvcmQ6
        C: c2VjcmV0
        S: 235 2.7.0 welcome
        C: NOOP
        S: 250 nothing done
        ",
        &[(Login, "235"), (Noop, "250")],
    ),
    smtp(
        "the mechanism that suits the credentials",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 AUTH GSSAPI LOGIN PLAIN
        C: AUTH PLAIN AGFsaWNlAHNlY3JldA==
        S: 235 welcome
        C: MAIL FROM:<alice@example.org>
        S: 250 sender ok
        C: RSET
        S: 250 forgotten
        ",
        &[(Credentials, "235"), (Mail, "250"), (Reset, "250")],
    ),
    smtp(
        "tokens that the server does not like",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 AUTH XOAUTH2 OAUTHBEARER
        C: AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciB0b2tlbgEB
        S: 334 eyJzdGF0dXMiOiI0MDAifQ==
        C:
        S: 535 5.7.8 that one has expired
        C: AUTH OAUTHBEARER bixhPWFsaWNlLAFob3N0PW1haWwuZXhhbXBsZQFhdXRoPUJlYXJlciB0b2tlbgEB
        S: 334 eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=
        C: AQ==
        S: 535 5.7.8 and so has this
        C: QUIT
        S: 221 bye
        close
        ",
        &[(XOAuth2, "AuthenticationFailed 535"), (Bearer, "AuthenticationFailed 535"), (Quit, "done")],
    ),
    smtp(
        "SCRAM, with a server that proves itself",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 AUTH SCRAM-SHA-256
        C: AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPWZ5a28rZDJsYmJGZ09OUnY5cWt4ZGF3TA==
        S: 334 cj1meWtvK2QybGJiRmdPTlJ2OXFreGRhd0wzcmZjTkhZSlkxWlZ2V1ZzN2oscz1NREV5TXpRMU5qYzRPV0ZpWTJSbFpnPT0saT0x
        C: Yz1iaXdzLHI9ZnlrbytkMmxiYkZnT05Sdjlxa3hkYXdMM3JmY05IWUpZMVpWdldWczdqLHA9dHJuMk9qeWNEemR6WFVSa0U3RHk0YUdMZFJXK0dnZlhnYlhvU2ZWMGJwMD0=
        S: 334 dj05RThUQU5HdUhsNVVOdzMxT1FuR2M2K04zYUdEL0dXRkg4cXB6TjUvUmhJPQ==
        C:
        S: 235 welcome
        ",
        &[(Scram, "235")],
    ),
    smtp(
        "a mechanism is broken off",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 AUTH CRAM-MD5 PLAIN
        C: AUTH CRAM-MD5
        S: 334 Rubbish!!
        C: *
        S: 501 cancelled
        C: AUTH PLAIN AGFsaWNlAHNlY3JldA==
        S: 235 welcome
        ",
        &[(Cram, "AuthenticationFailed 501"), (Plain, "235")],
    ),
    smtp(
        "the rarer verbs",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250-ETRN
        S: 250 XCLIENT NAME
        C: ETRN @example.org
        S: 253 14 pending messages
        C: ETRN #7
        S: 459 no such queue
        C: XCLIENT NAME=spike.example
        S: 220 hi spike
        C: EHLO client.test
        S: 250-mail.example
        S: 250 XCLIENT NAME
        C: XCLIENT NAME=spike.example
        S: 550 not again
        C: EHLO client.test
        S: 250 mail.example
        C: QUIT
        S: 221 bye
        close
        ",
        &[
            (Etrn("@example.org"), "253"),
            (Etrn("#7"), "Refused 459"),
            (XClient("spike.example"), "220"),
            (Etrn("example.org"), "Unsupported"),
            (XClient("spike.example"), "Refused 550"),
            (Hello, "250"),
            (XClient("spike.example"), "Unsupported"),
            (Quit, "done"),
        ],
    ),
    smtp(
        "verb by verb",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 8BITMIME
        C: MAIL FROM:<alice@example.org> BODY=8BITMIME
        S: 250 sender ok
        C: RCPT TO:<bob@example.org>
        S: 250 bob ok
        C: RCPT TO:<carol@example.org>
        S: 551 carol has moved
        C: DATA
        S: 354 go
        C: ..
        C: .
        S: 554 no thanks
        C: NOOP
        S: 250 nothing done
        ",
        &[
            (Mail, "250"),
            (Rcpt("bob@example.org"), "250"),
            (Rcpt("carol@example.org"), "Refused 551"),
            (Data(b"."), "rejected 554"),
            (Noop, "250"),
        ],
    ),
    smtp(
        "HELO, to a server of old",
        "
        S: 220 hi
        C: EHLO client.test
        S: 502 what was that?
        C: HELO client.test
        S: 250 mail.example
        C: MAIL FROM:<alice@example.org>
        S: 250 sender ok
        C: RCPT TO:<bob@example.org>
        S: 251 bob is elsewhere
        C: DATA
        S: 354 go
        C: x
        C: .
        S: 250 queued as A1
        C: QUIT
        S: 221 bye
        close
        ",
        &[(Send(BOB, b"x\r\n"), "accepted 250 of 1"), (Quit, "done")],
    ),
    smtp(
        "in chunks",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250-CHUNKING
        S: 250 PIPELINING
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        S: 250 sender ok
        S: 250 bob ok
        C: BDAT 9 LAST
        C: .x
        C: .
        C:
        S: 250 queued as A1
        C: QUIT
        S: 221 bye
        close
        ",
        &[(SendInChunks(BOB, b".x\r\n.\r\n\n"), "accepted 250 of 1"), (Quit, "done")],
    ),
    smtp(
        "in chunks, one command at a time",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 CHUNKING
        C: MAIL FROM:<alice@example.org>
        S: 250 sender ok
        C: RCPT TO:<bob@example.org>
        S: 250 bob ok
        C: RCPT TO:<carol@example.org>
        S: 450 carol later
        C: BDAT 4 LAST
        C: hi
        S: 452 4.2.2 full
        C: RSET
        S: 250 forgotten
        C: NOOP
        S: 250 nothing done
        ",
        &[(SendInChunks(BOB_AND_CAROL, b"hi\r\n"), "rejected 452"), (Noop, "250")],
    ),
    smtp(
        "a message in two mail transactions",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 LIMITS RCPTMAX=1
        C: MAIL FROM:<alice@example.org>
        S: 250 sender 1
        C: RCPT TO:<bob@example.org>
        S: 250 bob ok
        C: DATA
        S: 354 go 1
        C: x
        C: .
        S: 250 queued as A1
        C: MAIL FROM:<alice@example.org>
        S: 250 sender 2
        C: RCPT TO:<carol@example.org>
        S: 250 carol ok
        C: DATA
        S: 354 go 2
        C: x
        C: .
        S: 250 queued as A2
        C: NOOP
        S: 250 nothing done
        ",
        &[(SendInParts(BOB_AND_CAROL, b"x\r\n"), "accepted 250 of 2"), (Noop, "250")],
    ),
    smtp(
        "a batch after DATA",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 PIPELINING
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        C: DATA
        S: 250 sender 1
        S: 250 bob 1
        S: 354 go 1
        C: message 1
        C: .
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        C: DATA
        S: 250 queued as A1
        S: 250 sender 2
        S: 550 no bob 2
        S: 354 go 2
        C: .
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        C: DATA
        S: 554 nobody 2
        S: 250 sender 3
        S: 250 bob 3
        S: 354 go 3
        C: message 3
        C: .
        C: QUIT
        S: 250 queued as C3
        S: 221 bye
        close
        ",
        &[(Batch { messages: 3, chunks: false }, "accepted 250 of 1, rejected 550, accepted 250 of 1")],
    ),
    smtp(
        "a batch in chunks",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250-PIPELINING
        S: 250 CHUNKING
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        C: BDAT 11 LAST
        C: message 1
        C: RSET
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        C: BDAT 11 LAST
        C: message 2
        C: QUIT
        S: 250 sender 1
        S: 250 bob 1
        S: 250 queued as A1
        S: 250 forgotten
        S: 250 sender 2
        S: 250 bob 2
        S: 451 4.3.0 not now
        S: 221 bye
        close
        ",
        &[(Batch { messages: 2, chunks: true }, "accepted 250 of 1, rejected 451")],
    ),
    lmtp(
        "LMTP: each recipient has a verdict",
        "
        S: 220 mail.example LMTP
        C: LHLO client.test
        S: 250-mail.example
        S: 250-ENHANCEDSTATUSCODES
        S: 250 PIPELINING
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        C: RCPT TO:<carol@example.org>
        C: RCPT TO:<dave@example.org>
        C: DATA
        S: 250 sender ok
        S: 250 bob ok
        S: 550 no carol
        S: 250 dave ok
        S: 354 go
        C: hi
        C: .
        S: 250 2.1.5 bob has it
        S: 452 4.2.2 dave is full
        C: QUIT
        S: 221 bye
        close
        ",
        &[(Send(THREE, b"hi\r\n"), "accepted 250 of 1"), (Quit, "done")],
    ),
    lmtp(
        "LMTP in chunks, one command at a time",
        "
        S: 220 mail.example LMTP
        C: LHLO client.test
        S: 250-mail.example
        S: 250 CHUNKING
        C: MAIL FROM:<alice@example.org>
        S: 250 sender ok
        C: RCPT TO:<bob@example.org>
        S: 250 bob ok
        C: RCPT TO:<carol@example.org>
        S: 250 carol ok
        C: BDAT 4 LAST
        C: hi
        S: 450 bob later
        S: 550 carol never
        C: RSET
        S: 250 forgotten
        C: NOOP
        S: 250 nothing done
        ",
        &[(SendInChunks(BOB_AND_CAROL, b"hi\r\n"), "rejected 450"), (Noop, "250")],
    ),
    start_tls(
        "STARTTLS, and what is offered only behind it",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 go ahead
        tls
        C: EHLO client.test
        S: 250-mail.example
        S: 250-PIPELINING
        S: 250 AUTH PLAIN
        C: AUTH PLAIN AGFsaWNlAHNlY3JldA==
        S: 235 welcome
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        C: DATA
        S: 250 sender ok
        S: 250 bob ok
        S: 354 go
        C: x
        C: .
        S: 250 queued as A1
        C: QUIT
        S: 221 bye
        close
        ",
        &[(Plain, "235"), (Send(BOB, b"x\r\n"), "accepted 250 of 1"), (Quit, "done")],
    ),
    start_tls(
        "STARTTLS is refused",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 STARTTLS
        C: STARTTLS
        S: 454 4.7.0 not today
        ",
        &[(Noop, "Refused 454"), (Send(BOB, b"x\r\n"), "not sent: Poisoned")],
    ),
    smtp(
        "the server leaves in the middle of its verdict",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 PIPELINING
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        C: DATA
        S: 250 sender ok
        S: 250 bob ok
        S: 354 go
        C: x
        C: .
        S| 250 que
        close
        ",
        &[(Send(BOB, b"x\r\n"), "unknown: Disconnected"), (Noop, "Poisoned")],
    ),
    smtp(
        "the server leaves before the message",
        "
        S: 220 hi
        C: EHLO client.test
        S: 250-mail.example
        S: 250 PIPELINING
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.org>
        C: DATA
        S: 250 sender ok
        S: 421 4.3.2 going down
        close
        ",
        &[(Send(BOB, b"x\r\n"), "not sent: ServerClosed"), (Noop, "Poisoned")],
    ),
    smtp("a greeting that is none", "S: SSH-2.0-x", &[(Noop, "Protocol"), (Quit, "Poisoned")]),
    smtp("the server refuses to serve", "S: 554 no", &[(Send(BOB, b"x"), "not sent: Refused")]),
    smtp(
        "no reply in time",
        "
        S: 220 hi
        C: EHLO client.test
        pause
        ",
        &[(Noop, "Timeout"), (Noop, "Poisoned")],
    ),
];
