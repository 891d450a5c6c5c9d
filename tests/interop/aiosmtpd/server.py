"""aiosmtpd on five ports. Each message becomes DIR/mail/NNNN.eml, its octets, and NNNN.json, its envelope;
what comes by LMTP goes to DIR/lmtp."""

import asyncio
import hmac
import itertools
import json
import os
import ssl
import sys
import time

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword, auth_mechanism

DIR, CERTS, USER, PASSWORD = sys.argv[1:5]
SIZE_LIMIT, SUBMISSION, SMTPS, MX, CLEAR, LMTP_PORT = map(int, sys.argv[5:])
NUMBERS = itertools.count(1)


class Keeper:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        if address.startswith("deferme@"):
            return "451 4.2.1 try later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.append(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        lmtp = isinstance(server, LMTP)
        name = f"{DIR}/{'lmtp' if lmtp else 'mail'}/{next(NUMBERS):04}"
        with open(f"{name}.json", "w") as file:
            json.dump(
                {
                    "mail_from": envelope.mail_from,
                    "mail_options": envelope.mail_options,
                    "rcpt_tos": envelope.rcpt_tos,
                    "rcpt_options": envelope.rcpt_options,
                    "smtputf8": envelope.smtp_utf8,
                },
                file,
            )
        with open(f"{name}.tmp", "wb") as file:
            file.write(envelope.original_content)
        os.rename(f"{name}.tmp", f"{name}.eml")
        if not lmtp:
            return "250 2.0.0 OK"
        # aiosmtpd sends this as it is; LMTP wants one line for each recipient.
        full = "452 4.2.2 <%s> mailbox full"
        taken = "250 2.1.5 <%s> delivered"
        return "\r\n".join((full if to.startswith("full@") else taken) % to for to in envelope.rcpt_tos)


def authenticate(server, session, envelope, mechanism, data):
    right = isinstance(data, LoginPassword) and data == LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=True) if right else AuthResult(success=False, handled=False)


class Submission(SMTP):
    @auth_mechanism("CRAM-MD5")
    async def auth_CRAM__MD5(self, server, args):
        challenge = f"<{time.time_ns()}@localhost>".encode()
        response = await self.challenge_auth(challenge, encode_to_b64=True)
        digest = hmac.new(PASSWORD.encode(), challenge, "md5").hexdigest()
        right = isinstance(response, bytes) and response == f"{USER} {digest}".encode()
        return AuthResult(success=True) if right else AuthResult(success=False, handled=False)


async def main():
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{CERTS}/server.pem", f"{CERTS}/server.key")
    base = {
        "hostname": "localhost",
        "ident": "aiosmtpd",
        "enable_SMTPUTF8": True,
        "data_size_limit": SIZE_LIMIT,
        "loop": loop,
    }
    starttls = {"tls_context": context, "require_starttls": True}
    # aiosmtpd knows TLS only from STARTTLS, so under implicit TLS it must be told that AUTH is in order.
    auth = {"authenticator": authenticate, "auth_required": True}
    in_clear = {**auth, "auth_require_tls": False}

    async def serve(port, factory, **arguments):
        await loop.create_server(factory, "127.0.0.1", port, **arguments)

    await serve(SUBMISSION, lambda: Submission(Keeper(), **base, **starttls, **auth))
    await serve(SMTPS, lambda: Submission(Keeper(), **base, **in_clear), ssl=context)
    await serve(MX, lambda: SMTP(Keeper(), **base))
    await serve(CLEAR, lambda: Submission(Keeper(), **base, **in_clear))
    await serve(LMTP_PORT, lambda: LMTP(Keeper(), **base))
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
