//! The scripted server as a transport, with its faults.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{ErrorKind, Read, Write};

use smtp_tests::script::{Script, Stream};

const SCRIPT: &str = "S: 220 hi\nC: QUIT\nS: 221 bye\nclose";

/// Says the client's part with plain retries, as any reader and writer does.
fn play(mut stream: Stream) -> Vec<ErrorKind> {
    let mut met = Vec::new();
    let mut line = [0; 64];
    let mut heard = Vec::new();
    let mut read = |stream: &mut Stream, until: &[u8], met: &mut Vec<ErrorKind>| {
        while !heard.ends_with(until) {
            match stream.read(&mut line) {
                Ok(n) => heard.extend_from_slice(&line[..n]),
                Err(error) => met.push(error.kind()),
            }
        }
    };
    read(&mut stream, b"hi\r\n", &mut met);
    let mut said = &b"QUIT\r\n"[..];
    while !said.is_empty() {
        match stream.write(said) {
            Ok(n) => said = &said[n..],
            Err(error) => met.push(error.kind()),
        }
    }
    stream.flush().unwrap();
    read(&mut stream, b"bye\r\n", &mut met);
    stream.peer().verify(false);
    met
}

#[test]
fn a_blocking_stream_has_the_faults_that_were_asked_for() {
    assert_eq!(play(Stream::new(SCRIPT)), []);
    assert_eq!(play(Stream::new(SCRIPT).one_octet()), []);
    assert_eq!(play(Stream::new(SCRIPT).interrupted()), [ErrorKind::Interrupted; 2]);
    for k in 0..3 {
        assert_eq!(play(Stream::new(SCRIPT).would_block_at(k)), [ErrorKind::WouldBlock]);
        assert_eq!(play(Stream::new(SCRIPT).zero_at(k)), []);
    }
}

#[test]
#[should_panic(expected = "the client should have said")]
fn a_word_that_is_not_in_the_script_is_found() {
    let mut stream = Stream::new("C: QUIT");
    stream.write_all(b"QUIP\r\n").unwrap();
    stream.peer().verify(false);
}

#[test]
#[should_panic(expected = "the client spoke out of turn")]
fn a_word_out_of_turn_is_found() {
    let mut stream = Stream::new("S: 220 hi\nC: QUIT");
    stream.write_all(b"QUIT\r\n").unwrap();
    stream.peer().verify(false);
}

#[test]
#[should_panic(expected = "was not reached")]
fn a_part_that_was_not_played_is_found() {
    Stream::new("S: 220 hi\nC: QUIT").peer().verify(true);
}

#[test]
#[should_panic(expected = "line 2")]
fn a_line_of_another_language_is_found() {
    let _ = Script::parse("S: 220 hi\nQ: what?");
}

mod asynchronous {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::{SCRIPT, Stream};

    #[tokio::test(start_paused = true)]
    async fn an_async_stream_has_them_too() {
        for stream in [
            Stream::new(SCRIPT),
            Stream::new(SCRIPT).one_octet(),
            Stream::new(SCRIPT).interrupted(),
            Stream::new(SCRIPT).one_octet().interrupted().would_block_at(3),
        ] {
            let mut stream = stream;
            let peer = stream.peer();
            let mut line = [0; 8];
            stream.read_exact(&mut line).await.unwrap();
            stream.write_all(b"QUIT\r\n").await.unwrap();
            stream.flush().await.unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"221 bye\r\n");
            peer.verify(false);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_waited_for_on_the_clock() {
        let mut stream = Stream::new("wait 90s\nS: 220 hi\npause");
        let began = tokio::time::Instant::now();
        let mut line = [0; 8];
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_secs(90));
        let more = tokio::time::timeout(Duration::from_secs(300), stream.read_u8()).await;
        assert!(more.is_err(), "silence has no end");
        assert_eq!(began.elapsed(), Duration::from_secs(390));
    }
}
