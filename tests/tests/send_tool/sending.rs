//! Messages that arrive, or are refused: what arrives with which parameters, and what is told of it.

use serde_json::json;
use smtp_tests::sink::{ClientCertificates, RecipientVerdict, Sink, TlsMode};

use super::support::{Directory, FROM_TO, MESSAGE, PASSWORD, Ran, at, joined, send, send_with, speak};

#[test]
fn without_arguments_a_message_goes_to_a_server_brought_along() {
    let ran = send(&[]).ended(0);
    assert_eq!(ran.err, "");
    for words in [
        "C: STARTTLS\n",
        "C: AUTH SCRAM-SHA-256-PLUS <redacted 68 octets>\n",
        "queue id SINK000001\n",
        "  <nobody@example.net>: refused: 550 5.1.1 No such mailbox\n",
        "-- as received: SINK000001 for bob@example.net, over TLS, authenticated as alice --\n",
        "\n.This line begins with a dot, and arrives with one.\n",
    ] {
        assert!(ran.out.replace('\r', "").contains(words), "{words:?} is not in {}", ran.out);
    }
    assert!(!ran.out.contains("wonderland"));
}

#[test]
fn a_file_goes_with_every_parameter_of_the_command_line() {
    let sink = Sink::builder()
        .user("alice", PASSWORD)
        .require_tls()
        .require_auth()
        .with_extension("DELIVERBY 60")
        .with_extension("MT-PRIORITY MIXER")
        .with_extension("FUTURERELEASE 86400 2030-01-01T00:00:00Z");
    let (sink, directory) = (sink.start().unwrap(), Directory::new());
    let file = directory.file("message", MESSAGE);
    let more = directory.file("more", "carol@example.net\n\n dave@example.net \n");
    let options = [
        &FROM_TO[..],
        &["--user", "alice", "--to-file", &more, "--notify", "failure,delay", "--ret", "headers"],
        &["--envid", "batch 7", "--priority", "-3", "--require-tls", "--deliver-by", "3600:notify"],
        &["--hold-for", "60", "--name", "client.test", "--transfer", "data", &file],
    ];
    let ran = send(&joined(&at(&sink, &directory), &options.concat())).ended(0);
    assert_eq!(ran.err, "");
    let message = sink.wait_for_message(std::time::Duration::from_secs(5)).unwrap();
    assert_eq!((message.data, message.client_name.as_str()), (MESSAGE.to_vec(), "client.test"));
    assert_eq!(message.recipients, ["bob@example.net", "carol@example.net", "dave@example.net"]);
    assert_eq!(message.chunks, [0; 0]);
    let shown = |parameters: &[(String, Option<String>)]| {
        let one = |(keyword, value): &(String, Option<String>)| match value {
            Some(value) => format!("{keyword}={value}"),
            None => keyword.clone(),
        };
        parameters.iter().map(one).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        shown(&message.parameters),
        "SIZE=20 RET=HDRS ENVID=batch+207 REQUIRETLS BY=3600;N MT-PRIORITY=-3 HOLDFOR=60",
    );
    assert_eq!(shown(&message.recipient_parameters[2]), "NOTIFY=FAILURE,DELAY");
    assert_eq!(sink.client_errors(), []);
}

#[test]
fn json_tells_of_each_recipient_and_of_the_session() {
    let sink = Sink::builder().user("alice", PASSWORD).start().unwrap();
    let directory = Directory::new();
    let file = directory.file("message", MESSAGE);
    let options =
        [&FROM_TO[..], &["--user", "alice", "--to", "nobody@example.net", "--json", &file]].concat();
    let document = send(&joined(&at(&sink, &directory), &options)).ended(5).json();
    assert_eq!(document["outcome"], "partly");
    assert_eq!(document["security"], "tls");
    assert_eq!(
        document["server"],
        json!({
            "at": format!("localhost:{}", sink.address().port()), "host": "localhost", "protocol": "smtp",
            "greeting": "220 localhost ESMTP sink",
        }),
    );
    assert_eq!(
        document["messages"],
        json!([{
            "outcome": "partly", "queue_id": "SINK000001", "stage": null, "cause": null, "error": null, "try": null,
            "reply": { "code": 250, "enhanced": "2.0.0", "text": "2.0.0 Ok: queued as SINK000001" },
            "recipients": [
                {
                    "address": "<bob@example.net>", "state": "accepted",
                    "reply": { "code": 250, "enhanced": "2.1.5", "text": "2.1.5 Ok" },
                },
                {
                    "address": "<nobody@example.net>", "state": "refused",
                    "reply": { "code": 550, "enhanced": "5.1.1", "text": "5.1.1 No such mailbox" },
                },
            ],
        }]),
    );
    let steps: Vec<_> = document["steps"].as_array().unwrap().iter().map(|step| &step["step"]).collect();
    assert_eq!(
        steps,
        [
            "connect",
            "greeting",
            "EHLO",
            "STARTTLS",
            "TLS handshake",
            "EHLO",
            "AUTH",
            "AUTH",
            "AUTH",
            "MAIL",
            "RCPT",
            "RCPT",
            "end of message",
            "QUIT",
        ],
    );
    assert_eq!(document["counters"]["recipients_refused"], 1);
    assert_eq!(document["counters"]["messages_accepted"], 1);
    let lines = document["transcript"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["line"] == "C: MAIL FROM:<alice@example.org> SIZE=20"));
}

#[test]
fn standard_input_is_streamed_as_it_comes() {
    let sink = Sink::builder().start().unwrap();
    let (directory, mut message) = (Directory::new(), b"Subject: \xc3\xa4\r\n\r\n".to_vec());
    message.extend(b"line\r\n".repeat(500_000));
    let arguments = at(&sink, &directory);
    let ran = send_with(&joined(&arguments, &[&FROM_TO[..], &["-"]].concat()), &message, None).ended(0);
    assert_eq!(ran.err, "", "no bar where there is no terminal");
    assert!(ran.out.contains("C: <body, 3000015 octets>\nC: .\n"), "{}", ran.out);
    let received = &sink.messages()[0];
    assert!(received.data == message);
    assert!(received.parameters.contains(&("BODY".into(), Some("8BITMIME".into()))));
    let quiet =
        send_with(&joined(&arguments, &[&FROM_TO[..], &["-q", "-"]].concat()), MESSAGE, None).ended(0);
    assert_eq!(quiet.out, "accepted, queue id SINK000002\n  <bob@example.net>: accepted\n");
}

#[test]
fn lmtp_over_a_unix_socket_tells_of_each_recipient() {
    let sink = Sink::builder().lmtp().unix_socket().final_replies(|path| match path {
        "full@example.net" => RecipientVerdict::Refuse,
        _ => RecipientVerdict::Accept,
    });
    let (sink, directory) = (sink.start().unwrap(), Directory::new());
    let (file, socket) = (directory.file("message", MESSAGE), sink.unix_path().unwrap().to_str().unwrap());
    let options = ["--unix", socket, "--lmtp", "--to", "full@example.net", &file];
    let ran = send(&[&FROM_TO[..], &options].concat()).ended(5);
    assert!(ran.out.contains("  <full@example.net>: refused: 552 5.2.2"), "{}", ran.out);
    let document = send(&[&FROM_TO[..], &options, &["--json"]].concat()).ended(5).json();
    assert_eq!((&document["security"], &document["server"]["protocol"]), (&json!("local"), &json!("lmtp")));
    assert_eq!(document["server"]["at"], socket);
    let url = format!("lmtp://{}?tls=none", sink.address());
    send(&[&FROM_TO[..], &["--server", &url, &file]].concat()).ended(0);
    assert_eq!(sink.messages().len(), 3);
}

#[test]
fn a_url_with_a_user_takes_the_password_from_the_environment() {
    let sink = Sink::builder().tls(TlsMode::Implicit).user("alice", PASSWORD).require_auth().start().unwrap();
    let directory = Directory::new();
    let (file, arguments) = (directory.file("message", MESSAGE), at(&sink, &directory));
    let url = format!("smtps://alice@localhost:{}?auth=plain", sink.address().port());
    let options = [&FROM_TO[..], &["--ca", &arguments[3], "--server", &url, &file]].concat();
    let ran = send(&options).ended(0);
    assert!(ran.out.contains("C: AUTH PLAIN <redacted"), "{}", ran.out);
    assert_eq!(sink.messages()[0].authenticated_as.as_deref(), Some("alice"));
}

#[test]
fn a_client_certificate_logs_in() {
    let sink = Sink::builder().client_certificates(ClientCertificates::Required).require_auth();
    let sink = sink.external_identity("app", "alice").start().unwrap();
    let directory = Directory::new();
    let certificate = sink.certificate_authority().issue_client("app").unwrap();
    let (own, file) = (directory.file("own.pem", certificate.pem()), directory.file("message", MESSAGE));
    let options = [&FROM_TO[..], &["--client-cert", &own, "--auth", "external", &file]].concat();
    send(&joined(&at(&sink, &directory), &options)).ended(0);
    assert_eq!(sink.messages()[0].authenticated_as.as_deref(), Some("app"));
}

// ---- many files ----

/// Three files, of which the server refuses the second.
fn batch(options: &[&str]) -> (Ran, Directory, Sink) {
    let sink = Sink::builder().size_limit(100).without_extension("SIZE").start().unwrap();
    let (directory, files) = (Directory::new(), Directory::new());
    files.file("a.eml", MESSAGE);
    files.file("b.eml", [MESSAGE, &b"more\r\n".repeat(30)].concat());
    files.file("c.eml", MESSAGE);
    files.file(".hidden", "");
    std::fs::create_dir(files.path().join("d")).unwrap();
    let options = [&FROM_TO[..], &["--batch", files.name()], options].concat();
    let ran = send(&joined(&at(&sink, &directory), &options));
    (ran, files, sink)
}

#[test]
fn a_batch_goes_over_one_connection_and_names_what_is_left() {
    let (ran, files, sink) = batch(&[]);
    let ran = ran.ended(5).complained(&["error: localhost:", "552 5.3.4", "  try: "]);
    let name = files.name();
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0], format!("{name}/a.eml: accepted, queue id SINK000001"));
    assert!(lines[1].starts_with(&format!("{name}/b.eml: message rejected at the end of the message: 552")));
    assert_eq!(lines[2], format!("{name}/c.eml: accepted, queue id SINK000002"));
    let b = format!("  {name}/b.eml");
    assert_eq!(lines[3..], ["", "2 of 3 accepted for every recipient", "refused:", &b]);
    assert_eq!(sink.messages().len(), 2);
    assert!(std::fs::read_dir(files.path()).unwrap().count() == 5, "all files are where they were");
}

#[test]
fn a_batch_in_json_has_a_message_a_file() {
    let (ran, files, _sink) = batch(&["--json"]);
    let document = ran.ended(5).json();
    let told: Vec<_> =
        document["messages"].as_array().unwrap().iter().map(|m| (&m["file"], &m["outcome"])).collect();
    let file = |name: &str| json!(format!("{}/{name}", files.name()));
    let names = [file("a.eml"), file("b.eml"), file("c.eml")];
    let outcomes = [json!("accepted"), json!("rejected"), json!("accepted")];
    assert_eq!(told, names.iter().zip(&outcomes).collect::<Vec<_>>());
    assert_eq!(
        (&document["counters"]["messages_accepted"], &document["counters"]["messages_rejected"]),
        (&json!(2), &json!(1))
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_read_is_named_and_the_others_are_sent() {
    let sink = Sink::builder().start().unwrap();
    let (directory, files) = (Directory::new(), Directory::new());
    for name in ["b", "d"] {
        files.file(name, MESSAGE);
    }
    // To be opened and not to be read, not even by root: the memory of the reader itself, from its beginning.
    for name in ["a", "c", "e"] {
        std::os::unix::fs::symlink("/proc/self/mem", files.path().join(name)).unwrap();
    }
    let options = [&FROM_TO[..], &["--batch", files.name()]].concat();
    let ran = send(&joined(&at(&sink, &directory), &options)).ended(5).complained(&["a cannot be read: "]);
    let fates: Vec<_> = ran.out.lines().take(5).map(|line| line.split([':', ',']).nth(1).unwrap()).collect();
    assert_eq!(fates, [" not sent", " accepted", " not sent", " accepted", " not sent"], "{}", ran.out);
    assert_eq!(sink.messages().len(), 2);
}

/// The server goes away behind the first message.
#[test]
fn a_batch_that_breaks_names_the_files_that_were_not_sent() {
    let (address, _heard) = speak(
        &["220 hi", "250 hi", "250 ok", "250 ok", "354 go", "", "", "", "250 ok queued as 7", "250 ok"],
        false,
    );
    let files = Directory::new();
    for name in ["1", "2", "3"] {
        files.file(name, b"Subject: hi\r\n\r\nhi\r\n");
    }
    let server = format!("smtp://{address}?tls=none");
    let options = [&FROM_TO[..], &["--server", &server, "--batch", files.name()]].concat();
    let ran = send(&options).ended(5).complained(&["error: 127.0.0.1:", "try: "]);
    let name = files.name();
    assert!(ran.out.starts_with(&format!("{name}/1: accepted, queue id 7\n")), "{}", ran.out);
    assert!(ran.out.ends_with(&format!("not sent:\n  {name}/2\n  {name}/3\n")), "{}", ran.out);
}
