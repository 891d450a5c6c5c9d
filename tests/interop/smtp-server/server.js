'use strict';
// smtp-server on five ports. Each message becomes MAIL/NNNN.eml, its octets, and NNNN.json, its envelope.
const fs = require('node:fs');
const { SMTPServer } = require('smtp-server');

const env = process.env;
const refusal = (code, text) => Object.assign(new Error(text), { responseCode: code });
const localPart = address => address.address.split('@')[0];

function onAuth(auth, session, done) {
  if (auth.username !== env.USER) return done(refusal(535, 'bad credentials'));
  if (auth.method === 'XOAUTH2') {
    // The error document of the mechanism; the server adds 535 once the client has acknowledged it.
    return auth.accessToken === env.TOKEN
      ? done(null, { user: auth.username })
      : done(null, { data: { status: '401', schemes: 'bearer', scope: 'mail' } });
  }
  const right = auth.method === 'CRAM-MD5' ? auth.validatePassword(env.PASSWORD) : auth.password === env.PASSWORD;
  return right ? done(null, { user: auth.username }) : done(refusal(535, 'bad credentials'));
}

function onRcptTo(address, session, done) {
  if (localPart(address) === 'nobody') return done(refusal(550, 'no such user'));
  if (localPart(address) === 'deferme') return done(refusal(451, 'try later'));
  return done();
}

let count = 0;
function keeper(folder, lmtp) {
  return (stream, session, done) => {
    const chunks = [];
    stream.on('data', chunk => chunks.push(chunk));
    stream.on('end', () => {
      const id = String(++count).padStart(4, '0');
      const { envelope, user, secure, xClient, transmissionType } = session;
      const told = { envelope, user, secure, transmissionType, xClient: Object.fromEntries(xClient || []) };
      fs.writeFileSync(`${folder}/${id}.json`, JSON.stringify(told));
      fs.writeFileSync(`${folder}/${id}.tmp`, Buffer.concat(chunks));
      fs.renameSync(`${folder}/${id}.tmp`, `${folder}/${id}.eml`);
      if (!lmtp) return done();
      const verdict = to => (localPart(to) === 'full' ? refusal(452, 'mailbox full') : `delivered ${id}`);
      return done(null, envelope.rcptTo.map(verdict));
    });
  };
}

const base = {
  name: 'localhost', banner: 'smtp-server', size: Number(env.SIZE_LIMIT), disableReverseLookup: true,
  key: fs.readFileSync(`${env.CERTS}/server.key`), cert: fs.readFileSync(`${env.CERTS}/server.pem`),
  authMethods: ['PLAIN', 'LOGIN', 'CRAM-MD5', 'XOAUTH2'], useXClient: true, useXForward: true,
  hideENHANCEDSTATUSCODES: false, hideDSN: false, hideREQUIRETLS: false,
  onAuth, onRcptTo, onData: keeper(`${env.DIR}/mail`, false),
};
const clear = { hideSTARTTLS: true, allowInsecureAuth: true };
const lmtp = { lmtp: true, authOptional: true, disabledCommands: ['AUTH'], onData: keeper(`${env.DIR}/lmtp`, true) };
const servers = [
  [env.SUBMISSION, {}],
  [env.SMTPS, { secure: true }],
  [env.MX, { ...clear, authOptional: true, disabledCommands: ['AUTH'] }],
  [env.CLEAR, clear],
  [env.LMTP, lmtp],
];
let waiting = servers.length;
for (const [port, options] of servers) {
  const server = new SMTPServer({ ...base, ...options });
  server.on('error', error => console.error(error.message));
  server.listen(Number(port), '127.0.0.1', () => { if (!--waiting) console.log('ready'); });
}
